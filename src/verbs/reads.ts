import { equal } from '../base/bytes'
import type { StoreContext } from '../context'
import type { Keyring } from '../crypto/keyring'
import type { KnownRecord, StoredRecord } from '../format/record'
import { isExpired, type Payload } from '../model'
import type { Engine } from '../storage/engine'
import { HEAD_ROW, payloadRow, type RowKey } from '../storage/keyspace'
import type { KnownRecords } from '../storage/known/known-records'
import { openKnown, openPayload, openRecord } from '../storage/records'

/** A read that says which rows it needs and does not care whether they come at once or later. */
export type Lookup<T> = Generator<Uint8Array, T, Uint8Array | undefined>

/** Runs a look-up. Reads without a thread hop where the engine can. */
export async function read<T>(engine: Engine, lookup: Lookup<T>): Promise<T> {
  let step = lookup.next()
  while (!step.done) {
    const value = engine.get(step.value)
    // Of another realm it is no `Uint8Array`, and is awaited for nothing.
    step = lookup.next(value === undefined || value instanceof Uint8Array ? value : await value)
  }
  return step.value
}

/** The same at once. @throws {SecretStoreError} `ERR_NO_SYNC`, `ERR_BUSY`. */
export function readNow<T>(engine: Engine, lookup: Lookup<T>): T {
  let step = lookup.next()
  while (!step.done) step = lookup.next(engine.getSync(step.value))
  return step.value
}

/** The record of a secret that has not expired. */
export function* findRecord(context: StoreContext, rowKey: RowKey): Lookup<KnownRecord | undefined> {
  return yield* unlessExpired(context, rowKey, yield* lookUpRecord(context, rowKey), lookUpRecord)
}

/** The record and the payload of a secret that has not expired. The payload of an expired one is not read. */
export function* findPayload(context: StoreContext, rowKey: RowKey): Lookup<FoundPayload | undefined> {
  for (;;) {
    const record = yield* unlessExpired(context, rowKey, yield* lookUpStored(context, rowKey), readStored)
    const found = record && (yield* lookUpPayload(context, rowKey, record))
    // It may have expired while its payload was read.
    if (found === undefined || !isExpired(found.record, context.nowSeconds())) return found
  }
}

/**
 * A record that was read, unless it has expired: expired is gone, and the read that meets it has it deleted. One that
 * expires after it was read and before it is looked at here may have been replaced as well. So it is read again, until
 * there is none, or one that has not expired, or the same.
 *
 * @param lookUp - How it was read.
 * @param onExpired - Told of one that has expired.
 */
export function* unlessExpired<R extends KnownRecord>(
  context: StoreContext,
  rowKey: RowKey,
  record: R | undefined,
  lookUp: (context: StoreContext, rowKey: RowKey) => Lookup<R | undefined>,
  onExpired: (record: R) => void = (expired) => context.expireLazily(rowKey, expired),
): Lookup<R | undefined> {
  for (let seen = record; seen !== undefined; ) {
    if (!isExpired(seen, context.nowSeconds())) return seen
    const again: R | undefined = yield* lookUp(context, rowKey)
    if (again?.revision === seen.revision) {
      onExpired(seen)
      return undefined
    }
    seen = again
  }
  return undefined
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
  const known = sources.known.get(rowKey.text)
  // What is known may have been replaced meanwhile.
  if (known !== undefined && (yield* isNewest(sources.known)) && sources.known.get(rowKey.text) === known)
    return known.record
  return yield* readRow(sources, rowKey, openKnown)
}

/**
 * Whether what is known is of the newest commit. One writer among several is told of each commit of the others, but
 * somebody may have read it, or have been told that it is on disk, a moment earlier.
 */
export function* isNewest(known: KnownRecords): Lookup<boolean> {
  if (known.head === undefined) return true
  const newest = yield HEAD_ROW
  return newest !== undefined && equal(newest, known.head)
}

/** A record with its payload, or with the place of that: of a large one no more need be known. */
export function* lookUpStored(sources: Sources, rowKey: RowKey): Lookup<StoredRecord | undefined> {
  const known = sources.known.get(rowKey.text)?.record
  if (known !== undefined && 'tag' in known.payload) return known as StoredRecord
  return yield* readRow(sources, rowKey, openRecord)
}

/** The same, out of its row: of an expired record no payload is read, which would show that it was replaced. */
export const readStored: typeof lookUpStored = (sources, rowKey) => readRow(sources, rowKey, openRecord)

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
