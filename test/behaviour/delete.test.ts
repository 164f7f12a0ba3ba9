import { account } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import { openOver } from '../support/stores'

const LARGE = 'x'.repeat(5000)

describe.each(['LevelDB', 'memory'] as const)('the verbs over %s', (engine) => {
  test('delete returns what was deleted, expanded if asked', async () => {
    const store = await openOver(engine)
    for (const payload of ['short', LARGE]) {
      const secret = await store.set({ scope: account, name: 'n', payload })
      const deleted = await store.delete({ scope: account, name: 'n', expand: ['payload'] })
      expect(deleted).toEqual({ ...secret, payload, deleted: true })
      expect(await store.find({ scope: account, name: 'n' })).toBeUndefined()
      expect(await store.delete({ scope: account, name: 'n' })).toBeUndefined()
    }
    expect(await store.verify()).toEqual({ ok: true, records: 0, problems: [] })
  })

  test('a name that was deleted and set again is a new secret, also within one group of writes', async () => {
    const store = await openOver(engine)
    const first = await store.set({ scope: account, name: 'n', payload: LARGE })
    const [, second] = await Promise.all([
      store.delete({ scope: account, name: 'n' }),
      store.set({ scope: account, name: 'n', payload: 'b' }),
    ])
    expect(second.id).not.toBe(first.id)
    expect((await store.verify()).ok).toBe(true)
  })
})
