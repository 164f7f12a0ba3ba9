import { describe, expect, test, vi } from 'vitest'
import { account, type Secret } from '../../../src/index'
import { engineOf } from '../../support/engine-spy'
import { newLocation, openOver, openStore, TestClock } from '../../support/stores'
import { turnOfLoop } from '../../support/waiting'

/** Seconds of the fake timers, each with a turn of the event loop: a tick that finds the last run unfinished does nothing. */
async function passSeconds(count: number): Promise<void> {
  for (let second = 0; second < count; second++) {
    await vi.advanceTimersByTimeAsync(1000)
    await turnOfLoop()
  }
}

async function passSecondsUntil(done: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await done())) await passSeconds(1)
}

const target = { scope: account, name: 'n' }

describe.each(['LevelDB', 'memory'] as const)('expiry over %s', (engine) => {
  test('the sweep does not read what is not due', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { now: clock.now })
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
})
