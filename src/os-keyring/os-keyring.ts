import { checkInteger, checkText, optionsOf } from '../base/checks'
import { systemRandom } from '../crypto/random'
import { unwrapRootKey, wrapRootKey } from '../crypto/slot'
import { corrupt, SecretStoreError } from '../errors'
import { KEY_BYTES, SLOT_KIND } from '../format/constants'
import type { SlotParams } from '../format/keyring-file'
import type { KeyProvider } from '../keys/provider'
import { aloneOnMachine } from '../platform/machine-lock'
import { type Alone, SecretEntry } from './entry'
import { backendOf, checkLibrary, type SystemKeyringBackend, type SystemKeyringLibrary } from './library'

/** Options of `osKeyring`. */
export interface OsKeyringOptions {
  /** Whose entry it is, such as the app's name. 1 to 200 characters. */
  readonly service: string
  /** Which one of them. 1 to 200 characters. */
  readonly account: string
  /** The module `@napi-rs/keyring`, 2.1.0 or later. @defaultValue it is loaded when the key is first used */
  readonly keyring?: SystemKeyringLibrary
  /** A name for the slot, shown by tools, never secret. 1 to 200 characters. @defaultValue the name of the back end */
  readonly label?: string
  /**
   * How long the system keyring, or the user at its prompt, may take to answer, in milliseconds; `0` for no limit. An
   * entry that is being made may still be made after the error. @defaultValue `60_000`
   */
  readonly timeoutMs?: number
}

/** A key provider whose key is in the system keyring. */
export interface OsKeyring extends KeyProvider {
  readonly kind: 'os-keyring'
  readonly label: string
  /** What holds the key. */
  readonly backend: SystemKeyringBackend
}

const OPTIONS = ['service', 'account', 'keyring', 'label', 'timeoutMs'] as const
const MOST_CHARACTERS = 200
const DEFAULT_TIMEOUT_MS = 60_000
/** What a timer can wait. */
const MOST_TIMEOUT_MS = 2_147_483_647
/** A writer takes 5 to 190 ms from its look to its write, but at a prompt (docs/keyring.md, "Two programs at once"). */
const SETTLE_MS = 500

/**
 * A random key in the system keyring: the Secret Service (gnome-keyring, KWallet), the keychain of macOS, the
 * credential manager of Windows. The entry is made when a slot is first made with it, and any number of stores may
 * share it. It is never overwritten, but for two makers at the same time (docs/keyring.md, "Two programs at once").
 *
 * @throws {TypeError | RangeError} On bad options. Opening and changing keys: @throws {SecretStoreError}
 *   `ERR_NO_KEYRING`, `ERR_KEYRING_LOCKED`, `ERR_NO_KEYRING_ENTRY`, `ERR_FOREIGN_KEYRING_ENTRY`,
 *   `ERR_UNSUPPORTED_VERSION`.
 */
export function osKeyring(options: OsKeyringOptions): OsKeyring {
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
  return keyringProvider(options, { pause, alone: aloneOnMachine, platform: process.platform })
}

/** @internal */
export interface Surroundings {
  /** Waits so many milliseconds. */
  readonly pause: (ms: number) => Promise<void>
  readonly alone: Alone
  /** As `process.platform`. */
  readonly platform: string
}

/** @internal */
export function keyringProvider(options: OsKeyringOptions, surroundings: Surroundings): OsKeyring {
  const { place, label, library, timeoutMs } = parseOptions(options, surroundings.platform)
  const { service, account, backend } = place
  const entry = new SecretEntry(place, library, timeoutMs)
  return {
    kind: SLOT_KIND.osKeyring,
    label,
    backend,
    async wrap(rootKey, context) {
      const secret = await findOrMakeSecret(entry, surroundings)
      try {
        return { service, account, backend, ...wrapRootKey(secret, rootKey, context, systemRandom) }
      } finally {
        secret.fill(0)
      }
    },
    async unwrap(params, context) {
      if (text(params, 'service') !== service || text(params, 'account') !== account) return null
      const secret = await entry.read()
      if (secret === undefined) throw noEntry(entry.name, backend, text(params, 'backend'))
      try {
        return unwrapRootKey(secret, params, context)
      } finally {
        secret.fill(0)
      }
    },
  }
}

function parseOptions(options: OsKeyringOptions, platform: string) {
  const given = optionsOf<OsKeyringOptions>(options, 'os keyring options', OPTIONS)
  const { service, account, keyring, label, timeoutMs = DEFAULT_TIMEOUT_MS } = given
  const backend = backendOf(platform)
  return {
    place: { service: checkName(service, 'service'), account: checkName(account, 'account'), backend },
    label: label === undefined ? backend : checkText(label, 'label', MOST_CHARACTERS),
    library: keyring === undefined ? undefined : checkLibrary(keyring),
    timeoutMs: checkInteger(timeoutMs, 'timeoutMs', 0, MOST_TIMEOUT_MS),
  }
}

/** A NUL would end it on the bus: two names would be one entry. */
function checkName(value: unknown, label: string): string {
  const name = checkText(value, label, MOST_CHARACTERS)
  if (name.includes('\0')) throw new TypeError(`${label}: expected text without NUL, got one with it`)
  return name
}

/**
 * The secret of the entry, which other stores may depend on. No system keyring has "create unless it is there", so two
 * makers could overwrite each other. Hence a lock of the machine, and for makers beyond it Fischer's protocol (Lamport,
 * "A fast mutual exclusion algorithm", 1987): write, wait for longer than a look and a write take, and read again.
 */
async function findOrMakeSecret(entry: SecretEntry, { pause, alone }: Surroundings): Promise<Uint8Array> {
  const made = systemRandom(KEY_BYTES)
  try {
    const found = await entry.readOrMake(made, alone)
    if (found !== undefined) return found
  } finally {
    made.fill(0)
  }
  await pause(SETTLE_MS)
  const kept = await entry.read()
  if (kept !== undefined) return kept
  throw new SecretStoreError('ERR_NO_KEYRING', `${entry.name}: expected it to be kept, got none after the writing`)
}

function noEntry(name: string, backend: SystemKeyringBackend, made: string): SecretStoreError {
  const where = made === backend ? `the ${backend}` : `the ${backend} (it was made in a ${made})`
  return new SecretStoreError('ERR_NO_KEYRING_ENTRY', `${name}: expected it in ${where}, got none`)
}

function text(params: SlotParams, name: string): string {
  const value = params[name]
  if (typeof value !== 'string') throw corrupt(`slot ${name}: expected text, got something else`)
  return value
}
