import { corrupt } from '../../errors'
import { entries, joinPath, readRegularFile, readToEnd } from '../../platform/files'
import { system } from '../directory/system-errors'

const LOG_FILE = 'LOG'
/** LevelDB begins a new LOG at each opening; what it could not read then stands near its beginning. */
const MOST_BYTES: number = 1024 * 1024
const DROPPING = /dropping (\d+) bytes/g
const IGNORING = /Ignoring error/

/**
 * How many bytes of its files LevelDB has passed over since it was opened, as far as it says so. It passes over damage in
 * a log without an error. A hint: a truncated file, or one that is gone, leaves no trace; and an opener that is refused
 * takes the LOG away before it is.
 *
 * @throws {SecretStoreError} `ERR_CORRUPT` if it has passed over a whole file. `ERR_IO`.
 */
export async function droppedBytes(directory: string): Promise<number> {
  const log = await system('data', () => readRegularFile(joinPath(directory, LOG_FILE), MOST_BYTES))
  if (log === undefined) return 0
  // Not strictly: the end may be cut within a character.
  const text = new TextDecoder().decode(log)
  if (IGNORING.test(text))
    throw corrupt('data: expected whole files, got one that LevelDB could not read and has left out')
  return [...text.matchAll(DROPPING)].reduce((sum, [, bytes]) => sum + Number(bytes), 0)
}

/**
 * Reads the logs of a database to their ends. LevelDB leaves out a log that it cannot open or read, deletes it, and opens
 * an older state without a word: what a permission, a bad sector or a want of handles forbids is to be known before.
 *
 * @throws {SecretStoreError} `ERR_IO`.
 */
export async function expectReadableLogs(directory: string): Promise<void> {
  await system('data', async () => {
    for (const name of await entries(directory)) {
      if (name.endsWith('.log')) await readToEnd(joinPath(directory, name))
    }
  })
}
