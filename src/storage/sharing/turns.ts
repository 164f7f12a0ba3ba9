/** The right to write, of one process at a time. */
export interface Turn {
  /** Whether it has not ended yet. */
  readonly isHeld: boolean
  /** Takes the limit away: work of the owner's own begins, which ends the turn itself. */
  hold(): void
  /** That work is over: from now on it may end by time again. */
  limit(): void
  /** Gives it back; more than once is once. */
  end(): void
}

/** How long a turn lasts at the most: its holder may have been stopped. */
export const TURN_MS = 2000

/**
 * Turns in the order of asking. One ends with its commit, with its holder, or after a time by a clock that nobody sets
 * (timers go by a monotonic one).
 */
export class WriteTurns {
  readonly #limitMs: number
  readonly #waiting: (() => void)[] = []
  #isTaken = false

  constructor(limitMs: number = TURN_MS) {
    this.#limitMs = limitMs
  }

  /** Whether anybody waits or writes. */
  get isBusy(): boolean {
    return this.#isTaken
  }

  /** @param limited - Whether it may end by itself. */
  async take(limited = true): Promise<Turn> {
    if (this.#isTaken) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#isTaken = true
    return this.#grant(limited)
  }

  #grant(limited: boolean): Turn {
    let isHeld = true
    const end = (): void => {
      if (!isHeld) return
      isHeld = false
      clearTimeout(timer)
      const next = this.#waiting.shift()
      if (next === undefined) this.#isTaken = false
      else next()
    }
    let timer: NodeJS.Timeout | undefined
    const limit = (): void => {
      clearTimeout(timer)
      if (limited && isHeld) timer = setTimeout(end, this.#limitMs).unref()
    }
    limit()
    return {
      get isHeld() {
        return isHeld
      },
      hold: () => clearTimeout(timer),
      limit,
      end,
    }
  }
}
