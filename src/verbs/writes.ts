import type { StoreContext } from '../context'
import { newId } from '../crypto/random'
import { payloadText } from '../format/record-shape'
import type { FindRequest, SetRequest } from '../input/params'
import { type DeletedSecret, isExpired, type Secret, type SecretRecord, toSecret } from '../model'
import type { Operation, Transaction } from '../storage/commit/transaction'
import type { RowKey } from '../storage/keyspace'
import type { Place } from './reach'

/** What `set` and `delete` do at their turn in the order of writes. */

/** Creates or replaces: `id` and `created` of the one that is there stay. */
export function setOperation(
  context: StoreContext,
  { address, rowKey }: Place,
  { payload, expires_at: expiry, expandPayload, expandReplaced }: Omit<SetRequest, 'scope' | 'name'>,
): Operation<Secret> {
  return {
    records: [rowKey],
    payloads: [],
    sizeBytes: rowKey.bytes.length + payload.bytes.length,
    apply(transaction) {
      const now = context.nowSeconds()
      const previous = liveRecord(transaction, rowKey, now)
      // The new one has an id of its own: of what had expired that is the end.
      if (previous === undefined) transaction.delete(rowKey, 'expire')
      const { id, created } = previous ?? { id: newId(context.publicRandom), created: now }
      const expires_at = expiry === 'keep' ? (previous?.expires_at ?? null) : expiry
      const record = transaction.put(rowKey, { id, address, created, expires_at }, payload)
      transaction.tell('set', record)
      const secret = toSecret(record, expandPayload ? payloadText(payload) : undefined)
      return expandReplaced ? { ...secret, replaced: previous !== undefined } : secret
    },
  }
}

/** @returns Of it: the deleted secret, or `undefined` if there was none. */
export function deleteOperation(
  context: StoreContext,
  { rowKey }: Place,
  { expandPayload }: Pick<FindRequest, 'expandPayload'>,
): Operation<DeletedSecret | undefined> {
  return {
    records: [rowKey],
    payloads: expandPayload ? [rowKey] : [],
    sizeBytes: rowKey.bytes.length,
    apply(transaction) {
      const record = liveRecord(transaction, rowKey, context.nowSeconds())
      const payload = record && expandPayload ? transaction.payload(rowKey) : undefined
      const secret = record && toSecret(record, payload && payloadText(payload))
      transaction.delete(rowKey, record === undefined ? 'expire' : 'delete')
      return secret && { ...secret, deleted: true }
    },
  }
}

/** Several operations, in order, as one: all of them or none. */
export function batchOperation<T>(parts: readonly Operation<T>[]): Operation<T[]> {
  return {
    records: parts.flatMap((part) => part.records),
    payloads: parts.flatMap((part) => part.payloads),
    sizeBytes: parts.reduce((sum, part) => sum + part.sizeBytes, 0),
    apply: (transaction) => parts.map((part) => part.apply(transaction)),
  }
}

/** The record of a row as an operation sees it, unless it has expired. */
export function liveRecord(transaction: Transaction, rowKey: RowKey, nowSeconds: number): SecretRecord | undefined {
  const record = transaction.record(rowKey)
  return record === undefined || isExpired(record, nowSeconds) ? undefined : record
}
