import { equal } from '../bytes'
import { addElement, removeElement } from '../crypto/set-hash'
import type { Head } from '../format/head'
import type { Change } from './engine'
import { expiryRow, idRow, payloadRow } from './keyspace'
import type { SealedRecord } from './records'

/** One address, before and after a commit. */
export interface Replacement {
  readonly previous: SealedRecord | undefined
  readonly next: SealedRecord | undefined
}

/** What one record's rows become: the record, its payload, its hints. Rows that stay as they are are left out. */
export function replacementChanges({ previous, next }: Replacement): Change[] {
  const before = previous === undefined ? [] : secondaryRows(previous)
  const after = next === undefined ? [] : secondaryRows(next)
  const gone = before.filter((row) => !after.some((kept) => equal(kept.key, row.key)))
  const added = after.filter((row) => row.isNew || !before.some((had) => equal(had.key, row.key)))
  return [
    ...gone.map(({ key }) => ({ type: 'del', key }) as const),
    ...(previous !== undefined && next === undefined ? [{ type: 'del', key: previous.rowKey } as const] : []),
    ...(next === undefined ? [] : [{ type: 'put', key: next.rowKey, value: next.value } as const]),
    ...added.map(({ key, value }) => ({ type: 'put', key, value }) as const),
  ]
}

/** The head after a commit. `hash` is a record's summand in the set hash. */
export function nextHead(
  head: Head,
  replacements: readonly Replacement[],
  hash: (sealed: SealedRecord) => bigint,
): Head {
  let { count, superseded, setHash } = head
  for (const { previous, next } of replacements) {
    if (previous !== undefined) {
      count--
      superseded++
      setHash = removeElement(setHash, hash(previous))
    }
    if (next !== undefined) {
      count++
      setHash = addElement(setHash, hash(next))
    }
  }
  return { ...head, sequence: head.sequence + 1, count, superseded, setHash }
}

interface SecondaryRow {
  readonly key: Uint8Array
  readonly value: Uint8Array
  /** Its value is another one than before. */
  readonly isNew: boolean
}

function secondaryRows({ rowKey, record, payloadValue }: SealedRecord): SecondaryRow[] {
  const rows: SecondaryRow[] = [{ key: idRow(record.id), value: rowKey, isNew: false }]
  if (record.expires_at !== null) {
    rows.push({ key: expiryRow(record.expires_at, record.id), value: rowKey, isNew: false })
  }
  if ('tag' in record.payload) {
    rows.push({
      key: payloadRow(rowKey),
      value: payloadValue ?? new Uint8Array(),
      isNew: payloadValue !== undefined,
    })
  }
  return rows
}
