import { equal } from '../base/bytes'
import type { Keyring } from '../crypto/keyring'
import type { KnownRecord, StoredRecord } from '../format/record'
import type { Payload } from '../model'
import { type Engine, getNow } from './engine'
import { payloadRow, type RowKey } from './keyspace'
import type { KnownRecords } from './known/known-records'
import { openKnown, openPayload, openRecord } from './records'

/** A read that says which rows it needs and does not care whether they come at once or later. */
export type Lookup<T> = Generator<Uint8Array, T, Uint8Array | undefined>

/** Runs a look-up. Reads without a thread hop where the engine can. */
export async function read<T>(engine: Engine, lookup: Lookup<T>): Promise<T> {
  let step = lookup.next()
  while (!step.done) {
    const value = getNow(engine, step.value)
    step = lookup.next(value instanceof Promise ? await value : value)
  }
  return step.value
}

/** The same at once. @throws {SecretStoreError} `ERR_NO_SYNC`, `ERR_BUSY`. */
export function readNow<T>(engine: Engine, lookup: Lookup<T>): T {
  let step = lookup.next()
  while (!step.done) step = lookup.next(engine.getSync(step.value))
  return step.value
}

/** By what look-ups go, and where they leave the records that they have read. */
export interface Sources {
  readonly keyring: Keyring
  readonly known: KnownRecords
}

export interface FoundPayload {
  readonly record: StoredRecord
  readonly payload: Payload
}

/** A record without its payload. The row is read only if the record is not known. */
export function* lookUpRecord(sources: Sources, rowKey: RowKey): Lookup<KnownRecord | undefined> {
  return sources.known.get(rowKey.text)?.record ?? (yield* readRow(sources, rowKey, openKnown))
}

/** A record with its payload, or with the place of that: of a large one no more need be known. */
export function* lookUpStored(sources: Sources, rowKey: RowKey): Lookup<StoredRecord | undefined> {
  const known = sources.known.get(rowKey.text)?.record
  if (known !== undefined && 'tag' in known.payload) return known as StoredRecord
  return yield* readRow(sources, rowKey, openRecord)
}

/** A record and its payload. Between two reads a write may replace both: then the new record is read, not condemned. */
export function* lookUpPayload(
  sources: Sources,
  rowKey: RowKey,
  first: StoredRecord,
): Lookup<FoundPayload | undefined> {
  for (let record = first; ; ) {
    const value = 'tag' in record.payload ? yield payloadRow(rowKey.bytes) : undefined
    try {
      return { record, payload: openPayload(sources.keyring, rowKey.bytes, record, value) }
    } catch (error) {
      const again = yield* readRow(sources, rowKey, openRecord)
      if (again === undefined) return undefined
      if (again.revision === record.revision) throw error
      record = again
    }
  }
}

/** A rotation may destroy a key between the reading of a row and its opening: then the row as it is now is read. */
function* readRow<R extends KnownRecord>(
  { keyring, known }: Sources,
  rowKey: RowKey,
  open: (keyring: Keyring, rowKey: Uint8Array, value: Uint8Array) => R,
): Lookup<R | undefined> {
  let moment = known.moment()
  for (let value = yield rowKey.bytes; value !== undefined; ) {
    try {
      const record = open(keyring, rowKey.bytes, value)
      known.learn(moment, rowKey.text, record)
      return record
    } catch (error) {
      moment = known.moment()
      const again: Uint8Array | undefined = yield rowKey.bytes
      if (again !== undefined && equal(again, value)) throw error
      value = again
    }
  }
  return undefined
}
