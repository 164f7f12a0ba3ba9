import { ByteWriter, equalConstantTime } from '../bytes'
import { corrupt, SecretStoreError } from '../errors'
import { FORMAT_VERSION, INDEX_KEY_ID, KEY_BYTES, LABEL } from '../format/constants'
import { decodeEnvelope, encodeEnvelope, envelopeIdentity, rowContext } from '../format/envelope'
import { encodeSetHash, type Head } from '../format/head'
import {
  decodeKeyringFile,
  encodeKeyringFile,
  type KeyringFile,
  type KeySlot,
  type NameMode,
  type UnverifiedKeyringFile,
  type WrappedKey,
} from '../format/keyring-file'
import { open, seal } from './aead'
import { derive, mac, sha256 } from './derive'
import type { Random } from './random'
import { elementHash } from './set-hash'

/** The keys of one open store. Opaque: bytes go in and come out sealed or opened, keys never do. */
export class Keyring {
  readonly storeId: Uint8Array
  readonly names: NameMode
  readonly #masterKeys: ReadonlyMap<number, Uint8Array>
  readonly #activeKeyId: number
  readonly #setHashKey: Uint8Array
  readonly #checkpointKey: Uint8Array
  readonly #namesKey: Uint8Array
  readonly #random: Random
  #wiped = false

  constructor(file: KeyringFile, rootKey: Uint8Array, random: Random) {
    this.storeId = file.storeId
    this.names = file.names
    this.#random = random
    this.#masterKeys = new Map(file.keys.map((key) => [key.id, masterKey(rootKey, file.storeId, key)] as const))
    this.#activeKeyId = Math.max(...this.#masterKeys.keys())
    const indexKey = unwrapKey(rootKey, file.storeId, INDEX_KEY_ID, file.indexKey)
    this.#setHashKey = derive(indexKey, LABEL.setHash, file.storeId)
    this.#checkpointKey = derive(indexKey, LABEL.checkpoint, file.storeId)
    this.#namesKey = derive(indexKey, LABEL.names, file.storeId)
    indexKey.fill(0)
  }

  /** Seals a row's plaintext to the row. */
  sealRow(rowKey: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const key = this.#masterKey(this.#activeKeyId)
    const sealed = seal(key, plaintext, rowContext(this.storeId, rowKey), this.#random)
    return encodeEnvelope({ keyId: this.#activeKeyId, sealed })
  }

  /**
   * The inverse of `sealRow`.
   *
   * @throws {SecretStoreError} `ERR_CORRUPT` if `value` was not sealed to this row of this store.
   */
  openRow(rowKey: Uint8Array, value: Uint8Array): Uint8Array {
    const { keyId, sealed } = decodeEnvelope(value)
    const key = this.#masterKey(keyId)
    const plaintext = open(key, sealed, rowContext(this.storeId, rowKey))
    if (plaintext === undefined) throw corrupt('row: expected what was sealed to it, got altered bytes')
    return plaintext
  }

  /** The record's summand in the set hash of the head. */
  elementHash(rowKey: Uint8Array, value: Uint8Array): bigint {
    this.#checkOpen()
    return elementHash(this.#setHashKey, new ByteWriter().u32(rowKey.length).bytes(), rowKey, envelopeIdentity(value))
  }

  /** What a checkpoint says of a head without saying anything. 32 bytes. */
  checkpointMac({ sequence, count, setHash }: Head): Uint8Array {
    this.#checkOpen()
    return mac(this.#checkpointKey, new ByteWriter().u64(sequence).u64(count).raw(encodeSetHash(setHash)).bytes())
  }

  /** A name, or a scope, as a store with sealed names writes it. 32 bytes. */
  nameHash(name: Uint8Array): Uint8Array {
    this.#checkOpen()
    return mac(this.#namesKey, name)
  }

  /** Overwrites every key. What is asked of the keyring afterwards is `ERR_CLOSED`. */
  wipe(): void {
    this.#wiped = true
    for (const key of [...this.#masterKeys.values(), this.#setHashKey, this.#checkpointKey, this.#namesKey]) key.fill(0)
  }

  #masterKey(id: number): Uint8Array {
    this.#checkOpen()
    const key = this.#masterKeys.get(id)
    if (key === undefined) throw corrupt(`envelope: expected a key of this store, got key id ${id}`)
    return key
  }

  #checkOpen(): void {
    if (this.#wiped) throw new SecretStoreError('ERR_CLOSED', 'store: expected it open, got a closed one')
  }
}

/** The keyring of a new store. `slots` must hold the root key that is passed. */
export function createKeyringFile(
  rootKey: Uint8Array,
  fields: {
    readonly storeId: Uint8Array
    readonly created: number
    readonly names: NameMode
    readonly slots: readonly KeySlot[]
  },
  random: Random,
): KeyringFile {
  const { storeId, created } = fields
  const wrapNew = (id: number): Uint8Array => wrapKey(rootKey, storeId, id, random(KEY_BYTES), random)
  return { ...fields, keys: [{ id: 1, created, wrapped: wrapNew(1) }], indexKey: wrapNew(INDEX_KEY_ID) }
}

/** keyring.json with its checksum and its MAC. */
export function sealKeyringFile(file: KeyringFile, rootKey: Uint8Array): Uint8Array {
  const macKey = derive(rootKey, LABEL.keyringMac, file.storeId)
  return encodeKeyringFile(file, sha256, (bytes) => mac(macKey, bytes))
}

/** @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_UNSUPPORTED_VERSION`. */
export function readKeyringFile(bytes: Uint8Array): UnverifiedKeyringFile {
  return decodeKeyringFile(bytes, sha256)
}

/** The inverse of `sealKeyringFile`: the file, vouched for. @throws {SecretStoreError} `ERR_CORRUPT`. */
export function verifyKeyringFile(unverified: UnverifiedKeyringFile, rootKey: Uint8Array): KeyringFile {
  const macKey = derive(rootKey, LABEL.keyringMac, unverified.file.storeId)
  if (!equalConstantTime(mac(macKey, unverified.macInput), unverified.mac)) {
    throw corrupt('keyring.json: expected the contents its MAC names, got others (the file was altered)')
  }
  return unverified.file
}

function masterKey(rootKey: Uint8Array, storeId: Uint8Array, key: WrappedKey): Uint8Array {
  const dataKey = unwrapKey(rootKey, storeId, key.id, key.wrapped)
  const master = derive(dataKey, LABEL.master, storeId)
  dataKey.fill(0)
  return master
}

function wrapKey(rootKey: Uint8Array, storeId: Uint8Array, id: number, key: Uint8Array, random: Random): Uint8Array {
  return seal(derive(rootKey, LABEL.keyWrap, storeId), key, keyContext(storeId, id), random)
}

function unwrapKey(rootKey: Uint8Array, storeId: Uint8Array, id: number, wrapped: Uint8Array): Uint8Array {
  const key = open(derive(rootKey, LABEL.keyWrap, storeId), wrapped, keyContext(storeId, id))
  if (key === undefined) throw corrupt(`keyring.json: expected key ${id} under the root key, got other bytes`)
  return key
}

function keyContext(storeId: Uint8Array, id: number): Uint8Array {
  return new ByteWriter().u8(FORMAT_VERSION).raw(storeId).u32(id).bytes()
}
