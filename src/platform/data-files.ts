import { constants } from 'node:fs'
import { lstat, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** A file of a database that is read without opening the database. */
export interface DataFile {
  /** Below the directory. */
  readonly name: string
  readonly path: string
  readonly bytes: number
  /** Changes whenever the file is written. */
  readonly version: string
}

const LOCK_FILE = 'LOCK'
/** Where LevelDB's `repair` puts what it gives up. */
const LOST_DIRECTORY = 'lost'

/**
 * The regular files of a database, in order of their names, and those in `lost/`. Never LOCK: closing a handle of it would
 * drop a lock of this process.
 */
export async function dataFiles(directory: string): Promise<DataFile[]> {
  const names = (await readdir(directory)).sort()
  const lost = names.includes(LOST_DIRECTORY) ? await namesIn(join(directory, LOST_DIRECTORY)) : []
  const files: DataFile[] = []
  for (const name of [...names, ...lost.map((one) => `${LOST_DIRECTORY}/${one}`)]) {
    const path = join(directory, name)
    const found = await lstat(path, { bigint: true })
    if (name === LOCK_FILE || !found.isFile()) continue
    files.push({ name, path, bytes: Number(found.size), version: `${found.ino}:${found.size}:${found.mtimeNs}` })
  }
  return files
}

async function namesIn(directory: string): Promise<string[]> {
  return (await lstat(directory)).isDirectory() ? (await readdir(directory)).sort() : []
}

/** All of it; no link is followed. @returns `undefined` if it is no regular file any more. */
export async function readDataFile({ path }: DataFile): Promise<Uint8Array | undefined> {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    return (await file.stat()).isFile() ? new Uint8Array(await file.readFile()) : undefined
  } finally {
    await file.close()
  }
}
