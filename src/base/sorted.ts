/** Items in order of their keys, by UTF-16 unit. */

export interface Keyed {
  readonly key: string
}

/** A chunk that grows beyond this is cut in two. */
const MOST_ITEMS = 256

/**
 * A sorted sequence that is cheap to insert into at any size: short arrays in one array. One level is enough, for a
 * million items are some thousand chunks.
 */
export class Sorted<T extends Keyed> {
  /** None is empty. */
  #chunks: T[][] = []

  /** A cursor at the first item whose key is not below `key`. It is good until something is inserted or deleted. */
  seek(key: string): Cursor<T> {
    const chunk = firstNotBelow(this.#chunks.length, (index) => lastOf(this.#chunks[index] as T[]).key >= key)
    if (chunk === this.#chunks.length) return new Cursor(this.#chunks, chunk, 0)
    const items = this.#chunks[chunk] as T[]
    return new Cursor(
      this.#chunks,
      chunk,
      firstNotBelow(items.length, (index) => (items[index] as T).key >= key),
    )
  }

  /** @param item - Its key is not there yet. */
  insert(item: T): void {
    let { chunk, index } = this.seek(item.key)
    if (chunk === this.#chunks.length) {
      if (chunk === 0) {
        this.#chunks.push([item])
        return
      }
      chunk--
      index = (this.#chunks[chunk] as T[]).length
    }
    const items = this.#chunks[chunk] as T[]
    items.splice(index, 0, item)
    if (items.length > MOST_ITEMS) this.#chunks.splice(chunk + 1, 0, items.splice(MOST_ITEMS / 2))
  }

  delete(key: string): void {
    const { chunk, index, item } = this.seek(key)
    if (item?.key !== key) return
    const items = this.#chunks[chunk] as T[]
    items.splice(index, 1)
    if (items.length === 0) this.#chunks.splice(chunk, 1)
  }

  clear(): void {
    this.#chunks = []
  }
}

/** A place in a `Sorted`: at an item, after the last, or before the first. */
export class Cursor<T extends Keyed> {
  readonly #chunks: readonly (readonly T[])[]
  chunk: number
  index: number

  constructor(chunks: readonly (readonly T[])[], chunk: number, index: number) {
    this.#chunks = chunks
    this.chunk = chunk
    this.index = index
  }

  get item(): T | undefined {
    return this.#chunks[this.chunk]?.[this.index]
  }

  next(): T | undefined {
    this.index++
    if (this.index >= (this.#chunks[this.chunk]?.length ?? 0)) {
      this.chunk++
      this.index = 0
    }
    return this.item
  }

  previous(): T | undefined {
    this.index--
    if (this.index < 0) {
      this.chunk--
      this.index = (this.#chunks[this.chunk]?.length ?? 0) - 1
    }
    return this.item
  }
}

function lastOf<T>(items: readonly T[]): T {
  return items[items.length - 1] as T
}

/** Binary search: the first of `length` indices for which `isNotBelow`, which holds from there on. */
function firstNotBelow(length: number, isNotBelow: (index: number) => boolean): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isNotBelow(middle)) high = middle
    else low = middle + 1
  }
  return low
}
