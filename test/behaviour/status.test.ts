import { account, type NameMode, type StoreStatus, user } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import {
  areFollowers,
  codeOf,
  directoryDigest,
  memoryStore,
  newLocation,
  openOver,
  openStore,
  setMany,
  TestClock,
  testKey,
} from '../support/stores'

describe.each<{ engine: 'LevelDB' | 'memory'; names: NameMode }>([
  { engine: 'LevelDB', names: 'plain' },
  { engine: 'memory', names: 'sealed' },
])('status over $engine with $names names', ({ engine, names }) => {
  test('tells everything of a new store', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { names, now: clock.now })
    expect(await store.status()).toEqual({
      records: 0,
      names,
      slots: store.keys(),
      dataKeys: [{ id: 1, created: clock.seconds, active: true, records: 0 }],
      aead: expect.any(Array),
      ...(areFollowers && engine === 'LevelDB' ? { sharing: expect.objectContaining({ role: 'follower' }) } : {}),
    })
    expect(store.keys()).toHaveLength(1)
  })

  test('counts the records of every partition and scope, expired ones until they are swept', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { names, now: clock.now })
    const counts = async (): Promise<unknown[]> => {
      const { records, dataKeys } = await store.status()
      return [records, ...dataKeys.map((key) => key.records)]
    }
    const views = [store, store.view({ livemode: true }), store.view({ account: 'acct_1' })]
    for (const view of views) {
      await view.set({ scope: account, name: 'n', payload: 'p' })
      await view.set({ scope: user('usr_1'), name: 'n', payload: 'x'.repeat(5000), expires_at: clock.seconds + 10 })
    }
    expect(await counts()).toEqual([6, 6])
    await store.set({ scope: account, name: 'n', payload: 'replaced' })
    expect(await counts()).toEqual([6, 6])
    await store.delete({ scope: account, name: 'n' })
    expect(await counts()).toEqual([5, 5])
    clock.advanceSeconds(10)
    expect(await counts()).toEqual([5, 5])
    expect(await store.sweep()).toBe(3)
    expect(await counts()).toEqual([2, 2])
  })

  test('counts the records under each data key while a rotation goes on, and after it', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { names, now: clock.now })
    await setMany(store, 700, (n) => ({ scope: account, name: `${n}`, payload: 'p' }))
    const created = clock.seconds
    clock.advanceSeconds(5)
    const during: Promise<StoreStatus>[] = []
    await store.rotate({ onProgress: () => void during.push(store.status()) })
    expect(during.length).toBeGreaterThan(2)
    const under: number[][] = []
    for (const { records, dataKeys } of await Promise.all(during)) {
      expect(records).toBe(700)
      // At its end the old key is gone.
      if (dataKeys.length === 1) continue
      expect(dataKeys).toMatchObject([
        { id: 1, created, active: false },
        { id: 2, created: clock.seconds, active: true },
      ])
      under.push(dataKeys.map((key) => key.records))
    }
    expect(under.some(([first, second]) => (first as number) > 0 && (second as number) > 0)).toBe(true)
    expect((await store.status()).dataKeys).toEqual([{ id: 2, created: clock.seconds, active: true, records: 700 }])
  })
})

test('status lists the slots as keys does, in order of creation, with no key material', async () => {
  const store = await openStore(await newLocation())
  const first = store.keys()
  const second = await store.addKey(testKey(2))
  expect((await store.status()).slots).toEqual([...first, second])
  await store.removeKey(first[0]?.id as string)
  const { slots } = await store.status()
  expect(slots).toEqual([second])
  expect(Object.keys(slots[0] as object).sort()).toEqual(['created', 'id', 'kind', 'label'])
})

test('status is the same after reopening', async () => {
  const location = await newLocation()
  const store = await openStore(location, { names: 'sealed' })
  await setMany(store, 20, (n) => ({ scope: account, name: `${n}`, payload: 'p' }))
  await store.rotate()
  const before = await store.status()
  await store.close()
  expect(await (await openStore(location)).status()).toEqual(before)
})

test('status changes nothing, on disk or in the state that a checkpoint names', async () => {
  const location = await newLocation()
  const store = await openStore(location)
  await setMany(store, 20, (n) => ({ scope: account, name: `${n}`, payload: 'p' }))
  const before = [await directoryDigest(location), await store.checkpoint()]
  await store.status()
  expect([await directoryDigest(location), await store.checkpoint()]).toEqual(before)
})

test('status is of its moment: what is written later does not change it', async () => {
  const store = memoryStore()
  const before = await store.status()
  const copy = structuredClone(before)
  await store.set({ scope: account, name: 'n', payload: 'p' })
  await store.addKey(testKey(2))
  expect(before).toEqual(copy)
})

test('status names the library that seals, for each length of plaintext from 0 on', async () => {
  for (const sodium of [true, false]) {
    const { aead } = await memoryStore({ sodium }).status()
    expect(aead[0]?.fromBytes).toBe(0)
    expect(aead.map(({ fromBytes }) => fromBytes)).toEqual(aead.map(({ fromBytes }) => fromBytes).sort((a, b) => a - b))
    for (const { library } of aead) expect(['sodium-native', 'node:crypto', '@noble/ciphers']).toContain(library)
    if (!sodium) expect(aead.map(({ library }) => library)).not.toContain('sodium-native')
  }
})

test('status of a closed store is ERR_CLOSED, also where the end comes in the middle', async () => {
  const store = memoryStore()
  await setMany(store, 3000, (n) => ({ scope: account, name: `${n}`, payload: 'p' }))
  const asking = codeOf(() => store.status())
  await store.close()
  expect(await asking).toBe('ERR_CLOSED')
  expect(await codeOf(() => store.status())).toBe('ERR_CLOSED')
})
