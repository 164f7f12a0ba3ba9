import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import {
  account,
  type KeyProvider,
  type KeySlotInfo,
  type NameMode,
  type Progress,
  passphrase,
  type RotateOptions,
  rawKey,
  SecretStore,
} from 'app-secret-store'
import { dataKeysOf, keyringOf } from '../support/behaviour/keys'
import { everything, fill, filled } from '../support/behaviour/rotation'
import { describe, expect, onTestFinished, test } from '../support/runner'
import { codeOf, copyStore, newLocation, openOver, openStore, stores, TestClock, testKey } from '../support/stores'

describe.each<{ engine: 'memory' | 'LevelDB'; names: NameMode }>([
  { engine: 'memory', names: 'plain' },
  { engine: 'memory', names: 'sealed' },
  { engine: 'LevelDB', names: 'plain' },
  { engine: 'LevelDB', names: 'sealed' },
])('rotation on $engine with $names names', ({ engine, names }) => {
  test('an empty store, again and again', async () => {
    const store = await openOver(engine, { names })
    for (let time = 2; time < 6; time++) {
      expect(await store.rotate()).toEqual({
        dataKey: time,
        records: 0,
        resealed: 0,
        dropped: [],
      })
    }
    expect((await store.status()).dataKeys).toMatchObject([{ id: 5, active: true, records: 0 }])
    await store.set({ scope: account, name: 'n', payload: 'p' })
    expect(await store.rotate()).toEqual({ dataKey: 6, records: 1, resealed: 1, dropped: [] })
    expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
  })

  test('cursors and walks go on across it', async () => {
    const store = await openOver(engine, { names })
    await fill(store, 450)
    const all = (await everything(store)).size
    const page = await store.list({ scope: account, limit: 20 })
    const walk = store.list({ scope: account })[Symbol.asyncIterator]()
    const backward = store.list({ scope: account, ending_before: page.data.at(-1)?.id as string })
    const walked: string[] = []
    for (let n = 0; n < 50; n++) walked.push((await walk.next()).value?.name as string)
    await store.rotate()
    for (let one = await walk.next(); one.done !== true; one = await walk.next()) walked.push(one.value.name)
    expect(new Set(walked).size).toBe(walked.length)
    expect(walked).toHaveLength(150)
    expect(walked.slice(0, 20)).toEqual(page.data.map(({ name }) => name))
    const after = page.data.at(-1)?.id as string
    const next = await store.list({ scope: account, limit: 20, starting_after: after })
    expect(next.data.map(({ name }) => name)).toEqual(walked.slice(20, 40))
    const back: string[] = []
    for await (const { name } of backward) back.push(name)
    expect(back).toEqual(walked.slice(0, 19).reverse())
    expect((await everything(store)).size).toBe(all)
  })
})

describe('a rotation that is stopped', () => {
  test('by its signal is taken up again, and makes no third key', async () => {
    const [location, store] = await filled()
    const before = await everything(store)
    const controller = new AbortController()
    const reason = new Error('test: enough')
    const stopping = store.rotate({ signal: controller.signal, onProgress: () => controller.abort(reason) })
    await expect(stopping).rejects.toBe(reason)
    const { dataKeys } = await store.status()
    expect(dataKeys).toMatchObject([
      { id: 1, active: false, records: 600 - 256 },
      { id: 2, active: true, records: 256 },
    ])
    expect(await store.verify()).toMatchObject({ ok: true, records: 600 })
    await store.close()
    expect(await dataKeysOf(location)).toEqual([1, 2])
    const again = await openStore(location)
    expect(await everything(again)).toEqual(before)
    expect(await again.rotate()).toEqual({
      dataKey: 2,
      records: 600,
      resealed: 344,
      dropped: [],
    })
    expect(await everything(again)).toEqual(before)
    expect(await dataKeysOf(location)).toEqual([2])
  })

  test('before it has begun changes nothing', async () => {
    const [location, store] = await filled(5)
    const before = [await keyringOf(location), await store.checkpoint()]
    const signal = AbortSignal.abort()
    await expect(store.rotate({ signal })).rejects.toBe(signal.reason)
    await expect(store.rotate({ signal, root: true, keys: [testKey()] })).rejects.toBe(signal.reason)
    expect([await keyringOf(location), await store.checkpoint()]).toEqual(before)
  })

  test('by its listener is taken up again', async () => {
    const [, store] = await filled()
    const failure = new Error('test: thrown by the listener')
    let calls = 0
    const onProgress = (): void => {
      if (++calls === 2) throw failure
    }
    await expect(store.rotate({ onProgress })).rejects.toBe(failure)
    expect(calls).toBe(2)
    expect((await store.status()).dataKeys).toHaveLength(2)
    expect(await store.rotate()).toMatchObject({ dataKey: 2, records: 600, resealed: 88 })
    expect(await store.verify()).toMatchObject({ ok: true, records: 600 })
  })

  test('by the end of the store is ERR_CLOSED, and taken up again', async () => {
    const [location, store] = await filled()
    let closing: Promise<void> | undefined
    const onProgress = (): void => {
      closing ??= store.close()
    }
    expect(await codeOf(() => store.rotate({ onProgress }))).toBe('ERR_CLOSED')
    await closing
    const again = await openStore(location)
    expect((await again.status()).dataKeys).toHaveLength(2)
    expect(await again.rotate()).toMatchObject({ dataKey: 2, records: 600 })
    expect(await again.verify()).toMatchObject({ ok: true, records: 600 })
  })

  test('tells how far it has come, never less than before, and in the end that it is all', async () => {
    const [, store] = await filled(1000)
    const seen: Progress[] = []
    await store.rotate({ onProgress: (progress) => void seen.push(progress) })
    expect(seen.length).toBeGreaterThan(3)
    for (const [n, { done, total }] of seen.entries()) {
      expect(done).toBeGreaterThanOrEqual(seen[n - 1]?.done ?? 0)
      expect(total).toBe(1000)
    }
    expect(seen.at(-1)).toEqual({ done: 1000, total: 1000 })
  })

  test('tells the same beside records that have expired, and go', async () => {
    const clock = new TestClock()
    const going = await openStore(await newLocation(), { now: clock.now })
    await fill(going, 600, (n) => (n % 3 === 0 ? clock.seconds + 10 : null))
    clock.advanceSeconds(10)
    const seen: Progress[] = []
    await going.rotate({ onProgress: (progress) => void seen.push(progress) })
    expect(seen.map(({ done }) => done)).toEqual(seen.map(({ done }) => done).sort((a, b) => a - b))
    for (const { done, total } of seen) expect(done).toBeLessThanOrEqual(total)
    expect(seen.at(-1)?.done).toBe(seen.at(-1)?.total)
  })
})

describe('what was sealed under the old key', () => {
  test('does not come back with the old keyring.json, with or without a new root key', async () => {
    for (const options of [{}, { root: true, keys: [testKey()] }] satisfies RotateOptions[]) {
      const location = await newLocation()
      const store = await openStore(location)
      await fill(store, 10)
      const old = await keyringOf(location)
      await store.rotate(options)
      await store.close()
      await writeFile(join(location, 'keyring.json'), old)
      expect(['ERR_CORRUPT', 'ERR_ROLLBACK']).toContain(await codeOf(() => openStore(location)))
      const code = await codeOf(() => openStore(location, { acceptRollback: true }))
      expect(['ERR_CORRUPT', 'ERR_ROLLBACK']).toContain(code)
    }
  })
})

describe('a new root key', () => {
  const keys = {
    first: rawKey(new Uint8Array(32).fill(1), { label: 'first' }),
    second: testKey(2),
    passphrase: passphrase('p', { N: 16_384 }),
    other: testKey(4),
  }

  async function storeWithSlots(): Promise<[string, SecretStore]> {
    const location = await newLocation()
    const store = await openStore(location, { key: keys.first })
    for (const key of [keys.second, keys.passphrase, keys.other]) await store.addKey(key)
    await fill(store, 60)
    return [location, store]
  }

  async function opening(location: string): Promise<string[]> {
    const found: string[] = []
    for (const [name, key] of Object.entries(keys)) {
      const code = await codeOf(async () => (await openStore(location, { key })).close())
      if (code === 'no error') found.push(name)
      else expect(code).toBe('ERR_WRONG_KEY')
    }
    return found
  }

  test('takes one key in the place of another, and both of an exchange', async () => {
    const [location, store] = await filled(3)
    const own = testKey()
    const before = store.keys()
    const twice = [
      { from: own, to: testKey(20) },
      { from: testKey(), to: testKey(21) },
    ]
    for (const keys of [
      twice,
      [...twice].reverse(),
      [own, { from: testKey(), to: testKey(20) }],
      [{ from: own }],
      [{ to: own }],
    ]) {
      await expect(store.rotate({ root: true, keys: keys as never })).rejects.toThrow(TypeError)
    }
    expect(store.keys()).toEqual(before)
    const report = await store.rotate({ root: true, keys: [{ from: own, to: testKey(20) }] })
    expect(report).toMatchObject({ dropped: before, resealed: 3 })
    await store.close()
    expect(await codeOf(() => openStore(location))).toBe('ERR_WRONG_KEY')
    await openStore(location, { key: testKey(20), verify: true })
  })

  test('keeps the slots of the given keys in their order, under new ids, and drops the others', async () => {
    const [location, store] = await storeWithSlots()
    const before = await everything(store)
    const [first, second, ofPassphrase, other] = store.keys() as [KeySlotInfo, KeySlotInfo, KeySlotInfo, KeySlotInfo]
    const wrapped = JSON.parse(await keyringOf(location))
    const report = await store.rotate({ root: true, keys: [passphrase('p'), keys.first] })
    expect(report).toEqual({ dataKey: 2, records: 60, resealed: 60, dropped: [second, other], checkpointSaved: false })
    const withoutId = ({ kind, label, created }: KeySlotInfo): object => ({ kind, label, created })
    expect(store.keys().map(withoutId)).toEqual([first, ofPassphrase].map(withoutId))
    for (const { id } of [first, ofPassphrase]) expect(store.keys().map((slot) => slot.id)).not.toContain(id)
    const after = JSON.parse(await keyringOf(location))
    expect(after.indexKey).not.toBe(wrapped.indexKey)
    expect(after.slots[0].params).not.toEqual(wrapped.slots[0].params)
    expect(await store.verify()).toMatchObject({ ok: true, records: 60 })
    await store.addKey(testKey(5))
    await store.close()
    expect(await opening(location)).toEqual(['first', 'passphrase'])
    const again = await openStore(location, { key: testKey(5) })
    expect(await everything(again)).toEqual(before)
  })

  test('the label of a slot is kept unless the key has another one', async () => {
    const [, store] = await storeWithSlots()
    await store.rotate({ root: true, keys: [testKey(1), rawKey(new Uint8Array(32).fill(2), { label: 'named now' })] })
    expect(store.keys().map(({ label }) => label)).toEqual(['first', 'named now'])
  })

  test('whoever kept a slot of the old keyring.json is shut out', async () => {
    const [location, store] = await storeWithSlots()
    const old = JSON.parse(await keyringOf(location))
    await store.rotate({ root: true, keys: [keys.first] })
    await store.close()
    // The old slot, under the checksum and the MAC of the new file, or in the whole old file.
    const stolen = await newLocation()
    await copyStore(location, stolen)
    await writeFile(join(stolen, 'keyring.json'), `${JSON.stringify(old, null, 2)}\n`)
    expect(['ERR_CORRUPT', 'ERR_ROLLBACK']).toContain(await codeOf(() => openStore(stolen, { key: keys.other })))
    expect(await opening(location)).toEqual(['first'])
  })

  test('a key of nobody\u2019s is ERR_WRONG_KEY, and nothing is changed', async () => {
    const [location, store] = await storeWithSlots()
    const before = [await keyringOf(location), await store.checkpoint(), store.keys()]
    for (const strangers of [[testKey(9)], [keys.first, testKey(9)], [testKey(9), keys.first], [passphrase('q')]]) {
      expect(await codeOf(() => store.rotate({ root: true, keys: strangers }))).toBe('ERR_WRONG_KEY')
    }
    const forgetful: KeyProvider = { ...testKey(1), wrap: async () => ({ commitment: 'lost', wrapped: 'lost' }) }
    expect(await codeOf(() => store.rotate({ root: true, keys: [forgetful] }))).not.toBe('no error')
    expect([await keyringOf(location), await store.checkpoint(), store.keys()]).toEqual(before)
    expect((await store.status()).dataKeys).toHaveLength(1)
    await store.set({ scope: account, name: 'later', payload: 'l' })
    await store.close()
    expect(await opening(location)).toEqual(Object.keys(keys))
  })

  test('one key given twice is one slot', async () => {
    const [, store] = await storeWithSlots()
    const { dropped } = await store.rotate({ root: true, keys: [keys.second, testKey(2)] })
    expect(dropped).toHaveLength(3)
    expect(store.keys()).toHaveLength(1)
  })

  test('stopped, it has replaced the keys, and a rotation without options ends it', async () => {
    const [location, store] = await storeWithSlots()
    const controller = new AbortController()
    const { signal } = controller
    const onProgress = (): void => controller.abort()
    const stopping = store.rotate({ root: true, keys: [keys.second], signal, onProgress })
    await expect(stopping).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
    // All records were on one page: they are sealed anew, but the old key is still there.
    expect((await store.status()).dataKeys).toMatchObject([{ records: 0 }, { records: 60, active: true }])
    await store.close()
    expect(await opening(location)).toEqual(['second'])
    const again = await openStore(location, { key: keys.second })
    expect(await again.rotate()).toEqual({ dataKey: 2, records: 60, resealed: 0, dropped: [] })
  })

  test('of a store in memory takes keys that were added', async () => {
    const store = stores.memory({ sweepIntervalMs: 0, compactIntervalMs: 0 })
    onTestFinished(() => store.close())
    await fill(store, 20)
    const [own] = store.keys()
    await store.addKey(keys.second)
    expect(await codeOf(() => store.rotate({ root: true, keys: [keys.first] }))).toBe('ERR_WRONG_KEY')
    expect(await store.rotate({ root: true, keys: [keys.second] })).toMatchObject({ dataKey: 2, dropped: [own] })
    expect(await store.verify()).toMatchObject({ ok: true, records: 20 })
  })

  test('options that are wrong are a TypeError, and nothing is changed', async () => {
    const [location, store] = await storeWithSlots()
    const before = [await keyringOf(location), await store.checkpoint()]
    const refused: readonly unknown[] = [
      null,
      'root',
      { root: true },
      { root: true, keys: [] },
      { root: true, keys: keys.first },
      { root: true, keys: [undefined] },
      { root: true, keys: [{ kind: 'x' }] },
      { root: 'yes', keys: [keys.first] },
      { root: 1 },
      { keys: [keys.first] },
      { root: false, keys: [keys.first] },
      { onProgress: 1 },
      { signal: {} },
      { signal: null },
      { key: keys.first },
    ]
    for (const options of refused) {
      await expect(store.rotate(options as RotateOptions), JSON.stringify(options)).rejects.toThrow(TypeError)
    }
    expect([await keyringOf(location), await store.checkpoint()]).toEqual(before)
  })
})

describe('a rotation beside others', () => {
  test('two at once go one after the other', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    await fill(store, 300)
    const [one, two] = await Promise.all([store.rotate(), store.rotate()])
    expect([one, two].map(({ dataKey, resealed }) => [dataKey, resealed])).toEqual([
      [2, 300],
      [3, 300],
    ])
    expect(await dataKeysOf(location)).toEqual([3])
    const more = await Promise.all([
      store.rotate({ root: true, keys: [testKey()] }),
      store.addKey(testKey(2)),
      store.rotate(),
      store.compact(),
      store.sweep(),
      store.verify(),
    ])
    expect(more[5]).toMatchObject({ ok: true, records: 300 })
    expect(store.keys().length + more[0].dropped.length).toBe(2)
    expect(await dataKeysOf(location)).toEqual([5])
    expect(await store.verify()).toMatchObject({ ok: true, records: 300 })
  })

  test('one waits for a backup that was begun before, and a backup in its midst is whole', async () => {
    const [location, restored] = [await newLocation(), await newLocation()]
    const store = await openStore(location)
    await fill(store, 600)
    const before = await everything(store)
    const [first, second] = [new PassThrough({ highWaterMark: 1 }), new PassThrough({ highWaterMark: 1 })]
    const backingUp = store.backup(first)
    let inTheMidst: Promise<unknown> | undefined
    let rotated = false
    const rotating = store
      .rotate({ onProgress: () => (inTheMidst ??= store.backup(second)) })
      .finally(() => (rotated = true))
    const one = await SecretStore.restore(first, restored, { key: testKey() })
    await backingUp
    expect(rotated).toBe(false)
    const [two] = await Promise.all([SecretStore.restore(second, `${restored}-2`, { key: testKey() }), rotating])
    await inTheMidst
    expect(await dataKeysOf(restored)).toEqual([1])
    expect(await dataKeysOf(`${restored}-2`)).toEqual([1, 2])
    expect([one.records, two.records]).toEqual([600, 600])
    for (const at of [restored, `${restored}-2`]) {
      const copy = await openStore(at)
      expect(await everything(copy)).toEqual(before)
      await copy.rotate()
      expect(await copy.verify()).toMatchObject({ ok: true, records: 600 })
    }
    expect(await dataKeysOf(location)).toEqual([2])
  })
})

describe('what a rotation does not do', () => {
  test('it does not make a keyring that asks for more work than an opening does', async () => {
    const location = await newLocation()
    /** A provider whose new slots ask for more than its old ones. */
    const growing = (fill: number, grown: boolean): KeyProvider => {
      const plain = testKey(fill)
      return {
        ...plain,
        work: (params) => Number(params['work'] ?? 1),
        wrap: async (rootKey, context) => ({ ...(await plain.wrap(rootKey, context)), work: grown ? 80 : 1 }),
      }
    }
    const store = await openStore(location, { key: growing(1, false) })
    await store.addKey(growing(2, false))
    const before = await keyringOf(location)
    await expect(store.rotate({ root: true, keys: [growing(1, true), growing(2, true)] })).rejects.toThrow(RangeError)
    await expect(store.addKey(growing(3, true)).then(() => store.addKey(growing(4, true)))).rejects.toThrow(RangeError)
    expect(await keyringOf(location)).not.toBe(before)
    await store.close()
    await openStore(location, { key: growing(2, false) })
  })

  test('it does not go on waiting for its turn once its signal is aborted', async () => {
    const store = await openStore(await newLocation())
    let end = (): void => {}
    const stalled = new WritableStream<Uint8Array>({ write: () => new Promise((resolve) => (end = resolve)) })
    const stop = new AbortController()
    const backingUp = store.backup(stalled).catch(() => {})
    const rotating = store.rotate({ signal: stop.signal })
    const second = store.backup(`${await newLocation()}.backup`, { signal: stop.signal })
    stop.abort(new Error('test: enough'))
    await expect(rotating).rejects.toThrow('test: enough')
    await expect(second).rejects.toThrow('test: enough')
    expect((await store.status()).dataKeys).toHaveLength(1)
    end()
    await store.close()
    await backingUp
  })
})
