import type { StoreContext } from '../context'
import { newId } from '../crypto/random'
import type { FindRequest, SetRequest } from '../input/params'
import { type Address, type DeletedSecret, isExpired, type Secret, type SecretRecord, toSecret } from '../model'
import type { Operation, Transaction } from '../storage/commit/transaction'
import { payloadRow } from '../storage/keyspace'
import { payloadText } from '../storage/records'

/** What `set` and `delete` do at their turn in the order of writes. */

/** Creates or replaces: `id` and `created` of the one that is there stay. */
export function setOperation(
  context: StoreContext,
  address: Address,
  request: Omit<SetRequest, 'scope' | 'name'>,
): Operation<Secret> {
  const rowKey = context.keyspace.record(address)
  const { payload, expires_at } = request
  return {
    rows: [],
    records: [rowKey],
    sizeBytes: rowKey.length + payload.bytes.length,
    apply(transaction) {
      const now = context.nowSeconds()
      const previous = liveRecord(transaction, rowKey, now)
      // The new one has an id of its own: of what had expired that is the end.
      if (previous === undefined) transaction.delete(rowKey, 'expire')
      const { id, created } = previous ?? { id: newId(context.publicRandom), created: now }
      const record = transaction.put(rowKey, { id, address, created, expires_at }, payload)
      transaction.tell('set', record)
      return toSecret(record, request.expandPayload ? payloadText(payload) : undefined)
    },
  }
}

/** @returns Of it: what was deleted, or `undefined` if there was nothing. */
export function deleteOperation(
  context: StoreContext,
  address: Address,
  request: Pick<FindRequest, 'expandPayload'>,
): Operation<DeletedSecret | undefined> {
  const rowKey = context.keyspace.record(address)
  return {
    rows: request.expandPayload ? [rowKey, payloadRow(rowKey)] : [],
    records: [rowKey],
    sizeBytes: rowKey.length,
    apply(transaction) {
      const record = liveRecord(transaction, rowKey, context.nowSeconds())
      const payload = record && request.expandPayload ? transaction.payload(rowKey) : undefined
      const secret = record && toSecret(record, payload && payloadText(payload))
      transaction.delete(rowKey, record === undefined ? 'expire' : 'delete')
      return secret && { ...secret, deleted: true }
    },
  }
}

/** The record of a row as an operation sees it, unless it has expired. */
export function liveRecord(transaction: Transaction, rowKey: Uint8Array, nowSeconds: number): SecretRecord | undefined {
  const record = transaction.record(rowKey)
  return record === undefined || isExpired(record, nowSeconds) ? undefined : record
}
