import type { KeyProvider, StoredSlot } from 'app-secret-store'
import { readAll } from './descriptors'
import { EXIT, Failure, usage } from './failure'
import type { Io } from './io'
import { readKeyFile } from './key-file'
import { type KeyringEntryName, keyringKey, slotKeyring } from './keyring'
import type { Output } from './output'
import { pathOf } from './paths'
import { askHidden } from './prompts'
import { variableOf } from './raw-bytes'
import { isUtf16, passphraseText, textOf, utf16 } from './text'

/** Where a key comes from. */
export interface KeyFlags {
  /** A file descriptor to read a passphrase from. */
  readonly passphraseFd?: number
  /** A file with 32 bytes, as they are, in hexadecimal or in base64. */
  readonly keyFile?: string
  /** Whether that file is named by `SECRET_STORE_KEY_FILE`. */
  readonly isKeyFileOfVariable?: boolean
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

/** A key to open a store with. */
export interface OpeningKey {
  readonly key: KeyProvider
  /** The key that versions before 0.10 made of the same text, where that was another. */
  readonly former?: KeyProvider
  /** What somebody typed, and can type again. */
  readonly typed?: 'passphrase' | 'recovery code'
  /** Where a passphrase is from that nobody typed now, for messages. */
  readonly from?: string
  /** What to say if it opens nothing, where more is known than the store says. */
  readonly wrong?: Failure
}

export const NO_KEY = 'no key was given, and there is no terminal to ask for one at'
const OPEN_HINT = 'use --passphrase-fd, --key-file, --keyring, SECRET_STORE_KEY_FILE or SECRET_STORE_PASSPHRASE'
export const PASSPHRASE_VARIABLE = 'SECRET_STORE_PASSPHRASE'
const KEY_FILE_VARIABLE = 'SECRET_STORE_KEY_FILE'

/** The options, with the key file of the environment where no option says where the key is. */
export function withKeyFile<T extends KeyFlags>(io: Io, flags: T): T {
  if (openingSources(flags).length > 0) return flags
  const keyFile = variableOf(io, KEY_FILE_VARIABLE)
  if (keyFile === undefined) return flags
  return { ...flags, keyFile: pathOf(io, keyFile, KEY_FILE_VARIABLE), isKeyFileOfVariable: true }
}

/**
 * The key to open a store with: one of the flags, else the environment, else what somebody types. A store without a
 * passphrase is not asked for one: what it has is in its slots.
 *
 * @param slots - Of the store, as far as they are known.
 */
export async function openingKey(
  io: Io,
  output: Output,
  flags: KeyFlags,
  slots: () => Promise<readonly StoredSlot[]>,
): Promise<OpeningKey> {
  checkEntry(flags)
  checkOne(openingSources(flags), '--passphrase-fd, --key-file, --keyring, --recovery')
  checkVariables(io, flags, PASSPHRASE_VARIABLE)
  const { passphraseFd, keyFile } = flags
  if (flags.keyring) return { key: await keyringKey(io, flags.keyringEntry, {}) }
  const { passphrase, rawKey } = await import('app-secret-store')
  if (keyFile !== undefined) return { key: rawKey(await readKeyFile(io, keyFile, output)) }
  if (passphraseFd !== undefined) return descriptorKey(io, passphraseFd)
  if (flags.recovery) return typedRecoveryCode(io)
  const given = variableOf(io, PASSPHRASE_VARIABLE)
  if (given !== undefined) {
    const key = passphrase(notEmpty(passphraseText(given), PASSPHRASE_VARIABLE))
    const from = PASSPHRASE_VARIABLE
    return passphraseText(given) === given ? { key, from } : { key, from, former: passphrase(given) }
  }
  const kinds = new Set((await slots()).map(({ kind }) => kind))
  if (kinds.size === 0 || kinds.has('passphrase')) return typedPassphrase(io)
  if (kinds.has('os-keyring')) return { key: slotKeyring(io) }
  if (kinds.has('recovery-code') && !kinds.has('raw-key')) return typedRecoveryCode(io)
  const how = kinds.has('recovery-code') ? 'use --key-file, SECRET_STORE_KEY_FILE or --recovery' : KEY_FILE_HINT
  throw usage(`no key was given, and this store has no passphrase: it is opened by ${[...kinds].join(', ')}`, how)
}

const KEY_FILE_HINT = 'use --key-file or SECRET_STORE_KEY_FILE'

async function typedPassphrase(io: Io): Promise<OpeningKey> {
  const { passphrase } = await import('app-secret-store')
  const typed = await askHidden(io, 'Passphrase', NO_KEY, OPEN_HINT)
  return { key: passphrase(notEmpty(passphraseText(typed), 'Passphrase')), typed: 'passphrase' }
}

/** A code with a typo is a wrong one, too. */
async function typedRecoveryCode(io: Io): Promise<OpeningKey> {
  const { recoveryCode } = await import('app-secret-store')
  const typed = await askHidden(io, 'Recovery code', NO_KEY, OPEN_HINT)
  try {
    return { key: recoveryCode(typed), typed: 'recovery code' }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    io.stderr.write(`${error.message}\n`)
    return { key: OPENS_NOTHING, typed: 'recovery code' }
  }
}

/** Stands for a recovery code with a typo, so that whoever tries keys counts it. */
const OPENS_NOTHING: KeyProvider = {
  kind: 'recovery-code',
  async wrap() {
    throw new Error('recovery code: expected one without a typo')
  },
  async unwrap() {
    return null
  },
}

/** How often somebody is asked. */
export const MOST_TRIES = 3

/**
 * A passphrase that is not UTF-8 cannot be typed, so no new one is. A store of the library may have one all the same: its
 * bytes are tried, and what they are is said if they open nothing.
 */
async function descriptorKey(io: Io, fd: number): Promise<OpeningKey> {
  const { passphrase } = await import('app-secret-store')
  const label = `--passphrase-fd ${fd}`
  const read = await readAll(io, fd, label)
  const bytes = withoutLineEnd(read)
  if (bytes.length === 0) throw usage(`passphrase: expected it on file descriptor ${fd}, got nothing`)
  const text = textOf(bytes)
  if (isUtf16(read)) return { key: passphrase(text ?? bytes), wrong: utf16(label) }
  if (text === undefined) {
    const hint = 'save it as UTF-8: what is typed at a prompt is UTF-8, too'
    const wrong = new Failure(EXIT.wrongKey, `${label}: expected UTF-8, got other bytes, which open nothing`, {
      hint,
      code: WRONG,
    })
    return { key: passphrase(bytes), wrong }
  }
  const key = passphrase(notEmpty(passphraseText(text), label))
  return { key, from: label, ...(passphraseText(text) !== text && { former: passphrase(text) }) }
}

export const WRONG = 'ERR_WRONG_KEY'

/** Without the line end that a shell's `echo` puts after it. */
function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  if (bytes.at(-1) !== 0x0a) return bytes
  return bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1)
}

/** The passphrase of a new key on a descriptor. @throws {Failure} If it is not UTF-8. */
export async function newPassphrase(io: Io, fd: number, option: string): Promise<string> {
  const label = `${option} ${fd}`
  const bytes = await readAll(io, fd, label)
  if (isUtf16(bytes)) throw utf16(label)
  const text = textOf(bytes)
  if (text === undefined) throw usage(`${label}: expected UTF-8, got other bytes`, 'nobody could type it at a prompt')
  return notEmpty(passphraseText(text), label)
}

export function notEmpty(passphrase: string, label: string): string {
  if (passphrase === '') throw usage(`${label}: expected a passphrase, got nothing`)
  return passphrase
}

/** A name of an entry that nobody asks for is a mistake. */
export function checkEntry({ keyring, newKeyring, keyringEntry }: KeyFlags): void {
  if (keyringEntry === undefined || keyring || newKeyring) return
  throw usage('--keyring-entry: expected it with --keyring or --new-keyring, got it alone')
}

export function checkOne(given: readonly unknown[], options: string): void {
  if (given.length > 1) throw usage(`key: expected one of ${options}, got several`)
}

/** Two variables that name a key each: neither is more than the other. */
export function checkVariables(io: Io, { isKeyFileOfVariable }: KeyFlags, variable: string): void {
  if (isKeyFileOfVariable && io.env[variable]) {
    throw usage(`key: expected one of ${KEY_FILE_VARIABLE}, ${variable}, got both`, 'unset one, or use an option')
  }
}

function openingSources({ passphraseFd, keyFile, keyring, recovery }: KeyFlags): unknown[] {
  return [passphraseFd, keyFile, keyring || undefined, recovery || undefined].filter((flag) => flag !== undefined)
}
