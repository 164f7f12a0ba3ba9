import { constants, type Stats, statSync } from 'node:fs'
import { chmod, type FileHandle, lstat, open, readdir, realpath, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { codeOf } from '../base/thrown'

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
  const found = await unless(lstat(path), 'ENOENT')
  if (found === undefined) return { kind: 'absent', foreign: false, writableByOthers: false, openToOthers: false }
  const kind = kindOf(found)
  const posix = process.platform !== 'win32' && kind !== 'symlink'
  return {
    kind,
    foreign: process.getuid !== undefined && found.uid !== process.getuid(),
    writableByOthers: posix && (found.mode & 0o022) !== 0,
    openToOthers: posix && (found.mode & 0o077) !== 0,
  }
}

function kindOf(found: Stats): FileKind {
  if (found.isFile()) return 'file'
  if (found.isDirectory()) return 'directory'
  return found.isSymbolicLink() ? 'symlink' : 'special file'
}

export function entries(directory: string): Promise<string[]> {
  return readdir(directory)
}

/** The code of the error for something that is no regular file, as NetBSD has it. */
export const NOT_REGULAR = 'EFTYPE'

/**
 * Opens a regular file for reading. A FIFO or a device cannot make it hang.
 *
 * @param follow - Whether a symbolic link to one is as good.
 * @throws Node's errors, and one with the code `NOT_REGULAR` for anything else.
 */
export async function openRegular(path: string, { follow }: { readonly follow: boolean }): Promise<FileHandle> {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants
  // Windows has no flag that refuses links.
  if (!follow && !(await lstat(path)).isFile()) throw notRegular(path)
  const file = await open(path, O_RDONLY | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW))
  try {
    if (!(await file.stat()).isFile()) throw notRegular(path)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

function notRegular(path: string): Error {
  const message = `${NOT_REGULAR}: not a regular file, open '${path}'`
  return Object.assign(new Error(message), { code: NOT_REGULAR, syscall: 'open', path })
}

/** The outcome of `work`; `undefined` if it fails with one of the codes. */
export async function unless<T>(work: Promise<T>, ...codes: readonly string[]): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (codes.includes(codeOf(error) ?? '')) return undefined
    throw error
  }
}

/**
 * Reads a regular file that no link leads to.
 *
 * @returns At most `mostBytes + 1` bytes, or `undefined` if there is no such file.
 */
export async function readRegularFile(path: string, mostBytes: number): Promise<Uint8Array | undefined> {
  const file = await unless(openRegular(path, { follow: false }), 'ENOENT', NOT_REGULAR)
  if (file === undefined) return undefined
  try {
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

const PIECE_BYTES: number = 256 * 1024

/** Reads a regular file piece by piece; a link to one is followed. */
export async function* filePieces(path: string): AsyncGenerator<Uint8Array, void> {
  const file = await openRegular(path, { follow: true })
  try {
    // One more than there is, so that a short file is read at once; it may have grown since.
    for (let left = (await file.stat()).size + 1; ; ) {
      const buffer = new Uint8Array(Math.min(PIECE_BYTES, Math.max(1, left)))
      // Yarn's Plug'n'Play reads nothing where the length is left out.
      const { bytesRead } = await file.read(buffer, 0, buffer.length)
      if (bytesRead === 0) return
      left -= bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/** Reads a file and keeps nothing. An absent one is no failure: another opener of the database may have removed it. */
export async function readToEnd(path: string): Promise<void> {
  const pieces = filePieces(path)
  while ((await unless(pieces.next(), 'ENOENT'))?.done === false);
}

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

/** Changes whenever the file at `path` is written anew or replaced. `undefined` if there is none. */
export function fileGeneration(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.ino}:${found.mtimeNs}`
}

/** Of an operation on files that another program may hold open for moments, as they do on Windows. */
export const openAttempts: number = process.platform === 'win32' ? 8 : 1
