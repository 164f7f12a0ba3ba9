/** How long a new owner waits for those who held a lock under the owner before to say so. */
export const GRACE_MS = 1000

interface Waiting {
  readonly holder: object
  grant(): void
  refuse(error: unknown): void
}

/**
 * Locks by name, in the order of asking. A holder that had one under the owner before takes it again; nobody else gets a
 * lock until all of those had the time to do so.
 */
export class NamedLocks {
  readonly #held = new Map<string, object>()
  readonly #waiting = new Map<string, Waiting[]>()
  #isGracious: boolean
  readonly #grace: NodeJS.Timeout | undefined
  /** Why nobody gets one any more. */
  #end: unknown

  /** @param graceMs - 0 for an owner that nobody was before. */
  constructor(graceMs: number) {
    this.#isGracious = graceMs > 0
    if (!this.#isGracious) return
    this.#grace = setTimeout(() => {
      this.#isGracious = false
      for (const name of this.#waiting.keys()) this.#grantNext(name)
    }, graceMs).unref()
  }

  /** @param again - It was held under the owner before. */
  take(holder: object, name: string, again: boolean): Promise<void> {
    if (this.#end !== undefined) return Promise.reject(this.#end)
    if (!this.#held.has(name) && (again || !this.#isGracious)) {
      this.#held.set(name, holder)
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(name) ?? []
      waiting.push({ holder, grant: resolve, refuse: reject })
      this.#waiting.set(name, waiting)
    })
  }

  release(holder: object, name: string): void {
    if (this.#held.get(name) !== holder) return
    this.#held.delete(name)
    this.#grantNext(name)
  }

  /** A holder is gone, and with it all that it had or waited for. */
  leave(holder: object): void {
    for (const [name, waiting] of this.#waiting) {
      const rest = waiting.filter((one) => one.holder !== holder)
      if (rest.length === 0) this.#waiting.delete(name)
      else this.#waiting.set(name, rest)
    }
    for (const [name, by] of this.#held) if (by === holder) this.release(holder, name)
  }

  /** Whoever waits, or asks from now on, gets this error. */
  end(error: unknown): void {
    this.#end = error
    clearTimeout(this.#grace)
    const refused = [...this.#waiting.values()].flat()
    this.#waiting.clear()
    for (const { refuse } of refused) refuse(error)
  }

  #grantNext(name: string): void {
    if (this.#isGracious || this.#held.has(name)) return
    const waiting = this.#waiting.get(name) ?? []
    const next = waiting.shift()
    if (waiting.length === 0) this.#waiting.delete(name)
    if (next === undefined) return
    this.#held.set(name, next.holder)
    next.grant()
  }
}
