import { fromUtf8, utf8 } from '../../base/bytes'
import { CHANNEL, MAX_OWNER_BYTES, OWNER_FILE, STAGED_OWNER_FILE } from '../../format/constants'
import { directoryIdentity, joinPath, readRegularFile, removeFile, status } from '../../platform/files'
import { connectLocally } from '../../platform/local-socket'
import { replaceFile, writeNewFile } from '../../platform/new-files'
import { thisProcess } from '../../platform/this-process'
import { system } from './system-errors'

/** Who holds the files of a store that is shared, and where it listens (docs/format.md §16.1). */
export interface OwnerFile {
  /** The version of what is spoken there. */
  readonly protocol: number
  readonly endpoint: string
  readonly pid: number
  /** As `thisProcess` has it. */
  readonly machine: string
}

/** Besides, the file says in which directory it was written: in a copy of the store it leads to no owner. */
type Written = OwnerFile & { readonly directory: string }

/**
 * Reads owner.json. It is a hint, and nothing that is secret or lasting depends on it: LevelDB's lock says who may open the
 * files, and the handshake who listens.
 *
 * @returns `undefined` if there is none, or one that this user has not written, others may write to, is no regular file, is
 *   longer than 4 KiB, was written in another directory, or says something else.
 */
export async function readOwner(directory: string): Promise<OwnerFile | undefined> {
  return system('location', async () => {
    const path = joinPath(directory, OWNER_FILE)
    const found = await status(path)
    if (found.kind !== 'file' || found.foreign || found.writableByOthers) return undefined
    const bytes = await readRegularFile(path, MAX_OWNER_BYTES)
    if (bytes === undefined || bytes.length > MAX_OWNER_BYTES) return undefined
    return decode(bytes, await directoryIdentity(directory))
  })
}

/** For an answer of the system, not of the process: the kernel takes connections for one that is stopped, too. */
const CONNECT_MS = 1000

/**
 * Whoever shares the store, as far as that can be told without a key: owner.json names a process of this machine, and
 * somebody listens where it says.
 */
export async function listeningOwner(directory: string): Promise<OwnerFile | undefined> {
  const owner = await readOwner(directory)
  if (owner?.machine !== thisProcess().machine) return undefined
  const wire = await connectLocally(owner.endpoint, CONNECT_MS).catch(() => undefined)
  wire?.end()
  return wire && owner
}

/** In the place of the one that is there. For the holder of LevelDB's lock alone. */
export async function writeOwner(
  directory: string,
  { endpoint, pid, machine }: Omit<OwnerFile, 'protocol'>,
): Promise<void> {
  await system('location', async () => {
    const staged = joinPath(directory, STAGED_OWNER_FILE)
    // Of a process that died in the middle of it.
    await removeFile(staged)
    const identity = await directoryIdentity(directory)
    const owner: Written = { protocol: CHANNEL.version, endpoint, pid, machine, directory: identity }
    await writeNewFile(staged, utf8(`${JSON.stringify(owner, null, 2)}\n`))
    try {
      await replaceFile(staged, joinPath(directory, OWNER_FILE))
    } catch (error) {
      await removeFile(staged).catch(() => {})
      throw error
    }
  })
}

/** For the holder of LevelDB's lock alone. */
export async function removeOwner(directory: string): Promise<void> {
  await system('location', () => removeFile(joinPath(directory, OWNER_FILE)))
}

function decode(bytes: Uint8Array, identity: string): OwnerFile | undefined {
  try {
    const { protocol, endpoint, pid, machine, directory } = JSON.parse(fromUtf8(bytes)) as Record<string, unknown>
    if (!isCount(protocol) || !isCount(pid)) return undefined
    if (typeof endpoint !== 'string' || typeof machine !== 'string' || directory !== identity) return undefined
    return { protocol, endpoint, pid, machine }
  } catch {
    return undefined
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}
