import { addElement, removeElement } from '../../crypto/set-hash'
import type { Head } from '../../format/head'
import type { Change } from '../engine'
import { expiryRow, idRow, payloadRow } from '../keyspace'
import type { SealedRecord } from '../records'
import type { Replacement, Standing } from '../replacement'

/** What one record's rows become: the record, its payload, its hints. Rows that stay as they are are left out. */
export function replacementChanges(
  previous: Pick<Standing, 'rowKey' | 'record'> | undefined,
  next: SealedRecord | undefined,
): Change[] {
  const changes: Change[] = []
  const before = previous?.record
  const after = next?.record
  const keepsId = before?.id === after?.id
  const keepsExpiry = keepsId && before?.expires_at === after?.expires_at
  if (previous !== undefined && before !== undefined) {
    if (!keepsId) changes.push({ type: 'del', key: idRow(before.id) })
    if (!keepsExpiry && before.expires_at !== null) {
      changes.push({ type: 'del', key: expiryRow(before.expires_at, before.id) })
    }
    const keepsPayloadRow = after !== undefined && 'tag' in after.payload
    if ('tag' in before.payload && !keepsPayloadRow) changes.push({ type: 'del', key: payloadRow(previous.rowKey) })
    if (after === undefined) changes.push({ type: 'del', key: previous.rowKey })
  }
  if (next !== undefined && after !== undefined) {
    const { rowKey, value, payloadValue } = next
    changes.push({ type: 'put', key: rowKey, value })
    if (!keepsId) changes.push({ type: 'put', key: idRow(after.id), value: rowKey })
    if (!keepsExpiry && after.expires_at !== null) {
      changes.push({ type: 'put', key: expiryRow(after.expires_at, after.id), value: rowKey })
    }
    if (payloadValue !== undefined) changes.push({ type: 'put', key: payloadRow(rowKey), value: payloadValue })
  }
  return changes
}

/** The head after a commit. */
export function nextHead(head: Head, replacements: readonly Replacement[]): Head {
  let { count, superseded, setHash } = head
  for (const { previous, next } of replacements) {
    if (previous !== undefined) {
      count--
      superseded++
      setHash = removeElement(setHash, previous.element)
    }
    if (next !== undefined) {
      count++
      setHash = addElement(setHash, next.element)
    }
  }
  return { ...head, sequence: head.sequence + 1, count, superseded, setHash }
}
