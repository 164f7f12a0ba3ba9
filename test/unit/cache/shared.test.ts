import { describe, expect, onTestFinished, test } from 'vitest'
import { encodeCacheEntry } from '../../../src/cache/entry'
import { type CacheOptions, SecretCache } from '../../../src/cache/index'
import { KeptEntries } from '../../../src/cache/kept-entries'
import { account, type SecretStore } from '../../../src/index'
import { codeOf, newLocation, openStore, TestClock } from '../../support/stores'
import { eventually } from '../../support/waiting'
import { KEPT, SECONDS, TARGET, TestSource } from './support'

/** Caches of several processes, here each with a store of its own on one location: one has the files, the others follow. */

interface Process {
  readonly store: SecretStore
  readonly source: TestSource
  readonly cache: SecretCache
  readonly errors: unknown[]
}

class Machine {
  readonly clock = new TestClock()
  /** Of each process its own, with another origin. */
  #processes = 0
  #location: Promise<string> = newLocation()

  async start(options: Partial<CacheOptions> = {}): Promise<Process> {
    const store = await openStore(await this.#location, { shared: true, now: this.clock.now })
    const source = new TestSource()
    const errors: unknown[] = []
    const origin = 1000 * ++this.#processes
    const cache = new SecretCache(store, {
      ...SECONDS,
      load: source.load,
      now: this.clock.now,
      monotonicNow: () => this.monotonicMs + origin,
      random: () => 0.5,
      onError: (error) => errors.push(error),
      ...options,
    })
    onTestFinished(async () => {
      await cache.close()
      await store.close()
    })
    return { store, source, cache, errors }
  }

  monotonicMs = 0

  pass(ms: number): void {
    this.clock.ms += ms
    this.monotonicMs += ms
  }
}

async function asked(source: TestSource, times: number): Promise<void> {
  await eventually(() => expect(source.asked).toBe(times))
}

/** In both directions: the one who has the files, and one who follows. */
const DIRECTIONS = ['owner to follower', 'follower to owner', 'follower to follower'] as const

async function two(direction: (typeof DIRECTIONS)[number], machine: Machine): Promise<readonly [Process, Process]> {
  const owner = await machine.start()
  const follower = await machine.start()
  if (direction === 'owner to follower') return [owner, follower]
  return [follower, direction === 'follower to owner' ? owner : await machine.start()]
}

describe.each(DIRECTIONS)('what another process has loaded, %s', (direction) => {
  test('is answered without a load of its own, also long after this one has begun', async () => {
    const machine = new Machine()
    const [a, b] = await two(direction, machine)
    machine.pass(50_000)
    a.source.reply = () => 's1'
    await a.cache.get(TARGET)
    expect(await b.cache.get(TARGET)).toMatchObject({ payload: 's1', ageMs: 0, stale: false })
    machine.pass(7000)
    expect(await b.cache.get(TARGET)).toMatchObject({ payload: 's1', ageMs: 7000, stale: false })
    machine.pass(5000)
    a.source.reply = () => 's2'
    expect(await a.cache.get(TARGET)).toMatchObject({ payload: 's2' })
    expect(await b.cache.get(TARGET)).toMatchObject({ payload: 's2', ageMs: 0, stale: false })
    expect(b.source.asked).toBe(0)
  })

  test('is as old as it is: stale, and over, with the source down', async () => {
    const machine = new Machine()
    const [a, b] = await two(direction, machine)
    machine.pass(5000)
    a.source.reply = () => 's1'
    await a.cache.get(TARGET)
    b.source.down()
    machine.pass(10_000)
    expect(await b.cache.get(TARGET)).toMatchObject({ payload: 's1', ageMs: 10_000, stale: true })
    // No clock makes it younger.
    machine.clock.ms -= 9000
    machine.pass(49_999)
    expect(await b.cache.get(TARGET)).toMatchObject({ payload: 's1', ageMs: 59_999, stale: true })
    machine.pass(1)
    expect(await codeOf(() => b.cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
  })

  test('"there is none" is answered as well, for its time', async () => {
    const machine = new Machine()
    const [a, b] = await two(direction, machine)
    a.source.reply = () => undefined
    await a.cache.get(TARGET)
    expect(await b.cache.get(TARGET)).toBeUndefined()
    expect(b.source.asked).toBe(0)
    machine.pass(5000)
    b.source.reply = () => 's1'
    expect(await b.cache.get(TARGET)).toMatchObject({ payload: 's1' })
    expect(await a.cache.get(TARGET)).toMatchObject({ payload: 's1' })
    expect(a.source.asked).toBe(1)
  })

  test('is not replaced by an answer that was asked for before it', async () => {
    const machine = new Machine()
    const [a, b] = await two(direction, machine)
    const slow = b.cache.get(TARGET)
    await asked(b.source, 1)
    machine.pass(1000)
    a.source.reply = () => 'newer'
    await a.cache.get(TARGET)
    b.source.last.answer('older')
    expect(await slow).toMatchObject({ payload: 'newer' })
    expect(await a.cache.get(TARGET)).toMatchObject({ payload: 'newer' })
    expect(b.errors).toEqual([])
  })

  test('is replaced by an answer that was asked for after it, however early that was', async () => {
    const machine = new Machine()
    const [a, b] = await two(direction, machine)
    const slow = a.cache.get(TARGET)
    await asked(a.source, 1)
    machine.pass(1000)
    const fast = b.cache.get(TARGET)
    await asked(b.source, 1)
    a.source.last.answer('older')
    await slow
    b.source.last.answer('newer')
    expect(await fast).toMatchObject({ payload: 'newer' })
    expect(await a.cache.get(TARGET)).toMatchObject({ payload: 'newer' })
  })
})

describe.each(DIRECTIONS)('what another process has kept meanwhile, %s', (direction) => {
  test('and has expired, is not taken for nothing: the source is asked once more', async () => {
    const machine = new Machine()
    const [a, b] = await two(direction, machine)
    const slow = b.cache.get(TARGET)
    await asked(b.source, 1)
    machine.pass(1000)
    a.source.reply = () => 'newer'
    expect(await a.cache.get(TARGET)).toMatchObject({ payload: 'newer' })
    machine.pass(1000)
    a.source.reply = () => undefined
    machine.pass(10_000)
    expect(await a.cache.get(TARGET)).toBeUndefined()
    machine.pass(6000)
    b.source.reply = () => 'newest'
    b.source.last.answer('older')
    expect(await slow).toMatchObject({ payload: 'newest' })
    expect(b.source.asked).toBe(2)
  })
})

describe.each(DIRECTIONS)('an invalidation in another process, %s', (direction) => {
  test('ends what is kept', async () => {
    const machine = new Machine()
    const [a, b] = await two(direction, machine)
    b.source.reply = () => 's1'
    await b.cache.get(TARGET)
    await a.cache.get(TARGET)
    await a.cache.invalidate(TARGET)
    b.source.reply = () => 's2'
    expect(await b.cache.get(TARGET)).toMatchObject({ payload: 's2' })
    expect(await a.cache.get(TARGET)).toMatchObject({ payload: 's2' })
    expect(await a.store.list({ scope: account })).toMatchObject({ data: [{ name: KEPT.name }] })
  })

  test('ends a load that is under way, also where nothing is kept: its answer is of before', async () => {
    const machine = new Machine()
    const [a, b] = await two(direction, machine)
    const waiting = b.cache.get(TARGET)
    await asked(b.source, 1)
    await a.cache.invalidate(TARGET)
    const later = b.cache.get(TARGET)
    await asked(b.source, 2)
    expect(b.source.questions[0]?.request.signal.aborted).toBe(true)
    b.source.questions[0]?.answer('of before')
    b.source.questions[1]?.answer('of after')
    expect(await waiting).toMatchObject({ payload: 'of after' })
    expect(await later).toMatchObject({ payload: 'of after' })
    expect(await a.cache.get(TARGET)).toMatchObject({ payload: 'of after' })
    expect(a.source.asked).toBe(0)
  })

  test('ends a load whose answer is being written', async () => {
    const machine = new Machine()
    const [a, b] = await two(direction, machine)
    for (let round = 0; round < 20; round++) {
      const before = b.source.asked
      const waiting = b.cache.get(TARGET)
      await asked(b.source, before + 1)
      const writing = b.source.last
      writing.answer(`before ${round}`)
      const invalidating = a.cache.invalidate(TARGET)
      b.source.reply = () => `after ${round}`
      await Promise.all([invalidating, waiting])
      const found = await b.cache.get(TARGET)
      const there = await a.store.getBytes(KEPT)
      expect(there && Buffer.from(there).toString('latin1').includes('before')).toBe(false)
      expect(found).toMatchObject({ payload: `after ${round}` })
      b.source.reply = undefined
      await b.cache.invalidate(TARGET)
    }
  })

  test('gives the source a chance at once, which had a pause', async () => {
    const machine = new Machine()
    const [a, b] = await two(direction, machine)
    b.source.down()
    expect(await codeOf(() => b.cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
    await a.cache.invalidate(TARGET)
    b.source.reply = () => 's1'
    expect(await b.cache.get(TARGET)).toMatchObject({ payload: 's1' })
  })
})

describe('caches of several processes', () => {
  test("leave the app's own secret alone", async () => {
    const machine = new Machine()
    const a = await machine.start()
    const b = await machine.start()
    await a.store.set({ ...KEPT, payload: "the app's own" })
    for (const { cache, source } of [a, b]) {
      source.reply = () => 's1'
      expect(await codeOf(() => cache.invalidate(TARGET))).toBe('ERR_EXISTS')
      expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_EXISTS')
    }
    expect(await b.store.get(KEPT)).toBe("the app's own")
  })

  test('go on when the owner ends: a load that was under way is asked for once more', async () => {
    const machine = new Machine()
    const owner = await machine.start()
    const b = await machine.start()
    owner.source.reply = () => 's1'
    await owner.cache.get(TARGET)
    machine.pass(11_000)
    const waiting = b.cache.get(TARGET)
    await asked(b.source, 1)
    await owner.cache.close()
    await owner.store.close()
    b.source.reply = () => 's2'
    b.source.last.answer('s2')
    expect(await waiting).toMatchObject({ payload: 's2' })
    expect(await b.cache.get(TARGET)).toMatchObject({ payload: 's2', stale: false })
  })

  test('answer what has been kept before they began as at least as old as they are', async () => {
    const machine = new Machine()
    const a = await machine.start()
    a.source.reply = () => 's1'
    await a.cache.get(TARGET)
    machine.clock.ms -= 500
    const b = await machine.start()
    machine.monotonicMs += 12_000
    b.source.down()
    machine.clock.ms += 1000
    expect(await b.cache.get(TARGET)).toMatchObject({ payload: 's1', ageMs: 12_000, stale: true })
  })

  test('do not believe an answer that seems to come from the future', async () => {
    const machine = new Machine()
    const a = await machine.start()
    const b = await machine.start()
    const slow = a.cache.get(TARGET)
    await asked(a.source, 1)
    machine.clock.ms -= 1000
    a.source.last.answer('s1')
    await slow
    b.source.reply = () => 's2'
    expect(await b.cache.get(TARGET)).toMatchObject({ payload: 's2' })
    expect(await b.cache.get(TARGET)).toMatchObject({ payload: 's2' })
    expect(b.source.asked).toBe(1)
  })

  test('tell each other of one secret of a user, and of none that has another name', async () => {
    const machine = new Machine()
    const a = await machine.start()
    const b = await machine.start()
    const own = { scope: { type: 'user', user: 'u1' }, name: 'api-key' } as const
    const waiting = b.cache.get(own)
    await asked(b.source, 1)
    await a.cache.invalidate({ ...own, name: 'api-key-2' })
    await a.cache.invalidate(TARGET)
    await a.store.set({ ...own, payload: 'not of the cache' })
    await b.store.get(TARGET)
    b.source.last.answer('s1')
    expect(await waiting).toMatchObject({ payload: 's1' })
    expect(b.source.asked).toBe(1)
  })
})

test('an answer that was replaced just when it was written is not taken for the one that is kept', async () => {
  const store = await openStore(await newLocation(), { shared: true })
  const kept = new KeptEntries(store, 'cache:')
  const written: string[] = []
  onTestFinished(kept.listen({ onWritten: (key) => written.push(key), onDropped: () => {}, onGap: () => {} }))
  const nowMs = (): number => Date.now()
  const stamp = { fetchedAt: nowMs(), run: new Uint8Array(8), runMs: 0 }
  const entry = { stamp, payload: { type: 'text', bytes: new Uint8Array(2) }, expires_at: null } as const
  const put = { entry, untilSeconds: Math.floor(nowMs() / 1000) + 60, nowMs }
  let others: Promise<unknown> | undefined
  // In the same commit as the answer.
  const flight = {
    overtaken: false,
    get dropped() {
      others ??= store.set({ ...KEPT, payload: encodeCacheEntry(entry) })
      return false
    },
  }
  expect(await kept.write({ scope: account, name: TARGET.name }, { ...put, flight })).toBe(false)
  await others
  expect(written).toHaveLength(1)
  expect(await kept.write({ scope: account, name: TARGET.name }, { ...put, flight })).toBe(true)
  expect(written).toHaveLength(1)
})
