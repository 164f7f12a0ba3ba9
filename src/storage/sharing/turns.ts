/** The right to write, of one process at a time. */
export interface Turn {
  /** Whether it has not ended yet. */
  readonly isHeld: boolean
  /** Takes the limit away: work of the owner's own begins, which ends the turn itself. */
  hold(): void
  /** That work is over, or its holder has been heard of: from now on it lasts as long as in the beginning. */
  limit(): void
  /** Gives it back; more than once is once. */
  end(): void
}

/** How long a turn lasts at the most: its holder may have been stopped. */
export const TURN_MS = 2000
/** And one that is known to take longer. Whoever waits for it does so for 30 seconds. */
export const MOST_TURN_MS = 20_000

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

  /** @param wantedMs - How long its holder may need it. */
  async take(wantedMs = 0): Promise<Turn> {
    if (this.#isTaken) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#isTaken = true
    return this.#grant(Math.max(this.#limitMs, Math.min(wantedMs, MOST_TURN_MS)))
  }

  #grant(limitMs: number): Turn {
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
      if (isHeld) timer = setTimeout(end, limitMs).unref()
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
