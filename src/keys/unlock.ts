import { equalConstantTime } from '../bytes'
import { verifyKeyringFile } from '../crypto/keyring'
import type { Random } from '../crypto/random'
import { corrupt, SecretStoreError } from '../errors'
import { KEY_BYTES, MAX_UNLOCK_WORK, SLOT_ID_BYTES } from '../format/constants'
import type { KeyringFile, KeySlot, SlotParams, UnverifiedKeyringFile } from '../format/keyring-file'
import type { KeyProvider } from './provider'

/** A new slot that holds `rootKey` for `provider`. @throws {TypeError} If the provider does not get it out again. */
export async function makeSlot(
  provider: KeyProvider,
  rootKey: Uint8Array,
  storeId: Uint8Array,
  created: number,
  random: Random,
): Promise<KeySlot> {
  const slot = { id: random(SLOT_ID_BYTES), kind: provider.kind, label: provider.label ?? null, created, params: {} }
  return fillSlot(slot, provider, rootKey, storeId)
}

/** The same slot, holding `rootKey`. @throws {TypeError} If the provider does not get it out again. */
export async function fillSlot(
  slot: KeySlot,
  provider: KeyProvider,
  rootKey: Uint8Array,
  storeId: Uint8Array,
): Promise<KeySlot> {
  const context = { storeId, slotId: slot.id, kind: provider.kind }
  const lent = rootKey.slice()
  let params: SlotParams
  try {
    params = storedParams(await provider.wrap(lent, context))
  } finally {
    lent.fill(0)
  }
  // Nothing must come to depend on a slot that does not open: a keychain may have lost what it was given.
  const again = await provider.unwrap(params, context)
  const holds = again !== null && equalConstantTime(again, rootKey)
  again?.fill(0)
  if (!holds) throw new TypeError(`key provider: expected the ${provider.kind} to open its own slot, got another key`)
  return { ...slot, kind: provider.kind, label: provider.label ?? slot.label, params }
}

/** What of a provider's answer is on disk afterwards, and is all that it will be given to open the slot. */
function storedParams(params: SlotParams): SlotParams {
  return Object.freeze(JSON.parse(JSON.stringify(params) ?? 'null'))
}

/**
 * Finds the slot that is `provider`'s own.
 *
 * @throws {SecretStoreError} `ERR_WRONG_KEY` if no slot is, `ERR_CORRUPT`.
 */
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
  throw new SecretStoreError(
    'ERR_WRONG_KEY',
    `key: expected one that opens a slot of this store (${kinds}), got a ${provider.kind} that opens none`,
  )
}

/** What trying `provider` on all slots of its kind may cost, in default passphrases. */
function workOf(provider: KeyProvider, slots: readonly KeySlot[]): number {
  const own = slots.filter((slot) => slot.kind === provider.kind)
  return own.reduce((total, slot) => total + (provider.work?.(slot.params) ?? 0), 0)
}

/** @throws {RangeError} If the slots together ask for more work than an opening would do. */
export function checkWork(provider: KeyProvider, slots: readonly KeySlot[]): void {
  if (workOf(provider, slots) <= MAX_UNLOCK_WORK) return
  throw new RangeError(`keys: expected the work of ${MAX_UNLOCK_WORK} default passphrases at most, got more`)
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
