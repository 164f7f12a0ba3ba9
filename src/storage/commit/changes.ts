import { type RecordSum, withElement, withoutElement } from '../../crypto/set-hash'
import type { Head } from '../../format/head'
import type { KnownRecord } from '../../format/record'
import type { Change } from '../engine'
import { expiryRow, idRow, payloadRow } from '../keyspace'
import type { SealedRecord } from '../records'
import type { Replacement } from '../replacement'

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

/** The head after a commit. */
export function nextHead(head: Head, replacements: readonly Replacement[]): Head {
  let sum: RecordSum = head
  let { superseded } = head
  for (const { previous, next } of replacements) {
    if (previous !== undefined) {
      sum = withoutElement(sum, previous.element)
      superseded++
    }
    if (next !== undefined) sum = withElement(sum, next.element)
  }
  return { ...head, count: sum.count, setHash: sum.setHash, superseded, sequence: head.sequence + 1 }
}
