import { equal } from '../../../base/bytes'
import { MAX_ROW_KEY_BYTES } from '../../../format/constants'
import type { Write } from './batch'
import { type EntryPlace, KEY_TAG_BYTES, keyOf, placeEntry, SORT } from './block'
import { Cursor } from './coding'
import { canBeValue, isForeignKey, looksLikeWrite } from './shape'

/** How many rows that were found may lie over one another: a damaged length makes a row reach over those after it. */
const MOST_OVERLAPS = 32
/** How many keys that were found last may lend their beginning to one that does not name its whole key. */
const MOST_LENDERS = 3
/**
 * How much longer than the bytes all keys in them may be. Every sixteenth key of a block is written in full, so that those
 * before it are at most sixteen times as long, each of them under the keys of all lenders and of the one before it.
 */
const MOST_KEYS_FACTOR: number = 16 * (MOST_LENDERS + 1)
const NO_KEY: Uint8Array = new Uint8Array()

/** An entry that was found, as long as the search has not passed its end. */
interface Open {
  readonly end: number
  /** `undefined` for one of a log. */
  readonly key: Uint8Array | undefined
}

/**
 * What looks like writes of rows, in bytes of which nobody knows what they are. Each place is tried, also within what was
 * found, since the lengths of that may be what is damaged.
 */
export function* searchWrites(bytes: Uint8Array): Generator<Write, void> {
  const search = new Search(bytes)
  for (let at = 0; at < bytes.length; at++) {
    const found = search.at(at)
    if (found.length > 0) yield* found
  }
}

class Search {
  readonly #bytes: Uint8Array
  /** What may be a block begins with an entry. */
  #open: Open[] = [{ end: 0, key: NO_KEY }]
  #nextEnd = 0
  #lenders: readonly Uint8Array[] = []
  #keyBytesLeft: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#keyBytesLeft = MOST_KEYS_FACTOR * bytes.length
  }

  at(at: number): readonly Write[] {
    const isEnd = at >= this.#nextEnd
    const before = isEnd ? this.#pass(at) : NONE
    const tag = this.#bytes[at]
    const isTag = tag === SORT.value || tag === SORT.deletion
    // Most bytes are the beginning of nothing.
    if (before.length === 0 && !isTag && this.#lenders.length === 0) return NONE_FOUND
    const found: Write[] = []
    if (isTag) found.push(...this.#writeAt(at))
    const place = placeEntry(this.#bytes, at, this.#bytes.length)
    if (place !== undefined) found.push(...this.#entryAt(place, before))
    return found
  }

  /** Forgets what ends before, and gives the keys of what ends here: an entry after one of these goes on from its key. */
  #pass(at: number): readonly Uint8Array[] {
    const before = this.#open.flatMap(({ end, key }) => (end === at && key !== undefined ? [key] : []))
    this.#open = this.#open.filter(({ end }) => end > at)
    this.#nextEnd = Math.min(Number.POSITIVE_INFINITY, ...this.#open.map(({ end }) => end))
    return before
  }

  /** A write in a batch: its tag, then key and value after their lengths. */
  #writeAt(at: number): readonly Write[] {
    const cursor = new Cursor(this.#bytes, at + 1)
    const length = cursor.varint()
    if (cursor.broken || length > MAX_ROW_KEY_BYTES || isForeignKey(this.#bytes[cursor.at])) return NONE_FOUND
    const key = cursor.take(length)
    const value = this.#bytes[at] === SORT.value ? cursor.slice() : undefined
    if (cursor.broken || !looksLikeWrite(key, value) || !this.#begin({ end: cursor.at, key: undefined })) {
      return NONE_FOUND
    }
    return [{ key, value, sequence: undefined }]
  }

  /**
   * An entry of a table. Behind another one its lengths are enough; elsewhere it must look like a row.
   *
   * @param before - The keys of those that end where it begins.
   */
  #entryAt(place: EntryPlace, before: readonly Uint8Array[]): readonly Write[] {
    const found: Write[] = []
    for (const key of before) {
      if (this.#isEntry(place, key)) this.#take(place, key, found)
    }
    if (place.shared === 0) {
      if (before.length === 0 && this.#isRow(place, NO_KEY)) this.#take(place, NO_KEY, found)
      return found
    }
    for (const lender of this.#lenders) {
      if (this.#isRow(place, lender)) this.#take(place, lender, found)
    }
    return found
  }

  #isEntry({ shared, keyStart, valueStart }: EntryPlace, before: Uint8Array): boolean {
    const length = shared + valueStart - keyStart
    if (shared > before.length || length <= KEY_TAG_BYTES || valueStart === keyStart) return false
    const sort = this.#byteOfKey(shared, keyStart, before, length - KEY_TAG_BYTES)
    return sort === SORT.value || sort === SORT.deletion
  }

  /** Numbers of writes do not reach 2^48. */
  #isRow(place: EntryPlace, before: Uint8Array): boolean {
    const { shared, keyStart, valueStart, end } = place
    const length = shared + valueStart - keyStart
    if (!this.#isEntry(place, before) || this.#byteOfKey(shared, keyStart, before, length - 1) !== 0) return false
    if (isForeignKey(this.#byteOfKey(shared, keyStart, before, 0))) return false
    if (this.#byteOfKey(shared, keyStart, before, length - KEY_TAG_BYTES) === SORT.deletion) return valueStart === end
    return canBeValue(this.#bytes[valueStart]) && valueStart < end
  }

  #byteOfKey(shared: number, keyStart: number, before: Uint8Array, index: number): number | undefined {
    return index < shared ? before[index] : this.#bytes[keyStart + index - shared]
  }

  /** @param before - The key that lends its beginning. */
  #take(place: EntryPlace, before: Uint8Array, found: Write[]): void {
    const { shared, keyStart, valueStart, end } = place
    const keyBytes = shared === 0 ? 0 : shared + valueStart - keyStart
    if (keyBytes > this.#keyBytesLeft) return
    this.#keyBytesLeft -= keyBytes
    const key = keyOf(this.#bytes, place, before)
    const userKey = key.subarray(0, key.length - KEY_TAG_BYTES)
    if (found.some((write) => equal(write.key, userKey)) || !this.#begin({ end, key })) return
    if (!this.#lenders.some((lender) => equal(lender, key))) {
      this.#lenders = [key, ...this.#lenders.slice(0, MOST_LENDERS - 1)]
    }
    const isDeletion = key[userKey.length] === SORT.deletion
    if (isDeletion && valueStart < end) return
    const value = isDeletion ? undefined : this.#bytes.subarray(valueStart, end)
    if (looksLikeWrite(userKey, value)) found.push({ key: userKey, value, sequence: undefined })
  }

  #begin(open: Open): boolean {
    if (this.#open.length >= MOST_OVERLAPS) return false
    this.#open.push(open)
    this.#nextEnd = Math.min(this.#nextEnd, open.end)
    return true
  }
}

const NONE: readonly Uint8Array[] = []
const NONE_FOUND: readonly Write[] = []
