/** A moment in the order of commits: what was read since then may have been overtaken by a later one. */
export type Moment = number

/** The commits that a slow read may have to be held against; of the last one, however many keys it has. */
const MOST_COMMITS = 64
const MOST_KEYS = 10_000

/** Which records the last commits have touched, and the one that is under way. */
export class RecentCommits {
  #begun: Moment = 0
  #settled: Moment = 0
  /** The keys that the commits up to `#begun` touch, the last ones. */
  #touched: (readonly string[])[] = []
  #keys = 0
  #underWay: ReadonlySet<string> = new Set()

  /** The last commit that is durable. */
  get moment(): Moment {
    return this.#settled
  }

  begin(keys: readonly string[]): void {
    this.#begun++
    this.#underWay = new Set(keys)
    this.#touched.push(keys)
    this.#keys += keys.length
    while (this.#touched.length > 1 && (this.#touched.length > MOST_COMMITS || this.#keys > MOST_KEYS)) {
      this.#keys -= this.#touched.shift()?.length ?? 0
    }
  }

  settle(): void {
    this.#settled = this.#begun
    this.#underWay = new Set()
  }

  /** A commit of which nothing is known: it may have touched everything. */
  overtake(): void {
    this.#begun++
    this.#touched = []
    this.#keys = 0
    this.settle()
  }

  /** Whether the commit that is under way touches this record. */
  isUnderWay(key: string): boolean {
    return this.#underWay.has(key)
  }

  /** Whether a commit after `moment` touches a record from `gte` to below `lt`, or `gte` itself. */
  haveTouched(moment: Moment, gte: string, lt: string): boolean {
    const commits = this.#begun - moment
    if (commits === 0) return false
    if (commits > this.#touched.length) return true
    for (const keys of this.#touched.slice(this.#touched.length - commits)) {
      for (const key of keys) if (key === gte || (key > gte && key < lt)) return true
    }
    return false
  }
}
