/** How many of them are shown. */
const MOST_LISTED = 1000

/** A list of which no more is kept than is shown, however long it gets. */
export class Shortlist<T> {
  readonly #listed: T[] = []
  #count = 0

  /** The first 1,000. */
  get listed(): readonly T[] {
    return this.#listed
  }

  /** How many there are. */
  get count(): number {
    return this.#count
  }

  /** How many there are besides. */
  get unlisted(): number {
    return this.#count - this.#listed.length
  }

  add(item: T): void {
    this.#count++
    if (this.#listed.length < MOST_LISTED) this.#listed.push(item)
  }
}
