import { SecretStoreError } from '../errors'
import type { Target } from '../input/params'
import { warn } from '../platform/warn'
import type { Flight, Outcome } from './activity'
import type { Clock } from './clock'
import type { CacheEntry } from './entry'
import { keptUntilSeconds } from './freshness'
import { type KeptEntries, keyOf } from './kept-entries'
import type { CacheSettings } from './options'
import { parseLoaded } from './request'

interface Failure {
  /** In a row, this one included. */
  readonly count: number
  /** By a clock that is never set. */
  readonly pauseEndMs: number
  readonly cause: unknown
}

/** Failures of so many secrets are remembered. Beyond it the oldest are forgotten, and their sources asked early. */
const MOST_FAILURES = 10_000
/** Doubled as often, the least pause of 1 ms is above the longest of 100 years. */
const MOST_DOUBLINGS = 42

/**
 * Asks the source, keeps its answers, and gives it a random pause after a failure. The longest pause doubles with each
 * failure in a row.
 */
export class Source {
  readonly #settings: CacheSettings
  readonly #kept: KeptEntries
  readonly #clock: Clock
  readonly #failures = new Map<string, Failure>()

  constructor(settings: CacheSettings, kept: KeptEntries, clock: Clock) {
    this.#settings = settings
    this.#kept = kept
    this.#clock = clock
  }

  /** The failure after which the source still has a pause. */
  pausing(target: Target): { readonly cause: unknown } | undefined {
    const failure = this.#failures.get(keyOf(target))
    return failure !== undefined && this.#clock.runMs() < failure.pauseEndMs ? failure : undefined
  }

  /** The source may be asked at once. @param key - Of the secret. */
  endPause(key: string): void {
    this.#failures.delete(key)
  }

  /** The answer is on disk when this resolves, or `onError` has been told why not. Dropped if a newer one is there. */
  async load(target: Target, flight: Flight): Promise<Outcome> {
    let entry: CacheEntry
    try {
      entry = await this.#ask(target, flight)
    } catch (cause) {
      if (flight.dropped) return { type: 'dropped' }
      this.#failed(target, cause)
      return { type: 'failed', cause }
    }
    if (flight.dropped) return { type: 'dropped' }
    this.endPause(keyOf(target))
    const isAnswer = await this.#keep(target, entry, flight)
    return flight.dropped || !isAnswer ? { type: 'dropped' } : { type: 'loaded', entry }
  }

  /** Gives `onError` an error that reaches nobody else. If `onError` throws, nothing else fails. */
  report(error: unknown, target: Target): void {
    try {
      this.#settings.onError(error, target)
    } catch {
      warn('onError: expected it to return, got an error')
    }
  }

  /** Whatever the caller's own functions do, callers get the failure of the source. */
  #failed(target: Target, cause: unknown): void {
    this.report(new SecretStoreError('ERR_UNAVAILABLE', 'load: expected an answer, got a failure', { cause }), target)
    try {
      this.#beginPause(keyOf(target), cause)
    } catch (error) {
      this.report(error, target)
    }
  }

  /** @throws {RangeError} If `random` gives no fraction; the pause is the least one then. @throws What `random` throws. */
  #beginPause(key: string, cause: unknown): void {
    const { backoff, random } = this.#settings
    const { minMs, maxMs } = backoff
    const nowMs = this.#clock.runMs()
    const count = (this.#failures.get(key)?.count ?? 0) + 1
    const pause = (ms: number): unknown => this.#failures.set(key, { count, pauseEndMs: nowMs + ms, cause })
    this.#failures.delete(key)
    pause(minMs)
    if (this.#failures.size > MOST_FAILURES) this.#failures.delete(this.#failures.keys().next().value as string)
    // Last: `random` is the caller's, and may throw.
    const fraction = random()
    if (!(fraction >= 0 && fraction < 1)) {
      throw new RangeError('random: expected a number from 0 to below 1, got another')
    }
    pause(minMs + fraction * (Math.min(maxMs, minMs * 2 ** Math.min(count, MOST_DOUBLINGS)) - minMs))
  }

  async #ask({ scope, name }: Target, flight: Flight): Promise<CacheEntry> {
    // Before the question: the answer is at least as new as that.
    const stamp = this.#clock.stamp()
    const { load, loadTimeoutMs } = this.#settings
    const loaded = await flight.inTime(loadTimeoutMs, (signal) => load({ scope, name, signal }))
    return parseLoaded(loaded, { scope, name }, stamp, this.#clock.now())
  }

  /** An answer that cannot be kept is still one. @returns `false` if another process has kept a newer one. */
  async #keep(target: Target, entry: CacheEntry, flight: Flight): Promise<boolean> {
    try {
      return await this.#replace(target, entry, flight)
    } catch (error) {
      this.report(error, target)
      return true
    }
  }

  /** What was kept is gone in either case: `entry` has its place, or is over already. */
  async #replace(target: Target, entry: CacheEntry, flight: Flight): Promise<boolean> {
    const untilSeconds = keptUntilSeconds(entry, this.#settings)
    const put = { entry, untilSeconds, nowMs: () => this.#clock.now(), flight }
    const isOver = (): boolean => untilSeconds * 1000 <= this.#clock.now()
    try {
      if (!isOver()) return await this.#kept.write(target, put)
    } catch (error) {
      // The store refuses what has ended on the way to it, also since the clock was set ahead.
      if (!isOver()) throw error
    }
    return this.#kept.drop(target, put)
  }
}
