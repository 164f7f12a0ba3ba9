import { SecretStoreError } from '../errors'
import type { Target } from '../input/params'
import { warn } from '../platform/warn'
import { Backoff } from './backoff'
import type { Clock } from './clock'
import type { Entry } from './entry'
import type { Flight, Outcome } from './flight'
import { keptUntilSeconds } from './freshness'
import { type KeptEntries, keyOf } from './kept-entries'
import type { CacheSettings } from './options'
import { parseLoaded } from './request'

/** Asks the source, keeps what it says, and gives it a pause when it fails. */
export class Source {
  readonly #settings: CacheSettings
  readonly #kept: KeptEntries
  readonly #clock: Clock
  readonly #backoff: Backoff

  constructor(settings: CacheSettings, kept: KeptEntries, clock: Clock) {
    this.#settings = settings
    this.#kept = kept
    this.#clock = clock
    this.#backoff = new Backoff(settings.backoff, settings.random)
  }

  /** The failure that it is given a pause for. */
  pausing(target: Target): { readonly cause: unknown } | undefined {
    return this.#backoff.pausing(keyOf(target), this.#clock.runMs())
  }

  /** It may be asked at once. */
  endPause(target: Target): void {
    this.#backoff.forget(keyOf(target))
  }

  /** What it says is on disk when this resolves, or `onError` has been told why not. */
  async load(target: Target, flight: Flight): Promise<Outcome> {
    let entry: Entry
    try {
      entry = await this.#ask(target, flight)
    } catch (cause) {
      if (flight.dropped) return { type: 'dropped' }
      this.#failed(target, cause)
      return { type: 'failed', cause }
    }
    if (flight.dropped) return { type: 'dropped' }
    this.endPause(target)
    await this.#keep(target, entry)
    return flight.dropped ? { type: 'dropped' } : { type: 'loaded', entry }
  }

  /** Tells of what nobody else is told of; a listener that throws is no reason for anything else to fail. */
  report(error: unknown, target: Target): void {
    try {
      this.#settings.onError(error, target)
    } catch {
      warn('onError: expected it to return, got an error')
    }
  }

  /** Whatever the caller's own functions do, the failure of the source is the one that is told of. */
  #failed(target: Target, cause: unknown): void {
    this.report(new SecretStoreError('ERR_UNAVAILABLE', 'load: expected an answer, got a failure', { cause }), target)
    try {
      this.#backoff.failed(keyOf(target), cause, this.#clock.runMs())
    } catch (error) {
      this.report(error, target)
    }
  }

  async #ask({ scope, name }: Target, flight: Flight): Promise<Entry> {
    // Before the question: the answer is at least as new as that.
    const stamp = this.#clock.stamp()
    const { load, loadTimeoutMs } = this.#settings
    const loaded = await flight.inTime(loadTimeoutMs, (signal) => load({ scope, name, signal }))
    return parseLoaded(loaded, { scope, name }, stamp, this.#clock.now())
  }

  /** An answer that cannot be kept is still one. */
  async #keep(target: Target, entry: Entry): Promise<void> {
    try {
      const untilSeconds = keptUntilSeconds(entry, this.#settings)
      const isOver = untilSeconds * 1000 <= this.#clock.now()
      await (isOver ? this.#kept.drop(target) : this.#kept.write(target, entry, untilSeconds))
    } catch (error) {
      this.report(error, target)
    }
  }
}
