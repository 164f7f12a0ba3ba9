import { fromBase64url, toBase64url } from '../base/bytes'
import { checkBoolean, checkText, optionsOf } from '../base/checks'
import { systemRandom } from '../crypto/random'
import { type SlotContext, unwrapRootKey, wrapRootKey } from '../crypto/slot'
import { corrupt } from '../errors'
import { KEY_BYTES, SLOT_KIND } from '../format/constants'
import type { SlotParams } from '../format/keyring-file'
import type { KeyProvider } from '../keys/provider'
import { type ElectronSafeStorage, Keychain } from './keychain'

/** Options of `safeStorage`. */
export interface SafeStorageOptions {
  /**
   * A name for the slot, shown by tools, never secret. Pass the same when opening: a slot that is encrypted anew gets
   * it. @defaultValue the keychain's, such as `gnome_libsecret`; `basic_text` where none protects
   */
  readonly label?: string
  /**
   * Also takes a Linux without a keychain, where Electron encrypts with a password that everybody knows: whoever can
   * read the files can then read the secrets. @defaultValue `false`
   */
  readonly allowBasicText?: boolean
}

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
  return keychainKey(new Keychain(electron, allowBasicText), label)
}

/** The same over a keychain. @param label - By default the keychain's name. */
export function keychainKey(keychain: Keychain, label?: string): KeyProvider {
  const outdated = new Set<string>()
  /** The slots that a keychain has opened: none of them is to come under what protects nothing. */
  const opened = new Set<string>()
  return {
    kind: SLOT_KIND.safeStorage,
    get label() {
      return label ?? keychain.name
    },
    async wrap(rootKey, context) {
      await keychain.checkAvailable()
      const secret = systemRandom(KEY_BYTES)
      try {
        const atLeast = opened.has(slotName(context)) ? 'protected' : 'as allowed'
        const encrypted = await keychain.encrypt(toBase64url(secret), atLeast)
        return { encrypted: toBase64url(encrypted), ...wrapRootKey(secret, rootKey, context, systemRandom) }
      } finally {
        secret.fill(0)
      }
    },
    async unwrap(params, context) {
      await keychain.checkAvailable()
      const encrypted = encryptedOf(params)
      const decrypted = await keychain.decrypt(encrypted)
      const secret = decrypted && fromBase64url(decrypted.text)
      if (decrypted === undefined || secret?.length !== KEY_BYTES) return null
      try {
        const rootKey = unwrapRootKey(secret, params, context)
        if (rootKey !== null && decrypted.outdated) outdated.add(slotName(context))
        else outdated.delete(slotName(context))
        if (rootKey !== null && !keychain.isPublic(encrypted)) opened.add(slotName(context))
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
