import {
  closeSync,
  constants,
  fdatasyncSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  realpathSync,
  rmSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Failure, refused } from './failure'

/** A file for an editor, in a directory of its own that nobody else may enter. */
export interface PrivateFile {
  readonly path: string
  /** Whether it is in memory, and not on a disk. */
  readonly isInMemory: boolean
  /** What is in it now. @throws {Failure} If an editor has left none, or something that is no file. */
  read(): Promise<Uint8Array>
  /** Overwrites and removes it, and whatever an editor has left beside it. */
  wipe(): void
}

/** No more is read of what an editor has left. */
const MOST_BYTES = 2 ** 30

/**
 * Writes it, and wipes it at the end of the process if nobody has before. All of that is done without waiting, so that no
 * signal comes between: an end of the process waits for nothing.
 *
 * @throws {Failure} If no place takes it.
 */
export function writePrivateFile(bytes: Uint8Array, env: Readonly<Record<string, string | undefined>>): PrivateFile {
  const { folder, isInMemory } = findPlace(env)
  const directory = made(folder)
  // The ending tells an editor that it is text; the secret's name is nothing for its list of recent files.
  const path = join(directory, 'payload.txt')
  const wipe = (): void => {
    process.off('exit', wipe)
    wipeDirectory(directory)
  }
  process.on('exit', wipe)
  try {
    writeFileSync(path, bytes, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    wipe()
    throw unwritable(directory, error as NodeJS.ErrnoException)
  }
  return { path, isInMemory, read: () => readBack(path), wipe }
}

function made(folder: string): string {
  try {
    return mkdtempSync(join(folder, 'secret-store-edit-'))
  } catch (error) {
    throw unwritable(folder, error as NodeJS.ErrnoException)
  }
}

function unwritable(folder: string, { code }: NodeJS.ErrnoException): Failure {
  return refused(`${folder}: a file for the editor cannot be written (${code})`)
}

/** File systems of Linux that are memory: tmpfs and ramfs. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6])

function findPlace(env: Readonly<Record<string, string | undefined>>): { folder: string; isInMemory: boolean } {
  const temporary = tmpdir()
  const own = [env['XDG_RUNTIME_DIR'], '/dev/shm', temporary].find((folder) => folder && isMemory(folder))
  return { folder: own ?? temporary, isInMemory: own !== undefined }
}

/** Whether it is a place in memory where this user may make a directory that others cannot exchange. */
function isMemory(folder: string): boolean {
  if (process.platform !== 'linux') return false
  try {
    const { mode, uid } = statSync(folder)
    const isSafe = uid === process.getuid?.() ? (mode & 0o022) === 0 || isSticky(mode) : uid === 0 && isSticky(mode)
    return isSafe && lstatSync(folder).isDirectory() && IN_MEMORY.has(statfsSync(realpathSync(folder)).type)
  } catch {
    return false
  }
}

/** Others may make files there, and remove none but their own. */
function isSticky(mode: number): boolean {
  return (mode & 0o1000) !== 0
}

async function readBack(path: string): Promise<Uint8Array> {
  // An editor that writes by renaming has put another file there; a link would lead out of the directory.
  const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)).catch(
    ({ code }: NodeJS.ErrnoException) => {
      throw refused(`the editor has left no file that can be read (${code}); nothing was changed`)
    },
  )
  try {
    const found = await file.stat()
    if (!found.isFile() || found.size > MOST_BYTES) {
      throw refused('the editor has left something else than a file of up to 1 GiB; nothing was changed')
    }
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** The files of a directory, and of those that an editor has made in it. Links are removed and not followed. */
function wipeDirectory(directory: string): void {
  for (const name of tried(() => readdirSync(directory)) ?? []) {
    const path = join(directory, name)
    const found = tried(() => lstatSync(path))
    if (found?.isDirectory()) wipeDirectory(path)
    else if (found !== undefined) {
      // A second name of a file elsewhere is not ours to overwrite.
      if (found.isFile() && found.nlink === 1) tried(() => overwrite(path, found.size))
      tried(() => unlinkSync(path))
    }
  }
  rmSync(directory, { recursive: true, force: true })
}

/** What fails for one file keeps none of the others. */
function tried<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

const BLOCK: Uint8Array = new Uint8Array(65_536)

function overwrite(path: string, size: number): void {
  const file = openSync(path, constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0))
  try {
    for (let at = 0; at < size; at += BLOCK.length) writeSync(file, BLOCK, 0, Math.min(BLOCK.length, size - at), at)
    fdatasyncSync(file)
  } finally {
    closeSync(file)
  }
}
