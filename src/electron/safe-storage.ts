import { fromBase64url, mapKey, toBase64url } from '../base/bytes'
import { checkBoolean, checkText, optionsOf } from '../base/checks'
import { systemRandom } from '../crypto/random'
import { type SlotContext, unwrapRootKey, wrapRootKey } from '../crypto/slot'
import { corrupt, SecretStoreError } from '../errors'
import { KEY_BYTES, SLOT_KIND } from '../format/constants'
import type { SlotParams } from '../format/keyring-file'
import type { KeyProvider } from '../keys/provider'

/** What is used of Electron's `safeStorage`: of each pair the asynchronous one, where there is one. */
export interface ElectronSafeStorage {
  /** Whether a keychain answers. */
  isEncryptionAvailable?(): boolean
  /** Encrypts a text by the keychain. */
  encryptString?(text: string): Uint8Array
  /** The inverse of `encryptString`. */
  decryptString?(encrypted: Buffer): string
  /** As `isEncryptionAvailable`, without blocking. */
  isAsyncEncryptionAvailable?(): Promise<boolean>
  /** As `encryptString`, without blocking. */
  encryptStringAsync?(text: string): Promise<Uint8Array>
  /** The inverse of both; it also says whether the text should be encrypted anew. */
  decryptStringAsync?(encrypted: Buffer): Promise<{ readonly result: string; readonly shouldReEncrypt: boolean }>
  /** On Linux. */
  getSelectedStorageBackend?(): string
  /** On Linux: also encrypts where no keychain protects. */
  setUsePlainTextEncryption?(usePlainText: boolean): void
}

/** Options of `safeStorage`. */
export interface SafeStorageOptions {
  /**
   * A name for the slot, shown by tools, never secret. Pass the same when opening: a slot that is encrypted anew gets
   * it. @defaultValue the keychain's, such as `gnome_libsecret`
   */
  readonly label?: string
  /**
   * Also takes a Linux without a keychain, where Electron encrypts with a password that everybody knows: whoever can
   * read the files can then read the secrets. @defaultValue `false`
   */
  readonly allowBasicText?: boolean
}

const BASIC_TEXT = 'basic_text'
/** What Electron made of 43 characters; on Windows DPAPI adds the most. */
const MOST_ENCRYPTED_BYTES = 4096

/**
 * A key that the system's keychain protects, by Electron's `safeStorage`. The slot holds a random secret, encrypted by
 * `safeStorage`, and the root key, wrapped under that secret: `safeStorage` does not authenticate everywhere.
 *
 * @param electron - `safeStorage` of the module `electron`, in the main process, after the app is ready.
 * @throws {TypeError} On bad arguments. Opening with it throws `ERR_NO_KEYRING` if there is no keychain that protects,
 *   or it does not answer.
 */
export function safeStorage(electron: ElectronSafeStorage, options: SafeStorageOptions = {}): KeyProvider {
  const given = optionsOf<SafeStorageOptions>(options, 'safeStorage options', ['label', 'allowBasicText'])
  const { label, allowBasicText = false } = given
  checkBoolean(allowBasicText, 'allowBasicText')
  if (label !== undefined) checkText(label, 'label', 200)
  const keychain = new Keychain(electron, allowBasicText)
  const outdated = new Set<string>()
  return {
    kind: SLOT_KIND.safeStorage,
    get label() {
      return label ?? keychain.name
    },
    async wrap(rootKey, context) {
      await keychain.checkAvailable()
      const secret = systemRandom(KEY_BYTES)
      try {
        const encrypted = await keychain.encrypt(toBase64url(secret))
        return { encrypted: toBase64url(encrypted), ...wrapRootKey(secret, rootKey, context, systemRandom) }
      } finally {
        secret.fill(0)
      }
    },
    async unwrap(params, context) {
      await keychain.checkAvailable()
      const decrypted = await keychain.decrypt(encryptedOf(params))
      const secret = decrypted && fromBase64url(decrypted.text)
      if (decrypted === undefined || secret?.length !== KEY_BYTES) return null
      try {
        const rootKey = unwrapRootKey(secret, params, context)
        if (rootKey !== null && decrypted.outdated) outdated.add(slotName(context))
        else outdated.delete(slotName(context))
        return rootKey
      } finally {
        secret.fill(0)
      }
    },
    outdated: (context) => outdated.has(slotName(context)),
  }
}

function slotName({ storeId, slotId }: SlotContext): string {
  return `${toBase64url(storeId)} ${toBase64url(slotId)}`
}

function encryptedOf(params: SlotParams): Uint8Array {
  const text = params['encrypted']
  const bytes = typeof text === 'string' ? fromBase64url(text) : undefined
  if (bytes === undefined || bytes.length === 0 || bytes.length > MOST_ENCRYPTED_BYTES) {
    throw corrupt(`slot encrypted: expected 1 to ${MOST_ENCRYPTED_BYTES} bytes in base64url, got something else`)
  }
  return bytes
}

/** Either form of `safeStorage`, and what it tells of itself. */
class Keychain {
  readonly #electron: ElectronSafeStorage
  readonly #allowBasicText: boolean

  constructor(electron: ElectronSafeStorage, allowBasicText: boolean) {
    const given = electron as ElectronSafeStorage | null | undefined
    const isWhole = (...methods: (keyof ElectronSafeStorage)[]): boolean =>
      methods.every((method) => typeof given?.[method] === 'function')
    if (
      !isWhole('isAsyncEncryptionAvailable', 'encryptStringAsync', 'decryptStringAsync') &&
      !isWhole('isEncryptionAvailable', 'encryptString', 'decryptString')
    ) {
      throw new TypeError("safeStorage: expected Electron's, in the main process, got something else")
    }
    this.#electron = electron
    this.#allowBasicText = allowBasicText
  }

  /** By the password that everybody knows: on Linux Chromium writes `v10` before it, and `v11` with a keychain. */
  #isBasicText(encrypted: Uint8Array): boolean {
    return this.#electron.getSelectedStorageBackend !== undefined && mapKey(encrypted.subarray(0, 3)) === 'v10'
  }

  /** Which one it is, on Linux; elsewhere there is one alone. */
  get name(): string {
    return this.#electron.getSelectedStorageBackend?.() ?? 'system keychain'
  }

  /** @throws {SecretStoreError} `ERR_NO_KEYRING`. */
  async checkAvailable(): Promise<void> {
    const { name } = this
    if (name === 'unknown') throw noKeychain('the app to be ready (await app.whenReady()), got one that is not')
    if (name === BASIC_TEXT) {
      // Without it Electron encrypts nothing there.
      if (this.#allowBasicText) return this.#electron.setUsePlainTextEncryption?.(true)
      throw noKeychain(
        'a keychain, got basic_text, which protects nothing; start gnome-keyring or KWallet, and where Electron does not ' +
          'find it say --password-store=gnome-libsecret or kwallet6, or open the store with another key',
      )
    }
    const electron = this.#electron
    let available: boolean | undefined
    try {
      available = await (electron.isAsyncEncryptionAvailable?.() ?? electron.isEncryptionAvailable?.())
    } catch (cause) {
      throw noKeychain('a keychain that answers, got an error', cause)
    }
    if (available !== true) throw noKeychain('a keychain that encrypts, got none, or one that is locked')
  }

  async encrypt(text: string): Promise<Uint8Array> {
    const electron = this.#electron
    try {
      return await (electron.encryptStringAsync?.(text) ?? (electron.encryptString?.(text) as Uint8Array))
    } catch (cause) {
      throw noKeychain('a keychain that encrypts, got an error', cause)
    }
  }

  /**
   * @returns `undefined` if it was not encrypted by this keychain, this app or this user.
   * @throws {SecretStoreError} `ERR_NO_KEYRING` if at the moment the keychain decrypts nothing at all.
   */
  async decrypt(encrypted: Uint8Array): Promise<{ readonly text: string; readonly outdated: boolean } | undefined> {
    try {
      const { text, outdated } = await this.#decrypt(encrypted)
      return { text, outdated: outdated || (this.name !== BASIC_TEXT && this.#isBasicText(encrypted)) }
    } catch (cause) {
      const probe = await this.encrypt('probe')
      try {
        await this.#decrypt(probe)
      } catch {
        throw noKeychain('a keychain that decrypts, got an error', cause)
      }
      return undefined
    }
  }

  async #decrypt(encrypted: Uint8Array): Promise<{ readonly text: string; readonly outdated: boolean }> {
    const electron = this.#electron
    const bytes = Buffer.from(encrypted)
    if (electron.decryptStringAsync === undefined) {
      return { text: electron.decryptString?.(bytes) as string, outdated: false }
    }
    const { result, shouldReEncrypt } = await electron.decryptStringAsync(bytes)
    return { text: result, outdated: shouldReEncrypt }
  }
}

function noKeychain(message: string, cause?: unknown): SecretStoreError {
  return new SecretStoreError('ERR_NO_KEYRING', `safeStorage: expected ${message}`, { cause })
}
