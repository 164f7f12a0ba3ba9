/** How long whoever held a lock has to say so again: under a new owner, and after the end of its connection. */
export const GRACE_MS = 1000

interface Waiting {
  readonly holder: object
  settle(isTaken: boolean): void
  refuse(error: unknown): void
  /** It says that it has the lock already. */
  readonly again: boolean
}

/**
 * Locks by name, in the order of asking. A holder that had one under the owner before, or by a connection before, takes it
 * again; nobody else gets it until there was time to do so.
 */
export class NamedLocks {
  readonly #held = new Map<string, object>()
  readonly #waiting = new Map<string, Waiting[]>()
  /** Those whose holders are gone, and may come back. */
  readonly #left = new Map<string, NodeJS.Timeout>()
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

  /**
   * @param again - It was held under the owner before, or by a connection before.
   * @returns `false` if it was released before it was taken.
   */
  take(holder: object, name: string, again: boolean): Promise<boolean> {
    if (this.#end !== undefined) return Promise.reject(this.#end)
    if (this.#isFree(name) ? again || !this.#isGracious : again && this.#left.has(name)) {
      this.#hold(holder, name)
      return Promise.resolve(true)
    }
    return new Promise((settle, refuse) => {
      const waiting = this.#waiting.get(name) ?? []
      const one = { holder, again, settle, refuse }
      // The end of the connection before may be seen after the next one has come.
      if (again) waiting.unshift(one)
      else waiting.push(one)
      this.#waiting.set(name, waiting)
    })
  }

  /** Gives a lock back, or ends the waiting for it. */
  release(holder: object, name: string): void {
    if (this.#held.get(name) !== holder) {
      this.#stopWaiting(holder, name)
      return
    }
    this.#held.delete(name)
    this.#grantNext(name)
  }

  /** A holder is gone. What it has is kept for a while, for it may come back. */
  leave(holder: object): void {
    for (const name of [...this.#waiting.keys()]) this.#stopWaiting(holder, name)
    for (const [name, by] of this.#held) if (by === holder && !this.#left.has(name)) this.#keep(name)
  }

  /** Whoever waits, or asks from now on, gets this error. */
  end(error: unknown): void {
    this.#end = error
    clearTimeout(this.#grace)
    for (const timer of this.#left.values()) clearTimeout(timer)
    const refused = [...this.#waiting.values()].flat()
    this.#waiting.clear()
    for (const { refuse } of refused) refuse(error)
  }

  #isFree(name: string): boolean {
    return !this.#held.has(name)
  }

  #hold(holder: object, name: string): void {
    clearTimeout(this.#left.get(name))
    this.#left.delete(name)
    this.#held.set(name, holder)
  }

  #keep(name: string): void {
    const free = (): void => {
      this.#left.delete(name)
      this.#held.delete(name)
      this.#grantNext(name)
    }
    // It has come back already.
    if (this.#waiting.get(name)?.[0]?.again) free()
    else this.#left.set(name, setTimeout(free, GRACE_MS).unref())
  }

  #stopWaiting(holder: object, name: string): void {
    const waiting = this.#waiting.get(name) ?? []
    const rest = waiting.filter((one) => one.holder !== holder)
    if (rest.length === 0) this.#waiting.delete(name)
    else this.#waiting.set(name, rest)
    for (const one of waiting) if (one.holder === holder) one.settle(false)
  }

  #grantNext(name: string): void {
    const next = this.#waiting.get(name)?.[0]
    if (next === undefined || !this.#isFree(name) || (this.#isGracious && !next.again)) return
    const rest = (this.#waiting.get(name) as Waiting[]).slice(1)
    if (rest.length === 0) this.#waiting.delete(name)
    else this.#waiting.set(name, rest)
    this.#hold(next.holder, name)
    next.settle(true)
  }
}
