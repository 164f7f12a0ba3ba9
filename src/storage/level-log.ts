import { joinPath, readRegularFile } from '../platform/files'

const LOG_FILE = 'LOG'
/** LevelDB begins a new LOG at each opening; what it could not read then stands near its beginning. */
const MOST_BYTES: number = 1024 * 1024
const DROPPING = /dropping (\d+) bytes/g

/**
 * How many bytes of its files LevelDB has passed over since it was opened, as far as it says so. It passes over damage in
 * a log without an error. A hint: a truncated file, or one that is gone, leaves no trace.
 */
export async function droppedBytes(directory: string): Promise<number> {
  const log = await readRegularFile(joinPath(directory, LOG_FILE), MOST_BYTES)
  if (log === undefined) return 0
  // Not strictly: the end may be cut within a character.
  const lines = new TextDecoder().decode(log).matchAll(DROPPING)
  return [...lines].reduce((sum, [, bytes]) => sum + Number(bytes), 0)
}
