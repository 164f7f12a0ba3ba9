import { ByteWriter } from '../base/byte-codec'
import { equal, fromUtf8, mapKey } from '../base/bytes'
import type { Keyring } from '../crypto/keyring'
import { corrupt, type SecretStoreError } from '../errors'
import { INLINE_PAYLOAD_BYTES, ROW } from '../format/constants'
import { envelopeTag } from '../format/envelope'
import {
  decodePayload,
  decodeRecord,
  encodePayload,
  encodeRecord,
  type KnownRecord,
  type StoredRecord,
  withoutPayload,
} from '../format/record'
import type { Payload, SecretRecord } from '../model'
import { asciiText } from '../platform/text'
import type { Engine } from './engine'
import { payloadRow } from './keyspace'
import type { KnownRecords } from './known/known-records'

/** A record in its row, and its payload in a row of its own if it is large. */
export interface SealedRecord {
  readonly rowKey: Uint8Array
  readonly record: StoredRecord
  readonly value: Uint8Array
  /** Only when it was sealed just now. */
  readonly payloadValue?: Uint8Array
}

/** Record and payload → rows. A large payload gets its own, so that listing never reads it. */
export function sealRecord(
  keyring: Keyring,
  rowKey: Uint8Array,
  record: SecretRecord,
  { type, bytes }: Payload,
): SealedRecord {
  if (bytes.length <= INLINE_PAYLOAD_BYTES) {
    const stored: StoredRecord = { ...record, payload: { type, inline: bytes } }
    return { rowKey, record: stored, value: sealStored(keyring, rowKey, stored) }
  }
  const payloadValue = keyring.sealRow(payloadRow(rowKey), encodePayload(bytes))
  const payload = { type, lengthBytes: bytes.length, tag: envelopeTag(payloadValue) }
  const stored: StoredRecord = { ...record, payload }
  return { rowKey, record: stored, value: sealStored(keyring, rowKey, stored), payloadValue }
}

/** Where plaintexts of records are for as long as they are needed; then it is overwritten. */
const plaintextWriter = new ByteWriter(2048)
const plaintextScratch = new Uint8Array(2048)

function sealStored(keyring: Keyring, rowKey: Uint8Array, record: StoredRecord): Uint8Array {
  try {
    return keyring.sealRow(rowKey, encodeRecord(record, plaintextWriter))
  } finally {
    plaintextWriter.wipe()
  }
}

/** The inverse of `sealRecord`. @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_UNSUPPORTED_VERSION`. */
export function openRecord(keyring: Keyring, rowKey: Uint8Array, value: Uint8Array): StoredRecord {
  if (rowKey[0] !== ROW.record) throw notARecord()
  return decodeRecord(keyring.openRow(rowKey, value))
}

/** The same without its payload, of which nothing stays in memory. */
export function openKnown(keyring: Keyring, rowKey: Uint8Array, value: Uint8Array): KnownRecord {
  if (rowKey[0] !== ROW.record) throw notARecord()
  const plaintext = keyring.openRow(rowKey, value, plaintextScratch)
  try {
    return withoutPayload(decodeRecord(plaintext))
  } finally {
    plaintext.fill(0)
  }
}

/** Hints are not sealed. One that leads to another sort of row must not have a payload read as a record. */
function notARecord(): SecretStoreError {
  return corrupt('hint: expected it to lead to a record, got another row')
}

/**
 * The payload of a record.
 *
 * @param value - The payload row; not looked at if the payload is in the record.
 * @throws {SecretStoreError} `ERR_CORRUPT` if the row is not the one the record vouches for.
 */
export function openPayload(
  keyring: Keyring,
  rowKey: Uint8Array,
  { payload }: StoredRecord,
  value: Uint8Array | undefined,
): Payload {
  if (!('tag' in payload)) return { type: payload.type, bytes: payload.inline }
  if (value === undefined) throw corrupt('payload: expected the row its record names, got none')
  if (!equal(envelopeTag(value), payload.tag)) {
    throw corrupt('payload: expected the one its record names, got another')
  }
  const plaintext = keyring.openRow(payloadRow(rowKey), value)
  return { type: payload.type, bytes: decodePayload(plaintext, payload.lengthBytes) }
}

/** A payload of bytes was asked for as text. */
export class BytesPayloadError extends TypeError {
  constructor() {
    super('payload: expected text, got bytes (read them with getBytes)')
  }
}

/** From here on it pays to look whether all of it is ASCII. */
const LONG_TEXT_BYTES = 8192

/** @throws {BytesPayloadError} If the payload is bytes. */
export function payloadText({ type, bytes }: Payload): string {
  if (type === 'bytes') throw new BytesPayloadError()
  try {
    return (bytes.length >= LONG_TEXT_BYTES ? asciiText(bytes) : undefined) ?? fromUtf8(bytes)
  } catch (cause) {
    throw corrupt('payload: expected UTF-8, got other bytes', cause)
  }
}

/** A read that says which rows it needs and does not care whether they come at once or later. */
export type Lookup<T> = Generator<Uint8Array, T, Uint8Array | undefined>

export interface Found {
  readonly record: StoredRecord
  readonly payload: Payload
}

/** What lookups go by, and what they leave behind of what they have found. */
export interface Sources {
  readonly keyring: Keyring
  readonly known: KnownRecords
}

/** What is known of a record; its row is read only if nothing is. */
export function* lookUpKnown(sources: Sources, rowKey: Uint8Array): Lookup<KnownRecord | undefined> {
  return sources.known.get(mapKey(rowKey))?.record ?? (yield* lookUp(sources, rowKey, openKnown))
}

/** A record with its payload, or where that is: of one with a row of its own no more than is known is needed. */
export function* lookUpStored(sources: Sources, rowKey: Uint8Array): Lookup<StoredRecord | undefined> {
  const known = sources.known.get(mapKey(rowKey))?.record
  return known !== undefined && 'tag' in known.payload ? (known as StoredRecord) : yield* lookUpRecord(sources, rowKey)
}

/** A record as it is in its row. */
export function lookUpRecord(sources: Sources, rowKey: Uint8Array): Lookup<StoredRecord | undefined> {
  return lookUp(sources, rowKey, openRecord)
}

/** A rotation may destroy a key between the reading of a row and its opening: then the row as it is now is read. */
function* lookUp<R extends KnownRecord>(
  { keyring, known }: Sources,
  rowKey: Uint8Array,
  open: (keyring: Keyring, rowKey: Uint8Array, value: Uint8Array) => R,
): Lookup<R | undefined> {
  let moment = known.moment()
  for (let value = yield rowKey; value !== undefined; ) {
    try {
      const record = open(keyring, rowKey, value)
      known.learn(moment, mapKey(rowKey), record)
      return record
    } catch (error) {
      moment = known.moment()
      const again: Uint8Array | undefined = yield rowKey
      if (again !== undefined && equal(again, value)) throw error
      value = again
    }
  }
  return undefined
}

/** A record and its payload. Between two reads a write may replace both: then the new record is read, not condemned. */
export function* lookUpPayload(sources: Sources, rowKey: Uint8Array, first: StoredRecord): Lookup<Found | undefined> {
  for (let record = first; ; ) {
    const value = 'tag' in record.payload ? yield payloadRow(rowKey) : undefined
    try {
      return { record, payload: openPayload(sources.keyring, rowKey, record, value) }
    } catch (error) {
      const again = yield* lookUpRecord(sources, rowKey)
      if (again === undefined) return undefined
      if (again.revision === record.revision) throw error
      record = again
    }
  }
}

/** @throws {SecretStoreError} `ERR_NO_SYNC`, `ERR_BUSY`. */
export function readNow<T>(engine: Engine, lookup: Lookup<T>): T {
  let step = lookup.next()
  while (!step.done) step = lookup.next(engine.getSync(step.value))
  return step.value
}

/** Reads without a thread hop where the engine can. */
export async function read<T>(engine: Engine, lookup: Lookup<T>): Promise<T> {
  let step = lookup.next()
  while (!step.done) {
    const value = getNow(engine, step.value)
    step = lookup.next(value instanceof Promise ? await value : value)
  }
  return step.value
}

/** One row, without a thread hop where the engine can. */
export function getNow(engine: Engine, key: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined> {
  return engine.canReadSync() ? engine.getSync(key) : engine.get(key)
}
