import type { Write } from './batch'
import { decodeBlock, type Entry, KEY_TAG_BYTES, placeEntry, SORT, writesOf } from './block'
import { hasChecksum } from './checksum'
import { Cursor, u32 } from './coding'
import { isForeignKey, looksLikeWrite } from './shape'
import { damaged, type Stretch, sound } from './stretch'

/** Two handles, zeros, and the magic number. */
const FOOTER_BYTES = 48
const MAGIC: readonly number[] = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]
/** Type and checksum, after each block. */
const TRAILER_BYTES = 5
const UNCOMPRESSED = 0
const RESTART_BYTES = 4
/** How many entries lie between two that name their whole key, as LevelDB is opened here. */
const RESTART_ENTRIES = 16
/** How much walking over what may be a block the search for the next one is worth, in steps for each byte of the file. */
const MOST_STEPS = 4

/** Where a block is, without its trailer. */
interface Handle {
  readonly start: number
  readonly end: number
}

export function isTable(file: Uint8Array): boolean {
  return file.length >= FOOTER_BYTES && MAGIC.every((byte, index) => file[file.length - MAGIC.length + index] === byte)
}

/** Whether it begins as a table does, whatever has become of its end. */
export function beginsLikeTable(file: Uint8Array): boolean {
  return blockAt(file, 0, { steps: file.length }) !== undefined
}

/**
 * The writes of a table, and what is left of its damaged blocks (LevelDB, doc/table_format.md). Where its index cannot be
 * read, blocks are found by going from one to the next.
 */
export function* tableStretches(file: Uint8Array): Generator<Stretch, void> {
  const layout = isTable(file) ? layoutOf(file) : undefined
  if (layout === undefined) yield* walk(file)
  else yield* follow(file, layout)
}

interface Layout {
  /** Those of data, in order. */
  readonly blocks: readonly Handle[]
  /** Of all data. */
  readonly end: number
  /** How many bytes of what helps to find things are damaged. */
  readonly damagedBytes: number
}

/** @returns `undefined` if the index is damaged. */
function layoutOf(file: Uint8Array): Layout | undefined {
  const cursor = new Cursor(file, file.length - FOOTER_BYTES)
  const meta = handleAt(cursor)
  const index = handleAt(cursor)
  const listed = index && entriesAt(file, index)
  if (index === undefined || listed === undefined) return undefined
  const ends = [index.start]
  let damagedBytes = 0
  if (meta !== undefined) {
    ends.push(meta.start)
    const filters = entriesAt(file, meta)
    if (filters === undefined) damagedBytes += meta.end - meta.start + TRAILER_BYTES
    for (const filter of handlesIn(filters ?? [])) {
      ends.push(filter.start)
      if (!isSound(file, filter)) damagedBytes += filter.end - filter.start + TRAILER_BYTES
    }
  }
  return { blocks: handlesIn(listed), end: Math.min(...ends), damagedBytes }
}

/** The rows of the blocks in the index; what lies between them, or is none of these, is damaged. */
function* follow(file: Uint8Array, { blocks, end, damagedBytes }: Layout): Generator<Stretch, void> {
  if (damagedBytes > 0) yield damaged(NO_BYTES, damagedBytes)
  let done = 0
  for (const block of blocks) {
    const writes = block.start < done ? undefined : writesAt(file, block)
    if (writes === undefined) continue
    if (block.start > done) yield damaged(file.subarray(done, block.start))
    yield sound(writes)
    done = block.end + TRAILER_BYTES
  }
  if (done < end) yield damaged(file.subarray(done, end))
}

/** The same without an index: each block shows its own end. The index looks like one, too, but no entry of it like a row. */
function* walk(file: Uint8Array): Generator<Stretch, void> {
  const budget = { steps: MOST_STEPS * file.length }
  let done = 0
  for (let at = 0; at < file.length; ) {
    const block = blockAt(file, at, budget)
    const writes = block && writesAt(file, block)
    if (block === undefined || writes === undefined) {
      at++
      continue
    }
    if (done < at) yield damaged(file.subarray(done, at))
    yield sound(writes.filter(isOurs))
    done = block.end + TRAILER_BYTES
    at = done
  }
  if (done < file.length) yield damaged(file.subarray(done))
}

function isOurs({ key, value }: Write): boolean {
  return value === undefined ? !isForeignKey(key[0]) : looksLikeWrite(key, value)
}

/** A block of data that begins here and whose checksum is right. */
function blockAt(file: Uint8Array, start: number, budget: { steps: number }): Handle | undefined {
  if (file[start] !== 0) return undefined
  let at = start
  for (let entries = 1; budget.steps > 0; entries++) {
    budget.steps--
    const place = placeEntry(file, at, file.length)
    if (place === undefined || place.shared + place.valueStart - place.keyStart < KEY_TAG_BYTES) return undefined
    if ((entries - 1) % RESTART_ENTRIES === 0 && !namesWholeKey(file, place.shared, place.valueStart)) return undefined
    at = place.end
    const restarts = Math.ceil(entries / RESTART_ENTRIES)
    const end = at + RESTART_BYTES * (restarts + 1)
    if (end + TRAILER_BYTES > file.length) return undefined
    if (u32(file, at) !== 0 || u32(file, end - RESTART_BYTES) !== restarts || file[end] !== UNCOMPRESSED) continue
    budget.steps -= (end - start) / RESTART_ENTRIES
    if (isSound(file, { start, end })) return { start, end }
  }
  return undefined
}

/** Whether an entry shares nothing with the one before it, and its own key ends as one does. */
function namesWholeKey(file: Uint8Array, shared: number, keyEnd: number): boolean {
  const sort = file[keyEnd - KEY_TAG_BYTES]
  return shared === 0 && (sort === SORT.deletion || sort === SORT.value)
}

function handleAt(cursor: Cursor): Handle | undefined {
  const start = cursor.varint()
  const end = start + cursor.varint()
  return cursor.broken || end + TRAILER_BYTES > cursor.bytes.length ? undefined : { start, end }
}

function handlesIn(entries: readonly Entry[]): Handle[] {
  return entries.flatMap(({ value }) => {
    const cursor = new Cursor(value)
    const start = cursor.varint()
    const end = start + cursor.varint()
    return cursor.broken ? [] : [{ start, end }]
  })
}

function isSound(file: Uint8Array, { start, end }: Handle): boolean {
  return end + TRAILER_BYTES <= file.length && hasChecksum(file, end + 1, start, end + 1)
}

/** @returns `undefined` if the block is damaged, or compressed, as none of ours is. */
function entriesAt(file: Uint8Array, handle: Handle): Entry[] | undefined {
  if (!isSound(file, handle) || file[handle.end] !== UNCOMPRESSED) return undefined
  return decodeBlock(file.subarray(handle.start, handle.end))
}

function writesAt(file: Uint8Array, handle: Handle): Write[] | undefined {
  const entries = entriesAt(file, handle)
  return entries && writesOf(entries)
}

const NO_BYTES: Uint8Array = new Uint8Array()
