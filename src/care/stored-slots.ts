import { readKeyringFile } from '../crypto/keyring'
import { SecretStoreError } from '../errors'
import type { SlotParams } from '../format/keyring-file'
import { parseSlotsOptions, type SlotsOptions } from '../input/slots-options'
import { type KeySlotInfo, slotInfo } from '../keys/slot-info'
import { examine, readKeyring } from '../storage/directory/location'

/** A key slot as keyring.json has it, before a key has vouched for the file. */
export interface StoredSlot extends KeySlotInfo {
  /** What the key's provider keeps in the slot, such as the entry of a system keyring. Of no use without the key. */
  readonly params: SlotParams
}

/** The slots of the store at a location, for whoever has yet to choose a key. */
export async function storedSlots(path: string, options: SlotsOptions): Promise<StoredSlot[]> {
  const location = await examine(path, parseSlotsOptions(options).allowUnsafeLocation)
  if (location.state !== 'store') throw new SecretStoreError('ERR_NOT_FOUND', 'location: expected a store, got none')
  const { file } = readKeyringFile(await readKeyring(location))
  return file.slots.map((slot) => ({ ...slotInfo(slot), params: slot.params }))
}
