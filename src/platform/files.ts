import { randomBytes } from 'node:crypto'
import { constants, existsSync, readFileSync, statSync } from 'node:fs'
import { chmod, link, lstat, mkdir, open, readdir, realpath, rename, rm, rmdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

/** The file system, as little of it as a store needs. Errors are Node's own; the caller gives them their code. */

export type FileKind = 'absent' | 'file' | 'directory' | 'symlink' | 'special file'

export interface FileStatus {
  readonly kind: FileKind
  /** Belongs to another user than the one this process runs as. Never on Windows. */
  readonly foreign: boolean
  /** Its group or everybody may write to it. Never on Windows, where access lists decide. */
  readonly writableByOthers: boolean
  /** Its group or everybody may do anything at all with it. Never on Windows. */
  readonly openToOthers: boolean
}

const PRIVATE_DIRECTORY = 0o700
const PRIVATE_FILE = 0o600

export { join as joinPath, resolve as resolvePath }

/** Looks at `path` itself, not at what a symbolic link points to. */
export async function status(path: string): Promise<FileStatus> {
  try {
    const found = await lstat(path)
    const kind = found.isFile()
      ? 'file'
      : found.isDirectory()
        ? 'directory'
        : found.isSymbolicLink()
          ? 'symlink'
          : 'special file'
    const posix = process.platform !== 'win32' && kind !== 'symlink'
    return {
      kind,
      foreign: process.getuid !== undefined && found.uid !== process.getuid(),
      writableByOthers: posix && (found.mode & 0o022) !== 0,
      openToOthers: posix && (found.mode & 0o077) !== 0,
    }
  } catch (error) {
    if (!isMissing(error)) throw error
    return { kind: 'absent', foreign: false, writableByOthers: false, openToOthers: false }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

export function entries(directory: string): Promise<string[]> {
  return readdir(directory)
}

/**
 * Reads a regular file and nothing else: no link is followed, and a FIFO cannot make it hang.
 *
 * @returns At most `mostBytes + 1` bytes, or `undefined` if there is no regular file.
 */
export async function readRegularFile(path: string, mostBytes: number): Promise<Uint8Array | undefined> {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants
  if ((await status(path)).kind !== 'file') return undefined
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) return undefined
    const buffer = new Uint8Array(mostBytes + 1)
    let length = 0
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return buffer.slice(0, length)
  } finally {
    await file.close()
  }
}

/** Creates a file that must not exist yet, for the owner alone, on disk when it resolves. */
export async function writeNewFile(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', PRIVATE_FILE)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A file that comes into being whole, or not at all. */
export interface NewFile {
  write(bytes: Uint8Array): Promise<void>
  /** Gives it its name, on disk when it resolves; `EEXIST` if something has that name by now. */
  close(): Promise<void>
  /** Removes what was written. */
  abort(): Promise<void>
}

/** Writes a file under another name beside its own, for the owner alone. `EEXIST` if something has its name already. */
export async function newFile(path: string): Promise<NewFile> {
  const target = resolve(path)
  if ((await status(target)).kind !== 'absent') throw existing(target)
  // Not its own name and more: that may be as long as names can be.
  const partial = join(dirname(target), `.secret-store-${randomBytes(8).toString('hex')}.partial`)
  const file = await open(partial, 'wx', PRIVATE_FILE)
  return {
    async write(bytes) {
      await file.appendFile(bytes)
    },
    async close() {
      await file.sync()
      await file.close()
      await nameFile(partial, target)
    },
    async abort() {
      await file.close().catch(() => {})
      await removeFile(partial)
    },
  }
}

/** Renames without ever taking the place of another file, where the file system can link. */
async function nameFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    if (isExisting(error)) throw error
    if ((await status(to)).kind !== 'absent') throw existing(to)
    await rename(from, to)
  }
  try {
    await syncDirectory(dirname(to))
  } catch (error) {
    await removeFile(to)
    throw error
  }
  await removeFile(from).catch(() => {})
}

function existing(path: string): Error {
  return Object.assign(new Error(`EEXIST: file already exists, '${path}'`), { code: 'EEXIST', syscall: 'open', path })
}

function isExisting(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST'
}

/** Reads a regular file piece by piece; a link to one is followed, and a FIFO cannot make it hang. */
export async function* readPieces(path: string): AsyncGenerator<Uint8Array, void> {
  const { O_RDONLY, O_NONBLOCK = 0 } = constants
  const file = await open(path, O_RDONLY | O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) {
      throw Object.assign(new Error(`EINVAL: not a regular file, '${path}'`), { code: 'EINVAL', syscall: 'open', path })
    }
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(PIECE_BYTES))
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

const LONGEST_NAME_BYTES = 255
const PIECE_BYTES: number = 256 * 1024

/** Removes a file; that there is none is no failure. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true })
}

/** Gives a file the name of another, whose place it takes. On disk when it resolves. */
export async function replaceFile(from: string, to: string): Promise<void> {
  await retry(() => rename(from, to))
  await syncDirectory(dirname(to))
}

/** Windows: other programs hold files open for moments, so what fails there is tried again. */
async function retry(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt >= openAttempts) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/**
 * A new, private directory beside `target`, on the same file system.
 *
 * @returns Its path, and a way to remove it, with the directories above it that were not there before.
 */
export async function makeSibling(
  target: string,
  suffix: string,
): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const parent = dirname(target)
  const topmost = await mkdir(parent, { recursive: true, mode: PRIVATE_DIRECTORY })
  const name = `.${basename(target)}.${suffix}`
  const path = join(parent, Buffer.byteLength(name) > LONGEST_NAME_BYTES ? `.${suffix}` : name)
  await mkdir(path, { mode: PRIVATE_DIRECTORY })
  const remove = async (): Promise<void> => {
    await removeTree(path)
    // Only what is empty: somebody else may have begun to use them.
    let above = parent
    while (topmost !== undefined && above.length >= topmost.length) {
      if (
        !(await rmdir(above).then(
          () => true,
          () => false,
        ))
      )
        return
      above = dirname(above)
    }
  }
  return { path, remove }
}

/**
 * Gives a finished directory its name, on disk when it resolves.
 *
 * @returns `false` if something that is not an empty directory already has that name.
 */
export async function moveDirectory(from: string, to: string): Promise<boolean> {
  try {
    // POSIX renames over an empty directory, Windows does not.
    if (process.platform === 'win32') await rmdir(to).catch(() => {})
    await rename(from, to)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOTEMPTY' || code === 'EEXIST' || (code === 'EPERM' && process.platform === 'win32')) return false
    throw error
  }
  await syncDirectory(dirname(to))
  return true
}

/** Puts a directory's entries on disk. Windows cannot, and does not need to. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await open(path, constants.O_RDONLY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

export async function makePrivate(directory: string): Promise<void> {
  await chmod(directory, PRIVATE_DIRECTORY)
}

export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 })
}

/** The same text for every way of writing the path of one directory. */
export async function directoryIdentity(path: string): Promise<string> {
  const { dev, ino } = await stat(path, { bigint: true })
  return `${dev}:${ino}`
}

export function canonicalPath(path: string): Promise<string> {
  return realpath(path)
}

/**
 * Whether some thread of this process holds a lock on the file, as far as the system tells (Linux does). The file itself
 * is not opened: closing it again would drop the lock.
 */
export function isLockedByThisProcess(path: string): boolean {
  const file = statSync(path, { bigint: true, throwIfNoEntry: false })
  if (file === undefined || !existsSync(LINUX_LOCKS)) return false
  // `1: POSIX  ADVISORY  WRITE 4242 08:02:1311768 0 EOF`
  return readFileSync(LINUX_LOCKS, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .some(([, , , , pid, inode]) => pid === String(process.pid) && inode?.split(':')[2] === String(file.ino))
}

const LINUX_LOCKS = '/proc/locks'

/** Changes whenever the file at `path` is written anew or replaced. `undefined` if there is none. */
export function fileGeneration(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.ino}:${found.mtimeNs}`
}

/** Of an operation on files that another program may hold open for moments, as they do on Windows. */
export const openAttempts: number = process.platform === 'win32' ? 8 : 1
