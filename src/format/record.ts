import { ByteReader, ByteWriter } from '../base/byte-codec'
import { corrupt } from '../errors'
import type { Address, PayloadType, Scope, SecretRecord } from '../model'
import { RECORD_FLAG as FLAG, TAG_BYTES } from './constants'
import { checkPayload, isId, nameOf } from './record-shape'

/** A payload in a row of its own, which the record vouches for. */
type ExternalPayload = { readonly type: PayloadType; readonly lengthBytes: number; readonly tag: Uint8Array }

/** A record without its payload. */
export interface KnownRecord extends SecretRecord {
  readonly payload: { readonly type: PayloadType } | ExternalPayload
}

/** A record as it is sealed. */
export interface StoredRecord extends SecretRecord {
  readonly payload: { readonly type: PayloadType; readonly inline: Uint8Array } | ExternalPayload
}

const ALL_FLAGS: number = Object.values(FLAG).reduce((all, flag) => all | flag, 0)

/** Record → padded plaintext (docs/format.md §6). @param writer - Whose memory it becomes. */
export function encodeRecord(record: StoredRecord, writer: ByteWriter = new ByteWriter()): Uint8Array {
  const { partition, scope, name } = record.address
  const { payload } = record
  const flags =
    (partition.livemode ? FLAG.livemode : 0) |
    (partition.account === undefined ? 0 : FLAG.account) |
    (scope.type === 'user' ? FLAG.userScope : 0) |
    (record.expires_at === null ? 0 : FLAG.expires) |
    (payload.type === 'bytes' ? FLAG.bytes : 0) |
    ('tag' in payload ? FLAG.external : 0)
  writer.u8(flags).u64(record.revision).u64(record.created)
  if (record.expires_at !== null) writer.u64(record.expires_at)
  writer.text16(record.id)
  if (partition.account !== undefined) writer.text16(partition.account)
  if (scope.type === 'user') writer.text16(scope.user)
  writer.text16(name)
  if ('tag' in payload) writer.u32(payload.lengthBytes).raw(payload.tag)
  else writer.u32(payload.inline.length).raw(payload.inline)
  return writer.zerosUpTo(padmeLength(writer.length)).bytes()
}

/** @throws {SecretStoreError} `ERR_CORRUPT` for anything that no writer writes (docs/format.md §6.1). */
export function decodeRecord(plaintext: Uint8Array): StoredRecord {
  try {
    const reader = new ByteReader(plaintext)
    const flags = reader.u8()
    if (flags > ALL_FLAGS) throw new RangeError(`flags: expected at most ${ALL_FLAGS}, got ${flags}`)
    const has = (flag: number): boolean => (flags & flag) !== 0
    const revision = reader.u64()
    const created = reader.u64()
    const expires_at = has(FLAG.expires) ? reader.u64() : null
    const id = reader.text16()
    const account = has(FLAG.account) ? nameOf(reader) : undefined
    const scope: Scope = has(FLAG.userScope) ? { type: 'user', user: nameOf(reader) } : { type: 'account' }
    const name = nameOf(reader)
    const address = { partition: { account, livemode: has(FLAG.livemode) }, scope, name }
    const type: PayloadType = has(FLAG.bytes) ? 'bytes' : 'text'
    const lengthBytes = reader.u32()
    const payload = has(FLAG.external)
      ? { type, lengthBytes, tag: reader.raw(TAG_BYTES) }
      : { type, inline: checkPayload(type, reader.raw(lengthBytes)) }
    const isWhole = isPadded(plaintext, reader.offset) && revision > 0 && lengthBytes > 0 && isId(id)
    if (!isWhole) throw new RangeError('record: expected it padded, with a revision, id and payload, got another')
    return { id, address, created, expires_at, revision, payload } as StoredRecord
  } catch (cause) {
    throw corrupt('record: expected a plaintext of format version 1, got something else', cause)
  }
}

/** The record without its payload, and without the memory that it was decoded from. */
export function withoutPayload(record: KnownRecord, address: Address = record.address): KnownRecord {
  const { id, created, expires_at, revision, payload } = record
  const { type } = payload
  const kept = 'tag' in payload ? { type, lengthBytes: payload.lengthBytes, tag: payload.tag.slice() } : { type }
  return { id, address, created, expires_at, revision, payload: kept }
}

/** A payload in a row of its own: its bytes and zeros up to the Padmé length. The length is in the record. */
export function encodePayload(payload: Uint8Array): Uint8Array {
  return pad(payload)
}

/** @throws {SecretStoreError} `ERR_CORRUPT` unless `plaintext` is `lengthBytes` bytes, padded. */
export function decodePayload(plaintext: Uint8Array, lengthBytes: number): Uint8Array {
  if (!isPadded(plaintext, lengthBytes)) {
    throw corrupt(`payload: expected ${lengthBytes} bytes and padding, got ${plaintext.length} bytes`)
  }
  return plaintext.subarray(0, lengthBytes)
}

/**
 * The Padmé length for `length` bytes: at most 12 % more, and of sizes up to M only O(log log M) bits leak.
 *
 * Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PoPETs 2019, §4.
 */
export function padmeLength(length: number): number {
  if (length < 2) return length
  const exponent = floorLog2(length)
  const mantissaBits = floorLog2(exponent) + 1
  const step = 2 ** (exponent - mantissaBits)
  return step <= 1 ? length : Math.ceil(length / step) * step
}

/** @param value - At least 1. */
function floorLog2(value: number): number {
  return value < 2 ** 32 ? 31 - Math.clz32(value) : Math.floor(Math.log2(value))
}

/** Appends zeros up to the Padmé length, in a copy if there are any. The content must say its own length. */
export function pad(content: Uint8Array): Uint8Array {
  const length = padmeLength(content.length)
  if (length === content.length) return content
  const padded = new Uint8Array(length)
  padded.set(content)
  return padded
}

/** Whether `padded` is exactly `pad` of its first `length` bytes. */
export function isPadded(padded: Uint8Array, length: number): boolean {
  if (padded.length !== padmeLength(length)) return false
  for (let i = length; i < padded.length; i++) if (padded[i] !== 0) return false
  return true
}
