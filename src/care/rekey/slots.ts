import { toBase64url } from '../../base/bytes'
import { orAborted } from '../../base/waiting'
import type { StoreContext } from '../../context'
import { SecretStoreError } from '../../errors'
import { MAX_SLOTS } from '../../format/constants'
import type { KeySlot } from '../../format/keyring-file'
import type { KeyProvider } from '../../keys/provider'
import { type KeySlotInfo, slotInfo } from '../../keys/slot-info'
import { isOutdated } from '../../keys/unlock'
import { checkWork, fillSlot, makeSlot } from '../../keys/wrap'
import { changeKeyring } from './change'

/** What is done at a turn of `keyChanges`. */

/** One more way to open the store. */
export async function addSlot(
  context: StoreContext,
  provider: KeyProvider,
  signal?: AbortSignal,
): Promise<KeySlotInfo> {
  context.checkOpen()
  const before = context.keyring.file.slots
  if (before.length >= MAX_SLOTS) throw new RangeError(`keys: expected at most ${MAX_SLOTS}, got one more`)
  return changeSlots(context, provider, (slot) => [...before, slot], signal)
}

/** The slot's key opens the store no more. */
export async function removeSlot(context: StoreContext, slotId: string, signal?: AbortSignal): Promise<KeySlotInfo> {
  context.checkOpen()
  const { file } = context.keyring
  const plannedOn = context.keyringStorage.bytes
  const removed = findSlotById(file.slots, slotId)
  if (file.slots.length === 1) {
    throw new SecretStoreError('ERR_LAST_KEY', 'slot: expected another one to remain, got the last (add one first)')
  }
  const rest = file.slots.filter((slot) => slot !== removed)
  await context.keyring.lendRootKey((rootKey) =>
    changeKeyring(context, { plannedOn, file: { ...file, slots: rest }, rootKey }, { signal }),
  )
  return slotInfo(removed)
}

/** One slot for another, in its place, in one step. */
export async function replaceSlot(
  context: StoreContext,
  slotId: string,
  provider: KeyProvider,
  signal?: AbortSignal,
): Promise<KeySlotInfo> {
  context.checkOpen()
  const before = context.keyring.file.slots
  const replaced = findSlotById(before, slotId)
  return changeSlots(context, provider, (slot) => before.map((old) => (old === replaced ? slot : old)), signal)
}

/** Wraps anew what the provider says is outdated. */
export async function renewSlots(context: StoreContext, provider: KeyProvider): Promise<void> {
  context.checkOpen()
  const { keyring } = context
  const plannedOn = context.keyringStorage.bytes
  await keyring.lendRootKey(async (rootKey) => {
    const { file } = keyring
    const slots: KeySlot[] = []
    for (const slot of file.slots) {
      const renewed = isOutdated(provider, file, slot) ? fillSlot(slot, provider, rootKey, file.storeId) : slot
      slots.push(await orAborted(context.closing, Promise.resolve(renewed)))
    }
    await changeKeyring(context, { plannedOn, file: { ...file, slots }, rootKey })
  })
}

async function changeSlots(
  context: StoreContext,
  provider: KeyProvider,
  arrange: (slot: KeySlot) => readonly KeySlot[],
  signal: AbortSignal | undefined,
): Promise<KeySlotInfo> {
  const { keyring, random } = context
  const { file } = keyring
  const plannedOn = context.keyringStorage.bytes
  return keyring.lendRootKey(async (rootKey) => {
    // A provider may never answer; that must not keep the store from closing.
    const made = makeSlot(provider, rootKey, keyring.storeId, context.nowSeconds(), random)
    const slot = await orAborted(signal, orAborted(context.closing, made))
    const slots = arrange(slot)
    checkWork(provider, slots)
    await changeKeyring(context, { plannedOn, file: { ...file, slots }, rootKey }, { signal })
    return slotInfo(slot)
  })
}

function findSlotById(slots: readonly KeySlot[], slotId: string): KeySlot {
  const slot = slots.find(({ id }) => toBase64url(id) === slotId)
  if (slot === undefined) throw new SecretStoreError('ERR_UNKNOWN_KEY', 'slot: expected the id of one, got another')
  return slot
}
