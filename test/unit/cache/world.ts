import { expect, vi } from 'vitest'
import { type CacheAnswer, type CacheStore, type Loaded, type LoadRequest, SecretCache } from '../../../src/cache/index'
import { account, SecretStore } from '../../../src/index'
import { settled } from './support'

/** A cache, its source, its disk and its clocks, all of which go wrong; and what must be true of every answer even so. */

export const NAMES = ['a', 'b'] as const
export type Name = (typeof NAMES)[number]

export const LIMITS = {
  ttlMs: 10_000,
  maxStaleMs: 30_000,
  refreshAheadMs: 3000,
  negativeTtlMs: 4000,
  loadTimeoutMs: 5000,
  backoff: { minMs: 1000, maxMs: 6000 },
} as const

export type Reply = 'value' | 'expiring' | 'none' | 'failure'

/** One question to the source, and what became of it. Its number is in the payload of its answer. */
interface Question {
  readonly name: Name
  readonly number: number
  readonly life: number
  readonly askedMs: number
  readonly offsetMs: number
  readonly signal: AbortSignal
  answer?: Reply
  expiresMs?: number
  resolve(loaded: Loaded): void
  reject(error: unknown): void
}

interface Failing {
  readonly count: number
  readonly atMs: number
}

/** Tests begin at it, by `vi.setSystemTime`. */
export const START_MS = 1_700_000_000_000
const DISK_MS = 3

export class World {
  /** By how much the clock of the wall is ahead of time as it passes, which is that of the timers. */
  #offsetMs = 0
  #life = 0
  /** The most that the cache of this life has ever seen the clock of the wall ahead by. */
  #seenOffsetMs = Number.NEGATIVE_INFINITY
  #mode: Reply | 'hang' = 'hang'
  readonly #jitter: number
  readonly #questions: Question[] = []
  readonly #failing = new Map<Name, Failing>()
  /** The least number of a question whose answer may be given from now on. */
  readonly #acknowledged = new Map<Name, number>()
  readonly #invalidated = new Map<Name, number>()
  /** Called for, in this life. */
  readonly #invalidating = new Map<Name, number>()
  /** Called for in any life, and perhaps killed before it came to pass. */
  readonly #perhapsInvalidated = new Map<Name, number>()
  readonly #store: SecretStore
  readonly #pending = new Set<Promise<void>>()
  #cut = { done: false }
  #cache: SecretCache
  answers = { fresh: 0, stale: 0, none: 0, unavailable: 0 }

  constructor(jitter: number) {
    this.#jitter = jitter
    this.#store = SecretStore.memory({ now: this.#now, sweepIntervalMs: 0, compactIntervalMs: 0 })
    this.#cache = this.#begin()
  }

  get #trueMs(): number {
    return Date.now() - START_MS
  }

  readonly #now = (): number => Date.now() + this.#offsetMs

  readonly #cacheNow = (): number => {
    this.#seenOffsetMs = Math.max(this.#seenOffsetMs, this.#offsetMs)
    return this.#now()
  }

  /** Asks, and checks what comes back whenever it does. */
  get(name: Name, abortAfterMs?: number): void {
    const least = this.#acknowledged.get(name) ?? 0
    const life = this.#life
    const controller = new AbortController()
    if (abortAfterMs !== undefined) setTimeout(() => controller.abort('enough'), abortAfterMs)
    const work = this.#cache.get({ scope: account, name, signal: controller.signal }).then(
      (found) => {
        if (life === this.#life) this.#checkAnswer(name, least, found)
      },
      (error) => {
        if (error === 'enough' || error.code === 'ERR_CLOSED') return
        expect(error.code).toBe('ERR_UNAVAILABLE')
        if (life === this.#life) this.answers.unavailable++
      },
    )
    this.#track(work)
  }

  invalidate(name: Name): void {
    const from = this.#questions.length
    const life = this.#life
    this.#invalidating.set(name, from)
    this.#perhapsInvalidated.set(name, from)
    this.#failing.delete(name)
    const work = this.#cache.invalidate({ scope: account, name }).then(() => {
      if (life === this.#life) this.#invalidated.set(name, Math.max(from, this.#invalidated.get(name) ?? 0))
    })
    this.#track(work)
  }

  /** From now on the source answers each question at once, or not before it is told to. */
  set mode(mode: Reply | 'hang') {
    this.#mode = mode
  }

  /** Answers one of the questions that are open, in whatever order, also those that nobody waits for any more. */
  reply(choice: number, reply: Reply): void {
    const open = this.#questions.filter(({ answer }) => answer === undefined)
    const question = open[choice % Math.max(1, open.length)]
    if (question !== undefined) this.#answer(question, reply)
  }

  async pass(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms)
    await settled()
  }

  setWallClock(byMs: number): void {
    this.#offsetMs += byMs
  }

  /** Another process, the last one having ended as it should. */
  async restart(): Promise<void> {
    let closed = false
    void this.#cache.close().then(() => {
      closed = true
    })
    for (let wait = 0; !closed; wait++) {
      expect(wait, 'a close that hangs').toBeLessThan(100)
      await this.pass(DISK_MS)
    }
    await this.#reborn()
  }

  /** Another process, the last one having been killed: nothing it has begun goes on, or comes back. */
  async kill(): Promise<void> {
    this.#cut.done = true
    await this.#reborn()
  }

  /** Everything ends: nothing may hang. */
  async end(): Promise<void> {
    this.#mode = 'failure'
    for (const question of this.#questions) if (question.answer === undefined) this.#answer(question, 'failure')
    await this.pass(2 * LIMITS.loadTimeoutMs)
    expect(this.#pending.size, 'calls that hang').toBe(0)
    await this.#cache.close()
    await this.#store.close()
  }

  async #reborn(): Promise<void> {
    this.#pending.clear()
    this.#life++
    this.#failing.clear()
    this.#invalidating.clear()
    await settled()
    this.#cache = this.#begin()
  }

  #begin(): SecretCache {
    this.#cut = { done: false }
    this.#seenOffsetMs = Number.NEGATIVE_INFINITY
    return new SecretCache(slowDisk(this.#store, this.#cut), {
      ...LIMITS,
      load: (request) => this.#load(request, this.#life),
      now: this.#cacheNow,
      monotonicNow: () => this.#trueMs,
      random: () => this.#jitter,
      onError: () => {},
    })
  }

  #track(work: Promise<void>): void {
    this.#pending.add(work)
    const life = this.#life
    void work
      .catch((error) => {
        if (life === this.#life && error?.code !== 'ERR_CLOSED') this.#broken ??= error
      })
      .finally(() => this.#pending.delete(work))
  }

  #broken: unknown

  /** Throws what was found wrong in the meantime. */
  check(): void {
    if (this.#broken !== undefined) throw this.#broken
  }

  #load({ name: asked, signal }: LoadRequest, life: number): Promise<Loaded> {
    const name = asked as Name
    return new Promise((resolve, reject) => {
      const question: Question = {
        name,
        number: this.#questions.length,
        life,
        askedMs: this.#trueMs,
        offsetMs: this.#offsetMs,
        signal,
        resolve,
        reject,
      }
      this.#checkQuestion(question)
      this.#questions.push(question)
      signal.addEventListener('abort', () => {
        if ((signal.reason as Error)?.name === 'TimeoutError') this.#failed(question)
      })
      if (this.#mode !== 'hang') this.#answer(question, this.#mode)
    })
  }

  #answer(question: Question, reply: Reply): void {
    question.answer = reply
    const heard = question.life === this.#life && !question.signal.aborted
    if (heard && reply !== 'failure') this.#failing.delete(question.name)
    if (heard && reply === 'failure') this.#failed(question)
    const payload = `${question.name}${question.number}`
    if (reply === 'failure') question.reject(new Error('down'))
    else if (reply === 'none') question.resolve(undefined)
    else if (reply === 'value') question.resolve(payload)
    else {
      const expires_at = Math.floor(this.#now() / 1000) + 7
      question.expiresMs = expires_at * 1000
      question.resolve({ payload, expires_at })
    }
  }

  #failed({ name, life }: Question): void {
    if (life !== this.#life) return
    this.#failing.set(name, { count: (this.#failing.get(name)?.count ?? 0) + 1, atMs: this.#trueMs })
  }

  #checkQuestion({ name, life }: Question): void {
    try {
      const open = this.#questions.filter(
        (other) => other.name === name && other.life === life && other.answer === undefined && !other.signal.aborted,
      )
      expect(open, 'two loads at once').toEqual([])
      const failing = this.#failing.get(name)
      if (failing !== undefined) {
        const { minMs, maxMs } = LIMITS.backoff
        const pauseMs = minMs + this.#jitter * (Math.min(maxMs, minMs * 2 ** failing.count) - minMs)
        expect(this.#trueMs - failing.atMs, 'a load before the pause is over').toBeGreaterThanOrEqual(pauseMs)
      }
      const least = this.#acknowledged.get(name) ?? -1
      const last = this.#questions[least]
      const isKept = last?.answer === 'value' && least >= (this.#perhapsInvalidated.get(name) ?? 0)
      if (isKept && this.#isAgeTrue(last) && last.offsetMs === this.#offsetMs) {
        const ageMs = this.#trueMs - last.askedMs
        expect(ageMs, 'a load of what is fresh').toBeGreaterThanOrEqual(LIMITS.ttlMs - LIMITS.refreshAheadMs)
      }
    } catch (error) {
      this.#broken ??= error
    }
  }

  /** Whether the clocks give its true age: neither less, as after they were set back, nor more. */
  #isAgeTrue({ life, offsetMs }: Question): boolean {
    return offsetMs === (life === this.#life ? this.#offsetMs : this.#seenOffsetMs)
  }

  #leastInvalidated(name: Name): number {
    return Math.max(this.#invalidating.get(name) ?? 0, this.#invalidated.get(name) ?? 0)
  }

  #checkAnswer(name: Name, least: number, found: CacheAnswer<string> | undefined): void {
    const from = Math.max(least, this.#leastInvalidated(name))
    if (found === undefined) {
      this.answers.none++
      const last = this.#questions.findLast((question) => question.name === name && question.answer === 'none')
      expect(last?.number, '"there is none" that is out of date').toBeGreaterThanOrEqual(from)
      this.#acknowledge(name, last?.number ?? 0)
      return
    }
    this.answers[found.stale ? 'stale' : 'fresh']++
    expect(found.payload[0], 'the answer for another name').toBe(name)
    const question = this.#questions[Number(found.payload.slice(1))] as Question
    expect(
      question.number,
      'an answer from before an invalidation, or before one that was given',
    ).toBeGreaterThanOrEqual(from)
    expect(['value', 'expiring']).toContain(question.answer)
    expect(found.fetchedAt).toBe(START_MS + question.askedMs + question.offsetMs)
    const trueAgeMs = this.#trueMs - question.askedMs
    // What was fetched by another process, and the clock set back before this one, is younger than it is: nobody can know.
    if (question.life === this.#life || this.#seenOffsetMs >= question.offsetMs) {
      expect(found.ageMs, 'an age that is less than the true one').toBeGreaterThanOrEqual(trueAgeMs)
      expect(trueAgeMs, 'an answer that is too old').toBeLessThan(LIMITS.maxStaleMs)
      if (question.expiresMs !== undefined) {
        const atFetch = START_MS + question.askedMs + question.offsetMs
        expect(atFetch + trueAgeMs, "an answer behind the source's own end").toBeLessThan(question.expiresMs)
      }
    }
    if (this.#isAgeTrue(question)) expect(found.ageMs).toBe(trueAgeMs)
    expect(found.ageMs).toBeLessThan(LIMITS.maxStaleMs)
    if (!found.stale) expect(found.ageMs).toBeLessThan(LIMITS.ttlMs)
    else if (this.#isAgeTrue(question)) {
      expect(this.#failing.has(name), 'a stale answer though the source has not failed').toBe(true)
    }
    this.#acknowledge(name, question.number)
  }

  #acknowledge(name: Name, number: number): void {
    this.#acknowledged.set(name, Math.max(number, this.#acknowledged.get(name) ?? 0))
  }
}

/** Takes its time before and after each write; when it is cut, nothing goes on. */
function slowDisk(store: SecretStore, cut: { done: boolean }): CacheStore {
  const moment = (): Promise<void> =>
    new Promise((resolve) => {
      setTimeout(() => cut.done || resolve(), DISK_MS)
    })
  const slow = async <T>(write: () => Promise<T>): Promise<T> => {
    await moment()
    const done = await write()
    await moment()
    return done
  }
  return {
    getBytes: (params) => (cut.done ? new Promise(() => {}) : store.getBytes(params)),
    set: (params) => slow(() => store.set(params)),
    delete: (params) => slow(() => store.delete(params)),
  }
}
