import { compare, equal } from '../../base/bytes'
import { ROW } from '../../format/constants'
import type { KnownRecord } from '../../format/record'
import { expiryRow, idRow, payloadRow, type RowKey } from '../../storage/keyspace'
import type { Replacement } from '../../storage/records'

/** The rows that a record has besides its own. */
export type Secondary = 'id' | 'expiry' | 'payload'
export type Counts = Record<Secondary, number>

export const SECONDARY_ROWS: readonly (readonly [sort: number, what: Secondary])[] = [
  [ROW.id, 'id'],
  [ROW.payload, 'payload'],
  [ROW.expiry, 'expiry'],
]

export function noCounts(): Counts {
  return { id: 0, expiry: 0, payload: 0 }
}

/** What a record adds to the rows that there should be. */
export function count(counts: Counts, record: KnownRecord, by: 1 | -1): void {
  counts.id += by
  if (record.expires_at !== null) counts.expiry += by
  if ('tag' in record.payload) counts.payload += by
}

export function belongs(what: Secondary, key: Uint8Array, record: KnownRecord): boolean {
  if (what === 'payload') return 'tag' in record.payload
  if (what === 'id') return equal(idRow(record.id), key)
  return record.expires_at !== null && equal(expiryRow(record.expires_at, record.id), key)
}

/** The secondary rows that a commit has put, and those it has deleted, below a position. */
export function countChanges(counts: Counts, { rowKey, previous, next }: Replacement, position: Uint8Array): void {
  const add = (record: KnownRecord | undefined, by: 1 | -1): void => {
    for (const { what, key } of rowsOf(rowKey, record)) if (compare(key, position) < 0) counts[what] += by
  }
  add(previous?.record, -1)
  add(next?.record, 1)
}

interface SecondaryRow {
  readonly what: Secondary
  readonly key: Uint8Array
}

function rowsOf(rowKey: RowKey, record: KnownRecord | undefined): readonly SecondaryRow[] {
  if (record === undefined) return []
  const payload = 'tag' in record.payload ? [{ what: 'payload', key: payloadRow(rowKey.bytes) } as const] : []
  return [...leadingRows(record), ...payload]
}

/** The rows that lead to a record. */
export function leadingRows({ id, expires_at }: KnownRecord): readonly SecondaryRow[] {
  const byId = { what: 'id', key: idRow(id) } as const
  return expires_at === null ? [byId] : [byId, { what: 'expiry', key: expiryRow(expires_at, id) }]
}
