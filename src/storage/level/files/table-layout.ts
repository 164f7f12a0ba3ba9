import { equal, utf8 } from '../../../base/bytes'
import { KeyWalk, problemOfBlock } from './block-check'
import { Cursor } from './coding'
import { decompress } from './snappy'

/** Two handles, zeros, and the magic number. */
export const FOOTER_BYTES = 48
/** Type and checksum, after each block. */
export const TRAILER_BYTES = 5
const MAGIC: Uint8Array = Uint8Array.of(0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb)
const COMPRESSION = { none: 0, snappy: 1 } as const
const FILTER: Uint8Array = utf8('filter.leveldb.BuiltinBloomFilter2')
/** A block holds one value at most that is longer than itself, and no payload is above 1 GiB. */
const MOST_BLOCK_BYTES: number = 2 ** 30 + 2 ** 24

/** A part of a file that is asked for, without its trailer if it is a block. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Where the blocks of data are, in order. */
export interface TableLayout {
  readonly starts: readonly number[]
  readonly ends: readonly number[]
  /** The keys up to which they go. */
  readonly separators: readonly Uint8Array[]
}

/** A problem, in words. */
export class Damage {
  readonly what: string

  constructor(what: string) {
    this.what = what
  }
}

/**
 * The layout of a table: of its footer, its index, and what leads to its filter (LevelDB, table/table.cc). It asks for the
 * parts of the file that it needs; LevelDB reads these without looking at their checksums, and so does this.
 *
 * @param bytes - The length of the table, as MANIFEST has it.
 */
export function* layoutOf(bytes: number): Generator<Span, TableLayout | Damage, Uint8Array> {
  if (bytes < FOOTER_BYTES) return new Damage('one that is too short')
  const data = bytes - FOOTER_BYTES
  const footer = yield { start: data, end: bytes }
  if (!equal(footer.subarray(FOOTER_BYTES - MAGIC.length), MAGIC)) return new Damage('no footer')
  const cursor = new Cursor(footer, 0, FOOTER_BYTES - MAGIC.length)
  const [meta, index] = [handleAt(cursor, data), handleAt(cursor, data)]
  if (meta === undefined || index === undefined) return new Damage('an index outside of it')
  const problem = yield* filterOf(meta, data)
  if (problem !== undefined) return problem
  const block = contentOf(yield withTrailer(index))
  return block === undefined ? new Damage('an index of an unknown sort') : indexOf(block, data)
}

/** What it says is a hint only; what matters is that LevelDB can read it. */
function* filterOf(meta: Span, data: number): Generator<Span, Damage | undefined, Uint8Array> {
  const block = contentOf(yield withTrailer(meta))
  if (block === undefined) return new Damage('a list of filters of an unknown sort')
  // The beginning of a key, as far as it can be that of the filter.
  const key = new Uint8Array(FILTER.length)
  const filters: Uint8Array[] = []
  const problem = problemOfBlock(block, (shared, keyStart, valueStart, end) => {
    if (shared < key.length)
      key.set(block.subarray(keyStart, Math.min(valueStart, keyStart + key.length - shared)), shared)
    if (shared + valueStart - keyStart === key.length && equal(key, FILTER))
      filters.push(block.subarray(valueStart, end))
    return undefined
  })
  if (problem !== undefined) return new Damage(problem)
  for (const filter of filters) {
    const handle = handleAt(new Cursor(filter), data)
    if (handle === undefined) return new Damage('a filter outside of it')
    if (contentOf(yield withTrailer(handle)) === undefined) return new Damage('a filter of an unknown sort')
  }
  return undefined
}

/** The blocks lie one after the other, so that going over all of them is never more work than the file is long. */
function indexOf(block: Uint8Array, data: number): TableLayout | Damage {
  const layout = { starts: [] as number[], ends: [] as number[], separators: [] as Uint8Array[] }
  const walk = new KeyWalk()
  walk.begin(block)
  let done = 0
  const problem = problemOfBlock(block, (shared, keyStart, valueStart, end) => {
    // LevelDB writes every key of an index whole.
    const wrong = shared > 0 ? 'an index of parts of keys' : walk.next(0, keyStart, valueStart)
    if (wrong !== undefined) return wrong
    const handle = handleAt(new Cursor(block, valueStart, end), data)
    if (handle === undefined || handle.start < done) return 'a block outside of it'
    layout.starts.push(handle.start)
    layout.ends.push(handle.end)
    layout.separators.push(block.subarray(keyStart, valueStart))
    done = handle.end + TRAILER_BYTES
    return undefined
  })
  if (problem !== undefined) return new Damage(problem)
  return layout.starts.length === 0 ? new Damage('an index without entries') : layout
}

/** @param data - Where the footer begins. @returns `undefined` if it does not lie before that. */
function handleAt(cursor: Cursor, data: number): Span | undefined {
  const start = cursor.varint()
  const length = cursor.varint()
  const end = start + length
  return cursor.broken || length > MOST_BLOCK_BYTES || end + TRAILER_BYTES > data ? undefined : { start, end }
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
