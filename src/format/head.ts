import { ByteReader, ByteWriter } from '../base/byte-codec'
import { corrupt, SecretStoreError } from '../errors'
import { MAC_BYTES, SET_HASH_BYTES } from './constants'

/** Which keyring.json a head goes with. */
export interface KeyringMark {
  /** How often it has been replaced; at least 1. */
  readonly generation: number
  /** Its MAC. */
  readonly mac: Uint8Array
}

/** The state of the whole store after one write (docs/format.md §8). */
export interface Head {
  /** Grows with each write; the record written by a write carries its number as revision. */
  readonly sequence: number
  /** How many records there are. */
  readonly count: number
  /** How many records were replaced or deleted since the last compaction: bytes that linger in the files. */
  readonly superseded: number
  /** Sum of the keyed hashes of all records, modulo 2^256. */
  readonly setHash: bigint
  /** Absent as long as keyring.json is the one the store was created with. */
  readonly keyring?: KeyringMark
}

export const EMPTY_HEAD: Head = { sequence: 0, count: 0, superseded: 0, setHash: 0n }

/** From this tag on, a field of the head may be passed over. */
const OPTIONAL_FIELDS = 0x80
const CREATED_HEAD_BYTES = 8 + 8 + 8 + SET_HASH_BYTES
const CHANGED_HEAD_BYTES = CREATED_HEAD_BYTES + 8 + MAC_BYTES

export function encodeHead({ sequence, count, superseded, setHash, keyring }: Head): Uint8Array {
  const writer = new ByteWriter().u64(sequence).u64(count).u64(superseded).raw(encodeSetHash(setHash))
  if (keyring !== undefined) writer.u64(keyring.generation).raw(keyring.mac)
  return writer.bytes()
}

/**
 * A head may be followed by fields that later versions know (docs/format.md §12): those below 0x80 must be known, others
 * are passed over.
 *
 * @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_UNSUPPORTED_VERSION`.
 */
export function decodeHead(plaintext: Uint8Array): Head {
  const { length } = plaintext
  if (length !== CREATED_HEAD_BYTES && length < CHANGED_HEAD_BYTES) {
    throw corrupt(`head: expected ${CREATED_HEAD_BYTES} bytes, or ${CHANGED_HEAD_BYTES} and more, got ${length}`)
  }
  const reader = new ByteReader(plaintext)
  try {
    const head = {
      sequence: reader.u64(),
      count: reader.u64(),
      superseded: reader.u64(),
      setHash: decodeSetHash(reader.raw(SET_HASH_BYTES)),
    }
    if (length === CREATED_HEAD_BYTES) return head
    const generation = reader.u64()
    if (generation === 0) throw new RangeError('generation: expected at least 1, got 0')
    const mark = { generation, mac: reader.raw(MAC_BYTES).slice() }
    passOverFields(reader.rest())
    return { ...head, keyring: mark }
  } catch (cause) {
    if (cause instanceof SecretStoreError) throw cause
    throw corrupt('head: expected integers below 2^53, got others', cause)
  }
}

/** Each field is a tag of 1 byte, a length in 2, and its bytes; tags ascend. No version knows any yet. */
function passOverFields(rest: Uint8Array): void {
  for (let fields = new ByteReader(rest), last = 0; fields.offset < rest.length; ) {
    const tag = fields.u8()
    if (tag <= last) throw corrupt('head: expected fields in ascending order, got others')
    if (tag < OPTIONAL_FIELDS) {
      throw new SecretStoreError(
        'ERR_UNSUPPORTED_VERSION',
        `head: expected fields this version knows, got field ${tag}`,
      )
    }
    fields.raw(fields.u16())
    last = tag
  }
}

/** A number below 2^256 in 32 bytes, the most significant first. */
export function encodeSetHash(hash: bigint): Uint8Array {
  const bytes = new Uint8Array(SET_HASH_BYTES)
  const view = new DataView(bytes.buffer)
  for (let word = 0; word < 4; word++) view.setBigUint64(word * 8, BigInt.asUintN(64, hash >> BigInt((3 - word) * 64)))
  return bytes
}

export function decodeSetHash(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, SET_HASH_BYTES)
  let hash = 0n
  for (let word = 0; word < 4; word++) hash = (hash << 64n) | view.getBigUint64(word * 8)
  return hash
}

/**
 * MSet-Add-Hash (Clarke, Devadas, van Dijk, Gassend and Suh, "Incremental Multiset Hash Functions", ASIACRYPT 2003, §5):
 * the sum of HMAC-SHA256 of every element, modulo 2^256. Adding and removing an element are one addition each.
 *
 * The paper blinds the sum with a random nonce because it publishes the hash. Here the sum only ever stands inside the
 * sealed head, and a checkpoint carries an HMAC of it, so there is nothing to blind.
 */
const MODULUS_MASK = (1n << 256n) - 1n

/** Count and set hash of some records; of all of them, it is the head's. */
export interface RecordSum {
  readonly count: number
  readonly setHash: bigint
}

export const NO_RECORDS: RecordSum = { count: 0, setHash: 0n }

export function withElement({ count, setHash }: RecordSum, element: bigint): RecordSum {
  return { count: count + 1, setHash: (setHash + element) & MODULUS_MASK }
}

/** The inverse of `withElement`. */
export function withoutElement({ count, setHash }: RecordSum, element: bigint): RecordSum {
  return { count: count - 1, setHash: (setHash - element) & MODULUS_MASK }
}

export function isSameSum(one: RecordSum, other: RecordSum): boolean {
  return one.count === other.count && one.setHash === other.setHash
}
