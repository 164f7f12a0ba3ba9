import { compare } from '../bytes'
import type { StoreContext } from '../context'
import { isExpired } from '../model'
import type { Row } from '../storage/engine'
import { expiryPrefix, expiryRow } from '../storage/keyspace'
import { lookUpKnown, read } from '../storage/records'
import { walkRows } from '../storage/walk'
import { expireOperation } from './expire'

const SWEEP_ROWS = 500

/**
 * Deletes what has expired by now, in order of expiry: the cost is in proportion to what is due.
 *
 * An expiry row is a hint. One that leads nowhere, or to a record that says otherwise, is left for `verify` to report.
 *
 * @returns How many secrets were deleted.
 * @throws {SecretStoreError} `ERR_CORRUPT` for a record that cannot be read, after all the others were seen to.
 */
export async function sweep(context: StoreContext): Promise<number> {
  let deleted = 0
  let failure: unknown
  const due = { gte: expiryPrefix(0), lt: expiryPrefix(context.nowSeconds() + 1) }
  for await (const rows of walkRows(context.engine, due, SWEEP_ROWS)) {
    context.checkOpen()
    const outcomes = await Promise.allSettled(rows.map((row) => expire(context, row)))
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') failure ??= outcome.reason
      else if (outcome.value) deleted++
    }
  }
  if (failure !== undefined) throw failure
  return deleted
}

/** @returns Whether the record that the hint leads to was deleted. */
async function expire(context: StoreContext, hint: Row): Promise<boolean> {
  const rowKey = hint.value
  const record = await read(context.engine, lookUpKnown(context, rowKey))
  const now = context.nowSeconds()
  if (record === undefined || record.expires_at === null || !isExpired(record, now)) return false
  if (compare(expiryRow(record.expires_at, record.id), hint.key) !== 0) return false
  return context.queue.submit(expireOperation(rowKey, record, context.nowSeconds))
}
