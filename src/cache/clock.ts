import { equal } from '../base/bytes'
import { publicRandom } from '../crypto/random'
import { type CacheEntry, RUN_BYTES, type Stamp } from './entry'

/** When another process has written an entry, by both clocks of this one. */
export interface Moment {
  readonly nowMs: number
  readonly runMs: number
}

/** The wall clock and one that is never set; together they tell how old an entry is at least. */
export class Clock {
  readonly #now: () => number
  readonly #monotonicNow: () => number
  readonly #startMs: number
  readonly #run = publicRandom(RUN_BYTES)
  /** What the wall clock would have said at the start, by the latest time that it has told since. */
  #startedAt = 0

  /** Both in milliseconds; the origin of the second does not matter. @throws {TypeError} If they give no time. */
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

  moment(): Moment {
    return { nowMs: this.now(), runMs: this.runMs() }
  }

  /**
   * Milliseconds since the load of an entry began, by the clock that says more: a clock that is set back makes nothing
   * younger while the process lives.
   *
   * @param heard - When another process wrote it, if that was while this cache lived.
   * @returns `undefined` if it seems to have begun in the future.
   */
  ageMs({ stamp }: CacheEntry, heard?: Moment): number | undefined {
    const now = this.now()
    if (equal(stamp.run, this.#run)) {
      const ageMs = Math.max(now - stamp.fetchedAt, this.runMs() - stamp.runMs)
      return ageMs < 0 ? undefined : ageMs
    }
    if (heard !== undefined) {
      const heardMs = heard.nowMs - stamp.fetchedAt
      const ageMs = Math.max(now - stamp.fetchedAt, heardMs + this.runMs() - heard.runMs)
      return heardMs < 0 || ageMs < 0 ? undefined : ageMs
    }
    // Not for entries of this run: after the clock was wrong and set right, all would be too old at once.
    const byWall = this.#startedAt + this.runMs() - stamp.fetchedAt
    // An entry of an earlier run is at least as old as this one.
    return byWall < 0 ? undefined : Math.max(byWall, this.runMs())
  }

  /** Milliseconds since this cache was made. */
  runMs(): number {
    const ms = Math.floor(this.#monotonicNow() - this.#startMs)
    if (Number.isSafeInteger(ms)) return ms
    throw new TypeError('monotonicNow: expected milliseconds, got something else')
  }
}
