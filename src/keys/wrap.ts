import { equalConstantTime, unmoved } from '../base/bytes'
import type { Random } from '../crypto/random'
import { newSlotId } from '../crypto/slot'
import { MAX_UNLOCK_WORK } from '../format/constants'
import type { KeySlot, SlotParams } from '../format/keyring-file'
import type { KeyProvider } from './provider'
import { workOf } from './unlock'

/** A new slot that holds `rootKey` for `provider`. @throws {TypeError} If the provider does not get it out again. */
export async function makeSlot(
  provider: KeyProvider,
  rootKey: Uint8Array,
  storeId: Uint8Array,
  created: number,
  random: Random,
): Promise<KeySlot> {
  const slot = { id: newSlotId(random), kind: provider.kind, label: provider.label ?? null, created, params: {} }
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
  const lent = unmoved(rootKey.slice())
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

/** @throws {RangeError} If the slots together ask for more work than an opening would do. */
export function checkWork(provider: KeyProvider, slots: readonly KeySlot[]): void {
  if (workOf(provider, slots) <= MAX_UNLOCK_WORK) return
  throw new RangeError(`keys: expected the work of ${MAX_UNLOCK_WORK} default passphrases at most, got more`)
}
