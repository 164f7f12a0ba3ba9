import { codeOf } from '../../base/thrown'
import { readKeyringFile } from '../../crypto/keyring'
import { corrupt, SecretStoreError } from '../../errors'
import { DATA_DIRECTORY, KEYRING_FILE, MAX_KEYRING_BYTES, STAGED_KEYRING_FILE } from '../../format/constants'
import { dataFiles } from '../../platform/data-files'
import { joinPath, readRegularFile, resolvePath, status } from '../../platform/files'
import { system } from '../../storage/directory/system-errors'
import type { FoundRow } from '../../storage/level/files/found'
import { readIdleFiles } from '../../storage/level/files/read'
import type { DamagedFile } from './report'

/** keyring.json; if that is damaged, the one that a change of keys had written beside it. @throws {SecretStoreError} */
export async function readDamagedKeyring(directory: string): Promise<Uint8Array> {
  let failure: unknown
  for (const name of [KEYRING_FILE, STAGED_KEYRING_FILE]) {
    try {
      const bytes = await system('location', () => readRegularFile(joinPath(directory, name), MAX_KEYRING_BYTES))
      if (bytes === undefined) throw corrupt(`${KEYRING_FILE}: expected a file, got none (without it nothing opens)`)
      readKeyringFile(bytes)
      return bytes
    } catch (error) {
      if (!isDamage(error)) throw error
      failure ??= error
    }
  }
  throw failure
}

/** Bad bytes, or a disk that cannot read them; not a passing failure, since the other file is an older one. */
function isDamage(error: unknown): boolean {
  if (!(error instanceof SecretStoreError)) return false
  const { cause } = error
  return error.code === 'ERR_CORRUPT' || codeOf(cause) === 'EIO'
}

/** Where a damaged store is. @throws {SecretStoreError} `ERR_NOT_FOUND`, `ERR_NOT_A_STORE`, `ERR_IO`. */
export async function damagedDirectory(path: string): Promise<string> {
  return system('location', async () => {
    const directory = resolvePath(path)
    const { kind } = await status(directory)
    if (kind === 'directory') return directory
    if (kind === 'absent') {
      throw new SecretStoreError('ERR_NOT_FOUND', 'location: expected a damaged store, got nothing')
    }
    throw new SecretStoreError('ERR_NOT_A_STORE', `location: expected a directory, got a ${kind}`)
  })
}

/** Told of what is found. */
export interface Reader {
  take(row: FoundRow): Promise<void>
  /** Of the files, how many bytes have been read. */
  onBytes(done: number, total: number): void
}

/**
 * Reads the files of a damaged database.
 *
 * @returns The files that are not as they should be, and LevelDB's number of a write that it came to at least.
 * @throws {SecretStoreError} `ERR_CORRUPT` if there is no directory, `ERR_LOCKED` if somebody writes to it, `ERR_IO`.
 */
export async function readDamagedData(
  directory: string,
  { take, onBytes }: Reader,
): Promise<{ damage: DamagedFile[]; lastSequence: number | undefined }> {
  const path = joinPath(directory, DATA_DIRECTORY)
  if ((await status(path)).kind !== 'directory') throw corrupt(`${DATA_DIRECTORY}/: expected a directory, got none`)
  return system('data', async () => {
    const files = await dataFiles(path)
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0)
    const damaged: DamagedFile[] = []
    let done = 0
    onBytes(done, total)
    const lastSequence = await readIdleFiles(path, files, {
      take,
      onFile({ file, bytes, damagedBytes, isMissing }) {
        if (isMissing || damagedBytes > 0) damaged.push({ file: `${DATA_DIRECTORY}/${file}`, bytes, damagedBytes })
        done += bytes
        onBytes(done, total)
      },
    })
    onBytes(total, total)
    return { damage: damaged, lastSequence }
  })
}
