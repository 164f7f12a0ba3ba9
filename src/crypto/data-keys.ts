import { ByteWriter } from '../base/byte-codec'
import { unmoved } from '../base/bytes'
import { corrupt } from '../errors'
import { FORMAT_VERSION, INDEX_KEY_ID, KEY_BYTES, LABEL } from '../format/constants'
import type { KeyringFile, KeySlot, NameMode, WrappedKey } from '../format/keyring-file'
import { derive } from './derive'
import type { Random } from './random'
import { open, seal } from './seal'

/** The keys in keyring.json: making and wrapping them. */

/** What a new keyring.json says besides its keys. */
export interface NewKeyringFields {
  /** 16 bytes. */
  readonly storeId: Uint8Array
  /** Unix seconds. */
  readonly created: number
  readonly names: NameMode
  /** They must hold the root key. */
  readonly slots: readonly KeySlot[]
}

/** The keyring of a new store. */
export function createKeyringFile(rootKey: Uint8Array, fields: NewKeyringFields, random: Random): KeyringFile {
  const { storeId, created } = fields
  const keys = [newDataKey(rootKey, storeId, 1, created, random)]
  return { ...fields, keys, indexKey: wrapNewKey(rootKey, storeId, INDEX_KEY_ID, random) }
}

export function newDataKey(
  rootKey: Uint8Array,
  storeId: Uint8Array,
  id: number,
  created: number,
  random: Random,
): WrappedKey {
  return { id, created, wrapped: wrapNewKey(rootKey, storeId, id, random) }
}

/** The data key with the greatest id, which is the last. */
export function activeKeyId(file: KeyringFile): number {
  return (file.keys.at(-1) as WrappedKey).id
}

function wrapNewKey(rootKey: Uint8Array, storeId: Uint8Array, id: number, random: Random): Uint8Array {
  const key = random(KEY_BYTES)
  const wrapped = wrapKey(rootKey, storeId, id, key, random)
  key.fill(0)
  return wrapped
}

export function wrapKey(
  rootKey: Uint8Array,
  storeId: Uint8Array,
  id: number,
  key: Uint8Array,
  random: Random,
): Uint8Array {
  const wrappingKey = derive(rootKey, LABEL.keyWrap, storeId)
  const wrapped = seal(wrappingKey, key, keyContext(storeId, id), random)
  wrappingKey.fill(0)
  return wrapped
}

/** @throws {SecretStoreError} `ERR_CORRUPT`. */
export function unwrapKey(rootKey: Uint8Array, storeId: Uint8Array, id: number, wrapped: Uint8Array): Uint8Array {
  const wrappingKey = derive(rootKey, LABEL.keyWrap, storeId)
  const key = open(wrappingKey, wrapped, keyContext(storeId, id))
  wrappingKey.fill(0)
  if (key === undefined) throw corrupt(`keyring.json: expected key ${id} under the root key, got other bytes`)
  return unmoved(key)
}

function keyContext(storeId: Uint8Array, id: number): Uint8Array {
  return new ByteWriter().u8(FORMAT_VERSION).raw(storeId).u32(id).bytes()
}
