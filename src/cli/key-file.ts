import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  type Stats,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { descriptorOf, readAll } from './descriptors'
import { refused, usage } from './failure'
import type { Output } from './output'
import { type Signals, whileWaiting } from './signals'
import { isUtf16, utf16, withoutMark } from './text'

const OTHERS = 0o077
const OTHERS_WRITE = 0o022

/**
 * A key that others may read is no secret, and a key that others may write is theirs. The rule is OpenSSH's for private
 * keys: our own file is for us alone. Who reads a file of root is for root to say, as with the secrets of a container.
 */
function checkPrivate(path: string, found: Stats): void {
  const own = process.getuid?.()
  if (own === undefined) return
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
  if (found.uid !== own && found.uid !== 0) {
    throw refused(
      `key file ${path}: expected it to belong to you or to root, got another user's`,
      'copy it to a file of your own with mode 600, or use --key-file /dev/stdin <FILE if you trust its owner',
    )
  }
  if (!found.isFile()) return
  if (found.uid === own && (found.mode & OTHERS) !== 0) {
    throw refused(
      `key file ${path}: expected it to be for you alone, got mode ${mode}`,
      '`chmod 600` it; if others may have read it, replace the key with `secret-store keys replace`',
    )
  }
  if ((found.mode & OTHERS_WRITE) !== 0) {
    throw refused(`key file ${path}: expected root alone to write to it, got mode ${mode}`, '`chmod go-w` it, as root')
  }
}

/** The key in a file. @throws {Failure} If others may read it, and if it holds none. */
export async function readKeyFile(signals: Pick<Signals, 'signal'>, path: string, output: Output): Promise<Uint8Array> {
  // A named pipe waits for somebody who writes to it.
  const fd = await whileWaiting(signals, () => open(path, 'key file', constants.O_RDONLY))
  try {
    const found = fstatSync(fd)
    // Whoever opened what the program was started with has chosen it. A process substitution is one, too.
    if (descriptorOf(path) === undefined) checkPrivate(path, found)
    else if (process.getuid !== undefined && found.isFile() && (found.mode & OTHERS) !== 0) {
      await output.note(`warning: others on this machine may read ${path}; \`chmod 600\` it`)
    }
    const bytes = Buffer.from(await readAll(signals, fd, `key file ${path}`))
    const key = decodeKey(bytes)
    if (key === undefined && isUtf16(bytes)) throw utf16(`key file ${path}`)
    if (key === undefined) {
      throw usage(
        `key file ${path}: expected 32 bytes, or 32 bytes in hexadecimal or base64, got something else`,
        'make one with --generate-key-file, or `openssl rand -base64 32`',
      )
    }
    return key
  } finally {
    closeSync(fd)
  }
}

function decodeKey(bytes: Buffer): Uint8Array | undefined {
  if (bytes.length === 32) return bytes
  const text = withoutMark(bytes.toString()).trim()
  if (/^[\da-f]{64}$/i.test(text)) return Buffer.from(text, 'hex')
  if (/^[\w+/-]{43}=?$/.test(text)) return Buffer.from(text, 'base64')
  return undefined
}

/** A key file that was made just now. */
export interface MadeKeyFile {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** Takes the file away again, as if it had not been made: for a key that has come to open nothing. */
  remove(): void
}

/** 32 random bytes in base64, in a file that was not there, for its owner alone. */
export function makeKeyFile(path: string): MadeKeyFile {
  const fd = open(path, 'key file', constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL)
  try {
    const made = fstatSync(fd)
    const remove = (): void => {
      const found = lstatSync(path, { throwIfNoEntry: false })
      // Another file of that name is somebody else's.
      if (found?.ino === made.ino && found.dev === made.dev) unlinkSync(path)
    }
    try {
      checkKeepsModes(path, made)
      const key = randomBytes(32)
      writeSync(fd, `${key.toString('base64')}\n`)
      fsyncSync(fd)
      return { key, remove }
    } catch (error) {
      remove()
      const { code } = error as NodeJS.ErrnoException
      throw code === undefined ? error : refused(`key file ${path}: it cannot be written (${code})`)
    }
  } finally {
    closeSync(fd)
  }
}

/** Before the key is in it: a file system without modes would show it to others, and have it refused ever after. */
function checkKeepsModes(path: string, { mode }: Stats): void {
  if (process.getuid === undefined || (mode & OTHERS) === 0) return
  throw refused(`key file ${path}: expected a file system that keeps modes, got one without`, 'choose another place')
}

function open(path: string, label: string, flags: number): number {
  try {
    return openSync(path, flags, 0o600)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST')
      throw refused(`${label} ${path}: there is one already`, 'use it with --key-file, or name another')
    const missing = (flags & constants.O_CREAT) === 0 ? 'there is no such file' : 'there is no such folder'
    throw refused(`${label} ${path}: ${code === 'ENOENT' ? missing : code}`)
  }
}
