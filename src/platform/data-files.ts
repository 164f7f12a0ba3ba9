import { type FileHandle, lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { NOT_REGULAR, openRegular, unless } from './files'

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
 * The regular files of a database, in order of their names, and those in `lost/`. Never LOCK: closing a handle of that
 * would drop a lock of this process.
 */
export async function dataFiles(directory: string): Promise<DataFile[]> {
  const names = (await readdir(directory)).sort()
  const lost = names.includes(LOST_DIRECTORY) ? await namesIn(join(directory, LOST_DIRECTORY)) : []
  const files: DataFile[] = []
  for (const name of [...names, ...lost.map((one) => `${LOST_DIRECTORY}/${one}`)]) {
    const path = join(directory, name)
    // Whoever has the database open may have removed it by now.
    const found = await unless(lstat(path, { bigint: true }), 'ENOENT')
    if (name === LOCK_FILE || !found?.isFile()) continue
    files.push({ name, path, bytes: Number(found.size), version: `${found.ino}:${found.size}:${found.mtimeNs}` })
  }
  return files
}

async function namesIn(directory: string): Promise<string[]> {
  return (await lstat(directory)).isDirectory() ? (await readdir(directory)).sort() : []
}

/** A disk gives so much at once, or fails to. */
const PIECE_BYTES = 4096
const BAD_SECTOR = 'EIO'

/**
 * All of a file, with zeros where the disk cannot read it any more; no link is followed.
 *
 * @returns `undefined` if there is no regular file any more.
 */
export async function readDataFile({ path }: DataFile): Promise<Uint8Array | undefined> {
  const file = await unless(openRegular(path, { follow: false }), 'ENOENT', NOT_REGULAR)
  if (file === undefined) return undefined
  try {
    return new Uint8Array((await unless(file.readFile(), BAD_SECTOR)) ?? (await readAroundBadSectors(file)))
  } finally {
    await file.close()
  }
}

async function readAroundBadSectors(file: FileHandle): Promise<Uint8Array> {
  const bytes = new Uint8Array((await file.stat()).size)
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    await unless(file.read(bytes, at, Math.min(PIECE_BYTES, bytes.length - at), at), BAD_SECTOR)
  }
  return bytes
}
