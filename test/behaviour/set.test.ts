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

  test("'keep' leaves the expiry of what is replaced, and a new secret has none", async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { now: clock.now })
    const target = { scope: account, name: 'n' }
    const keep = { ...target, payload: 'p', expires_at: 'keep', expand: ['replaced'] } as const
    const first = await store.set(keep)
    expect(first).toMatchObject({ expires_at: null, replaced: false })
    const expires_at = clock.seconds + 100
    await store.set({ ...target, payload: 'p', expires_at })
    expect(await store.set(keep)).toEqual({ ...first, expires_at, replaced: true })
    // Within a batch it keeps what the one before it has set.
    const sooner = clock.seconds + 50
    const [, last] = await store.batch([
      { type: 'set', ...target, payload: 'p', expires_at: sooner },
      { type: 'set', ...keep, payload: 'q' },
    ])
    expect(last).toEqual({ ...first, expires_at: sooner, replaced: true })
    clock.advanceSeconds(50)
    const anew = await store.set(keep)
    expect(anew).toMatchObject({ expires_at: null, replaced: false })
    expect(anew.id).not.toBe(first.id)
    expect(await store.find(target)).not.toHaveProperty('replaced')
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
