import { onTestFinished } from 'vitest'
import {
  type CacheOptions,
  type CacheStore,
  type Loaded,
  type LoadRequest,
  SecretCache,
} from '../../../src/cache/index'
import { account, SecretStore, type TargetParams } from '../../../src/index'
import { TestClock } from '../../support/stores'
import { turnOfLoop } from '../../support/waiting'

export const TARGET: TargetParams = { scope: account, name: 'api-key' }
/** Where the answer for it is kept. */
export const KEPT: TargetParams = { scope: account, name: 'cache:api-key' }

/** A store whose `set` or `delete` waits until the test lets it go on, one after the other. */
export function held(verb: 'set' | 'delete'): { readonly wrap: (inner: CacheStore) => CacheStore; release(): void } {
  const waiting: (() => void)[] = []
  const wait = (): Promise<void> => new Promise((resolve) => void waiting.push(resolve))
  return {
    wrap: (inner) => ({
      getBytes: (params) => inner.getBytes(params),
      set: async (params) => {
        if (verb === 'set') await wait()
        return inner.set(params)
      },
      delete: async (params) => {
        if (verb === 'delete') await wait()
        return inner.delete(params)
      },
    }),
    release: () => waiting.shift()?.(),
  }
}

/** One question to the source, to be answered when the test likes. */
export interface Question {
  readonly request: LoadRequest
  answer(loaded: Loaded): void
  fail(error?: unknown): void
}

/** A source that answers by hand, or by `reply` if there is one. */
export class TestSource {
  readonly questions: Question[] = []
  reply: ((request: LoadRequest) => Loaded | Promise<Loaded>) | undefined

  readonly load = (request: LoadRequest): Loaded | Promise<Loaded> =>
    new Promise<Loaded>((resolve, reject) => {
      this.questions.push({ request, answer: resolve, fail: (error = new Error('source is down')) => reject(error) })
      if (this.reply !== undefined) resolve(this.#replied(this.reply, request))
    })

  get asked(): number {
    return this.questions.length
  }

  get last(): Question {
    const question = this.questions.at(-1)
    if (question === undefined) throw new Error('source: expected a question, got none')
    return question
  }

  down(): void {
    this.reply = () => Promise.reject(new Error('source is down'))
  }

  async #replied(reply: NonNullable<TestSource['reply']>, request: LoadRequest): Promise<Loaded> {
    return reply(request)
  }
}

export interface Setup {
  readonly clock: TestClock
  readonly source: TestSource
  readonly store: SecretStore
  readonly cache: SecretCache
  readonly errors: unknown[]
  /** A cache over the same store, as after a restart; the last one is to be closed first. */
  restart(options?: Partial<CacheOptions>): SecretCache
}

/** Fresh for 10 s, kept for 60 s, loaded ahead in the last 2 s, pauses of 1 s to 8 s, "none" for 5 s. */
export const SECONDS = {
  ttlMs: 10_000,
  maxStaleMs: 60_000,
  refreshAheadMs: 2000,
  negativeTtlMs: 5000,
  backoff: { minMs: 1000, maxMs: 8000 },
} as const

export function setUp(options: Partial<CacheOptions> = {}, wrap = (store: SecretStore): CacheStore => store): Setup {
  const clock = new TestClock()
  const source = new TestSource()
  const store = SecretStore.memory({ now: clock.now, sweepIntervalMs: 0, compactIntervalMs: 0 })
  const errors: unknown[] = []
  const restart = (more: Partial<CacheOptions> = {}): SecretCache => {
    const cache = new SecretCache(wrap(store), {
      ...SECONDS,
      load: source.load,
      now: clock.now,
      random: () => 0.5,
      onError: (error) => errors.push(error),
      ...options,
      ...more,
    })
    onTestFinished(() => cache.close())
    return cache
  }
  onTestFinished(() => store.close())
  return { clock, source, store, errors, cache: restart(), restart }
}

/** Everything that can happen without time passing has happened. */
export async function settled(): Promise<void> {
  await turnOfLoop()
}
