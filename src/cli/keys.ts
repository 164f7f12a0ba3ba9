import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  type Stats,
  unlinkSync,
  writeSync,
} from 'node:fs'
import type { KeyProvider } from 'app-secret-store'
import { textOf } from './entries'
import { refused, usage } from './failure'
import type { Io } from './io'
import { type KeyringEntryName, keyringKey } from './keyring'
import type { Output } from './output'
import { askHidden, askNewPassphrase } from './prompts'

/** Where a key comes from. */
export interface KeyFlags {
  /** A file descriptor to read a passphrase from. */
  readonly passphraseFd?: number
  /** A file with 32 bytes, as they are, in hexadecimal or in base64. */
  readonly keyFile?: string
  /** A file to make, with a new key. */
  readonly generateKeyFile?: string
  /** Whether to ask for a recovery code. */
  readonly recovery?: boolean
  /** Whether the system keyring has it. */
  readonly keyring?: boolean
  /** Where in the system keyring. */
  readonly keyringEntry?: KeyringEntryName
  /** Whether the system keyring gets another one. */
  readonly newKeyring?: boolean
}

export interface NewKeyOptions {
  readonly label?: string
  readonly kdf?: 'scrypt' | 'argon2id'
}

const NO_KEY = 'no key was given, and there is no terminal to ask for one at'
const OPEN_HINT = 'use --passphrase-fd, --key-file, --keyring or SECRET_STORE_PASSPHRASE'
/** Where a new key comes from, if nobody types it. */
export interface NewKeySource {
  /** The environment variable of a passphrase. */
  readonly variable: string
  /** For messages: the options. */
  readonly options: string
}

export const FIRST_KEY: NewKeySource = {
  variable: 'SECRET_STORE_PASSPHRASE',
  options: '--passphrase-fd, --key-file, --keyring, --generate-key-file',
}
export const ANOTHER_KEY: NewKeySource = {
  variable: 'SECRET_STORE_NEW_PASSPHRASE',
  options: '--new-passphrase-fd, --new-key-file, --new-keyring, --generate-key-file',
}

/** The key to open a store with: one of the flags, else the environment, else what somebody types. */
export async function openingKey(io: Io, output: Output, flags: KeyFlags): Promise<KeyProvider> {
  checkEntry(flags)
  const { passphraseFd, keyFile, recovery, keyring } = flags
  const given = [passphraseFd, keyFile, keyring || undefined, recovery || undefined]
  checkOne(given, '--passphrase-fd, --key-file, --keyring, --recovery')
  if (keyring) return keyringKey(io, flags.keyringEntry, {})
  const { passphrase, rawKey, recoveryCode } = await import('app-secret-store')
  if (keyFile !== undefined) return rawKey(await readKeyFile(keyFile, output))
  if (passphraseFd !== undefined) return passphrase(readPassphrase(passphraseFd))
  if (recovery) return recoveryCode(await askHidden(io, 'Recovery code', NO_KEY, OPEN_HINT))
  const inEnvironment = io.env['SECRET_STORE_PASSPHRASE']
  if (inEnvironment) return passphrase(inEnvironment)
  return passphrase(await askHidden(io, 'Passphrase', NO_KEY, OPEN_HINT))
}

/** A key that a store is to be opened with from now on. A passphrase that is typed is typed twice. */
export async function newKey(
  io: Io,
  output: Output,
  flags: KeyFlags,
  source: NewKeySource,
  { label, kdf }: NewKeyOptions,
): Promise<KeyProvider> {
  checkOne([flags.passphraseFd, flags.keyFile, flags.keyring || undefined, flags.generateKeyFile], source.options)
  const labelled = label === undefined ? {} : { label }
  if (flags.keyring) return keyringKey(io, flags.keyringEntry, labelled)
  const { passphrase, rawKey } = await import('app-secret-store')
  if (flags.generateKeyFile !== undefined) return rawKey(makeKeyFile(flags.generateKeyFile), labelled)
  if (flags.keyFile !== undefined) return rawKey(await readKeyFile(flags.keyFile, output), labelled)
  const options = { ...labelled, ...(kdf !== undefined && { kdf }) }
  if (flags.passphraseFd !== undefined) return passphrase(readPassphrase(flags.passphraseFd), options)
  const given = io.env[source.variable]
  if (given) return passphrase(given, options)
  return passphrase(await askNewPassphrase(io, NO_KEY, `use ${source.options} or ${source.variable}`), options)
}

/** A name of an entry that nobody asks for is a mistake. */
export function checkEntry({ keyring, newKeyring, keyringEntry }: KeyFlags): void {
  if (keyringEntry === undefined || keyring || newKeyring) return
  throw usage('--keyring-entry: expected it with --keyring or --new-keyring, got it alone')
}

function checkOne(flags: readonly unknown[], options: string): void {
  if (flags.filter((flag) => flag !== undefined).length > 1) throw usage(`key: expected one of ${options}, got several`)
}

const MOST_BYTES = 64 * 1024

/** Without the line end that a shell's `echo` puts after it. */
function readPassphrase(fd: number): string | Uint8Array {
  const bytes = readAll(fd, `--passphrase-fd ${fd}`)
  let end = bytes.length
  if (bytes[end - 1] === 0x0a) end--
  if (end < bytes.length && bytes[end - 1] === 0x0d) end--
  if (end === 0) throw usage(`passphrase: expected it on file descriptor ${fd}, got nothing`)
  // Text is normalised, like one that is typed.
  return textOf(bytes.subarray(0, end)) ?? bytes.subarray(0, end)
}

/** What the program was started with: whoever opened it has chosen it. A process substitution is one, too. */
const DESCRIPTOR = /^\/(?:dev\/(?:stdin|fd\/\d+)|proc\/self\/fd\/\d+)$/
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

async function readKeyFile(path: string, output: Output): Promise<Uint8Array> {
  const fd = open(path, 'key file', constants.O_RDONLY)
  try {
    const found = fstatSync(fd)
    if (!DESCRIPTOR.test(path)) checkPrivate(path, found)
    else if (process.getuid !== undefined && found.isFile() && (found.mode & OTHERS) !== 0) {
      await output.note(`warning: others on this machine may read ${path}; \`chmod 600\` it`)
    }
    const key = decodeKey(Buffer.from(readAll(fd, `key file ${path}`)))
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
  const text = bytes.toString('latin1').trim()
  if (/^[\da-f]{64}$/i.test(text)) return Buffer.from(text, 'hex')
  if (/^[\w+/-]{43}=?$/.test(text)) return Buffer.from(text, 'base64')
  return undefined
}

/** 32 random bytes in base64, in a file that was not there, for its owner alone. */
function makeKeyFile(path: string): Uint8Array {
  const fd = open(path, 'key file', constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL)
  try {
    checkKeepsModes(path, fstatSync(fd))
    const key = randomBytes(32)
    writeSync(fd, `${key.toString('base64')}\n`)
    fsyncSync(fd)
    return key
  } finally {
    closeSync(fd)
  }
}

/** Before the key is in it: a file system without modes would show it to others, and have it refused ever after. */
function checkKeepsModes(path: string, { mode }: Stats): void {
  if (process.getuid === undefined || (mode & OTHERS) === 0) return
  unlinkSync(path)
  throw refused(`key file ${path}: expected a file system that keeps modes, got one without`, 'choose another place')
}

function open(path: string, label: string, flags: number): number {
  try {
    return openSync(path, flags, 0o600)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST')
      throw refused(`${label} ${path}: there is one already`, 'use it with --key-file, or name another')
    throw refused(`${label} ${path}: ${code === 'ENOENT' ? 'there is no such file' : code}`)
  }
}

function readAll(fd: number, label: string): Uint8Array {
  const buffer = Buffer.alloc(MOST_BYTES + 1)
  let length = 0
  try {
    for (;;) {
      const read = readSome(fd, buffer, length)
      if (read === 0) break
      length += read
      if (length > MOST_BYTES) throw usage(`${label}: expected at most ${MOST_BYTES} bytes, got more`)
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw code === undefined ? error : refused(`${label}: it cannot be read (${code})`)
  }
  return Uint8Array.prototype.slice.call(buffer, 0, length)
}

/** A pipe that its writer has not filled yet may say so, and is asked again. */
function readSome(fd: number, buffer: Buffer, at: number): number {
  for (;;) {
    try {
      return readSync(fd, buffer, at, buffer.length - at, null)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
}
