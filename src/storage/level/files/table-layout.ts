import { equal, utf8 } from '../../../base/bytes'
import { KEY_TAG_BYTES, SORT } from './block'
import { problemOfBlock } from './block-check'
import { Cursor, u32 } from './coding'
import { compareInternal } from './internal-key'
import { decompress } from './snappy'

/** Two handles, zeros, and the magic number. */
export const FOOTER_BYTES = 48
/** Type and checksum, after each block. */
export const TRAILER_BYTES = 5
const MAGIC: Uint8Array = Uint8Array.of(0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb)
const COMPRESSION = { none: 0, snappy: 1 } as const
const FILTER: Uint8Array = utf8('filter.leveldb.BuiltinBloomFilter2')
/** The lower half of the tag of a key that LevelDB made up for an index: the greatest number, and the sort of a value. */
const MADE_UP_LOW = 0xffff_ff01
/** A block holds one value at most that is longer than itself, and no payload is above 1 GiB. */
const MOST_BLOCK_BYTES: number = 2 ** 30 + 2 ** 24

/** A part of a file. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** What the footer of a table leads to. */
export interface Footer {
  readonly meta: Span
  readonly index: Span
  /** Its own place. */
  readonly start: number
}

/** Where the blocks of data are, in order, and in the index the keys up to which they go. */
export interface TableLayout {
  readonly index: Uint8Array
  readonly keyStarts: readonly number[]
  readonly keyEnds: readonly number[]
  readonly starts: readonly number[]
  readonly ends: readonly number[]
}

/** A problem, in words. */
export class Damage {
  readonly what: string

  constructor(what: string) {
    this.what = what
  }
}

/** @param start - Where it is: at the end of what MANIFEST says is the table. */
export function decodeFooter(footer: Uint8Array, start: number): Footer | Damage {
  if (!equal(footer.subarray(FOOTER_BYTES - MAGIC.length), MAGIC)) return new Damage('no footer')
  const cursor = new Cursor(footer, 0, FOOTER_BYTES - MAGIC.length)
  const [meta, index] = [handleAt(cursor, start), handleAt(cursor, start)]
  return meta === undefined || index === undefined ? new Damage('an index outside of it') : { meta, index, start }
}

/**
 * The layout of a table (LevelDB, table/table.cc): of its index, and of what leads to its filter. LevelDB looks at none of
 * their checksums, and neither does this: it is what they say that must not be beyond it.
 *
 * @param lastSequence - The number of the last write.
 * @param read - Gives a part of the file.
 */
export function layoutOf(
  { meta, index, start }: Footer,
  lastSequence: number,
  read: (span: Span) => Uint8Array,
): TableLayout | Damage {
  const problem = filterOf(meta, start, read)
  if (problem !== undefined) return problem
  const block = contentOf(read(withTrailer(index)))
  return block === undefined ? new Damage('an index of an unknown sort') : indexOf(block, start, lastSequence)
}

/** What a filter says is a hint only; what matters is that LevelDB can read it. */
function filterOf(meta: Span, footer: number, read: (span: Span) => Uint8Array): Damage | undefined {
  const block = contentOf(read(withTrailer(meta)))
  if (block === undefined) return new Damage('a list of filters of an unknown sort')
  // The beginning of a key, as far as it can be that of the filter.
  const key = new Uint8Array(FILTER.length)
  const filters: Uint8Array[] = []
  const problem = problemOfBlock(block, (shared, keyStart, valueStart, end) => {
    const known = Math.min(valueStart, keyStart + key.length - shared)
    if (shared < key.length) key.set(block.subarray(keyStart, known), shared)
    if (shared + valueStart - keyStart === key.length && equal(key, FILTER)) {
      filters.push(block.subarray(valueStart, end))
    }
    return undefined
  })
  if (problem !== undefined) return new Damage(problem)
  for (const filter of filters) {
    const handle = handleAt(new Cursor(filter), footer)
    if (handle === undefined) return new Damage('a filter outside of it')
    const isPlain = read({ start: handle.end, end: handle.end + 1 })[0] === COMPRESSION.none
    if (!isPlain && contentOf(read(withTrailer(handle))) === undefined) return new Damage('a filter of an unknown sort')
  }
  return undefined
}

/** The blocks lie one after the other, so that going over all of them is never more work than the file is long. */
function indexOf(index: Uint8Array, footer: number, lastSequence: number): TableLayout | Damage {
  const layout = {
    index,
    keyStarts: [] as number[],
    keyEnds: [] as number[],
    starts: [] as number[],
    ends: [] as number[],
  }
  const cursor = new Cursor(index)
  let done = 0
  const problem = problemOfBlock(index, (shared, keyStart, valueStart) => {
    if (shared > 0) return 'an index of parts of keys'
    if (valueStart - keyStart < KEY_TAG_BYTES) return 'an index with a key without a tag'
    const [low, high] = [u32(index, valueStart - KEY_TAG_BYTES), u32(index, valueStart - KEY_TAG_BYTES + 4)]
    const isMadeUp = high === 0xffff_ffff && low === MADE_UP_LOW
    if (!isMadeUp && (low & 0xff) > SORT.value) return 'an index with a key of an unknown sort'
    if (!isMadeUp && high * 0x100_0000 + (low >>> 8) > lastSequence) return 'a write whose number is still to come'
    cursor.at = valueStart
    const start = cursor.varint()
    const length = cursor.varint()
    const end = start + length
    if (cursor.broken || start < done || length > MOST_BLOCK_BYTES || end + TRAILER_BYTES > footer) {
      return 'a block outside of it'
    }
    layout.keyStarts.push(keyStart)
    layout.keyEnds.push(valueStart)
    layout.starts.push(start)
    layout.ends.push(end)
    done = end + TRAILER_BYTES
    return undefined
  })
  if (problem !== undefined) return new Damage(problem)
  if (layout.starts.length === 0) return new Damage('an index without entries')
  // LevelDB writes every key of an index whole, and finds it by the list of restarts.
  return u32(index, index.length - 4) === layout.starts.length ? layout : new Damage('an index of parts of keys')
}

/** The key up to which a block goes. */
export function separatorOf({ index, keyStarts, keyEnds }: TableLayout, block: number): Uint8Array {
  return index.subarray(keyStarts[block], keyEnds[block])
}

/** @returns What is wrong with the order of an index. */
export function problemOfOrder(layout: TableLayout): string | undefined {
  for (let block = 1; block < layout.starts.length; block++) {
    const before = separatorOf(layout, block - 1)
    if (compareInternal(before, separatorOf(layout, block)) >= 0) return 'an index out of order'
  }
  return undefined
}

/** @param footer - Where that begins. @returns `undefined` if it does not lie before that. */
function handleAt(cursor: Cursor, footer: number): Span | undefined {
  const start = cursor.varint()
  const length = cursor.varint()
  const end = start + length
  return cursor.broken || length > MOST_BLOCK_BYTES || end + TRAILER_BYTES > footer ? undefined : { start, end }
}

function withTrailer({ start, end }: Span): Span {
  return { start, end: end + TRAILER_BYTES }
}

/** @param block - With its trailer. @returns `undefined` if it is of a sort that LevelDB does not know. */
export function contentOf(block: Uint8Array): Uint8Array | undefined {
  const content = block.subarray(0, block.length - TRAILER_BYTES)
  const sort = block[content.length]
  if (sort === COMPRESSION.none) return content
  return sort === COMPRESSION.snappy ? decompress(content) : undefined
}
