import { keptAlive } from '../../base/waiting'

/** How long a new owner waits for those who held a lock under the owner before to say so. */
export const GRACE_MS = 1000

interface Waiting {
  readonly holder: object
  grant(): void
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

  /** @param graceMs - 0 for an owner that nobody was before. */
  constructor(graceMs: number) {
    this.#isGracious = graceMs > 0
    if (!this.#isGracious) return
    this.#grace = setTimeout(() => {
      this.#isGracious = false
      for (const name of this.#waiting.keys()) this.#grantNext(name)
    }, graceMs).unref()
  }

  /** Nothing is granted any more by the time that has passed. */
  end(): void {
    clearTimeout(this.#grace)
  }

  /** @param again - It was held under the owner before. */
  take(holder: object, name: string, again: boolean): Promise<void> {
    if (!this.#held.has(name) && (again || !this.#isGracious)) {
      this.#held.set(name, holder)
      return Promise.resolve()
    }
    return keptAlive(
      new Promise((resolve) => {
        const waiting = this.#waiting.get(name) ?? []
        waiting.push({ holder, grant: resolve })
        this.#waiting.set(name, waiting)
      }),
    )
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
