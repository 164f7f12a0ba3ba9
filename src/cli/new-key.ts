import type { KeyProvider } from 'app-secret-store'
import { Failure, failureOf } from './failure'
import type { Io } from './io'
import { makeKeyFile, readKeyFile } from './key-file'
import { keyringKey } from './keyring'
import { checkOne, checkVariables, type KeyFlags, NO_KEY, newPassphrase, notEmpty, PASSPHRASE_VARIABLE } from './keys'
import type { Output } from './output'
import { askNewPassphrase } from './prompts'
import { variableOf } from './raw-bytes'
import { passphraseText } from './text'

export interface NewKeyOptions {
  readonly label?: string
  readonly kdf?: 'scrypt' | 'argon2id'
}

/** Where a new key comes from, if nobody types it. */
export interface NewKeySource {
  /** The environment variable of a passphrase. */
  readonly variable: string
  /** The option of a descriptor. */
  readonly descriptor: string
  /** For messages: the options. */
  readonly options: string
}

export const FIRST_KEY: NewKeySource = {
  variable: PASSPHRASE_VARIABLE,
  descriptor: '--passphrase-fd',
  options: '--passphrase-fd, --key-file, --keyring, --generate-key-file',
}
export const ANOTHER_KEY: NewKeySource = {
  variable: 'SECRET_STORE_NEW_PASSPHRASE',
  descriptor: '--new-passphrase-fd',
  options: '--new-passphrase-fd, --new-key-file, --new-keyring, --generate-key-file',
}

/** A key that a store is to be opened with from now on. */
export interface NewKey {
  readonly key: KeyProvider
  /** Takes away again what was made for it. */
  discard(): void
}

/** Such a key, of the flags, else of the environment, else typed twice. */
export async function newKey(
  io: Io,
  output: Output,
  flags: KeyFlags,
  source: NewKeySource,
  { label, kdf }: NewKeyOptions,
): Promise<NewKey> {
  const { passphraseFd, keyFile, keyring, generateKeyFile } = flags
  const given = [passphraseFd, keyFile, keyring || undefined, generateKeyFile].filter((flag) => flag !== undefined)
  checkOne(given, source.options)
  checkVariables(io, flags, source.variable)
  const labelled = label === undefined ? {} : { label }
  if (keyring) return kept(await keyringKey(io, flags.keyringEntry, labelled))
  const { passphrase, rawKey } = await import('app-secret-store')
  if (generateKeyFile !== undefined) {
    const { key, remove } = makeKeyFile(generateKeyFile)
    try {
      return { key: rawKey(key, labelled), discard: remove }
    } catch (error) {
      remove()
      throw error
    }
  }
  if (keyFile !== undefined) return kept(rawKey(await readKeyFile(io, keyFile, output), labelled))
  const options = { ...labelled, ...(kdf !== undefined && { kdf }) }
  if (passphraseFd !== undefined) {
    return kept(passphrase(await newPassphrase(io, passphraseFd, source.descriptor), options))
  }
  const inVariable = variableOf(io, source.variable)
  if (inVariable !== undefined) return kept(passphrase(notEmpty(passphraseText(inVariable), source.variable), options))
  return kept(passphrase(await askNewPassphrase(io, NO_KEY, `use ${source.options} or ${source.variable}`), options))
}

function kept(key: KeyProvider): NewKey {
  return { key, discard() {} }
}

/**
 * Does what makes a new key open a store. If that fails, what was made for the key is taken away again, so that the same
 * command can be given once more; but not if the key has come to open the store all the same.
 */
export async function usingNewKey<T>({ key, discard }: NewKey, location: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isNothingDone(error) || !(await mayOpen(location, key))) discard()
    throw error
  }
}

/** What the store says before anything is written, and what is ours, we say before the store is made. */
function isNothingDone(error: unknown): boolean {
  return error instanceof Failure || NOTHING_DONE.has(failureOf(error).code ?? '')
}

const NOTHING_DONE = new Set(['ERR_UNSAFE_LOCATION', 'ERR_EXISTS', 'ERR_NOT_A_STORE', 'ERR_NOT_FOUND', 'ERR_READ_ONLY'])

async function mayOpen(location: string, key: KeyProvider): Promise<boolean> {
  const { SecretStore } = await import('app-secret-store')
  try {
    const store = await SecretStore.open(location, {
      key,
      createIfMissing: false,
      readOnly: true,
      verify: false,
      allowUnsafeLocation: true,
    })
    await store.close()
    return true
  } catch (error) {
    return !['ERR_WRONG_KEY', 'ERR_NOT_FOUND', 'ERR_NOT_A_STORE'].includes(failureOf(error).code ?? '')
  }
}
