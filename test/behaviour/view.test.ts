import { account, user } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import { codeOf, openOver, readsAtOnce } from '../support/stores'

describe.each(['LevelDB', 'memory'] as const)('the verbs over %s', (engine) => {
  test('partitions never meet', async () => {
    const store = await openOver(engine)
    const views = [
      store.view({}),
      store.view({ livemode: true }),
      store.view({ account: 'acct_1' }),
      store.view({ account: 'acct_1', livemode: true }),
    ]
    for (const [index, view] of views.entries()) await view.set({ scope: account, name: 'n', payload: `${index}` })
    for (const [index, view] of views.entries()) {
      expect(await view.get({ scope: account, name: 'n' })).toBe(`${index}`)
      expect(await view.list({ scope: account })).toMatchObject({ data: [{ livemode: index % 2 === 1 }] })
    }
    if (readsAtOnce) expect(store.getSync({ scope: account, name: 'n' })).toBe('0')
  })

  test("a user's view reaches the account scope and its own, by every verb", async () => {
    const store = await openOver(engine)
    const view = store.view({ user: 'usr_1' })
    await view.set({ scope: account, name: 'n', payload: 'a' })
    await view.set({ scope: user('usr_1'), name: 'n', payload: 'u' })
    expect(await view.get({ scope: user('usr_1'), name: 'n' })).toBe('u')
    const foreign = { scope: user('usr_2'), name: 'n' }
    await store.set({ ...foreign, payload: 'theirs' })
    const attempts = [
      () => view.set({ ...foreign, payload: 'p' }),
      () => view.find(foreign),
      () => view.get(foreign),
      () => view.getBytes(foreign),
      () => view.findSync(foreign),
      () => view.getSync(foreign),
      () => view.delete(foreign),
      () => view.list({ scope: foreign.scope }),
      () => view.batch([{ type: 'delete', ...foreign }]),
    ]
    for (const attempt of attempts) expect(await codeOf(attempt)).toBe('ERR_ACCESS_DENIED')
    expect(await store.get(foreign)).toBe('theirs')
  })
})
