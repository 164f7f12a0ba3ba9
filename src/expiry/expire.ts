import { isExpired, type SecretRecord } from '../model'
import type { Operation } from '../storage/transaction'

/** Deletes a record if, at its turn, it is still the one that was seen, and expired. Returns whether it did. */
export function expireOperation(
  rowKey: Uint8Array,
  seen: Pick<SecretRecord, 'id'>,
  nowSeconds: () => number,
): Operation<boolean> {
  return {
    rows: [],
    records: [rowKey],
    sizeBytes: rowKey.length,
    apply(transaction) {
      const record = transaction.record(rowKey)
      if (record?.id !== seen.id || !isExpired(record, nowSeconds())) return false
      transaction.delete(rowKey, 'expire')
      return true
    },
  }
}
