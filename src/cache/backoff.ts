import type { BackoffOptions } from './options'

interface Failure {
  readonly count: number
  readonly untilMs: number
  readonly cause: unknown
}

/** Of how many secrets failures are remembered. Beyond it the oldest are forgotten, and their sources asked early. */
const MOST_FAILURES = 10_000
/** Doubled as often, the least pause of 1 ms is above the longest of 100 years. */
const MOST_DOUBLINGS = 42

/** The pauses after failures: random between a least one and a ceiling that doubles with each failure in a row. */
export class Backoff {
  readonly #options: Required<BackoffOptions>
  readonly #random: () => number
  readonly #failures = new Map<string, Failure>()

  constructor(options: Required<BackoffOptions>, random: () => number) {
    this.#options = options
    this.#random = random
  }

  /**
   * @param nowMs - By a clock that is never set.
   * @throws {RangeError} If `random` gives no fraction; the pause is the least one then. What `random` throws.
   */
  failed(key: string, cause: unknown, nowMs: number): void {
    const { minMs, maxMs } = this.#options
    const count = (this.#failures.get(key)?.count ?? 0) + 1
    const ceilingMs = Math.min(maxMs, minMs * 2 ** Math.min(count, MOST_DOUBLINGS))
    this.#failures.delete(key)
    this.#failures.set(key, { count, untilMs: nowMs + minMs, cause })
    if (this.#failures.size > MOST_FAILURES) this.forget(this.#failures.keys().next().value as string)
    // Last: `random` is the caller's, and may throw.
    const pauseMs = minMs + checkFraction(this.#random()) * (ceilingMs - minMs)
    this.#failures.set(key, { count, untilMs: nowMs + pauseMs, cause })
  }

  /** The failure that the source is still given a pause for. */
  pausing(key: string, nowMs: number): { readonly cause: unknown } | undefined {
    const failure = this.#failures.get(key)
    return failure !== undefined && nowMs < failure.untilMs ? failure : undefined
  }

  forget(key: string): void {
    this.#failures.delete(key)
  }
}

function checkFraction(fraction: number): number {
  if (fraction >= 0 && fraction < 1) return fraction
  throw new RangeError('random: expected a number from 0 to below 1, got another')
}
