import { equal } from '../base/bytes'
import { orAborted } from '../base/waiting'
import type { StoreContext } from '../context'
import { isExpired, type SecretRecord } from '../model'
import { submitUnlessAborted } from '../storage/commit/given-up'
import type { Operation } from '../storage/commit/transaction'
import type { Row } from '../storage/engine'
import { expiryPrefix, expiryRow, RowKey } from '../storage/keyspace'
import { walkRows } from '../storage/walk'
import { lookUpRecord, read } from './reads'

/** Deletes a record if, at its turn, it is still the one that was seen, and expired. Returns whether it did. */
export function expireOperation(
  rowKey: RowKey,
  seen: Pick<SecretRecord, 'id'>,
  nowSeconds: () => number,
): Operation<boolean> {
  return {
    records: [rowKey],
    payloads: [],
    sizeBytes: rowKey.bytes.length,
    apply(transaction) {
      const record = transaction.record(rowKey)
      if (record?.id !== seen.id || !isExpired(record, nowSeconds())) return false
      transaction.delete(rowKey, 'expire')
      return true
    },
  }
}

const SWEEP_ROWS = 500

/**
 * Deletes all records that have expired by now, in order of expiry: the cost is in proportion to their number.
 *
 * An expiry row is not sealed. One that leads nowhere, or to a record that says otherwise, is left for `verify` to report.
 *
 * @param signal - Ends it between two of them; what is deleted by then stays so.
 * @returns How many secrets were deleted.
 * @throws {SecretStoreError} `ERR_CORRUPT` for a record that cannot be read, after all the others were seen to.
 */
export async function sweep(context: StoreContext, signal?: AbortSignal): Promise<number> {
  signal?.throwIfAborted()
  let deleted = 0
  let failure: unknown
  const due = { gte: expiryPrefix(0), lt: expiryPrefix(context.nowSeconds() + 1) }
  for await (const rows of walkRows(context.engine, due, SWEEP_ROWS, signal)) {
    context.checkOpen()
    const outcomes = await Promise.allSettled(rows.map((row) => expire(context, row, signal)))
    signal?.throwIfAborted()
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') failure ??= outcome.reason
      else if (outcome.value) deleted++
    }
  }
  if (failure !== undefined) throw failure
  return deleted
}

/** @returns Whether the record was deleted to which the expiry row leads. */
async function expire(context: StoreContext, { key, value }: Row, signal: AbortSignal | undefined): Promise<boolean> {
  const rowKey = RowKey.of(value)
  const record = await orAborted(signal, read(context.engine, lookUpRecord(context, rowKey)))
  if (record === undefined || record.expires_at === null || !isExpired(record, context.nowSeconds())) return false
  if (!equal(expiryRow(record.expires_at, record.id), key)) return false
  return submitUnlessAborted(context.queue, expireOperation(rowKey, record, context.nowSeconds), signal)
}
