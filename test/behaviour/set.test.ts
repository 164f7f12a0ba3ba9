import { account } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import { openOver, TestClock } from '../support/stores'

describe.each(['LevelDB', 'memory'] as const)('the verbs over %s', (engine) => {
  test('set returns the secret without its payload unless expanded', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { now: clock.now })
    const secret = await store.set({ scope: account, name: 'token', payload: 'p' })
    expect(secret).toEqual({
      id: expect.stringMatching(/^appsecret_[0-9A-Za-z]{24}$/),
      object: 'apps.secret',
      created: clock.seconds,
      expires_at: null,
      livemode: false,
      name: 'token',
      scope: { type: 'account' },
    })
    const expanded = await store.set({ scope: account, name: 'token', payload: 'q', expand: ['payload'] })
    expect(expanded).toEqual({ ...secret, payload: 'q' })
  })

  test('replacing keeps id and created, and clears an expires_at that is left out', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { now: clock.now })
    const first = await store.set({ scope: account, name: 'n', payload: 'a', expires_at: clock.seconds + 100 })
    clock.advanceSeconds(10)
    const second = await store.set({ scope: account, name: 'n', payload: 'b' })
    expect(second).toEqual({ ...first, expires_at: null })
    clock.advanceSeconds(1000)
    expect(await store.get({ scope: account, name: 'n' })).toBe('b')
  })

  test('what the caller does to its bytes afterwards changes nothing', async () => {
    const store = await openOver(engine)
    const payload = Uint8Array.of(1, 2, 3)
    const setting = store.set({ scope: account, name: 'n', payload })
    payload.fill(9)
    await setting
    const read = await store.getBytes({ scope: account, name: 'n' })
    expect(read).toEqual(Uint8Array.of(1, 2, 3))
    read?.fill(9)
    expect(await store.getBytes({ scope: account, name: 'n' })).toEqual(Uint8Array.of(1, 2, 3))
  })
})
