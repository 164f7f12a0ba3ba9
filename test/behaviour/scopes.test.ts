import { account, type SecretStore, user } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import { newLocation, openStore, stores, TestClock } from '../support/stores'

async function scopesOf(store: SecretStore): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const scope of store.scopes()) found.push(scope)
  return found
}

describe.each(['plain', 'sealed'] as const)('with %s names,', (names) => {
  const open = async (now?: () => number) => openStore(await newLocation(), { names, ...(now && { now }) })

  test('each scope that holds secrets is met once, with their number', async () => {
    const store = await open()
    expect(await scopesOf(store)).toEqual([])
    const live = store.view({ account: 'acct_1', livemode: true })
    for (let n = 0; n < 3; n++) await store.set({ scope: account, name: `n${n}`, payload: 'p' })
    for (const id of ['b', 'a|b', '%7C', 'a'])
      await store.set({ scope: user(id), name: 'n', payload: 'p'.repeat(4000) })
    await live.set({ scope: user('a'), name: 'n', payload: 'p' })
    await live.set({ scope: account, name: 'm', payload: 'p' })
    await live.delete({ scope: account, name: 'm' })
    const found = await scopesOf(store)
    expect(found).toHaveLength(6)
    const mode = { livemode: false, secrets: 1 }
    expect(found).toEqual(
      expect.arrayContaining([
        { scope: { type: 'account' }, livemode: false, secrets: 3 },
        { scope: { type: 'user', user: '%7C' }, ...mode },
        { scope: { type: 'user', user: 'a' }, ...mode },
        { scope: { type: 'user', user: 'a|b' }, ...mode },
        { scope: { type: 'user', user: 'b' }, ...mode },
        { scope: { type: 'user', user: 'a' }, account: 'acct_1', livemode: true, secrets: 1 },
      ]),
    )
  })

  test('many secrets of a scope are counted, those that have expired among them', async () => {
    const clock = new TestClock()
    const store = await open(clock.now)
    const expires_at = clock.seconds + 10
    await store.batch(
      Array.from({ length: 2500 }, (_, n) => ({
        ...{ type: 'set' as const, scope: user('u'), name: `name ${n}`, payload: 'p' },
        ...(n < 5 && { expires_at }),
      })),
    )
    await store.set({ scope: user('v'), name: 'n', payload: 'p' })
    clock.advanceSeconds(20)
    const counts = async () => (await scopesOf(store)).map((scope) => (scope as { secrets: number }).secrets)
    expect((await counts()).sort()).toEqual([1, 2500])
    expect(await store.sweep()).toBe(5)
    expect((await counts()).sort()).toEqual([1, 2495])
  })

  test('secrets may be set and deleted meanwhile', async () => {
    const store = await open()
    const ids = Array.from({ length: 40 }, (_, n) => `u${n}`)
    const set = (id: string) => store.set({ scope: user(id), name: 'n', payload: 'p' })
    await Promise.all(ids.map(set))
    const met = new Set<string>()
    for await (const { scope } of store.scopes()) {
      if (scope.type !== 'user') throw new Error('expected users')
      expect(met.has(scope.user)).toBe(false)
      met.add(scope.user)
      const gone = ids.filter((id) => Number(id.slice(1)) % 2 === 0)
      await Promise.all([...gone.map((id) => store.delete({ scope: user(id), name: 'n' })), set('u1'), set('new')])
    }
    for (const id of ids.filter((id) => Number(id.slice(1)) % 2 === 1)) expect(met.has(id)).toBe(true)
  })
})

test('a store in memory has scopes, too, and a closed one none', async () => {
  const store = stores.memory()
  await store.set({ scope: account, name: 'n', payload: 'p' })
  expect(await scopesOf(store)).toEqual([{ scope: { type: 'account' }, livemode: false, secrets: 1 }])
  const walk = store.scopes()[Symbol.asyncIterator]()
  await store.close()
  await expect(walk.next()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
})
