import { orAborted } from '../base/waiting'
import { SecretStoreError } from '../errors'
import { payloadText } from '../format/record-shape'
import type { TargetParams } from '../input/params'
import type { Payload } from '../model'
import { Activities, type Activity, Flight, type Outcome } from './activity'
import { Clock, type Moment } from './clock'
import type { CacheEntry } from './entry'
import { type Freshness, freshness } from './freshness'
import { HeardOf } from './heard-of'
import { type CacheStore, checkStore, claimPrefix, isDamage, KeptEntries, keyOf } from './kept-entries'
import { type CacheOptions, type CacheSettings, parseCacheOptions } from './options'
import { type CacheGetParams, type CacheRequest, parseCacheGet, parseCacheTarget } from './request'
import { Source } from './source'

/** An answer, and how old it is. */
export interface CacheAnswer<P extends string | Uint8Array> {
  /** Text from `get`, bytes from `getBytes`. */
  readonly payload: P
  /** When the load that brought it began, in Unix **milliseconds**. */
  readonly fetchedAt: number
  /** Milliseconds since then. */
  readonly ageMs: number
  /** Whether it is older than `ttlMs`: the source has failed, or has taken as long as that to answer. */
  readonly stale: boolean
}

/** What is kept for a secret, or why that cannot be read. */
interface Kept {
  /** Of the activity, when the reading began: more by now means that it is out of date. */
  readonly changes: number
  readonly entry: CacheEntry | undefined
  /** When another process wrote it, as far as it is known. */
  readonly heard?: Moment | undefined
  readonly damage?: unknown
}

/** An answer with its payload as it is kept. */
interface Found {
  readonly payload: Payload
  readonly times: Omit<CacheAnswer<never>, 'payload'>
}

/**
 * The last good answers of a source of secrets, in a store. One load serves any number of callers. When the source
 * fails, its last answer is given up to a certain age, also after a restart, as long as nobody sets the clock back.
 */
export class SecretCache implements AsyncDisposable {
  readonly #settings: CacheSettings
  readonly #kept: KeptEntries
  readonly #clock: Clock
  readonly #source: Source
  readonly #activities = new Activities()
  readonly #heard: HeardOf
  readonly #release: () => void
  #closing: Promise<void> | undefined

  /**
   * @param store - Where answers are kept. It is not closed with the cache.
   * @throws {TypeError | RangeError} On bad options.
   */
  constructor(store: CacheStore, options: CacheOptions) {
    this.#settings = parseCacheOptions(options)
    const { prefix, now, monotonicNow } = this.#settings
    this.#kept = new KeptEntries(checkStore(store), prefix)
    this.#clock = new Clock(now, monotonicNow)
    this.#source = new Source(this.#settings, this.#kept, this.#clock)
    this.#heard = new HeardOf(this.#clock, this.#activities, (key) => this.#source.endPause(key))
    const release = claimPrefix(store, prefix)
    const endListening = this.#kept.listen(this.#heard)
    this.#release = () => {
      endListening()
      release()
    }
  }

  /**
   * A text secret: the one that is kept while it is fresh, or what the source says, which is then on disk.
   *
   * @returns `undefined` if the source says that there is none.
   * @throws {TypeError | RangeError} On bad input; if the payload is bytes: `getBytes` reads those.
   * @throws {SecretStoreError} `ERR_UNAVAILABLE` if the source fails and nothing young enough is kept, `ERR_EXISTS` if
   *   the app has a secret of its own where the answer would be kept, `ERR_CLOSED`, and what the store's `get` throws.
   * @throws What `signal` is aborted with.
   */
  async get(params: CacheGetParams): Promise<CacheAnswer<string> | undefined> {
    const found = await this.#answer(parseCacheGet(params, 'get', this.#settings.prefix))
    return found && { ...found.times, payload: payloadText(found.payload) }
  }

  /** The payload of any secret as bytes, text as UTF-8. @throws As `get`. */
  async getBytes(params: CacheGetParams): Promise<CacheAnswer<Uint8Array> | undefined> {
    const found = await this.#answer(parseCacheGet(params, 'getBytes', this.#settings.prefix))
    return found && { ...found.times, payload: found.payload.bytes.slice() }
  }

  /**
   * Drops what is kept, on disk when it resolves. The next `get` loads anew; a load under way is aborted.
   *
   * @throws {TypeError | RangeError} On bad input.
   * @throws {SecretStoreError} `ERR_EXISTS`, `ERR_CLOSED`, and what the store's `get` and `delete` throw; what is kept
   *   is not answered any more by this cache even so.
   */
  async invalidate(params: TargetParams): Promise<void> {
    const target = parseCacheTarget(params, 'invalidate', this.#settings.prefix)
    this.#checkOpen()
    await this.#activities.during(target, async (activity) => {
      const work = this.#drop(activity)
      activity.invalidation = work.then(ignore, ignore)
      await work
    })
  }

  /** Aborts loads under way, whose callers get `ERR_CLOSED`. Resolves when nothing is being written. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** The same as `close`, at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #answer({ target, signal }: CacheRequest): Promise<Found | undefined> {
    this.#checkOpen()
    signal?.throwIfAborted()
    return this.#activities.during(target, async (activity) => {
      for (;;) {
        const kept = await orAborted(signal, this.#read(activity))
        this.#checkOpen()
        if (activity.changes !== kept.changes) continue
        const { as, found } = this.#judge(kept.entry, kept.heard)
        if (as === 'due') this.#refresh(activity)
        if (as === 'fresh' || as === 'due') return found
        const outcome = await this.#ask(activity, signal)
        if (outcome.type === 'loaded') return this.#new(outcome.entry)
        if (outcome.type === 'failed') return this.#lastGood(kept, outcome.cause)
      }
    })
  }

  /** `onError` gets damage, and the source is asked all the same: damage alone overwrites nothing. */
  async #read(activity: Activity): Promise<Kept> {
    await activity.invalidation
    const { changes, target } = activity
    try {
      const entry = await this.#kept.read(target)
      return { changes, entry, heard: this.#heard.of(target) }
    } catch (damage) {
      if (!isDamage(damage)) throw damage
      this.#source.report(damage, target)
      return { changes, entry: undefined, damage }
    }
  }

  #judge(entry: CacheEntry | undefined, heard?: Moment): { readonly as: Freshness; readonly found: Found | undefined } {
    const ageMs = entry && this.#clock.ageMs(entry, heard)
    if (entry === undefined || ageMs === undefined) return { as: 'over', found: undefined }
    const as = freshness(entry, ageMs, this.#settings)
    const { payload, stamp } = entry
    const times = { fetchedAt: stamp.fetchedAt, ageMs, stale: as === 'stale' }
    return { as, found: payload && { payload, times } }
  }

  /** Joins the load that is under way, or begins one, unless the source is given a pause. */
  async #ask(activity: Activity, signal: AbortSignal | undefined): Promise<Outcome> {
    if (activity.flight !== undefined) return activity.flight.join(signal)
    const failure = this.#source.pausing(activity.target)
    return failure === undefined ? this.#begin(activity, false).join(signal) : { type: 'failed', cause: failure.cause }
  }

  #refresh(activity: Activity): void {
    if (activity.flight !== undefined || this.#source.pausing(activity.target) !== undefined) return
    this.#begin(activity, true)
  }

  #begin(activity: Activity, background: boolean): Flight {
    const flight = new Flight(background, (own) => this.#source.load(activity.target, own))
    activity.flight = flight
    void this.#activities.during(activity.target, async () => {
      await flight.outcome
      activity.flight = undefined
      activity.changes++
    })
    return flight
  }

  /** "There is none" was said just now; a value may have grown too old on its way. */
  #new(entry: CacheEntry): Found | undefined {
    if (entry.payload === undefined) return undefined
    const { as, found } = this.#judge(entry)
    if (as === 'over') throw unavailable('an answer that took too long')
    return found
  }

  #lastGood({ entry, damage, heard }: Kept, cause: unknown): Found | undefined {
    const { as, found } = this.#judge(entry, heard)
    if (as !== 'over') return found
    if (damage !== undefined) throw damage
    throw unavailable('neither', cause)
  }

  async #drop(activity: Activity): Promise<void> {
    const { flight, invalidation, target } = activity
    activity.changes++
    this.#source.endPause(keyOf(target))
    flight?.drop()
    await Promise.all([flight?.outcome, invalidation])
    await this.#kept.invalidate(target, this.#clock.now())
  }

  async #close(): Promise<void> {
    const under = [...this.#activities]
    for (const { flight } of under) flight?.drop(closedError())
    await Promise.all(under.flatMap(({ flight, invalidation }) => [flight?.outcome, invalidation]))
    this.#release()
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closedError()
  }
}

function ignore(): void {}

function unavailable(got: string, cause?: unknown): SecretStoreError {
  const message = `cache: expected an answer of the source, or one that is kept and young enough, got ${got}`
  return new SecretStoreError('ERR_UNAVAILABLE', message, cause === undefined ? undefined : { cause })
}

function closedError(): SecretStoreError {
  return new SecretStoreError('ERR_CLOSED', 'cache: expected it open, got a closed one')
}
