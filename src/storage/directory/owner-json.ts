import { fromUtf8, toBase64url, utf8 } from '../../base/bytes'
import { systemRandom } from '../../crypto/random'
import { CHANNEL, OWNER_FILE } from '../../format/constants'
import { joinPath, readRegularFile, removeFile, status } from '../../platform/files'
import { replaceFile, writeNewFile } from '../../platform/new-files'
import { system } from './system-errors'

/** Who holds the files of a store that is shared (docs/format.md §16). */
export interface OwnerFile {
  readonly protocol: number
  readonly endpoint: string
  readonly pid: number
  readonly machine: string
}

const MOST_BYTES = 4096

/** @returns `undefined` if there is none that can be read: it is a hint, and nothing depends on it. */
export async function readOwner(directory: string): Promise<OwnerFile | undefined> {
  return system('location', async () => {
    const path = joinPath(directory, OWNER_FILE)
    const found = await status(path)
    if (found.kind !== 'file' || found.writableByOthers) return undefined
    const bytes = await readRegularFile(path, MOST_BYTES)
    return bytes && decode(bytes)
  })
}

/** In the place of the one that is there. */
export async function writeOwner(directory: string, owner: Omit<OwnerFile, 'protocol'>): Promise<void> {
  await system('location', async () => {
    const path = joinPath(directory, OWNER_FILE)
    const staged = `${path}.${toBase64url(systemRandom(9))}`
    await writeNewFile(staged, utf8(`${JSON.stringify({ protocol: CHANNEL.version, ...owner }, null, 2)}\n`))
    try {
      await replaceFile(staged, path)
    } catch (error) {
      await removeFile(staged).catch(() => {})
      throw error
    }
  })
}

export async function removeOwner(directory: string): Promise<void> {
  await system('location', () => removeFile(joinPath(directory, OWNER_FILE)))
}

function decode(bytes: Uint8Array): OwnerFile | undefined {
  try {
    const { protocol, endpoint, pid, machine } = JSON.parse(fromUtf8(bytes)) as Record<string, unknown>
    if (typeof protocol !== 'number' || typeof endpoint !== 'string' || typeof machine !== 'string') return undefined
    return typeof pid === 'number' ? { protocol, endpoint, pid, machine } : undefined
  } catch {
    return undefined
  }
}
