import { ByteWriter } from '../base/byte-codec'
import { equal } from '../base/bytes'
import type { Keyring } from '../crypto/keyring'
import { corrupt } from '../errors'
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
import { checkPayload } from '../format/record-shape'
import type { Payload, SecretRecord } from '../model'
import type { Change } from './engine'
import { expiryRow, idRow, payloadRow, type RowKey } from './keyspace'

/** The values of a record's rows: its own, and that of its payload if it is large. */
export interface SealedRecord {
  readonly record: StoredRecord
  readonly value: Uint8Array
  /** Only when it was sealed just now. */
  readonly payloadValue?: Uint8Array
}

/** What a commit needs to know of a record that stands in its row, before it or after it. */
export interface WrittenRecord {
  readonly record: KnownRecord
  /** Its summand in the set hash. */
  readonly element: bigint
}

/** One row, before and after a commit. */
export interface Replacement {
  readonly rowKey: RowKey
  readonly previous: WrittenRecord | undefined
  readonly next: WrittenRecord | undefined
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
    return { record: stored, value: sealStored(keyring, rowKey, stored) }
  }
  const payloadValue = keyring.sealRow(payloadRow(rowKey), encodePayload(bytes))
  const payload = { type, lengthBytes: bytes.length, tag: envelopeTag(payloadValue) }
  const stored: StoredRecord = { ...record, payload }
  return { record: stored, value: sealStored(keyring, rowKey, stored), payloadValue }
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
  checkSort(rowKey)
  return decodeRecord(keyring.openRow(rowKey, value))
}

/** The same without its payload, of which nothing stays in memory. */
export function openKnown(keyring: Keyring, rowKey: Uint8Array, value: Uint8Array): KnownRecord {
  checkSort(rowKey)
  const plaintext = keyring.openRow(rowKey, value, plaintextScratch)
  try {
    return withoutPayload(decodeRecord(plaintext))
  } finally {
    plaintext.fill(0)
  }
}

/** Secondary rows are not sealed. One that leads to another sort of row must not have a payload read as a record. */
function checkSort(rowKey: Uint8Array): void {
  if (rowKey[0] !== ROW.record) throw corrupt('secondary row: expected it to lead to a record, got another row')
}

/**
 * The payload of a record.
 *
 * @param value - The payload row; not looked at if the payload is in the record.
 * @throws {SecretStoreError} `ERR_CORRUPT` if the row is not the one the record vouches for, or a text is not UTF-8.
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
  return { type: payload.type, bytes: checkPayload(payload.type, decodePayload(plaintext, payload.lengthBytes)) }
}

/** The most rows that a commit puts or deletes for one record: one of each sort, and the id and expiry rows before it. */
export const MOST_CHANGES = 6

/**
 * The rows of one record, from what they are to what they become: the record, its payload, its secondary rows. Rows that
 * stay as they are are left out.
 */
export function replacementChanges(
  rowKey: Uint8Array,
  before: KnownRecord | undefined,
  next: SealedRecord | undefined,
): Change[] {
  const changes: Change[] = []
  const after = next?.record
  const keepsId = before?.id === after?.id
  const keepsExpiry = keepsId && before?.expires_at === after?.expires_at
  if (before !== undefined) {
    if (!keepsId) changes.push({ type: 'del', key: idRow(before.id) })
    if (!keepsExpiry && before.expires_at !== null) {
      changes.push({ type: 'del', key: expiryRow(before.expires_at, before.id) })
    }
    const keepsPayloadRow = after !== undefined && 'tag' in after.payload
    if ('tag' in before.payload && !keepsPayloadRow) changes.push({ type: 'del', key: payloadRow(rowKey) })
    if (after === undefined) changes.push({ type: 'del', key: rowKey })
  }
  if (next !== undefined && after !== undefined) {
    changes.push({ type: 'put', key: rowKey, value: next.value })
    if (!keepsId) changes.push({ type: 'put', key: idRow(after.id), value: rowKey })
    if (!keepsExpiry && after.expires_at !== null) {
      changes.push({ type: 'put', key: expiryRow(after.expires_at, after.id), value: rowKey })
    }
    if (next.payloadValue !== undefined)
      changes.push({ type: 'put', key: payloadRow(rowKey), value: next.payloadValue })
  }
  return changes
}
