import { concat } from '../../bytes'
import type { Write } from './batch'
import { hasChecksum } from './checksum'
import { Cursor, u32, u64 } from './coding'
import { looksLikeWrite, MOST_KEY_BYTES } from './shape'

const FOOTER_BYTES = 48
const MAGIC: readonly number[] = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]
/** Type and checksum, behind each block. */
const TRAILER_BYTES = 5
const UNCOMPRESSED = 0
/** Behind each key: the number of the write and its sort. */
const SEQUENCE_BYTES = 8
const SORT = { deletion: 0, value: 1 } as const
/** LevelDB ends a block of data with the entry that makes it this long, and so it does with each of these. */
const BLOCK_BYTES = 4096
const RESTART_ENTRIES = 16

/** Writes of a table, and how sure they are. */
export interface TablePart {
  readonly writes: Iterable<Write>
  /** Whether it is a block whose checksum is right. */
  readonly sound: boolean
  /** How many bytes of the file were damaged in it. */
  readonly damagedBytes: number
}

export function isTable(file: Uint8Array): boolean {
  return file.length >= FOOTER_BYTES && MAGIC.every((byte, index) => file[file.length - MAGIC.length + index] === byte)
}

/**
 * All blocks of a table file, and what is left of damaged ones (LevelDB, doc/table_format.md). The index is not needed:
 * blocks of data lie one behind the other from the beginning on, and each shows its own end.
 */
export function* tableParts(file: Uint8Array): Generator<TablePart, void> {
  const end = endOfData(file)
  let lastKey: Uint8Array = NO_KEY
  for (let at = 0; at < end; ) {
    const block = blockAt(file, at, end)
    if (block !== undefined) {
      yield { writes: block.writes, sound: true, damagedBytes: 0 }
      lastKey = block.lastKey
      at = block.end
      continue
    }
    const search = new Search(file, at, end, lastKey)
    yield { writes: search.writes(), sound: false, damagedBytes: 0 }
    lastKey = search.lastKey
    yield { writes: [], sound: false, damagedBytes: search.at - at }
    at = search.at
  }
}

const NO_KEY: Uint8Array = new Uint8Array()

/** Where the index blocks begin, if the footer says so and the block there is sound; else the end of the file. */
function endOfData(file: Uint8Array): number {
  if (!isTable(file)) return file.length
  const cursor = new Cursor(file, file.length - FOOTER_BYTES)
  const meta = handle(cursor)
  const filter = meta && filterOf(file, meta)
  if (cursor.broken || meta === undefined || !isSoundBlock(file, meta)) return file.length - FOOTER_BYTES
  return filter ?? meta.offset
}

interface Handle {
  readonly offset: number
  readonly size: number
}

function handle(cursor: Cursor): Handle | undefined {
  const [offset, size] = [cursor.varint(), cursor.varint()]
  return cursor.broken || offset + size + TRAILER_BYTES > cursor.bytes.length ? undefined : { offset, size }
}

function isSoundBlock(file: Uint8Array, { offset, size }: Handle): boolean {
  return hasChecksum(file, offset + size + 1, offset, offset + size + 1)
}

/** The one entry of the index of meta blocks leads to the filter, which lies before it. */
function filterOf(file: Uint8Array, meta: Handle): number | undefined {
  if (!isSoundBlock(file, meta) || meta.size < 12) return undefined
  const cursor = new Cursor(file, meta.offset, meta.offset + meta.size)
  const [shared, length, valueLength] = [cursor.varint(), cursor.varint(), cursor.varint()]
  if (shared !== 0 || valueLength === 0) return undefined
  cursor.take(length)
  const filter = handle(cursor)
  return filter !== undefined && filter.offset < meta.offset ? filter.offset : undefined
}

interface Block {
  readonly writes: readonly Write[]
  readonly lastKey: Uint8Array
  /** Of its trailer. */
  readonly end: number
}

interface Entry {
  /** With the number of the write behind it. */
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly end: number
}

/** A block of data that begins here and whose checksum is right. */
function blockAt(file: Uint8Array, start: number, end: number): Block | undefined {
  const writes: Write[] = []
  let key: Uint8Array = NO_KEY
  for (let at = start; at - start < BLOCK_BYTES; ) {
    const entry = entryAt(file, at, end, key)
    if (entry === undefined) return undefined
    const write = writeOf(entry)
    if (write === undefined) return undefined
    writes.push(write)
    key = entry.key
    at = entry.end
    const restartsEnd = at + 4 * (Math.ceil(writes.length / RESTART_ENTRIES) + 1)
    const isEnd = restartsEnd + TRAILER_BYTES <= end && u32(file, restartsEnd - 4) * 4 === restartsEnd - 4 - at
    if (!isEnd || u32(file, at) !== 0 || file[restartsEnd] !== UNCOMPRESSED) continue
    if (hasChecksum(file, restartsEnd + 1, start, restartsEnd + 1)) {
      return { writes, lastKey: key, end: restartsEnd + TRAILER_BYTES }
    }
  }
  return undefined
}

/** @param previous - The key before it, of which it may share a beginning. */
function entryAt(file: Uint8Array, start: number, end: number, previous: Uint8Array): Entry | undefined {
  const cursor = new Cursor(file, start, end)
  const [shared, length, valueLength] = [cursor.varint(), cursor.varint(), cursor.varint()]
  const isPossible = shared <= previous.length && shared + length <= MOST_KEY_BYTES
  if (cursor.broken || !isPossible || shared + length <= SEQUENCE_BYTES) return undefined
  const rest = cursor.take(length)
  const value = cursor.take(valueLength)
  if (cursor.broken) return undefined
  return { key: shared === 0 ? rest : concat(previous.subarray(0, shared), rest), value, end: cursor.at }
}

function writeOf({ key, value }: Entry): Write | undefined {
  const end = key.length - SEQUENCE_BYTES
  const sort = key[end]
  if (sort !== SORT.value && (sort !== SORT.deletion || value.length > 0)) return undefined
  // One byte of sort, seven of the number above it.
  const packed = Uint8Array.of(...key.subarray(end + 1), 0)
  const sequence = u64(packed, 0)
  return { key: key.subarray(0, end), value: sort === SORT.value ? value : undefined, sequence }
}

/**
 * Goes byte by byte over what is no sound block, up to the next one. An entry that names its whole key can be read
 * wherever it is found; one that shares a beginning with the key before it, if that beginning is the one of the last key
 * that is known.
 */
class Search {
  at: number
  lastKey: Uint8Array
  readonly #file: Uint8Array
  readonly #end: number

  constructor(file: Uint8Array, start: number, end: number, lastKey: Uint8Array) {
    this.#file = file
    this.at = start
    this.#end = end
    this.lastKey = lastKey
  }

  *writes(): Generator<Write, void> {
    for (let isBegun = false; this.at < this.#end; isBegun = true) {
      if (isBegun && this.#file[this.at] === 0 && blockAt(this.#file, this.at, this.#end) !== undefined) return
      const entry = entryAt(this.#file, this.at, this.#end, this.lastKey)
      const write = entry && writeOf(entry)
      if (entry === undefined || write === undefined || !looksLikeWrite(write.key, write.value)) {
        this.at++
        continue
      }
      yield { ...write, sequence: undefined }
      this.lastKey = entry.key
      this.at = entry.end
    }
  }
}
