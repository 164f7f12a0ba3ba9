import { equal } from '../base/bytes'
import { publicRandom } from '../crypto/random'
import { type CacheEntry, RUN_BYTES, type Stamp } from './entry'

function notNegative(ageMs: number): number | undefined {
  return ageMs < 0 ? undefined : ageMs
}

/** The clock of the wall and one that is never set; together they tell how old an entry is at least. */
export class Clock {
  readonly #now: () => number
  readonly #monotonicNow: () => number
  readonly #startMs: number
  readonly #run = publicRandom(RUN_BYTES)
  /** What the clock of the wall would have said at the start, by the latest time that it has ever told since. */
  #startedAt = 0

  /**
   * Both in milliseconds; the origin of the second does not matter.
   *
   * @throws {TypeError} If they give no time.
   */
  constructor(now: () => number, monotonicNow: () => number) {
    this.#now = now
    this.#monotonicNow = monotonicNow
    this.#startMs = monotonicNow()
    this.stamp()
  }

  /** Unix milliseconds. */
  now(): number {
    const ms = Math.floor(this.#now())
    if (Number.isSafeInteger(ms) && ms >= 0) {
      this.#startedAt = Math.max(this.#startedAt, ms - this.runMs())
      return ms
    }
    throw new TypeError('now: expected milliseconds since the Unix epoch, got something else')
  }

  stamp(): Stamp {
    return { fetchedAt: this.now(), run: this.#run, runMs: Math.max(0, this.runMs()) }
  }

  /**
   * Milliseconds since the load of an entry began, by the clock that says more: setting a clock back makes nothing
   * younger as long as the process lives.
   *
   * @returns `undefined` if nobody knows, because it seems to have begun in the future.
   */
  ageMs({ stamp }: CacheEntry): number | undefined {
    const now = this.now()
    if (equal(stamp.run, this.#run)) return notNegative(Math.max(now - stamp.fetchedAt, this.runMs() - stamp.runMs))
    // Not for what this run has loaded: after the clock was wrong and set right, all of that would be too old at once.
    const byWall = this.#startedAt + this.runMs() - stamp.fetchedAt
    // What an earlier run has left is at least as old as this one.
    return byWall < 0 ? undefined : Math.max(byWall, this.runMs())
  }

  /** Milliseconds since this cache was made. */
  runMs(): number {
    const ms = Math.floor(this.#monotonicNow() - this.#startMs)
    if (Number.isSafeInteger(ms)) return ms
    throw new TypeError('monotonicNow: expected milliseconds, got something else')
  }
}
