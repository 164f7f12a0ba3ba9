import { MAX_ROW_KEY_BYTES } from '../../../format/constants'
import { KEY_TAG_BYTES, SORT } from './block'
import { u32 } from './coding'
import { compareInternal } from './internal-key'

/** Told of each entry of a block: where its key begins, and its value, and where it ends. */
export type EntryTaker = (shared: number, keyStart: number, valueStart: number, end: number) => string | undefined

const RESTART_BYTES = 4
const MOST_KEY_BYTES: number = MAX_ROW_KEY_BYTES + KEY_TAG_BYTES

/**
 * Whether LevelDB can walk over a block and search it without leaving it (LevelDB, table/block.cc): every entry ends before
 * the list of restarts, and each of these is the beginning of an entry that names its whole key.
 *
 * @returns What is wrong with it.
 */
export function problemOfBlock(block: Uint8Array, take: EntryTaker): string | undefined {
  const restarts = block.length < RESTART_BYTES ? 0 : u32(block, block.length - RESTART_BYTES)
  const limit = block.length - RESTART_BYTES * (restarts + 1)
  if (restarts === 0 || limit < 0) return 'a block without a list of restarts'
  let restart = 0
  let nextRestart = u32(block, limit)
  let keyBytes = 0
  let at = 0
  while (at < limit) {
    let shared = block[at] as number
    let rest = block[at + 1] as number
    let valueBytes = block[at + 2] as number
    let keyStart = at + 3
    if ((shared | rest | valueBytes) >= 0x80) {
      shared = varint32(block, at)
      rest = varint32(block, varintEnd)
      valueBytes = varint32(block, varintEnd)
      keyStart = varintEnd
    }
    const valueStart = keyStart + rest
    const end = valueStart + valueBytes
    if (!(end <= limit)) return 'an entry that does not end within its block'
    if (!(shared <= keyBytes && shared + rest <= MOST_KEY_BYTES)) return 'an entry with an impossible key'
    if (at === nextRestart) {
      if (shared > 0) return 'a restart within a key'
      restart++
      nextRestart = restart < restarts ? u32(block, limit + RESTART_BYTES * restart) : Number.POSITIVE_INFINITY
    } else if (at === 0) return 'a first entry that is no restart'
    keyBytes = shared + rest
    const problem = take(shared, keyStart, valueStart, end)
    if (problem !== undefined) return problem
    at = end
  }
  // A block without entries has one restart, too.
  const isEmpty = limit === 0 && restarts === 1 && nextRestart === 0
  return restart === restarts || isEmpty ? undefined : 'a restart that is no entry'
}

/** Where the number ends that was read last: a pair for each number takes longer than the rest of the walk. */
let varintEnd = 0

/** @returns `NaN` if it is none of 32 bits. */
function varint32(bytes: Uint8Array, start: number): number {
  let value = 0
  varintEnd = start
  for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
    const byte = bytes[varintEnd++] as number
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return value <= 0xffff_ffff ? value : Number.NaN
  }
  return Number.NaN
}

/** The keys of a block of data or of an index, one after the other: whether each is one, and above the one before it. */
export class KeyWalk {
  #block: Uint8Array = NO_BYTES
  #buffer = new Uint8Array(256)
  #bytes = 0
  #tagHigh = 0
  #tagLow = 0

  begin(block: Uint8Array): void {
    this.#block = block
    this.#bytes = 0
  }

  /** A view that is good until the next one. */
  get key(): Uint8Array {
    return this.#buffer.subarray(0, this.#bytes)
  }

  get sequence(): number {
    return this.#tagHigh * 0x100_0000 + (this.#tagLow >>> 8)
  }

  /** @returns What is wrong with it. */
  next(shared: number, start: number, end: number): string | undefined {
    const bytes = shared + end - start
    if (bytes < KEY_TAG_BYTES) return 'a key without a tag'
    const isFirst = this.#bytes === 0
    const order = isFirst ? 1 : this.#orderOfRow(shared, start, bytes)
    if (order < 0) return 'keys out of order'
    this.#take(shared, start, end, bytes)
    const [high, low] = [this.#tagHigh, this.#tagLow]
    this.#tagLow = u32(this.#buffer, bytes - KEY_TAG_BYTES)
    this.#tagHigh = u32(this.#buffer, bytes - KEY_TAG_BYTES + 4)
    const sort = this.#tagLow & 0xff
    if (sort !== SORT.value && sort !== SORT.deletion) return 'a key of an unknown sort'
    // Of one row, the newest comes first.
    if (order === 0 && (this.#tagHigh > high || (this.#tagHigh === high && this.#tagLow >= low))) {
      return 'keys out of order'
    }
    return undefined
  }

  /** That of its row against that of the one before it, with which it shares so many bytes. */
  #orderOfRow(shared: number, start: number, bytes: number): number {
    const before = this.#bytes - KEY_TAG_BYTES
    const length = bytes - KEY_TAG_BYTES
    const both = Math.min(before, length)
    for (let i = shared; i < both; i++) {
      const difference = (this.#block[start + i - shared] as number) - (this.#buffer[i] as number)
      if (difference !== 0) return difference
    }
    return length - before
  }

  #take(shared: number, start: number, end: number, bytes: number): void {
    if (bytes > this.#buffer.length) {
      const longer = new Uint8Array(2 * bytes)
      longer.set(this.#buffer.subarray(0, shared))
      this.#buffer = longer
    }
    for (let i = start, to = shared; i < end; i++, to++) this.#buffer[to] = this.#block[i] as number
    this.#bytes = bytes
  }
}

/** What the keys of a block of data have to be. */
export interface KeyBounds {
  /** The first is above this one, or is it. */
  readonly from: Uint8Array | undefined
  /** The first is above this one. */
  readonly after: Uint8Array | undefined
  /** The last is not above these. */
  readonly to: readonly Uint8Array[]
}

/** @returns What is wrong with a block of data. @param onSequence - Told of the number of each write. */
export function problemOfData(
  block: Uint8Array,
  walk: KeyWalk,
  { from, after, to }: KeyBounds,
  onSequence: (sequence: number) => string | undefined,
): string | undefined {
  walk.begin(block)
  let isFirst = true
  const problem = problemOfBlock(block, (shared, keyStart, valueStart) => {
    const wrong = walk.next(shared, keyStart, valueStart)
    if (wrong !== undefined) return wrong
    if (isFirst) {
      isFirst = false
      if (from !== undefined && compareInternal(walk.key, from) < 0) return 'a key before the first'
      if (after !== undefined && compareInternal(walk.key, after) <= 0) return 'a key that belongs into another block'
    }
    return onSequence(walk.sequence)
  })
  if (problem !== undefined) return problem
  if (isFirst) return 'a block without entries'
  return to.every((key) => compareInternal(walk.key, key) <= 0) ? undefined : 'a key that belongs into another block'
}

const NO_BYTES: Uint8Array = new Uint8Array()
