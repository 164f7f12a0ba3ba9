import { describe, expect, test, vi } from 'vitest'
import { account, type OpenOptions, type Secret, SecretStore, user } from '../../src/index'
import { engineOf } from '../support/engine-spy'
import { newLocation, openStore, TestClock } from '../support/stores'

/** Seconds of the fake timers, each with a turn of the event loop: a tick that finds the last run unfinished does nothing. */
async function passSeconds(count: number): Promise<void> {
  for (let second = 0; second < count; second++) {
    await vi.advanceTimersByTimeAsync(1000)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function passSecondsUntil(done: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await done())) await passSeconds(1)
}

const target = { scope: account, name: 'n' }

describe.each(['LevelDB', 'memory'] as const)('expiry over %s', (engine) => {
  async function open(clock: TestClock, options: Partial<OpenOptions> = {}): Promise<SecretStore> {
    const settings = { now: clock.now, sweepIntervalMs: 0, compactIntervalMs: 0, ...options }
    return engine === 'memory' ? SecretStore.memory(settings) : openStore(await newLocation(), settings)
  }

  test('a secret is there in the last millisecond before its second and gone from that second on', async () => {
    const clock = new TestClock()
    const store = await open(clock)
    for (const payload of ['small', 'x'.repeat(5000)]) {
      await store.set({ ...target, payload, expires_at: clock.seconds + 10 })
      clock.ms += 9999
      expect(await store.get(target)).toBe(payload)
      expect((await store.list({ scope: account })).data).toHaveLength(1)
      clock.ms += 1
      expect(await store.find(target)).toBeUndefined()
      expect(await store.get(target)).toBeUndefined()
      expect(await store.getBytes(target)).toBeUndefined()
      expect(store.findSync(target)).toBeUndefined()
      expect(store.getSync(target)).toBeUndefined()
      expect((await store.list({ scope: account })).data).toEqual([])
      expect(await store.delete(target)).toBeUndefined()
    }
  })

  test('the read that meets an expired secret has it deleted', async () => {
    const clock = new TestClock()
    const store = await open(clock)
    await store.set({ ...target, payload: 'p', expires_at: clock.seconds + 1 })
    clock.advanceSeconds(1)
    expect((await store.verify()).records).toBe(1)
    expect(store.findSync(target)).toBeUndefined()
    expect(await store.verify()).toEqual({ ok: true, records: 0, problems: [] })
  })

  test('a list that meets expired secrets passes over them and has them deleted', async () => {
    const clock = new TestClock()
    const store = await open(clock)
    for (let n = 0; n < 30; n++) {
      const expires_at = n % 3 === 0 ? null : clock.seconds + 1
      await store.set({ scope: account, name: `n${String(n).padStart(2, '0')}`, payload: 'p', expires_at })
    }
    clock.advanceSeconds(1)
    const page = await store.list({ scope: account, limit: 5, expand: ['data.payload'] })
    expect(page.data.map(({ name }) => name)).toEqual(['n00', 'n03', 'n06', 'n09', 'n12'])
    expect(page.has_more).toBe(true)
    expect((await store.list({ scope: account, limit: 100 })).data).toHaveLength(10)
    expect((await store.verify()).records).toBe(10)
  })

  test('a set that renews a name beats the lazy deletion that was on its way', async () => {
    const clock = new TestClock()
    const store = await open(clock)
    for (let round = 0; round < 50; round++) {
      await store.set({ ...target, payload: 'old', expires_at: clock.seconds + 1 })
      clock.advanceSeconds(1)
      const renewing = round % 2 === 0 ? [store.set({ ...target, payload: 'new' })] : []
      expect(store.getSync(target)).toBeUndefined() // a deletion is on its way from here
      if (round % 2 === 1) renewing.push(store.set({ ...target, payload: 'new' }))
      await Promise.all(renewing)
      await store.checkpoint() // everything that was on its way has arrived
      expect(await store.get(target)).toBe('new')
      await store.delete(target)
    }
  })

  test('a secret that expired and was set again is a new one', async () => {
    const clock = new TestClock()
    const store = await open(clock)
    const first = await store.set({ ...target, payload: 'a', expires_at: clock.seconds + 1 })
    clock.advanceSeconds(5)
    const second = await store.set({ ...target, payload: 'b' })
    expect(second.id).not.toBe(first.id)
    expect(second.created).toBe(clock.seconds)
    expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
  })

  test('the sweep deletes what is due in every partition, and nothing else', async () => {
    const clock = new TestClock()
    const store = await open(clock)
    const views = [store, store.view({ livemode: true }), store.view({ account: 'acct_1' })]
    for (const view of views) {
      await view.set({ scope: user('u'), name: 'due', payload: 'p', expires_at: clock.seconds + 5 })
      await view.set({ scope: user('u'), name: 'later', payload: 'p', expires_at: clock.seconds + 6 })
      await view.set({ scope: user('u'), name: 'never', payload: 'p' })
    }
    expect(await store.sweep()).toBe(0)
    clock.advanceSeconds(5)
    expect(await store.sweep()).toBe(3)
    expect(await store.sweep()).toBe(0)
    expect(await store.verify()).toEqual({ ok: true, records: 6, problems: [] })
  })

  test('a thousand expiring in the same second go in one sweep', async () => {
    const clock = new TestClock()
    const store = await open(clock)
    const expires_at = clock.seconds + 60
    await store.batch(
      Array.from({ length: 1000 }, (_, n) => ({
        type: 'set',
        scope: account,
        name: `n${n}`,
        payload: 'p',
        expires_at,
      })),
    )
    await store.set({ scope: account, name: 'kept', payload: 'p' })
    clock.advanceSeconds(60)
    expect(await store.sweep()).toBe(1000)
    expect(await store.verify()).toEqual({ ok: true, records: 1, problems: [] })
  })

  test('a clock that is moved back does not bring back what was deleted, and hides nothing', async () => {
    const clock = new TestClock()
    const store = await open(clock)
    const lasting = await store.set({ scope: account, name: 'lasting', payload: 'p', expires_at: clock.seconds + 1000 })
    await store.set({ ...target, payload: 'p', expires_at: clock.seconds + 10 })
    clock.advanceSeconds(500)
    expect(await store.get(target)).toBeUndefined()
    await store.checkpoint()
    clock.advanceSeconds(-700)
    expect(await store.get(target)).toBeUndefined()
    expect(await store.find({ scope: account, name: 'lasting' })).toEqual(lasting)
    expect(await store.set({ scope: account, name: 'lasting', payload: 'q' })).toMatchObject({
      id: lasting.id,
      created: lasting.created,
    })
    expect((await store.verify()).ok).toBe(true)
  })

  test('the sweep does not read what is not due', async () => {
    const clock = new TestClock()
    const store = await open(clock)
    const later: Promise<Secret>[] = []
    for (let n = 0; n < 2000; n++) {
      later.push(store.set({ scope: account, name: `later${n}`, payload: 'p', expires_at: clock.seconds + 1000 + n }))
    }
    await Promise.all(later)
    await store.set({ ...target, payload: 'p', expires_at: clock.seconds + 1 })
    clock.advanceSeconds(1)
    const scanned = await engineOf(engine).countScannedRows(() => store.sweep())
    expect(scanned).toBe(1)
  })
})

describe('background work', () => {
  test('sweeps and compactions run on their intervals, and compaction only when something was deleted', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const clock = new TestClock()
      const location = await newLocation()
      const store = await openStore(location, { now: clock.now, sweepIntervalMs: 1000, compactIntervalMs: 10_000 })
      const erasures = engineOf('LevelDB').countErasures()
      await store.set({ ...target, payload: 'p', expires_at: clock.seconds + 5 })
      await passSeconds(30)
      expect(erasures.count).toBe(0)
      clock.advanceSeconds(5)
      await passSecondsUntil(async () => (await store.verify()).records === 0)
      await passSecondsUntil(() => erasures.count === 1)
      await store.checkpoint() // the compaction is over
      await passSeconds(30)
      await store.checkpoint()
      expect(erasures.count).toBe(1)
      erasures.restore()
      await store.close()
    } finally {
      vi.useRealTimers()
    }
  })

  test('a failure in the background is told to onError', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const errors: unknown[] = []
      let broken = false
      const store = SecretStore.memory({
        now: () => (broken ? Number.NaN : 1_700_000_000_000),
        onError: (error) => errors.push(error),
        sweepIntervalMs: 1000,
      })
      broken = true
      await vi.advanceTimersByTimeAsync(1000)
      expect(errors).toEqual([expect.objectContaining({ message: expect.stringContaining('now: expected') })])
      await store.close()
    } finally {
      vi.useRealTimers()
    }
  })

  test('without onError it is a process warning', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    try {
      let broken = false
      const store = SecretStore.memory({ now: () => (broken ? -1 : 0), sweepIntervalMs: 1000 })
      broken = true
      await vi.advanceTimersByTimeAsync(1000)
      expect(warning).toHaveBeenCalledWith(expect.stringContaining('now: expected'), 'SecretStoreWarning')
      await store.close()
    } finally {
      warning.mockRestore()
      vi.useRealTimers()
    }
  })
})
