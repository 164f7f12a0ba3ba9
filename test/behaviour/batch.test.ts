import { account, type BatchOperation } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import { openOver } from '../support/stores'

describe.each(['LevelDB', 'memory'] as const)('the verbs over %s', (engine) => {
  test('a batch happens in order and returns what each part would have', async () => {
    const store = await openOver(engine)
    const results = await store.batch([
      { type: 'set', scope: account, name: 'a', payload: '1' },
      { type: 'set', scope: account, name: 'b', payload: '2', expand: ['payload'] },
      { type: 'delete', scope: account, name: 'a', expand: ['payload'] },
      { type: 'delete', scope: account, name: 'never' },
    ])
    expect(results).toMatchObject([
      { name: 'a' },
      { name: 'b', payload: '2' },
      { name: 'a', payload: '1', deleted: true },
      undefined,
    ])
    expect((await store.list({ scope: account })).data.map(({ name }) => name)).toEqual(['b'])
    expect(await store.batch([])).toEqual([])
  })

  test('a batch with one bad part does nothing', async () => {
    const store = await openOver(engine)
    await store.set({ scope: account, name: 'key', payload: Uint8Array.of(1) })
    const good: BatchOperation = { type: 'set', scope: account, name: 'good', payload: 'g' }
    const bad: BatchOperation = { type: 'delete', scope: account, name: 'key', expand: ['payload'] }
    await expect(store.batch([good, bad])).rejects.toThrow(TypeError)
    await expect(store.batch([good, { ...good, payload: '' }])).rejects.toThrow(TypeError)
    expect(await store.find({ scope: account, name: 'good' })).toBeUndefined()
    expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
  })
})
