import { ByteWriter } from '../base/byte-codec'
import { equalConstantTime, unmoved } from '../base/bytes'
import { corrupt, SecretStoreError } from '../errors'
import { INDEX_KEY_ID, LABEL, type Label } from '../format/constants'
import { blankEnvelope, decodeEnvelope, envelopeKeyId, RowContext, SEALED_OFFSET, SetElement } from '../format/envelope'
import { decodeSetHash, encodeSetHash, type Head } from '../format/head'
import {
  decodeKeyringFile,
  encodeKeyringFile,
  type KeyringFile,
  type NameMode,
  type UnverifiedKeyringFile,
  type WrappedKey,
} from '../format/keyring-file'
import type { Aead } from './aead/aead'
import { nobleAead } from './aead/noble'
import { activeKeyId, unwrapKey } from './data-keys'
import { derive, mac, sha256 } from './derive'
import { Lineage } from './lineage'
import type { Random } from './random'
import { open, SEAL_BYTES, seal } from './seal'

/**
 * The keys of one open store. Opaque: bytes go in and come out sealed or opened. It is one object for as long as the
 * store is open; `adopt` exchanges all that is in it at once.
 */
export class Keyring {
  readonly storeId: Uint8Array
  readonly names: NameMode
  /** Of rows under data keys that have none of their own. */
  readonly #setHashKey: Uint8Array
  readonly #checkpointKey: Uint8Array
  readonly #namesKey: Uint8Array
  readonly #requestKey: Uint8Array
  readonly #random: Random
  readonly #aead: Aead
  readonly #rowContext: RowContext
  readonly #setElement = new SetElement()
  #file: KeyringFile
  #rootKey: Uint8Array
  #rowKeys: ReadonlyMap<number, RowKeys>
  #lineage: Lineage
  #activeKeyId: number
  #wiped = false

  /**
   * @param rootKey - 32 bytes, copied.
   * @param random - For nonces.
   * @param aead - For rows.
   * @throws {SecretStoreError} `ERR_CORRUPT` if the file holds others than its keys.
   */
  constructor(file: KeyringFile, rootKey: Uint8Array, random: Random, aead: Aead = nobleAead) {
    this.storeId = file.storeId
    this.names = file.names
    this.#random = random
    this.#aead = aead
    this.#rowContext = new RowContext(file.storeId)
    this.#file = file
    this.#rootKey = unmoved(rootKey.slice())
    this.#rowKeys = rowKeys(file, rootKey)
    this.#lineage = new Lineage(file, rootKey)
    this.#activeKeyId = activeKeyId(file)
    const indexKey = unwrapKey(rootKey, file.storeId, INDEX_KEY_ID, file.indexKey)
    this.#setHashKey = derive(indexKey, LABEL.setHash, file.storeId)
    this.#checkpointKey = derive(indexKey, LABEL.checkpoint, file.storeId)
    this.#namesKey = derive(indexKey, LABEL.names, file.storeId)
    this.#requestKey = derive(indexKey, LABEL.request, file.storeId)
    indexKey.fill(0)
  }

  /** keyring.json as it is now: every key in it is wrapped. */
  get file(): KeyringFile {
    return this.#file
  }

  /** What seals and opens rows. */
  get aead(): Aead {
    return this.#aead
  }

  /** The data key that seals what is written. */
  get activeKeyId(): number {
    return this.#activeKeyId
  }

  /** Hands out a copy of the root key for as long as `work` takes, to be wrapped in a slot or in data keys. */
  async lendRootKey<T>(work: (rootKey: Uint8Array) => T | Promise<T>): Promise<T> {
    this.#checkOpen()
    const rootKey = unmoved(this.#rootKey.slice())
    try {
      return await work(rootKey)
    } finally {
      rootKey.fill(0)
    }
  }

  /**
   * Takes over the keys of a file of the same store that is on disk by now, and overwrites those it had.
   *
   * @param rootKey - The file's, 32 bytes, copied.
   */
  adopt(file: KeyringFile, rootKey: Uint8Array): void {
    this.#checkOpen()
    const lineage = new Lineage(file, rootKey)
    const next = rowKeys(file, rootKey)
    this.#wipeRoot()
    this.#lineage = lineage
    this.#rowKeys = next
    this.#rootKey = unmoved(rootKey.slice())
    this.#file = file
    this.#activeKeyId = activeKeyId(file)
  }

  /** Seals a row's plaintext to the row. */
  sealRow(rowKey: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const keyId = this.activeKeyId
    const value = blankEnvelope(keyId, plaintext.length + SEAL_BYTES)
    const context = this.#rowContext.of(rowKey)
    seal(this.#rowKeysOf(keyId).master, plaintext, context, this.#random, this.#aead, value.subarray(SEALED_OFFSET))
    return value
  }

  /**
   * The inverse of `sealRow`.
   *
   * @param out - Where the plaintext may be written, if it is long enough. @defaultValue memory of its own
   * @throws {SecretStoreError} `ERR_CORRUPT` if `value` was not sealed to this row of this store.
   */
  openRow(rowKey: Uint8Array, value: Uint8Array, out?: Uint8Array): Uint8Array {
    const { keyId, sealed } = decodeEnvelope(value)
    const { master } = this.#rowKeysOf(keyId)
    const plaintext = open(master, sealed, this.#rowContext.of(rowKey), this.#aead, out)
    if (plaintext === undefined) throw corrupt('row: expected what was sealed to it, got altered bytes')
    return plaintext
  }

  /** The record's summand in the set hash of the head. */
  elementHash(rowKey: Uint8Array, value: Uint8Array): bigint {
    this.#checkOpen()
    const key = this.#rowKeys.get(envelopeKeyId(value))?.ownSum ?? this.#setHashKey
    return decodeSetHash(mac(key, this.#setElement.of(rowKey, value)))
  }

  /** Names the root key, and tells nothing of it. 32 bytes. */
  get rootId(): Uint8Array {
    this.#checkOpen()
    return this.#lineage.rootId
  }

  /** 32 bytes under a root of this store, present or former; `undefined` if the keyring does not descend from the root. */
  rootMac(rootId: Uint8Array, label: Label, bytes: Uint8Array): Uint8Array | undefined {
    this.#checkOpen()
    return this.#lineage.mac(rootId, label, bytes)
  }

  /** What a checkpoint of version 1 says of a head without saying anything. 32 bytes. */
  checkpointMac({ sequence, count, setHash }: Head): Uint8Array {
    this.#checkOpen()
    return mac(this.#checkpointKey, new ByteWriter().u64(sequence).u64(count).raw(encodeSetHash(setHash)).bytes())
  }

  /** A name, or a scope, as a store with sealed names writes it. 32 bytes. */
  nameHash(name: Uint8Array): Uint8Array {
    this.#checkOpen()
    return mac(this.#namesKey, name)
  }

  /** What stands for a request that must be known again, and says nothing of it. 32 bytes. */
  requestHash(request: Uint8Array): Uint8Array {
    this.#checkOpen()
    return mac(this.#requestKey, request)
  }

  /** By which processes that share the store know one another. 32 bytes. */
  channelKey(): Uint8Array {
    this.#checkOpen()
    return derive(this.#rootKey, LABEL.channel, this.storeId)
  }

  /** Overwrites every key. What is asked of the keyring afterwards is `ERR_CLOSED`. */
  wipe(): void {
    this.#wiped = true
    this.#wipeRoot()
    for (const key of [this.#setHashKey, this.#checkpointKey, this.#namesKey, this.#requestKey]) key.fill(0)
  }

  /** The root key, and what hangs on it. */
  #wipeRoot(): void {
    this.#rootKey.fill(0)
    this.#lineage.wipe()
    for (const { master, ownSum } of this.#rowKeys.values()) for (const key of [master, ownSum]) key?.fill(0)
  }

  #rowKeysOf(id: number): RowKeys {
    this.#checkOpen()
    const keys = this.#rowKeys.get(id)
    if (keys === undefined) throw corrupt(`envelope: expected a key of this store, got key ${id}`)
    return keys
  }

  #checkOpen(): void {
    if (this.#wiped) throw new SecretStoreError('ERR_CLOSED', 'store: expected it open, got a closed one')
  }
}

/** The key of a backup (docs/format.md §14): of the root key, and of every byte of the header. */
export function streamKey(rootKey: Uint8Array, header: Uint8Array): Uint8Array {
  return derive(rootKey, LABEL.backup, sha256(header))
}

/** keyring.json with its checksum and its MAC. */
export function sealKeyringFile(file: KeyringFile, rootKey: Uint8Array): Uint8Array {
  const macKey = derive(rootKey, LABEL.keyringMac, file.storeId)
  try {
    return encodeKeyringFile(file, sha256, (bytes) => mac(macKey, bytes))
  } finally {
    macKey.fill(0)
  }
}

/** @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_UNSUPPORTED_VERSION`. */
export function readKeyringFile(bytes: Uint8Array): UnverifiedKeyringFile {
  return decodeKeyringFile(bytes, sha256)
}

/** The inverse of `sealKeyringFile`: the file, vouched for. @throws {SecretStoreError} `ERR_CORRUPT`. */
export function verifyKeyringFile(unverified: UnverifiedKeyringFile, rootKey: Uint8Array): KeyringFile {
  const macKey = derive(rootKey, LABEL.keyringMac, unverified.file.storeId)
  const expected = mac(macKey, unverified.macInput)
  macKey.fill(0)
  if (!equalConstantTime(expected, unverified.mac)) {
    throw corrupt('keyring.json: expected the contents its MAC names, got others (the file was altered)')
  }
  return unverified.file
}

/** What a data key gives. */
interface RowKeys {
  /** Seals rows. */
  readonly master: Uint8Array
  /** Hashes records for the head, if the data key was made after a replacement of the root key. */
  readonly ownSum: Uint8Array | undefined
}

function rowKeys(file: KeyringFile, rootKey: Uint8Array): ReadonlyMap<number, RowKeys> {
  return new Map(file.keys.map((key) => [key.id, rowKeysOf(file, rootKey, key)] as const))
}

function rowKeysOf({ storeId, lineage }: KeyringFile, rootKey: Uint8Array, { id, wrapped }: WrappedKey): RowKeys {
  const dataKey = unwrapKey(rootKey, storeId, id, wrapped)
  const master = derive(dataKey, LABEL.master, storeId)
  const hasOwnSum = lineage !== undefined && id >= lineage.ownSums
  const ownSum = hasOwnSum ? derive(dataKey, LABEL.ownSum, storeId) : undefined
  dataKey.fill(0)
  return { master, ownSum }
}
