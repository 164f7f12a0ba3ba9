import { account, user } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import { openOver, readsAtOnce } from '../support/stores'

const LARGE = 'x'.repeat(5000)

describe.each(['LevelDB', 'memory'] as const)('the verbs over %s', (engine) => {
  test('find, get and getBytes, with and without a promise', async () => {
    const store = await openOver(engine)
    const target = { scope: user('usr_1'), name: 'n' }
    const secret = await store.set({ ...target, payload: LARGE })
    expect(await store.find(target)).toEqual(secret)
    if (readsAtOnce) expect(store.findSync(target)).toEqual(secret)
    expect(await store.find({ ...target, expand: ['payload'] })).toEqual({ ...secret, payload: LARGE })
    if (readsAtOnce) expect(store.findSync({ ...target, expand: ['payload'] })).toEqual({ ...secret, payload: LARGE })
    expect(await store.get(target)).toBe(LARGE)
    if (readsAtOnce) expect(store.getSync(target)).toBe(LARGE)
    expect(new TextDecoder().decode(await store.getBytes(target))).toBe(LARGE)
    for (const missing of [
      { ...target, name: 'm' },
      { ...target, scope: account },
    ]) {
      expect(await store.find(missing)).toBeUndefined()
      expect(await store.get(missing)).toBeUndefined()
      expect(await store.getBytes(missing)).toBeUndefined()
      if (readsAtOnce) expect(store.findSync(missing)).toBeUndefined()
      if (readsAtOnce) expect(store.getSync(missing)).toBeUndefined()
      expect(await store.delete(missing)).toBeUndefined()
    }
  })
})
