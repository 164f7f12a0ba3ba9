import { account, type ChangeEvent, type MemoryOptions, SecretStore } from 'app-secret-store'
import { expect, test } from '../support/runner'
import { codeOf, memoryStore, newLocation, openStore, setMany, stores, TestClock, testKey } from '../support/stores'

const target = { scope: account, name: 'n' }

test('memory gives a whole store at once, with nothing in it', async () => {
  const store = memoryStore()
  expect(store).toBeInstanceOf(SecretStore)
  expect(store.getSync(target)).toBeUndefined()
  expect((await store.list({ scope: account })).data).toEqual([])
  expect(await store.status()).toMatchObject({ records: 0, names: 'plain' })
  expect(await store.verify()).toEqual({ ok: true, records: 0, problems: [] })
})

test('memory without options is a store', async () => {
  await using store = stores.memory()
  const { created } = await store.set({ ...target, payload: 'p' })
  expect(Math.abs(created - Date.now() / 1000)).toBeLessThan(3600)
  expect(await store.get(target)).toBe('p')
})

test('each store in memory is another one', async () => {
  const clock = new TestClock()
  const [one, other] = [memoryStore({ now: clock.now }), memoryStore({ now: clock.now })]
  await one.set({ ...target, payload: 'p' })
  expect(await other.find(target)).toBeUndefined()
  expect(await one.checkpoint()).not.toBe(await other.checkpoint())
  expect(one.keys()[0]?.id).not.toBe(other.keys()[0]?.id)
  await one.close()
  expect(await other.set({ ...target, payload: 'q' })).toMatchObject({ name: 'n' })
})

test('what a store in memory held is gone when it is closed, and a listener hears no more', async () => {
  const store = stores.memory()
  const heard: ChangeEvent[] = []
  store.on('change', (change) => heard.push(change))
  await store.set({ ...target, payload: 'p' })
  await store.close()
  expect(await codeOf(() => store.get(target))).toBe('ERR_CLOSED')
  expect(await codeOf(() => store.getSync(target))).toBe('ERR_CLOSED')
  expect(heard).toHaveLength(1)
})

test('the slot of a store in memory has a key that nobody has: a backup needs one that was added', async () => {
  const clock = new TestClock()
  const store = memoryStore({ now: clock.now })
  expect(store.keys()).toEqual([{ id: expect.any(String), kind: 'memory', label: null, created: clock.seconds }])
  await store.set({ ...target, payload: 'p' })
  const at = await newLocation()
  const file = `${at}.backup`
  await expect(store.backup(file)).rejects.toThrow(
    new TypeError('backup: expected a key that can open it, got a store in memory without one (see addKey)'),
  )
  await store.addKey(testKey(2))
  await store.backup(file)
  expect(await codeOf(() => SecretStore.restore(file, at, { key: testKey(3) }))).toBe('ERR_WRONG_KEY')
  await SecretStore.restore(file, at, { key: testKey(2) })
  const restored = await openStore(at, { key: testKey(2), minimum: await store.checkpoint() })
  expect(await restored.get(target)).toBe('p')
})

test('a store in memory takes the clock, the largest payload and the order of names of its options', async () => {
  const clock = new TestClock()
  const store = memoryStore({ now: clock.now, maxPayloadBytes: 10, names: 'sealed' })
  expect(await store.set({ ...target, payload: 'x'.repeat(10) })).toMatchObject({ created: clock.seconds })
  await expect(store.set({ ...target, payload: 'x'.repeat(11) })).rejects.toThrow(RangeError)
  expect((await store.status()).names).toBe('sealed')
  await setMany(store, 40, (n) => ({ scope: account, name: `name-${n}`, payload: 'p' }))
  const { data } = await store.list({ scope: account, limit: 100 })
  const names = data.map(({ name }) => name)
  expect(names).toHaveLength(41)
  expect(names).not.toEqual(names.toSorted())
})

test('a payload of 16 MiB is taken by default, and one byte more is not', async () => {
  const store = memoryStore()
  const payload = new Uint8Array(16 * 1024 * 1024)
  await store.set({ ...target, payload })
  expect((await store.getBytes(target))?.length).toBe(payload.length)
  await expect(store.set({ ...target, payload: new Uint8Array(payload.length + 1) })).rejects.toThrow(RangeError)
})

test('what belongs to a store on disk is no option of one in memory', () => {
  for (const name of ['key', 'createIfMissing', 'minimum', 'checkpoints', 'acceptRollback', 'verify']) {
    expect(() => stores.memory({ [name]: undefined } as MemoryOptions)).toThrow(`got '${name}'`)
  }
})
