import { concat, equal } from './bytes'
import type { StoreContext } from './context'
import { corrupt, SecretStoreError } from './errors'
import type { StoredRecord } from './format/record'
import { isExpired, type Partition, type Scope } from './model'
import { idRow, prefixRange } from './storage/keyspace'
import { type Found, lookUpPayload, lookUpRecord, openRecord, read } from './storage/records'
import type { Cursor } from './validate'

/** A live record met on a walk, and where it stands. */
export interface Listed {
  readonly rowKey: Uint8Array
  readonly record: StoredRecord
  readonly payload?: Found['payload']
}

export interface Page {
  /** In the order of the rows, whichever way the walk went. */
  readonly items: readonly Listed[]
  readonly hasMore: boolean
}

/** Where a walk stands: it goes on strictly after, or strictly before, this row. */
export type Position = { readonly direction: 'after' | 'before'; readonly rowKey: Uint8Array }

/** Reads a cursor: an id that the scope holds. @throws {SecretStoreError} `ERR_CURSOR`, `ERR_CORRUPT`. */
export async function locateCursor(
  context: StoreContext,
  partition: Partition,
  scope: Scope,
  cursor: Cursor,
): Promise<Position> {
  const parameter = cursor.direction === 'after' ? 'starting_after' : 'ending_before'
  const rowKey = await context.engine.get(idRow(cursor.id))
  if (rowKey === undefined) throw noCursor(parameter)
  const record = await read(context.engine, lookUpRecord(context.keyring, rowKey))
  if (record?.id !== cursor.id) {
    // Deleted between the two reads, or is the hint wrong?
    const still = await context.engine.get(idRow(cursor.id))
    if (still === undefined || !equal(still, rowKey)) throw noCursor(parameter)
    throw corrupt('id row: expected it to lead to its secret, got another or none')
  }
  if (isExpired(record, context.nowSeconds())) throw noCursor(parameter)
  const inScope = context.keyspace.record({ partition, scope, name: record.address.name })
  if (!equal(inScope, rowKey)) throw noCursor(parameter)
  return { direction: cursor.direction, rowKey }
}

/** One page of live records. Expired ones on the way are passed over and seen to. */
export async function readPage(
  context: StoreContext,
  partition: Partition,
  scope: Scope,
  limit: number,
  position: Position | undefined,
  expandPayload: boolean,
): Promise<Page> {
  const backward = position?.direction === 'before'
  let { gte, lt } = prefixRange(context.keyspace.scope(partition, scope))
  if (position?.direction === 'after') gte = after(position.rowKey)
  if (position?.direction === 'before') lt = position.rowKey
  const items: Listed[] = []
  while (items.length <= limit) {
    context.checkOpen()
    // One more than asked for tells whether there is more.
    const wanted = limit + 1 - items.length
    const rows = await context.engine.scan({ gte, lt, limit: wanted, reverse: backward })
    for (const { key, value } of rows) {
      const item = await open(context, key, value, expandPayload && items.length < limit)
      if (item !== undefined) items.push(item)
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < wanted) break
    if (backward) lt = last.key
    else gte = after(last.key)
  }
  const hasMore = items.length > limit
  items.length = Math.min(items.length, limit)
  return { items: backward ? items.reverse() : items, hasMore }
}

async function open(
  context: StoreContext,
  rowKey: Uint8Array,
  value: Uint8Array,
  expandPayload: boolean,
): Promise<Listed | undefined> {
  const record =
    openOnPage(context, rowKey, value) ?? (await read(context.engine, lookUpRecord(context.keyring, rowKey)))
  if (record === undefined) return undefined
  if (isExpired(record, context.nowSeconds())) {
    context.expireLazily(rowKey, record)
    return undefined
  }
  if (!expandPayload) return { rowKey, record }
  const found = await read(context.engine, lookUpPayload(context.keyring, rowKey, record))
  if (found === undefined || isExpired(found.record, context.nowSeconds())) return undefined
  return { rowKey, ...found }
}

/** `undefined` if the row cannot be opened, or no longer: then it is to be read again. */
function openOnPage(context: StoreContext, rowKey: Uint8Array, value: Uint8Array): StoredRecord | undefined {
  try {
    return openRecord(context.keyring, rowKey, value)
  } catch {
    return undefined
  }
}

/** The least key above `rowKey`. */
function after(rowKey: Uint8Array): Uint8Array {
  return concat(rowKey, Uint8Array.of(0))
}

function noCursor(parameter: string): SecretStoreError {
  return new SecretStoreError('ERR_CURSOR', `${parameter}: expected the id of a secret in this scope, got no such id`)
}
