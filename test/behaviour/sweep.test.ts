import { account, user } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import { openOver, TestClock } from '../support/stores'

describe.each(['LevelDB', 'memory'] as const)('expiry over %s', (engine) => {
  test('the sweep deletes what is due in every partition, and nothing else', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { now: clock.now })
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
    const store = await openOver(engine, { now: clock.now })
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
})
