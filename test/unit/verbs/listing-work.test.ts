import { describe, expect, test } from 'vitest'
import { account, type SecretStore, user } from '../../../src/index'
import { engineOf } from '../../support/engine-spy'
import { openOver, setMany } from '../../support/stores'

/** Nothing is known, so that everything is read. */
async function filled(engine: 'LevelDB' | 'memory'): Promise<SecretStore> {
  const store = await openOver(engine, { indexBytes: 0 })
  await setMany(store, 2000, (n) => ({
    scope: account,
    name: `${n % 100 === 0 ? 'stripe' : 'other'}.${n}`,
    payload: 'p',
  }))
  await store.set({ scope: user('u'), name: 'n', payload: 'p' })
  return store
}

describe.each(['LevelDB', 'memory'] as const)('over %s', (engine) => {
  test('a page with a prefix reads its own rows, and one that tells whether there is more', async () => {
    const store = await filled(engine)
    const list = (limit: number) => store.list({ scope: account, prefix: 'stripe.', limit })
    expect((await list(10)).data).toHaveLength(10)
    expect(await engineOf(engine).countScannedRows(async () => list(10))).toBe(11)
    // The scope goes on behind the prefix.
    expect(await engineOf(engine).countScannedRows(async () => list(100))).toBe(20)
  })
})

test('scopes are counted by keys alone', async () => {
  const store = await filled('LevelDB')
  const counts: number[] = []
  const scanned = await engineOf('LevelDB').countScannedRows(async () => {
    for await (const { secrets } of store.scopes()) counts.push(secrets)
  })
  expect([scanned, ...counts.sort()]).toEqual([0, 1, 2000])
})
