import { chooseAead } from '../crypto/aead/choose'
import { createKeyringFile, type NewKeyringFields } from '../crypto/data-keys'
import { Keyring, readKeyringFile, sealKeyringFile, verifyKeyringFile } from '../crypto/keyring'
import { publicRandom, systemRandom } from '../crypto/random'
import { corrupt, SecretStoreError } from '../errors'
import { KEY_BYTES, MAX_UNLOCK_WORK } from '../format/constants'
import type { KeyringFile, KeySlot, UnverifiedKeyringFile } from '../format/keyring-file'
import type { KeyProvider } from './provider'

/** Finds the slot that is `provider`'s own. @throws {SecretStoreError} `ERR_WRONG_KEY` if no slot is, `ERR_CORRUPT`. */
export async function findSlot(
  { storeId, slots }: KeyringFile,
  provider: KeyProvider,
): Promise<{ readonly slot: KeySlot; readonly rootKey: Uint8Array }> {
  if (workOf(provider, slots) > MAX_UNLOCK_WORK) {
    throw corrupt(`slots: expected the work of ${MAX_UNLOCK_WORK} default passphrases at most, got more`)
  }
  let damaged: unknown
  for (const slot of slots) {
    if (slot.kind !== provider.kind) continue
    const context = { storeId, slotId: slot.id, kind: slot.kind }
    // A slot that cannot be read must not stand before a later one that can.
    let rootKey: Uint8Array | null = null
    try {
      rootKey = await provider.unwrap(slot.params, context)
    } catch (error) {
      if (!(error instanceof SecretStoreError)) throw error
      damaged ??= error
    }
    if (rootKey === null) continue
    if (rootKey.length !== KEY_BYTES) throw corrupt(`root key: expected ${KEY_BYTES} bytes, got ${rootKey.length}`)
    return { slot, rootKey }
  }
  if (damaged !== undefined) throw damaged
  const kinds = [...new Set(slots.map((slot) => slot.kind))].join(', ')
  const expected = `expected one that opens a slot of this store (${kinds})`
  throw new SecretStoreError('ERR_WRONG_KEY', `key: ${expected}, got ${provider.kind}, which opens none`)
}

/** Whether the provider wants this slot, which it has opened, to be wrapped anew. */
export function isOutdated(provider: KeyProvider, { storeId }: KeyringFile, { id, kind }: KeySlot): boolean {
  return kind === provider.kind && provider.outdated?.({ storeId, slotId: id, kind }) === true
}

/** What trying `provider` on all slots of its kind may cost, in default passphrases. */
export function workOf(provider: KeyProvider, slots: readonly KeySlot[]): number {
  const own = slots.filter((slot) => slot.kind === provider.kind)
  return own.reduce((total, slot) => total + (provider.work?.(slot.params) ?? 0), 0)
}

/** Finds the slot that is `provider`'s own, and with its root key vouches for the whole file. @throws As `findSlot`. */
export async function unlock(
  unverified: UnverifiedKeyringFile,
  provider: KeyProvider,
): Promise<{ readonly file: KeyringFile; readonly rootKey: Uint8Array }> {
  const { rootKey } = await findSlot(unverified.file, provider)
  try {
    return { file: verifyKeyringFile(unverified, rootKey), rootKey }
  } catch (error) {
    rootKey.fill(0)
    throw error
  }
}

/** A keyring.json and the keys in it. */
export interface Unlocked {
  /** keyring.json. */
  readonly bytes: Uint8Array
  /** The one of keyring.json. */
  readonly mac: Uint8Array
  readonly keyring: Keyring
}

/** Which libraries may seal and open rows. */
export interface AeadOptions {
  readonly sodium: boolean
}

/** The keyring of an existing keyring.json. @throws As `findSlot`, and `ERR_UNSUPPORTED_VERSION`. */
export async function unlockKeyring(bytes: Uint8Array, provider: KeyProvider, aead: AeadOptions): Promise<Unlocked> {
  const unverified = readKeyringFile(bytes)
  const { file, rootKey } = await unlock(unverified, provider)
  try {
    return { bytes, mac: unverified.mac, keyring: new Keyring(file, rootKey, publicRandom, chooseAead(aead)) }
  } finally {
    rootKey.fill(0)
  }
}

/** The keyring of a new store. `fields.slots` must hold the root key. */
export function newKeyring(rootKey: Uint8Array, fields: NewKeyringFields, aead: AeadOptions): Unlocked {
  const file = createKeyringFile(rootKey, fields, systemRandom)
  const bytes = sealKeyringFile(file, rootKey)
  const { mac } = checkReadable(bytes)
  return { bytes, mac, keyring: new Keyring(file, rootKey, publicRandom, chooseAead(aead)) }
}

/** What is written must be readable before anything depends on it; the slot of a provider may not be. */
export function checkReadable(keyringFile: Uint8Array): UnverifiedKeyringFile {
  try {
    return readKeyringFile(keyringFile)
  } catch (cause) {
    throw new TypeError('keyring.json: expected slots and keys that it can hold, got others (see the key provider)', {
      cause,
    })
  }
}
