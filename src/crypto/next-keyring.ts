import { INDEX_KEY_ID } from '../format/constants'
import type { KeyringFile, KeySlot } from '../format/keyring-file'
import { activeKeyId, newDataKey, unwrapKey, wrapKey } from './data-keys'
import { Lineage } from './lineage'
import type { Random } from './random'

/** The pure steps from one keyring.json to the next. */

/** The same keyring with one more data key, which seals from now on. */
export function withNewDataKey(file: KeyringFile, rootKey: Uint8Array, created: number, random: Random): KeyringFile {
  const key = newDataKey(rootKey, file.storeId, activeKeyId(file) + 1, created, random)
  return { ...file, keys: [...file.keys, key] }
}

/** The same keyring with no other data key than the one that seals. */
export function withActiveDataKeyAlone(file: KeyringFile): KeyringFile {
  return { ...file, keys: file.keys.slice(-1) }
}

/** The same keys under another root key. `slots` must hold that one. */
export function withRootKey(
  file: KeyringFile,
  rootKey: Uint8Array,
  newRootKey: Uint8Array,
  slots: readonly KeySlot[],
  random: Random,
): KeyringFile {
  const rewrap = (id: number, wrapped: Uint8Array): Uint8Array => {
    const key = unwrapKey(rootKey, file.storeId, id, wrapped)
    const again = wrapKey(newRootKey, file.storeId, id, key, random)
    key.fill(0)
    return again
  }
  const keys = file.keys.map((key) => ({ ...key, wrapped: rewrap(key.id, key.wrapped) }))
  const former = new Lineage(file, rootKey)
  const sealed = former.sealUnder(newRootKey, random)
  former.wipe()
  // The data keys that are made from now on have set hash keys of their own, which no holder of the old root knows.
  const lineage = { ownSums: file.lineage?.ownSums ?? activeKeyId(file) + 1, sealed }
  return { ...file, lineage, slots, keys, indexKey: rewrap(INDEX_KEY_ID, file.indexKey) }
}
