import { account } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import { codeOf, newLocation, openOver, openStore } from '../support/stores'

describe.each(['LevelDB', 'memory'] as const)('the verbs over %s', (engine) => {
  test('a closed store answers nothing', async () => {
    const store = await openOver(engine)
    const view = store.view({ livemode: true })
    await store.set({ scope: account, name: 'n', payload: 'p' })
    const target = { scope: account, name: 'n' }
    const listing = store.list({ scope: account })
    await Promise.all([store.close(), store.close()])
    const attempts = [
      () => store.set({ ...target, payload: 'p' }),
      () => store.find(target),
      () => store.get(target),
      () => store.getBytes(target),
      () => store.findSync(target),
      () => store.getSync(target),
      () => store.delete(target),
      () => store.list({ scope: account }),
      () => listing,
      () => store.batch([{ type: 'delete', ...target }]),
      () => view.find(target),
      () => store.sweep(),
      () => store.compact(),
      () => store.verify(),
      () => store.checkpoint(),
    ]
    for (const attempt of attempts) expect(await codeOf(attempt)).toBe('ERR_CLOSED')
  })

  test('closing lets writes finish that were begun', async () => {
    const store = await openOver(engine)
    const writes = Array.from({ length: 20 }, (_, n) => store.set({ scope: account, name: `n${n}`, payload: 'p' }))
    await store.close()
    expect((await Promise.allSettled(writes)).every(({ status }) => status === 'fulfilled')).toBe(true)
  })
})

test('await using closes the store', async () => {
  const location = await newLocation()
  const store = await openStore(location)
  await store[Symbol.asyncDispose]()
  expect(await codeOf(() => store.find({ scope: account, name: 'n' }))).toBe('ERR_CLOSED')
  await openStore(location)
})
