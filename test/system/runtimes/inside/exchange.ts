import { account, SecretStore, user } from 'app-secret-store'
import { describe, expect, test } from '../../../support/runner'
import { newLocation, openStore, testKey } from '../../../support/stores'
import { EXCHANGED, FROM_NODE, TO_NODE } from './exchanged'

describe('what Node on this machine made', () => {
  test('opens here, and is sound', async () => {
    const store = await openStore(`${FROM_NODE}/secrets`)
    expect(await store.verify()).toEqual({ ok: true, records: EXCHANGED.length, problems: [] })
    for (const { scope, name, payload } of EXCHANGED) expect(await store.get({ scope, name })).toBe(payload)
  })

  test('is restored here from its backup', async () => {
    const at = await newLocation()
    await SecretStore.restore(`${FROM_NODE}/backup`, at, { key: testKey() })
    const store = await openStore(at)
    for (const { scope, name, payload } of EXCHANGED) expect(await store.get({ scope, name })).toBe(payload)
  })
})

test('a store made here, with every kind of row, is left for Node to open', async () => {
  const store = await openStore(`${TO_NODE}/secrets`)
  for (const secret of EXCHANGED) await store.set(secret)
  await store.rotate()
  await store.set({ scope: account, name: 'deleted', payload: 'p' })
  await store.delete({ scope: account, name: 'deleted' })
  await store.set({ scope: user('usr_1'), name: 'after', payload: 'the rotation', expires_at: 4_102_444_800 })
  await store.compact()
  await store.backup(`${TO_NODE}/backup`)
})
