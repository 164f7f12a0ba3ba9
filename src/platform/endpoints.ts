import { chmod, lstat, mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { codeOf } from '../base/thrown'
import { unless } from './files'
import { unsafeFolderAbove } from './folders'

/** Where the sockets of processes that share a store lie (docs/format.md §16.2). */

/**
 * The longest path of a socket. Linux has room for 108 bytes and macOS for 104, and Node 20 and 22 cut a longer path
 * without a word and listen, or connect, elsewhere.
 */
export const MOST_PATH_BYTES = 100

const PIPE = /^\\\\\.\\pipe\\secret-store-[\w-]{22}$/
const SOCKET = /\/secret-store(-\d+)?\/[\w-]{22}$/
const OTHERS = 0o077

/**
 * A place to listen at that nobody else has, in a folder that is this user's alone: a new socket is open to everybody, so
 * the folder protects it. On Windows everybody can read a pipe; its name is random, and the handshake does the rest.
 *
 * @param name - 22 characters of base64url, random.
 * @throws {Error} If there is no such folder. The message says why for each that was tried.
 */
export async function newEndpoint(name: string): Promise<string> {
  if (process.platform === 'win32') return `\\\\.\\pipe\\secret-store-${name}`
  const reasons: string[] = []
  for (const folder of socketFolders()) {
    const path = join(folder, name)
    const reason =
      Buffer.byteLength(path) > MOST_PATH_BYTES
        ? `the path of a socket in it is longer than ${MOST_PATH_BYTES} bytes`
        : await claim(folder)
    if (reason === undefined) return path
    reasons.push(`${folder}: ${reason}`)
  }
  const expected = `socket: expected a folder of this user's own for it, got none (${reasons.join('; ')})`
  throw new Error(`${expected}; set XDG_RUNTIME_DIR to a folder that is this user's, with mode 700`)
}

/**
 * Whether it is a path that `newEndpoint` can have made, in this process or another one, whose environment may differ. A
 * text from a file is not connected to otherwise: it could name a port, a pipe of another machine, or any socket.
 */
export function isEndpoint(text: string): boolean {
  if (process.platform === 'win32') return PIPE.test(text)
  return isAbsolute(text) && SOCKET.test(text) && !text.includes('\0') && Buffer.byteLength(text) <= MOST_PATH_BYTES
}

/** Removes the socket of an owner that died, if it is one, and this user's. */
export async function removeStaleSocket(endpoint: string): Promise<void> {
  if (process.platform === 'win32' || !isEndpoint(endpoint)) return
  const found = await unless(lstat(endpoint), 'ENOENT', 'ENOTDIR', 'EACCES')
  if (found?.isSocket() && found.uid === process.getuid?.()) await rm(endpoint, { force: true })
}

/** In the order in which they are tried. */
function socketFolders(): readonly string[] {
  const runtime = process.env['XDG_RUNTIME_DIR']
  const own = `secret-store-${process.getuid?.()}`
  const folders = [...(runtime ? [join(runtime, 'secret-store')] : []), join(tmpdir(), own), join('/tmp', own)]
  return [...new Set(folders)].filter(isAbsolute)
}

/** Makes the folder, or shuts others out of it. @returns Why it is no folder of this user's own, if it is not. */
async function claim(folder: string): Promise<string | undefined> {
  try {
    const unsafe = await unsafeFolderAbove(folder)
    if (unsafe !== undefined) return `others can exchange what is in ${unsafe.path}`
    await mkdir(folder, { mode: 0o700 }).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
    const found = await lstat(folder)
    if (!found.isDirectory()) return 'it is no folder'
    if (found.uid !== process.getuid?.()) return 'it belongs to another user'
    if ((found.mode & OTHERS) !== 0) await chmod(folder, 0o700)
    return undefined
  } catch (error) {
    return codeOf(error) ?? 'it cannot be looked at'
  }
}
