import { constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { chmod, type FileHandle, lstat, open, readdir, realpath, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'

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

export const PRIVATE_DIRECTORY = 0o700

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
  const file = await openIfThere(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  if (file === undefined) return undefined
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

/** Reads a file, and keeps nothing of it; that there is none is no failure. */
export async function readToEnd(path: string): Promise<void> {
  const file = await openIfThere(path, constants.O_RDONLY)
  if (file === undefined) return
  try {
    const buffer = new Uint8Array(READ_BYTES)
    while ((await file.read(buffer, 0, buffer.length)).bytesRead > 0);
  } finally {
    await file.close()
  }
}

/** Whoever else opens a database may have removed it by now. */
async function openIfThere(path: string, flags: number): Promise<FileHandle | undefined> {
  try {
    return await open(path, flags)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

const READ_BYTES: number = 256 * 1024

/** Removes a file; that there is none is no failure. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true })
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
  return file !== undefined && ownLocks().some((inode) => inode === String(file.ino))
}

const LINUX_DESCRIPTORS = '/proc/self/fdinfo'
const LINUX_LOCKS = '/proc/locks'
/** Beyond so many, the list of everybody's locks is read, which has the kernel wait (6 ms and more) but is one file. */
const MOST_DESCRIPTORS = 256

/** The inodes that this process holds locks on; none where the system does not tell. */
function ownLocks(): string[] {
  if (!existsSync(LINUX_DESCRIPTORS)) return []
  const descriptors = readdirSync(LINUX_DESCRIPTORS)
  if (descriptors.length > MOST_DESCRIPTORS) return lockedInodes(readFileSync(LINUX_LOCKS, 'utf8'), String(process.pid))
  return descriptors.flatMap((descriptor) => {
    try {
      return lockedInodes(readFileSync(join(LINUX_DESCRIPTORS, descriptor), 'utf8'))
    } catch {
      return [] // it was closed meanwhile
    }
  })
}

/** `1: POSIX  ADVISORY  WRITE 4242 08:02:1311768 0 EOF`, in a descriptor's own lines behind `lock:`. */
function lockedInodes(text: string, pid?: string): string[] {
  const locks = text.matchAll(/^(?:lock:\s*)?\d+: +\w+ +\w+ +\w+ +(\d+) +\w+:\w+:(\d+) /gm)
  return [...locks].flatMap(([, holder, inode = '']) => (pid === undefined || holder === pid ? [inode] : []))
}

/** Changes whenever the file at `path` is written anew or replaced. `undefined` if there is none. */
export function fileGeneration(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.ino}:${found.mtimeNs}`
}

/** Of an operation on files that another program may hold open for moments, as they do on Windows. */
export const openAttempts: number = process.platform === 'win32' ? 8 : 1
