import { ByteReader, ByteWriter } from '../bytes'
import { corrupt } from '../errors'

/** The state of the whole store after one write (docs/format.md §8). */
export interface Head {
  /** How many writes there have been; the record written by a write carries its number as revision. */
  readonly sequence: number
  /** How many records there are. */
  readonly count: number
  /** How many records were replaced or deleted since the last compaction: bytes that linger in the files. */
  readonly superseded: number
  /** Sum of the keyed hashes of all records, modulo 2^256. */
  readonly setHash: bigint
}

export const EMPTY_HEAD: Head = { sequence: 0, count: 0, superseded: 0, setHash: 0n }

const SET_HASH_BYTES = 32
const HEAD_BYTES = 8 + 8 + 8 + SET_HASH_BYTES

export function encodeHead(head: Head): Uint8Array {
  return new ByteWriter()
    .u64(head.sequence)
    .u64(head.count)
    .u64(head.superseded)
    .raw(encodeSetHash(head.setHash))
    .bytes()
}

/** @throws {SecretStoreError} `ERR_CORRUPT`. */
export function decodeHead(plaintext: Uint8Array): Head {
  if (plaintext.length !== HEAD_BYTES) throw corrupt(`head: expected ${HEAD_BYTES} bytes, got ${plaintext.length}`)
  const reader = new ByteReader(plaintext)
  try {
    return {
      sequence: reader.u64(),
      count: reader.u64(),
      superseded: reader.u64(),
      setHash: decodeSetHash(reader.raw(SET_HASH_BYTES)),
    }
  } catch (cause) {
    throw corrupt('head: expected integers below 2^53, got others', cause)
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
