import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Flight } from '../../../src/cache/activity'
import { Clock } from '../../../src/cache/clock'
import type { CacheStore } from '../../../src/cache/index'
import { SecretCache } from '../../../src/cache/index'
import { KeptEntries } from '../../../src/cache/kept-entries'
import { parseCacheOptions } from '../../../src/cache/options'
import { Source } from '../../../src/cache/source'
import { account, SecretStore, SecretStoreError } from '../../../src/index'
import { codeOf, TestClock } from '../../support/stores'
import { KEPT, settled, setUp, TARGET, TestSource } from './support'

describe('the pause after a failure', () => {
  test('is random between a least one and a ceiling that doubles up to a longest', async () => {
    let jitter = 0
    const { cache, source, clock } = setUp({ random: () => jitter })
    source.down()
    const failAfter = async (pauseMs: number): Promise<void> => {
      const { asked } = source
      clock.ms += pauseMs - 1
      const error = await cache.get(TARGET).catch((caught) => caught)
      expect([error.code, error.cause.message]).toEqual(['ERR_UNAVAILABLE', 'source is down'])
      expect(source.asked).toBe(asked)
      clock.ms += 1
      await cache.get(TARGET).catch(() => {})
      expect(source.asked).toBe(asked + 1)
    }
    jitter = 0.999999
    await cache.get(TARGET).catch(() => {})
    await failAfter(2000)
    await failAfter(4000)
    await failAfter(8000)
    jitter = 0
    await failAfter(8000)
    await failAfter(1000)
    jitter = 0.5
    await failAfter(1000)
    await failAfter(4500)
  })

  test('ends with an answer, and begins short again', async () => {
    const { cache, source, clock } = setUp()
    source.down()
    for (let failure = 0; failure < 5; failure++) {
      await cache.get(TARGET).catch(() => {})
      clock.ms += 8000
    }
    source.reply = () => 's1'
    await cache.get(TARGET)
    source.down()
    clock.ms += 10_000
    await cache.get(TARGET)
    const { asked } = source
    clock.ms += 1500
    await cache.get(TARGET)
    expect(source.asked).toBe(asked + 1)
  })

  test('is for one secret', async () => {
    const { cache, source } = setUp()
    source.down()
    await cache.get(TARGET).catch(() => {})
    await cache.get({ ...TARGET, name: 'another' }).catch(() => {})
    expect(source.asked).toBe(2)
  })

  test('answers the last good value at once', async () => {
    const { cache, source, clock } = setUp()
    source.reply = () => 's1'
    await cache.get(TARGET)
    source.down()
    clock.ms += 10_000
    for (let call = 0; call < 3; call++) expect(await cache.get(TARGET)).toMatchObject({ payload: 's1', stale: true })
    expect(source.asked).toBe(2)
  })

  test('is not mistaken for ever after the clock was set back', async () => {
    let monotonicMs = 0
    const { cache, source, clock } = setUp({ monotonicNow: () => monotonicMs })
    source.down()
    await cache.get(TARGET).catch(() => {})
    clock.ms -= 86_400_000
    monotonicMs += 1500
    source.reply = () => 's1'
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1' })
  })

  test('is remembered of 10,000 secrets, the latest', async () => {
    const { cache, source } = setUp()
    source.down()
    for (let name = 0; name <= 10_000; name++) await cache.get({ scope: account, name: `${name}` }).catch(() => {})
    const { asked } = source
    await cache.get({ scope: account, name: '1' }).catch(() => {})
    expect(source.asked).toBe(asked)
    await cache.get({ scope: account, name: '0' }).catch(() => {})
    expect(source.asked).toBe(asked + 1)
  })

  const thrown = new Error('no random numbers')
  const noFraction = 'random: expected a number from 0 to below 1, got another'
  test.each<[string, () => number, string]>([
    ['is above it', () => 7, noFraction],
    ['is no number', () => Number.NaN, noFraction],
    [
      'is thrown',
      () => {
        throw thrown
      },
      thrown.message,
    ],
  ])('is the least one if what should be a fraction %s, and the failure is the one of the source', async (...row) => {
    const [, random, message] = row
    const { cache, source, errors, clock } = setUp({ random })
    source.down()
    for (let call = 0; call < 2; call++) {
      const error = await cache.get(TARGET).catch((caught) => caught)
      expect([error.code, error.cause.message]).toEqual(['ERR_UNAVAILABLE', 'source is down'])
      clock.ms += 999
    }
    expect(source.asked).toBe(1)
    expect(errors).toMatchObject([{ code: 'ERR_UNAVAILABLE', cause: { message: 'source is down' } }, { message }])
    clock.ms -= 998
    await cache.get(TARGET).catch(() => {})
    expect(source.asked).toBe(2)
  })

  test('ends at the longest after any number of failures', async () => {
    let nowMs = 0
    const settings = parseCacheOptions({
      load: () => Promise.reject(new Error('down')),
      backoff: { minMs: 1, maxMs: 36_500 * 86_400_000 },
      random: () => 0.999999,
      onError: () => {},
    })
    const clock = new Clock(
      () => 0,
      () => nowMs,
    )
    const source = new Source(settings, new KeptEntries(SecretStore.memory(), 'cache:'), clock)
    for (let failure = 0; failure < 1100; failure++) {
      expect(await new Flight(true, (flight) => source.load(TARGET, flight)).outcome).toMatchObject({ type: 'failed' })
    }
    nowMs = 36_499 * 86_400_000
    expect(source.pausing(TARGET)).toMatchObject({ count: 1100 })
    nowMs = 36_500 * 86_400_000
    expect(source.pausing(TARGET)).toBeUndefined()
  })
})

describe('a load that hangs', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('has failed after its time, and is aborted', async () => {
    const { cache, source } = setUp({ loadTimeoutMs: 3000 })
    const asking = cache.get(TARGET).catch((caught) => caught)
    await settled()
    vi.advanceTimersByTime(2999)
    expect(source.last.request.signal.aborted).toBe(false)
    vi.advanceTimersByTime(1)
    expect(source.last.request.signal.aborted).toBe(true)
    const error = await asking
    expect([error.code, error.cause.name]).toEqual(['ERR_UNAVAILABLE', 'TimeoutError'])
    expect(error.cause.message).toBe('load: expected an answer within 3000 ms, got none')
    expect(source.last.request.signal.reason).toBe(error.cause)
  })

  test('gives way to the last good value', async () => {
    const { cache, source, clock } = setUp()
    source.reply = () => 's1'
    await cache.get(TARGET)
    source.reply = undefined
    clock.ms += 20_000
    const asking = cache.get(TARGET)
    await settled()
    clock.ms += 10_000
    vi.advanceTimersByTime(10_000)
    expect(await asking).toMatchObject({ payload: 's1', ageMs: 30_000, stale: true })
  })

  test('answers too late: nobody hears it, and it replaces nothing', async () => {
    const { cache, source, clock } = setUp()
    const asking = cache.get(TARGET).catch(() => 'failed')
    await settled()
    vi.advanceTimersByTime(10_000)
    expect(await asking).toBe('failed')
    const late = source.last
    clock.ms += 12_000
    source.reply = () => 'newer'
    expect(await cache.get(TARGET)).toMatchObject({ payload: 'newer' })
    late.answer('older')
    await settled()
    expect(await cache.get(TARGET)).toMatchObject({ payload: 'newer' })
    expect(source.asked).toBe(2)
  })

  test('fails too late: nobody hears it', async () => {
    const { cache, source } = setUp()
    const asking = cache.get(TARGET).catch(() => 'failed')
    await settled()
    vi.advanceTimersByTime(10_000)
    await asking
    source.last.fail() // an unhandled rejection would fail the run
    await settled()
  })

  test('leaves no timer behind', async () => {
    const { cache, source } = setUp()
    source.reply = () => 's1'
    await cache.get(TARGET)
    expect(vi.getTimerCount()).toBe(0)
    source.down()
    await cache.get({ ...TARGET, name: 'other' }).catch(() => {})
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a load that takes longer than its answer may be old', () => {
  test('has no answer', async () => {
    const { cache, source, clock } = setUp()
    const asking = cache.get(TARGET).catch((caught) => caught)
    await settled()
    clock.ms += 60_000
    source.last.answer('s1')
    const error = await asking
    expect(error.code).toBe('ERR_UNAVAILABLE')
    expect(error.message).toBe(
      'cache: expected an answer of the source, or one that is kept and young enough, got an answer that took too long',
    )
  })

  test('has a stale one if it may be that old', async () => {
    const { cache, source, clock } = setUp()
    const asking = cache.get(TARGET)
    await settled()
    clock.ms += 59_999
    source.last.answer('s1')
    expect(await asking).toMatchObject({ ageMs: 59_999, stale: true })
  })
})

describe('a store that fails', () => {
  type Broken = { [K in keyof CacheStore]?: CacheStore[K] | undefined }

  /** A store whose verbs can be broken. */
  function breakable(): { broken: Broken; wrap(store: SecretStore): CacheStore } {
    const broken: Broken = {}
    return {
      broken,
      wrap: (store) => ({
        getBytes: (params) => (broken.getBytes ?? store.getBytes.bind(store))(params),
        set: (params) => (broken.set ?? store.set.bind(store))(params),
        delete: (params) => (broken.delete ?? store.delete.bind(store))(params),
      }),
    }
  }
  const failing = (code: 'ERR_FAILED' | 'ERR_CORRUPT' | 'ERR_IO' | 'ERR_UNSUPPORTED_VERSION') => () =>
    Promise.reject(new SecretStoreError(code, 'broken'))

  test('to write does not keep the answer from its callers', async () => {
    const { broken, wrap } = breakable()
    const { cache, source, errors } = setUp({}, wrap)
    broken.set = failing('ERR_FAILED')
    source.reply = () => `s${source.asked}`
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1' })
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's2' })
    expect(errors).toMatchObject([{ code: 'ERR_FAILED' }, { code: 'ERR_FAILED' }])
  })

  test('to write does not bring back what the newer answer came after, in this process', async () => {
    const { broken, wrap } = breakable()
    const { cache, source, clock } = setUp({}, wrap)
    source.reply = () => `s${source.asked}`
    await cache.get(TARGET)
    broken.set = failing('ERR_FAILED')
    clock.ms += 10_000
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's2' })
    source.down()
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
    broken.set = undefined
    clock.ms += 8000
    source.reply = () => 's4'
    await cache.get(TARGET)
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's4' })
    expect(source.asked).toBe(4)
  })

  test('to read for a moment, before a newer answer is written, brings back nothing older either', async () => {
    const { broken, wrap } = breakable()
    const { cache, source, clock, errors } = setUp({}, wrap)
    source.reply = () => 's1'
    await cache.get(TARGET)
    clock.ms += 10_000
    source.reply = () => {
      broken.getBytes = failing('ERR_IO')
      return 's2'
    }
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's2' })
    expect(errors).toMatchObject([{ code: 'ERR_IO' }])
    broken.getBytes = undefined
    source.down()
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
  })

  test('to read what is kept is told of, and the source is asked', async () => {
    const { broken, wrap } = breakable()
    const { cache, source, errors } = setUp({}, wrap)
    broken.getBytes = failing('ERR_CORRUPT')
    source.reply = () => 's1'
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1' })
    expect(errors).toMatchObject([{ code: 'ERR_CORRUPT' }, { code: 'ERR_CORRUPT' }])
  })

  test.each(['ERR_IO', 'ERR_CORRUPT', 'ERR_UNSUPPORTED_VERSION'] as const)(
    "to read (%s) what may be the app's own secret leaves it alone",
    async (code) => {
      const { broken, wrap } = breakable()
      const { cache, source, store, errors } = setUp({}, wrap)
      await store.set({ ...KEPT, payload: 'own' })
      broken.getBytes = failing(code)
      source.reply = () => 's1'
      expect(await cache.get(TARGET)).toMatchObject({ payload: 's1' })
      expect(await codeOf(() => cache.invalidate(TARGET))).toBe(code)
      expect(errors).toMatchObject([{ code }, { code }])
      expect(await store.get(KEPT)).toBe('own')
      broken.getBytes = undefined
      expect(await codeOf(() => cache.invalidate(TARGET))).toBe('ERR_EXISTS')
      await store.delete(KEPT)
      await cache.get(TARGET)
      const { asked } = source
      expect(await cache.get(TARGET)).toMatchObject({ payload: 's1' })
      expect(source.asked).toBe(asked)
    },
  )

  test('to read what is kept, with the source down, is what is thrown', async () => {
    const { broken, wrap } = breakable()
    const { cache, source, errors } = setUp({}, wrap)
    broken.getBytes = failing('ERR_CORRUPT')
    source.down()
    for (let call = 0; call < 2; call++) expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_CORRUPT')
    expect(errors).toMatchObject([{ code: 'ERR_CORRUPT' }, { code: 'ERR_UNAVAILABLE' }, { code: 'ERR_CORRUPT' }])
  })

  test('because it is closed says so, and the source is not asked', async () => {
    const { cache, source, store } = setUp()
    await store.close()
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_CLOSED')
    expect(source.asked).toBe(0)
  })

  test('because a view may not go there says so, and the source is not asked', async () => {
    const { cache, source } = setUp({}, (store) => store.view({ user: 'u1' }))
    const target = { scope: { type: 'user', user: 'u2' }, name: 'n' } as const
    expect(await codeOf(() => cache.get(target))).toBe('ERR_ACCESS_DENIED')
    expect(await codeOf(() => cache.invalidate(target))).toBe('ERR_ACCESS_DENIED')
    expect(source.asked).toBe(0)
  })

  test('because the answer is too large does not keep it from its callers', async () => {
    const clock = new TestClock()
    const source = new TestSource()
    await using store = SecretStore.memory({ now: clock.now, maxPayloadBytes: 50 })
    const errors: unknown[] = []
    await using cache = new SecretCache(store, { load: source.load, now: clock.now, onError: (e) => errors.push(e) })
    source.reply = () => 'x'.repeat(30)
    expect(await cache.get(TARGET)).toMatchObject({ payload: 'x'.repeat(30) })
    expect(errors[0]).toBeInstanceOf(RangeError)
  })

  test('has its listener told with the secret it is about, whatever that listener does', async () => {
    const told: unknown[] = []
    const { cache, source } = setUp({
      onError: (_, target) => {
        told.push(target)
        throw new Error('the listener fails')
      },
    })
    source.down()
    const warning = new Promise<Error>((resolve) => process.once('warning', resolve))
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
    expect(told).toEqual([TARGET])
    expect((await warning).message).toBe('onError: expected it to return, got an error')
  })
})

describe('without a listener', () => {
  test('a process warning tells of a failed load, and not what the source has said', async () => {
    await using store = SecretStore.memory()
    const load = (): never => {
      throw new Error('401 for https://manager/?token=hunter2')
    }
    await using cache = new SecretCache(store, { load })
    const warning = new Promise<Error>((resolve) => process.once('warning', resolve))
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
    expect(String(await warning)).toBe('SecretStoreWarning: load: expected an answer, got a failure')
  })
})

test('the timer of a load does not keep the process alive', async () => {
  const { cache } = setUp()
  const timers = vi.spyOn(globalThis, 'setTimeout')
  void cache.get(TARGET).catch(() => {})
  await settled()
  const timer = timers.mock.results[0]?.value as NodeJS.Timeout | undefined
  expect(timer?.hasRef()).toBe(false)
  timers.mockRestore()
})

describe("the app's own secret where an answer would be kept", () => {
  test('is not read as one, overwritten or deleted', async () => {
    const { cache, source, store } = setUp()
    await store.set({ ...KEPT, payload: 'own' })
    source.reply = () => 's1'
    const error = await cache.get(TARGET).catch((caught) => caught)
    expect(error.code).toBe('ERR_EXISTS')
    expect(error.message).toBe("cache entry: expected one that a cache has written, got the app's own secret")
    expect(await codeOf(() => cache.invalidate(TARGET))).toBe('ERR_EXISTS')
    expect(source.asked).toBe(0)
    expect(await store.get(KEPT)).toBe('own')
  })

  test('is not overwritten either when it comes while the source is asked', async () => {
    const { cache, source, store, errors } = setUp()
    const asking = cache.get(TARGET)
    await settled()
    await store.set({ ...KEPT, payload: 'own' })
    source.last.answer('s1')
    expect(await asking).toMatchObject({ payload: 's1' })
    expect(errors).toMatchObject([{ code: 'ERR_EXISTS' }])
    expect(await store.get(KEPT)).toBe('own')
  })

  test('is no trouble under its own name', async () => {
    const { cache, source, store } = setUp()
    await store.set({ ...TARGET, payload: 'own' })
    source.reply = () => 's1'
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1' })
    expect(await store.get(TARGET)).toBe('own')
  })
})
