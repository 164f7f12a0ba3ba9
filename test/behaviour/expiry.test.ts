import { account, type SecretStore } from 'app-secret-store'
import { describe, expect, test, vi } from '../support/runner'
import { memoryStore, newLocation, openOver, openStore, readsAtOnce, stores, TestClock } from '../support/stores'

const target = { scope: account, name: 'n' }

describe.each(['LevelDB', 'memory'] as const)('expiry over %s', (engine) => {
  test('a secret is there in the last millisecond before its second and gone from that second on', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { now: clock.now })
    for (const payload of ['small', 'x'.repeat(5000)]) {
      await store.set({ ...target, payload, expires_at: clock.seconds + 10 })
      clock.ms += 9999
      expect(await store.get(target)).toBe(payload)
      expect((await store.list({ scope: account })).data).toHaveLength(1)
      clock.ms += 1
      expect(await store.find(target)).toBeUndefined()
      expect(await store.get(target)).toBeUndefined()
      expect(await store.getBytes(target)).toBeUndefined()
      if (readsAtOnce) expect(store.findSync(target)).toBeUndefined()
      if (readsAtOnce) expect(store.getSync(target)).toBeUndefined()
      expect((await store.list({ scope: account })).data).toEqual([])
      expect(await store.delete(target)).toBeUndefined()
    }
  })

  test('goes by the clock of the process as it is at each call, also one that was exchanged since', async () => {
    const open = async (): Promise<SecretStore> =>
      engine === 'memory' ? memoryStore() : openStore(await newLocation())
    const early = await open()
    const seconds = Math.floor(Date.now() / 1000)
    await early.set({ ...target, payload: 'p', expires_at: seconds + 1000 })
    const clock = vi.spyOn(Date, 'now').mockReturnValue((seconds + 1000) * 1000)
    try {
      expect(await early.get(target)).toBeUndefined()
      const late = await open()
      await late.set({ ...target, payload: 'p', expires_at: seconds + 1500 })
      clock.mockRestore()
      expect(await late.get(target)).toBe('p')
      vi.spyOn(Date, 'now').mockReturnValue((seconds + 1500) * 1000)
      expect(await late.get(target)).toBeUndefined()
    } finally {
      vi.spyOn(Date, 'now').mockRestore()
    }
  })

  test('the read that meets an expired secret has it deleted', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { now: clock.now })
    await store.set({ ...target, payload: 'p', expires_at: clock.seconds + 1 })
    clock.advanceSeconds(1)
    expect((await store.verify()).records).toBe(1)
    expect(readsAtOnce ? store.findSync(target) : await store.find(target)).toBeUndefined()
    expect(await store.verify()).toEqual({ ok: true, records: 0, problems: [] })
  })

  test('a list that meets expired secrets passes over them and has them deleted', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { now: clock.now })
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
    const store = await openOver(engine, { now: clock.now })
    for (let round = 0; round < 50; round++) {
      await store.set({ ...target, payload: 'old', expires_at: clock.seconds + 1 })
      clock.advanceSeconds(1)
      const renewing = round % 2 === 0 ? [store.set({ ...target, payload: 'new' })] : []
      // A deletion is on its way from here.
      expect(readsAtOnce ? store.getSync(target) : await store.get(target)).toBeUndefined()
      if (round % 2 === 1) renewing.push(store.set({ ...target, payload: 'new' }))
      await Promise.all(renewing)
      await store.checkpoint() // everything that was on its way has arrived
      expect(await store.get(target)).toBe('new')
      await store.delete(target)
    }
  })

  test('a secret that expired and was set again is a new one', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { now: clock.now })
    const first = await store.set({ ...target, payload: 'a', expires_at: clock.seconds + 1 })
    clock.advanceSeconds(5)
    const second = await store.set({ ...target, payload: 'b' })
    expect(second.id).not.toBe(first.id)
    expect(second.created).toBe(clock.seconds)
    expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
  })

  test('a clock that is moved back does not bring back what was deleted, and hides nothing', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { now: clock.now })
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
})

describe('background work', () => {
  test('a failure in the background is told to onError', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const errors: unknown[] = []
      let broken = false
      const store = stores.memory({
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
      const store = stores.memory({ now: () => (broken ? -1 : 0), sweepIntervalMs: 1000 })
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
