import { concat, equal, utf8Name } from '../base/bytes'
import { turnOfLoop } from '../base/waiting'
import type { StoreContext } from '../context'
import { corrupt, SecretStoreError } from '../errors'
import type { KnownRecord, StoredRecord } from '../format/record'
import { type ListCursor, MAX_PAGE } from '../input/params'
import { isExpired, type Partition, type Payload, type Scope } from '../model'
import { idRow, prefixRange, RowKey, type Span } from '../storage/keyspace'
import type { KnownRange, KnownRow } from '../storage/known/known-records'
import { openKnown, openRecord } from '../storage/records'
import { isNewest, lookUpPayload, lookUpRecord, read, readStored, unlessExpired } from './reads'

/** A record met on a walk that has not expired, and the text of its row key. */
export interface Listed {
  readonly key: string
  readonly record: KnownRecord
  readonly payload?: Payload
}

export interface Page {
  /** In the order of the rows, whichever way the walk went. */
  readonly items: readonly Listed[]
  readonly hasMore: boolean
}

/** Which names there are to whoever lists; the others do not count, and are no cursors. Left out, all of them. */
export type MaySee = (name: string) => boolean

/** Where a walk stands: it goes on strictly after, or strictly before, this row. */
export type Position = { readonly direction: 'after' | 'before'; readonly key: string }

/** Reads a cursor: an id that the scope holds. @throws {SecretStoreError} `ERR_CURSOR`, `ERR_CORRUPT`. */
export async function locateCursor(
  context: StoreContext,
  partition: Partition,
  scope: Scope,
  cursor: ListCursor,
  maySee?: MaySee,
): Promise<Position> {
  const parameter = cursor.direction === 'after' ? 'starting_after' : 'ending_before'
  const idValue = await context.engine.get(idRow(cursor.id))
  if (idValue === undefined) throw noCursor(parameter)
  const rowKey = RowKey.of(idValue)
  const record = await read(context.engine, lookUpRecord(context, rowKey))
  if (record?.id !== cursor.id) {
    // Deleted between the two reads, or is the id row wrong?
    const still = await context.engine.get(idRow(cursor.id))
    if (still === undefined || !equal(still, idValue)) throw noCursor(parameter)
    throw corrupt('id row: expected it to lead to its secret, got another or none')
  }
  // A cursor is a place, not a read of its secret: one that has expired is left for others to delete.
  const stays = await read(
    context.engine,
    unlessExpired(context, rowKey, record, lookUpRecord, () => {}),
  )
  if (stays?.id !== cursor.id || maySee?.(record.address.name) === false) throw noCursor(parameter)
  const inScope = context.keyspace.record({ partition, scope, name: record.address.name })
  if (inScope.text !== rowKey.text) throw noCursor(parameter)
  return { direction: cursor.direction, key: rowKey.text }
}

/**
 * The rows of a scope's names that begin with a prefix, which may be empty.
 *
 * @throws {TypeError} If names are sealed, so that no order of the rows keeps them together.
 */
export function namesOf(context: StoreContext, partition: Partition, scope: Scope, prefix: string): Span {
  const rows = context.keyspace.scope(partition, scope)
  if (prefix === '') return prefixRange(rows)
  if (context.keyring.names === 'plain') return prefixRange(concat(rows, utf8Name(prefix)))
  throw new TypeError('prefix: expected a store with plain names, got one with sealed names')
}

/** One page of live records. Expired ones on the way are passed over and seen to. */
export async function readPage(
  context: StoreContext,
  names: Span,
  limit: number,
  position: Position | undefined,
  expandPayload: boolean,
  maySee?: MaySee,
): Promise<Page> {
  const reverse = position?.direction === 'before'
  let [gte, lt] = [RowKey.of(names.gte).text, RowKey.of(names.lt).text]
  // A cursor may lie outside of the prefix.
  if (position?.direction === 'after' && position.key >= gte) gte = after(position.key)
  if (position?.direction === 'before' && position.key < lt) lt = position.key
  if (gte >= lt) return { items: [], hasMore: false }
  const items: Listed[] = []
  while (items.length <= limit) {
    context.checkOpen()
    // One more than asked for tells whether there is more.
    const wanted = maySee === undefined ? limit + 1 - items.length : MAX_PAGE
    const span = { gte, lt, limit: wanted, reverse }
    const asked = context.nowSeconds()
    const rows =
      (expandPayload ? undefined : await knownRows(context, span)) ?? (await readRows(context, span, expandPayload))
    // What has expired since it was asked for may have been replaced since: then the page is read again, of one moment.
    if (rows.some(({ record }) => record && !isExpired(record, asked) && isExpired(record, context.nowSeconds())))
      continue
    for (const { key, record } of rows) {
      if (record === undefined || maySee?.(record.address.name) === false || isGone(context, key, record)) continue
      const item = expandPayload && items.length < limit ? await expand(context, key, record) : { key, record }
      if (item !== undefined) items.push(item)
      if (items.length > limit) break
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < wanted) break
    if (reverse) lt = last.key
    else gte = after(last.key)
    // Few pages need more than one span; where most of a scope is hidden, the process is not held up until its end.
    if (items.length <= limit) await turnOfLoop()
  }
  const hasMore = items.length > limit
  items.length = Math.min(items.length, limit)
  return { items: reverse ? items.reverse() : items, hasMore }
}

/** The records of a range, if it is certain that these are all. */
async function knownRows(context: StoreContext, span: KnownRange): Promise<readonly KnownRow[] | undefined> {
  const rows = context.known.scan(span)
  if (rows === undefined || context.known.head === undefined) return rows
  return (await read(context.engine, isNewest(context.known))) ? context.known.scan(span) : undefined
}

/** A row of a range: its record may have vanished by the time it was looked at again. */
interface RangeRow {
  readonly key: string
  readonly record: KnownRecord | undefined
}

/** Reads and opens a range, and leaves its records to be known. */
async function readRows(context: StoreContext, span: KnownRange, expandPayload: boolean): Promise<readonly RangeRow[]> {
  const [open, lookUp] = expandPayload ? [openRecord, readStored] : [openKnown, lookUpRecord]
  const moment = context.known.moment()
  const range = { ...span, gte: RowKey.ofText(span.gte).bytes, lt: RowKey.ofText(span.lt).bytes }
  const found = await context.engine.scan(range)
  const opened: KnownRow[] = []
  const rows: RangeRow[] = []
  for (const { key: bytes, value } of found) {
    const rowKey = RowKey.of(bytes)
    const record = openOnPage(() => open(context.keyring, bytes, value))
    if (record !== undefined) opened.push({ key: rowKey.text, record })
    const again = record ?? (await read<KnownRecord | undefined>(context.engine, lookUp(context, rowKey)))
    rows.push({ key: rowKey.text, record: again })
  }
  if (opened.length === rows.length) context.known.learnRange(moment, span, opened)
  return rows
}

/** Expired is gone, and is deleted. */
function isGone(context: StoreContext, key: string, record: KnownRecord): boolean {
  if (!isExpired(record, context.nowSeconds())) return false
  context.expireLazily(RowKey.ofText(key), record)
  return true
}

async function expand(context: StoreContext, key: string, record: KnownRecord): Promise<Listed | undefined> {
  const found = await read(context.engine, lookUpPayload(context, RowKey.ofText(key), record as StoredRecord))
  return found === undefined || isExpired(found.record, context.nowSeconds()) ? undefined : { key, ...found }
}

/** `undefined` if the row cannot be opened, or no longer: then it is to be read again. */
function openOnPage(open: () => KnownRecord): KnownRecord | undefined {
  try {
    return open()
  } catch {
    return undefined
  }
}

/** The least key above `key`. */
function after(key: string): string {
  return `${key}\0`
}

function noCursor(parameter: string): SecretStoreError {
  return new SecretStoreError('ERR_CURSOR', `${parameter}: expected the id of a secret in this scope, got no such id`)
}
