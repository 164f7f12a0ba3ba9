import { corrupt, SecretStoreError } from '../../errors'
import { DATA_DIRECTORY, KEYRING_FILE, MAX_KEYRING_BYTES, STAGED_KEYRING_FILE } from '../../format/constants'
import {
  canonicalPath,
  directoryIdentity,
  entries,
  type FileStatus,
  joinPath,
  makePrivate,
  readRegularFile,
  removeFile,
  resolvePath,
  status,
} from '../../platform/files'
import { system } from './system-errors'

/** The directory of a store: what may be there, who may own it, how it comes into being. */
export interface Location {
  readonly directory: string
  readonly state: 'absent' | 'empty' | 'store'
  /** Whether the app has said that owners, modes and the folders above do not matter here. */
  readonly allowUnsafe: boolean
}

/**
 * Looks at a location without changing it.
 *
 * @throws {SecretStoreError} `ERR_NOT_A_STORE`, `ERR_UNSAFE_LOCATION`, `ERR_IO`.
 */
export async function examine(path: string, allowUnsafe = false): Promise<Location> {
  return system('location', async () => {
    const directory = resolvePath(path)
    const found = await status(directory)
    if (found.kind === 'absent') return { directory, state: 'absent', allowUnsafe }
    if (found.kind !== 'symlink' && found.kind !== 'directory') {
      throw new SecretStoreError('ERR_NOT_A_STORE', `location: expected a directory, got a ${found.kind}`)
    }
    checkSafe('location', found, 'directory', allowUnsafe)
    const names = await entries(directory)
    if (names.length === 0) return { directory, state: 'empty', allowUnsafe }
    // Nothing inside needs the same check: what is in a directory of mode 700 is nobody else's to reach. An empty one
    // is replaced anyway.
    if (found.writableByOthers && !allowUnsafe) {
      throw unsafe('location', 'to be writable by its owner alone', 'one others may write to (chmod 700 it)')
    }
    if (names.includes(KEYRING_FILE)) return { directory, state: 'store', allowUnsafe }
    if (names.includes(DATA_DIRECTORY)) {
      throw corrupt(`${KEYRING_FILE}: expected it beside ${DATA_DIRECTORY}/, got none (restore it from a backup)`)
    }
    throw new SecretStoreError(
      'ERR_NOT_A_STORE',
      'location: expected a store or an empty directory, got one with other files',
    )
  })
}

/** keyring.json, as bytes. @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_UNSAFE_LOCATION`, `ERR_IO`. */
export async function readKeyring({
  directory,
  allowUnsafe,
}: Pick<Location, 'directory' | 'allowUnsafe'>): Promise<Uint8Array> {
  return system('location', async () => {
    const path = joinPath(directory, KEYRING_FILE)
    const found = await status(path)
    if (found.kind !== 'file' && found.kind !== 'symlink') {
      throw corrupt(`${KEYRING_FILE}: expected a file, got ${found.kind === 'absent' ? 'none' : `a ${found.kind}`}`)
    }
    checkSafe(KEYRING_FILE, found, 'file', allowUnsafe)
    const bytes = await readRegularFile(path, MAX_KEYRING_BYTES)
    if (bytes === undefined) throw corrupt(`${KEYRING_FILE}: expected a file, got something else`)
    return bytes
  })
}

/** Removes what a process left behind that died between the two. */
export async function removeStagedKeyring({ directory }: Location): Promise<void> {
  await system('location', () => removeFile(joinPath(directory, STAGED_KEYRING_FILE)))
}

/**
 * Where the rows are, safe to open.
 *
 * @param change - Whether others who may look into the directory are shut out of it. @defaultValue `true`
 * @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_UNSAFE_LOCATION`, `ERR_IO`.
 */
export async function dataDirectory(
  { directory, allowUnsafe }: Location,
  { change = true }: { readonly change?: boolean } = {},
): Promise<string> {
  return system('location', async () => {
    const path = joinPath(directory, DATA_DIRECTORY)
    const found = await status(path)
    if (found.kind !== 'directory' && found.kind !== 'symlink') {
      throw corrupt(`${DATA_DIRECTORY}/: expected a directory, got ${found.kind === 'absent' ? 'none' : 'a file'}`)
    }
    checkSafe(`${DATA_DIRECTORY}/`, found, 'directory', allowUnsafe)
    // LevelDB would follow a planted link and overwrite what it points to.
    for (const name of await entries(path)) {
      const entry = await status(joinPath(path, name))
      const label = `${DATA_DIRECTORY}/${name}`
      if (entry.kind === 'special file') throw unsafe(label, 'a file', 'a special file')
      if (entry.kind !== 'absent') checkSafe(label, entry, 'file', allowUnsafe)
    }
    if (change && !allowUnsafe && (await status(directory)).openToOthers) await makePrivate(directory)
    return canonicalPath(path)
  })
}

/**
 * Claims a data directory for one store of this process. A second LevelDB on it would not only fail: closing its handle
 * of the LOCK file would drop the lock of the first. The register is the process's, shared by all copies of this library.
 *
 * @returns Gives the claim back.
 * @throws {SecretStoreError} `ERR_LOCKED`.
 */
export async function claim(directory: string): Promise<() => void> {
  const identity = await system('location', () => directoryIdentity(directory))
  const claimed = register()
  if (claimed.has(identity)) {
    throw new SecretStoreError('ERR_LOCKED', 'store: expected to be its only opener, got another in this process')
  }
  claimed.add(identity)
  return () => claimed.delete(identity)
}

/** Whether a store of this process has claimed it. */
export async function isClaimed(directory: string): Promise<boolean> {
  return register().has(await system('location', () => directoryIdentity(directory)))
}

const REGISTER = Symbol.for('secret-store.claimed-directories')

function register(): Set<string> {
  const shared = globalThis as { [REGISTER]?: Set<string> }
  shared[REGISTER] ??= new Set()
  return shared[REGISTER]
}

/** A link is refused in any case: LevelDB would write where it leads. */
export function checkSafe(label: string, found: FileStatus, kind: 'file' | 'directory', allowUnsafe: boolean): void {
  if (found.kind === 'symlink') throw unsafe(label, `a ${kind}`, 'a symbolic link')
  if (found.foreign && !allowUnsafe)
    throw unsafe(label, 'to belong to the user of this process', "another user's (allowUnsafeLocation takes it)")
}

export function unsafe(label: string, expected: string, got: string): SecretStoreError {
  return new SecretStoreError('ERR_UNSAFE_LOCATION', `${label}: expected ${expected}, got ${got}`)
}
