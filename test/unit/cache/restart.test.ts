import { describe, expect, test, vi } from 'vitest'
import { fromMapKey, utf8 } from '../../../src/base/bytes'
import { Activities, type Activity } from '../../../src/cache/activity'
import { encodeCacheEntry } from '../../../src/cache/entry'
import { SecretCache } from '../../../src/cache/index'
import type { SecretStore } from '../../../src/index'
import { allRows, flipped, writeRow } from '../../support/raw-rows'
import { codeOf, newLocation, openStore, TestClock } from '../../support/stores'
import { KEPT, SECONDS, settled, setUp, TARGET, TestSource } from './support'

const QUIET = { ...SECONDS, random: () => 0.5, onError: () => {} }

describe('after a restart', () => {
  test('the last good value is answered with its true age, with the source down', async () => {
    const { cache, source, clock, restart } = setUp()
    const fetchedAt = clock.ms
    source.reply = () => 's1'
    await cache.get(TARGET)
    await cache.close()
    source.down()
    let last = cache
    for (let run = 1; run <= 5; run++) {
      await last.close()
      clock.ms += 11_000
      last = restart()
      expect(await last.get(TARGET)).toEqual({ payload: 's1', fetchedAt, ageMs: run * 11_000, stale: true })
    }
    await last.close()
    clock.ms += 5000
    expect(await codeOf(() => restart().get(TARGET))).toBe('ERR_UNAVAILABLE')
  })

  test('a fresh answer is not asked for again', async () => {
    const { cache, source, clock, restart } = setUp()
    source.reply = () => 's1'
    await cache.get(TARGET)
    await cache.close()
    clock.ms += 7000
    expect(await restart().get(TARGET)).toMatchObject({ payload: 's1', ageMs: 7000, stale: false })
    expect(source.asked).toBe(1)
  })
})

describe('a clock that was set', () => {
  test('back makes nothing younger while the process lives', async () => {
    let monotonicMs = 500
    const { cache, source, clock } = setUp({ monotonicNow: () => monotonicMs })
    source.reply = () => 's1'
    await cache.get(TARGET)
    source.down()
    clock.ms += 1000
    monotonicMs += 12_000 // eleven seconds were taken back
    expect(await cache.get(TARGET)).toMatchObject({ ageMs: 12_000, stale: true })
    clock.ms -= 86_400_000
    monotonicMs += 47_999
    expect(await cache.get(TARGET)).toMatchObject({ ageMs: 59_999, stale: true })
    monotonicMs += 1
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
  })

  test("back does not move the source's own end", async () => {
    let monotonicMs = 0
    const { cache, source, clock } = setUp({ monotonicNow: () => monotonicMs })
    source.reply = () => ({ payload: 's1', expires_at: clock.seconds + 5 })
    await cache.get(TARGET)
    source.down()
    clock.ms -= 86_400_000
    monotonicMs += 4999
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1' })
    monotonicMs += 1
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
  })

  test('back between two runs makes an answer of the future, which is not believed', async () => {
    const { cache, source, clock, restart } = setUp()
    source.reply = () => 's1'
    await cache.get(TARGET)
    await cache.close()
    source.down()
    clock.ms -= 1
    const next = restart()
    expect(await codeOf(() => next.get(TARGET))).toBe('ERR_UNAVAILABLE')
    source.reply = () => 's2'
    clock.ms += 0
    await next.invalidate(TARGET)
    expect(await next.get(TARGET)).toMatchObject({ payload: 's2', ageMs: 0 })
  })

  test('back before a restart makes what was there before no younger than the run', async () => {
    let monotonicMs = 0
    const { cache, source, clock, restart } = setUp({ monotonicNow: () => monotonicMs })
    source.reply = () => 's1'
    await cache.get(TARGET)
    await cache.close()
    source.down()
    clock.ms -= 5000
    const next = restart()
    monotonicMs += 30_000
    expect(await next.get(TARGET)).toMatchObject({ ageMs: 30_000, stale: true })
  })

  test('back makes what an earlier run has left no younger than it was seen to be', async () => {
    let monotonicMs = 0
    const { cache, source, clock, restart } = setUp({ monotonicNow: () => monotonicMs })
    const pass = (ms: number): void => {
      clock.ms += ms
      monotonicMs += ms
    }
    source.reply = () => 's1'
    await cache.get(TARGET)
    await cache.close()
    source.down()
    pass(40_000)
    const next = restart()
    expect(await next.get(TARGET)).toMatchObject({ ageMs: 40_000 })
    clock.ms -= 35_000
    pass(1000)
    expect(await next.get(TARGET)).toMatchObject({ ageMs: 41_000 })
    clock.ms -= 86_400_000 // to before it was fetched
    pass(18_999)
    expect(await next.get(TARGET)).toMatchObject({ ageMs: 59_999 })
    pass(1)
    expect(await codeOf(() => next.get(TARGET))).toBe('ERR_UNAVAILABLE')
  })

  test('ahead, and back after any look at it, leaves what an earlier run has left as old as it seemed', async () => {
    const { cache, source, clock, restart } = setUp({ monotonicNow: () => 0 })
    source.reply = () => 's1'
    await cache.get(TARGET)
    await cache.close()
    source.down()
    const next = restart()
    clock.ms += 50_000
    await next.get(TARGET)
    clock.ms -= 50_000
    expect(await next.get(TARGET)).toMatchObject({ ageMs: 50_000, stale: true })
  })

  test('ahead by mistake and then right does not make old what is loaded after that', async () => {
    let monotonicMs = 0
    const { cache, source, clock } = setUp({ monotonicNow: () => monotonicMs })
    source.reply = () => 's1'
    clock.ms += 86_400_000
    await cache.get(TARGET)
    clock.ms -= 86_400_000
    await cache.invalidate(TARGET)
    await cache.get(TARGET)
    monotonicMs += 1000
    expect(await cache.get(TARGET)).toMatchObject({ ageMs: 1000, stale: false })
  })

  test('ahead ends answers early', async () => {
    const { cache, source, clock } = setUp({ monotonicNow: () => 0 })
    source.reply = () => 's1'
    await cache.get(TARGET)
    source.down()
    clock.ms += 60_000
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
  })
})

describe('what is stored', () => {
  test('is a secret with a prefix to its name, laid out as docs/cache.md says', async () => {
    const { cache, source, clock, store } = setUp()
    clock.ms += 0x1234
    source.reply = () => ({ payload: 'é', expires_at: clock.seconds + 30 })
    await cache.get(TARGET)
    const bytes = (await store.getBytes(KEPT)) as Uint8Array
    const hex = (from: number, to?: number): string => Buffer.from(bytes.subarray(from, to)).toString('hex')
    expect(Buffer.from(bytes.subarray(0, 8)).toString()).toBe('ss-cache')
    expect(hex(8, 10)).toBe('0101')
    expect(BigInt(`0x${hex(10, 18)}`)).toBe(BigInt(clock.ms))
    expect(hex(26, 34)).toBe('0000000000001234')
    expect(BigInt(`0x${hex(34, 42)}`)).toBe(BigInt(clock.seconds + 30))
    expect(hex(42)).toBe('c3a9')
  })

  test('is not read if it is of another version or its fields make no sense, and is replaced', async () => {
    const { cache, source, store, errors } = setUp()
    source.reply = () => `s${source.asked}`
    await cache.get(TARGET)
    const good = (await store.getBytes(KEPT)) as Uint8Array
    const put = (change: (bytes: Uint8Array) => Uint8Array): Promise<unknown> =>
      store.set({ ...KEPT, payload: change(Uint8Array.from(good)) })
    await put((bytes) => bytes.fill(2, 8, 9))
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's2' })
    expect(errors).toMatchObject([
      { code: 'ERR_UNSUPPORTED_VERSION', message: 'cache entry: expected version 1, got 2' },
    ])
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's2' })
    source.down()
    const senseless = [
      (bytes: Uint8Array) => bytes.fill(3, 9, 10),
      (bytes: Uint8Array) => bytes.fill(0, 9, 10),
      (bytes: Uint8Array) => bytes.fill(0xff, 10, 11),
      (bytes: Uint8Array) => bytes.subarray(0, 42),
      (bytes: Uint8Array) => bytes.subarray(0, 41),
      (bytes: Uint8Array) => bytes.subarray(0, 8),
    ]
    for (const change of senseless) {
      await put(change)
      expect(await codeOf(() => cache.invalidate(TARGET))).toBe('ERR_CORRUPT')
      const damage = await cache.get(TARGET).catch((caught) => caught)
      expect([damage.code, damage.message]).toEqual(['ERR_CORRUPT', 'cache entry: expected its fields, got others'])
    }
    await put((bytes) => bytes.fill(2, 8, 9))
    await cache.invalidate(TARGET)
    expect(await store.find(KEPT)).toBeUndefined()
    source.reply = () => 's2'
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's2' })
  })

  test('is refused at every length that is too short', async () => {
    const { cache, source, store } = setUp()
    source.reply = () => 's1'
    await cache.get(TARGET)
    const good = (await store.getBytes(KEPT)) as Uint8Array
    source.down()
    for (let length = 1; length <= 42; length++) {
      await store.set({ ...KEPT, payload: good.slice(0, length) })
      expect(await codeOf(() => cache.get(TARGET)), `${length} bytes`).toBe(length < 8 ? 'ERR_EXISTS' : 'ERR_CORRUPT')
    }
  })
})

describe('on disk', () => {
  async function twoAnswers(): Promise<{ location: string; clock: TestClock; source: TestSource; store: SecretStore }> {
    const location = await newLocation()
    const clock = new TestClock()
    const source = new TestSource()
    const store = await openStore(location, { now: clock.now })
    return { location, clock, source, store }
  }

  test('an older answer put back in the place of a newer one is as old as it says inside', async () => {
    const { location, clock, source, store } = await twoAnswers()
    const cacheOf = (over: SecretStore): SecretCache =>
      new SecretCache(over, { ...QUIET, load: source.load, now: clock.now })
    let cache = cacheOf(store)
    source.reply = () => 'older'
    await cache.get(TARGET)
    await cache.close()
    await store.close()
    const before = await allRows(location)
    clock.ms += 50_000
    const second = await openStore(location, { now: clock.now })
    cache = cacheOf(second)
    source.reply = () => 'newer'
    expect(await cache.get(TARGET)).toMatchObject({ payload: 'newer', ageMs: 0 })
    await cache.close()
    await second.close()
    const [key, value] = [...before].find(([row]) => row.includes('cache:api-key')) as [string, Buffer]
    await writeRow(location, fromMapKey(key), value)
    source.down()
    clock.ms += 5000
    const third = await openStore(location, { now: clock.now })
    cache = cacheOf(third)
    expect(await cache.get(TARGET)).toMatchObject({ payload: 'older', ageMs: 55_000, stale: true })
    clock.ms += 5000
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
    expect((await third.verify()).ok).toBe(false)
    await cache.close()
  })

  test('an entry with any one byte changed is damage, which the source makes up for', async () => {
    const { location, clock, source, store } = await twoAnswers()
    const first = new SecretCache(store, { ...QUIET, load: source.load, now: clock.now })
    source.reply = () => 's1'
    await first.get(TARGET)
    await first.close()
    await store.close()
    const [key, value] = [...(await allRows(location))].find(([row]) => row.includes('cache:api-key')) as [
      string,
      Buffer,
    ]
    for (let place = 0; place < value.length; place += 7) {
      await writeRow(location, fromMapKey(key), flipped(value, place))
      const damaged = await openStore(location, { now: clock.now })
      const cache = new SecretCache(damaged, { ...QUIET, load: source.load, now: clock.now })
      source.down()
      const code = place === 0 ? 'ERR_UNSUPPORTED_VERSION' : 'ERR_CORRUPT'
      expect(await codeOf(() => cache.get(TARGET)), `byte ${place}`).toBe(code)
      expect(await codeOf(() => cache.invalidate(TARGET)), `byte ${place}`).toBe(code)
      source.reply = () => 's2'
      expect(await cache.get(TARGET), `byte ${place}`).toMatchObject({ payload: 's2', stale: false })
      await cache.close()
      await damaged.close()
    }
  })
})

test("the app's own secret that is damaged is neither overwritten nor deleted", async () => {
  const location = await newLocation()
  const clock = new TestClock()
  const own = await openStore(location, { now: clock.now })
  await own.set({ ...KEPT, payload: 'own' })
  await own.close()
  const [key, value] = [...(await allRows(location))].find(([row]) => row.includes('cache:api-key')) as [string, Buffer]
  const source = new TestSource()
  source.reply = () => 's1'
  for (const place of [0, Math.floor(value.length / 2), -1]) {
    const damaged = flipped(value, place)
    await writeRow(location, fromMapKey(key), damaged)
    const store = await openStore(location, { now: clock.now })
    const errors: { code?: string }[] = []
    const onError = (error: unknown): unknown => errors.push(error as { code?: string })
    const cache = new SecretCache(store, { ...QUIET, load: source.load, now: clock.now, onError })
    const code = place === 0 ? 'ERR_UNSUPPORTED_VERSION' : 'ERR_CORRUPT'
    expect(await cache.get(TARGET), `byte ${place}`).toMatchObject({ payload: 's1' })
    expect(errors, `byte ${place}`).toMatchObject([{ code }, { code }])
    expect(await codeOf(() => cache.invalidate(TARGET)), `byte ${place}`).toBe(code)
    await cache.close()
    await store.close()
    expect((await allRows(location)).get(key), `byte ${place}`).toEqual(Buffer.from(damaged))
  }
  await writeRow(location, fromMapKey(key), value)
  const mended = await openStore(location, { now: clock.now })
  expect(await mended.get(KEPT)).toBe('own')
})

test('views of one store are caches of their own', async () => {
  const { store, source, clock } = setUp()
  const options = { ...QUIET, load: source.load, now: clock.now }
  const views = ['acct_1', 'acct_2'].map((account) => store.view({ account }))
  const caches = views.map((view) => new SecretCache(view, options))
  source.reply = () => `s${source.asked}`
  expect(await Promise.all(caches.map((cache) => cache.get(TARGET)))).toMatchObject([
    { payload: 's1' },
    { payload: 's2' },
  ])
  await Promise.all(caches.map((cache) => cache.close()))
})

test('answers are kept in the store and nowhere else', async () => {
  const { cache, source, store } = setUp()
  source.reply = () => `s${source.asked}`
  await cache.get(TARGET)
  await store.delete(KEPT)
  expect(await cache.get(TARGET)).toMatchObject({ payload: 's2' })
})

test('what goes on for a secret is forgotten when nothing does', async () => {
  const activities = new Activities()
  await activities.during(TARGET, async (activity) => {
    await activities.during(TARGET, async (again) => expect(again).toBe(activity))
    const failing = activities.during(TARGET, () => Promise.reject(new Error('over')))
    await expect(failing).rejects.toThrow('over')
    expect([...activities]).toEqual([activity])
  })
  expect([...activities]).toEqual([])
})

test('nothing goes on for a secret when all calls, loads and invalidations have ended, however they did', async () => {
  const seen = new Set<Activity>()
  const { during } = Activities.prototype
  const spy = vi.spyOn(Activities.prototype, 'during').mockImplementation(function (this: Activities, target, work) {
    return during.call(this, target, (activity) => work(seen.add(activity) && activity))
  })
  const { cache, source, clock } = setUp()
  const controller = new AbortController()
  const aborted = cache.get({ ...TARGET, signal: controller.signal }).catch(() => {})
  await settled()
  controller.abort()
  source.reply = () => 's1'
  await Promise.all([aborted, cache.get(TARGET), cache.invalidate(TARGET), cache.get(TARGET)])
  clock.ms += 9000
  await cache.get(TARGET)
  source.down()
  clock.ms += 60_000
  await cache.get(TARGET).catch(() => {})
  await cache.get(TARGET).catch(() => {})
  source.reply = undefined
  clock.ms += 60_000
  const closed = cache.get(TARGET).catch(() => {})
  await settled()
  await cache.close()
  await closed
  expect(seen.size).toBeGreaterThan(0)
  // What is left comes to its end in its own time; what does not meets the time limit of the test.
  while ([...seen].some(({ users }) => users !== 0)) await settled()
  expect([...seen].map(({ users }) => users)).toEqual([...seen].map(() => 0))
  spy.mockRestore()
})

test('encodes its fields in the order of the page', () => {
  const entry = {
    stamp: { fetchedAt: 1, run: utf8('12345678'), runMs: 2 },
    payload: { type: 'bytes', bytes: Uint8Array.of(9) },
    expires_at: null,
  } as const
  const zeros = '00'.repeat(7)
  expect(Buffer.from(encodeCacheEntry(entry)).toString('hex')).toBe(
    `73732d63616368650102${zeros}01${Buffer.from('12345678').toString('hex')}${zeros}02${zeros}0009`,
  )
})
