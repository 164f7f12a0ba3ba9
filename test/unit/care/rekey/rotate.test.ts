import { cpSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { chooseAead } from '../../../../src/crypto/aead/choose'
import { Keyring } from '../../../../src/crypto/keyring'
import { ENVELOPE_HEADER_BYTES } from '../../../../src/format/constants'
import { account, type KeyProvider, type NameMode, type Scope, SecretStoreError } from '../../../../src/index'
import { replaceFile } from '../../../../src/platform/new-files'
import { HEAD_ROW, payloadRow } from '../../../../src/storage/keyspace'
import { LevelEngine } from '../../../../src/storage/level/engine'
import { dataKeysOf } from '../../../support/behaviour/keys'
import { everything, fill, filled, payloadOf, SCOPES, scopeOf } from '../../../support/behaviour/rotation'
import { spyOnCommits } from '../../../support/engine-spy'
import { interceptWrites, writeTo } from '../../../support/engine-writes'
import { atLength } from '../../../support/lengths'
import { allRows, flipped, readRow, recordRow, writeRow } from '../../../support/raw-rows'
import { codeOf, newLocation, openOver, openStore, TestClock, testKey } from '../../../support/stores'
import { newGate, turnOfLoop } from '../../../support/waiting'

vi.mock('../../../../src/platform/new-files', { spy: true })
const files = await vi.importActual<typeof import('../../../../src/platform/new-files')>(
  '../../../../src/platform/new-files',
)

/** Lets everything else have its turn. What is in memory is done before the next turn of the event loop. */
async function turn(engine: string): Promise<void> {
  if (engine === 'LevelDB') await turnOfLoop()
  else for (let n = 0; n < 20; n++) await undefined
}

/** What each name has held, so that a read can be held against what was there while it went on. */
class Versions {
  readonly #versions = new Map<string, (string | undefined)[]>()
  /** The first version that a read which begins now may see. */
  readonly #acknowledged = new Map<string, number>()

  begin(name: string, payload: string | undefined): () => void {
    const versions = this.#versions.get(name) ?? []
    versions.push(payload)
    this.#versions.set(name, versions)
    return () => this.#acknowledged.set(name, versions.length - 1)
  }

  get names(): string[] {
    return [...this.#versions.keys()]
  }

  current(name: string): string | undefined {
    return this.#versions.get(name)?.at(-1)
  }

  since(name: string): number {
    return this.#acknowledged.get(name) ?? 0
  }

  sinceAll(): ReadonlyMap<string, number> {
    return new Map(this.#acknowledged)
  }

  check(name: string, since: number, payload: string | undefined): void {
    const allowed = this.#versions.get(name)?.slice(since) ?? []
    if (!allowed.includes(payload)) expect(payload, name).toBe(allowed)
  }
}

describe.each<{ engine: 'memory' | 'LevelDB'; names: NameMode; records: number }>([
  { engine: 'memory', names: 'plain', records: 1000 },
  { engine: 'memory', names: 'sealed', records: 500 },
  { engine: 'LevelDB', names: 'plain', records: atLength(1500, 5000) },
  { engine: 'LevelDB', names: 'sealed', records: 1000 },
])('rotation on $engine with $names names', ({ engine, names, records }) => {
  test('keeps everything but the key, and deletes what has expired', async () => {
    const [location, clock] = [await newLocation(), new TestClock()]
    const store = await openOver(engine, { now: clock.now, names }, location)
    await fill(store, 300, (n) => (n % 4 === 0 ? clock.seconds + 10 : n % 4 === 1 ? clock.seconds + 1000 : null))
    await store.view({ account: 'acct_1', livemode: true }).set({ scope: account, name: 'elsewhere', payload: 'e' })
    const created = clock.seconds
    clock.advanceSeconds(10)
    const before = await everything(store)
    expect(before.size).toBe(225)
    expect(await store.status()).toMatchObject({
      names,
      dataKeys: [{ id: 1, created, active: true }],
    })
    const { dataKey, dropped } = await store.rotate()
    expect({ dataKey, dropped }).toEqual({ dataKey: 2, dropped: [] })
    expect(await everything(store)).toEqual(before)
    expect(await store.view({ account: 'acct_1', livemode: true }).get({ scope: account, name: 'elsewhere' })).toBe('e')
    expect(await store.status()).toEqual({
      records: 226,
      names,
      slots: store.keys(),
      dataKeys: [{ id: 2, created: clock.seconds, active: true, records: 226 }],
      aead: chooseAead({ sodium: true }).uses,
    })
    expect(await store.verify()).toEqual({ ok: true, records: 226, problems: [] })
    // Whether a payload is text or bytes is kept, too.
    expect(await store.get({ scope: scopeOf('2'), name: '2' })).toBe(payloadOf('2', 0))
    await expect(store.get({ scope: scopeOf('7'), name: '7' })).rejects.toThrow(TypeError)
    clock.advanceSeconds(1000)
    expect(await store.sweep()).toBe(75)
    expect(await store.verify()).toMatchObject({ ok: true, records: 151 })
    if (engine === 'memory') return
    await store.close()
    expect(await dataKeysOf(location)).toEqual([2])
    const again = await openStore(location, { now: clock.now })
    expect((await everything(again)).size).toBe(150)
    expect(await again.verify()).toMatchObject({ ok: true, records: 151 })
  })

  test('goes on beside writers and readers, none of whom fails or sees what was not there', async () => {
    const store = await openOver(engine, { names })
    const versions = new Versions()
    for (let start = 0; start < records; start += 500) {
      const chosen = Array.from({ length: Math.min(500, records - start) }, (_, index) => `${start + index}`)
      const done = chosen.map((name) => versions.begin(name, payloadOf(name, 0)))
      await store.batch(
        chosen.map((name) => ({ type: 'set', scope: scopeOf(name), name, payload: payloadOf(name, 0) })),
      )
      for (const acknowledge of done) acknowledge()
    }

    let rotating = true
    let seed = 1
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed % below
    }
    const counts = { writes: 0, reads: 0, atTheEnd: 0 }
    const write = async (lane: number): Promise<void> => {
      for (let version = 1; rotating; version++) {
        const name = `${random((records * 1.1) / 4) * 4 + lane}`
        const payload = random(5) === 0 ? undefined : payloadOf(name, version)
        const acknowledge = versions.begin(name, payload)
        const target = { scope: scopeOf(name), name }
        await (payload === undefined ? store.delete(target) : store.set({ ...target, payload }))
        acknowledge()
        counts.writes++
        await turn(engine)
      }
    }
    const readOne = async (kind: number): Promise<void> => {
      const name = `${random(records)}`
      const since = versions.since(name)
      const target = { scope: scopeOf(name), name }
      if (kind === 0) versions.check(name, since, await store.get(target))
      else if (kind === 1) versions.check(name, since, store.getSync(target))
      else if (kind === 2) versions.check(name, since, (await store.find({ ...target, expand: ['payload'] }))?.payload)
      else {
        const bytes = await store.getBytes(target)
        versions.check(name, since, bytes && Buffer.from(bytes).toString())
      }
      counts.reads++
    }
    const readPage = async (): Promise<void> => {
      const scope = SCOPES[random(3)] as Scope
      const sinces = versions.sinceAll()
      const { data } = await store.list({ scope, limit: 100, expand: ['data.payload'] })
      for (const { name, payload } of data) versions.check(name, sinces.get(name) ?? 0, payload)
      counts.reads += data.length
    }
    const readLoop = async (read: () => Promise<void>, turns = 1): Promise<void> => {
      while (rotating) {
        await read()
        for (let n = 0; n < turns && rotating; n++) await turn(engine)
      }
    }
    // The moments in which the keys change, with reads that began before, and some in their midst.
    const adopt = Keyring.prototype.adopt
    const spy = vi.spyOn(Keyring.prototype, 'adopt').mockImplementation(function (this: Keyring, ...change) {
      const reads = [readPage(), readPage(), ...[0, 1, 2, 3].map(readOne)]
      adopt.apply(this, change)
      reads.push(...[0, 1, 2, 3].map(readOne), readPage())
      pending.push(...reads)
      counts.atTheEnd += reads.length
    })
    onTestFinished(() => spy.mockRestore())
    const pending: Promise<void>[] = []

    const loops = [
      ...[0, 1, 2, 3].map(write),
      ...[0, 1, 2, 3].map((kind) => readLoop(() => readOne(kind))),
      readLoop(readPage, 20),
      readLoop(async () => {
        const { dataKeys } = await store.status()
        expect(dataKeys.length).toBeLessThanOrEqual(2)
        expect(dataKeys.filter(({ active }) => active)).toEqual([dataKeys.at(-1)])
      }, 200),
    ]
    const report = await store.rotate().finally(() => {
      rotating = false
    })
    await Promise.all([...loops, ...pending])
    expect(report.dataKey).toBe(2)
    expect(counts.writes).toBeGreaterThan(10)
    expect(counts.reads).toBeGreaterThan(100)
    expect(counts.atTheEnd).toBe(22)

    let left = 0
    for (const name of versions.names) {
      const payload = versions.current(name)
      expect(await store.get({ scope: scopeOf(name), name })).toBe(payload)
      if (payload !== undefined) left++
    }
    expect(await store.verify()).toEqual({ ok: true, records: left, problems: [] })
    expect((await store.status()).dataKeys).toMatchObject([{ id: 2, active: true, records: left }])
  })
})

/** Every read goes down to the rows. */
const NOTHING_KNOWN = { indexBytes: 0 }

describe('reads that began under a key that was destroyed meanwhile', () => {
  /** Holds back what the engine has read for the first caller until it is let go. */
  function hold(method: 'scan' | 'get', skip = 0): { readonly held: Promise<void>; release(): void } {
    const [reached, gate] = [newGate(), newGate()]
    const original = LevelEngine.prototype[method] as (...args: unknown[]) => Promise<unknown>
    let calls = 0
    const spy = vi.spyOn(LevelEngine.prototype, method as 'get').mockImplementation(async function (
      this: LevelEngine,
      ...args: unknown[]
    ) {
      const found = await original.apply(this, args)
      if (calls++ === skip) {
        reached.open()
        await gate.opened
      }
      return found as never
    })
    onTestFinished(() => spy.mockRestore())
    return { held: reached.opened, release: gate.open }
  }

  test('a page that was read before is opened after', async () => {
    const store = await openStore(await newLocation(), NOTHING_KNOWN)
    await fill(store, 300)
    const expected = (await store.list({ scope: account, limit: 50 })).data.map(({ name }) => name)
    const { held, release } = hold('scan')
    const listing = Promise.all([store.list({ scope: account, limit: 50 })])
    await held
    await store.rotate()
    await store.delete({ scope: account, name: expected[1] as string })
    release()
    const found = (await listing)[0].data.map(({ name }) => name)
    expect(found).toHaveLength(50)
    expect(found.slice(0, 49)).toEqual(expected.filter((name) => name !== expected[1]))
  })

  test.each([
    ['record', 0],
    ['payload', 1],
  ])('a %s that was read before is read once more', async (_, skip) => {
    const store = await openStore(await newLocation(), NOTHING_KNOWN)
    await fill(store, 30)
    const sync = vi.spyOn(LevelEngine.prototype, 'canReadSync').mockReturnValue(false)
    onTestFinished(() => sync.mockRestore())
    for (const read of [
      (name: string) => store.get({ scope: scopeOf(name), name }),
      async (name: string) => (await store.find({ scope: scopeOf(name), name, expand: ['payload'] }))?.payload,
      async (name: string) => Buffer.from((await store.getBytes({ scope: scopeOf(name), name })) ?? []).toString(),
    ]) {
      const { held, release } = hold('get', skip)
      const reading = read('10')
      await held
      await store.rotate()
      release()
      expect(await reading).toBe(payloadOf('10', 0))
      vi.mocked(LevelEngine.prototype.get).mockRestore()
    }
    const { held, release } = hold('get', skip)
    const reading = store.get({ scope: scopeOf('10'), name: '10' })
    await held
    await store.delete({ scope: scopeOf('10'), name: '10' })
    await store.rotate()
    release()
    expect(await reading).toBeUndefined()
  })
})

describe('a rotation that is stopped', () => {
  test('by a crash, at any of its steps, is taken up again', async () => {
    const [location, store] = await filled(300)
    const before = await everything(store)
    const copies: { at: string; resealed: number }[] = []
    const copy = (resealed: number): void => {
      const at = `${location}-${copies.length}`
      cpSync(location, at, { recursive: true, filter: (path) => basename(path) !== 'LOCK' })
      copies.push({ at, resealed })
    }
    // What is on disk before each commit; where one changes keyring.json, the new file beside the old head.
    let resealed = 0
    const spy = interceptWrites(LevelEngine.prototype, async (changes, write) => {
      const isHeadAlone = changes.length === 1
      if (!isHeadAlone) copy(resealed)
      const isWritten = await write()
      resealed += changes.filter(({ key }) => key[0] === 0x72).length
      return isWritten
    })
    vi.mocked(replaceFile).mockImplementation(async (from, to) => {
      await files.replaceFile(from, to)
      copy(resealed)
    })
    const restore = (): void => {
      spy.mockRestore()
      vi.mocked(replaceFile).mockImplementation(files.replaceFile)
    }
    onTestFinished(restore)
    expect(await store.rotate({ onProgress: () => copy(resealed) })).toMatchObject({ dataKey: 2, resealed: 300 })
    restore()
    await store.close()
    expect(copies.length).toBeGreaterThan(10)
    for (const [n, { at, resealed: already }] of copies.entries()) {
      const isLast = n === copies.length - 1
      if (n % atLength(4, 1) !== 0 && !isLast) continue
      const found = await openStore(at)
      const { dataKeys } = await found.status()
      expect(dataKeys.map(({ id }) => id)).toEqual(isLast ? [2] : [1, 2])
      expect(dataKeys.at(-1)?.records).toBe(already)
      const report = await found.rotate()
      expect(report).toEqual({
        dataKey: isLast ? 3 : 2,
        records: 300,
        resealed: isLast ? 300 : 300 - already,
        dropped: [],
      })
      expect(await found.verify()).toEqual({ ok: true, records: 300, problems: [] })
      if (n % 4 === 0) expect(await everything(found)).toEqual(before)
      await found.close()
      expect(await dataKeysOf(at)).toEqual([isLast ? 3 : 2])
    }
  })
})

describe('a damaged record', () => {
  /** 40 records under key 1, of which `'10'` has a payload row. */
  async function closedStore(rotations = 0): Promise<string> {
    const location = await newLocation()
    const store = await openStore(location)
    await fill(store, 40)
    for (let time = 0; time < rotations; time++) await store.rotate()
    await store.close()
    return location
  }
  const row = recordRow('10', scopeOf('10'))

  test.each<[string, Uint8Array, (value: Uint8Array) => Uint8Array | undefined, string?]>([
    ['with another version', row, (value) => flipped(value, 0), 'ERR_UNSUPPORTED_VERSION'],
    ['under a key there is none of', row, (value) => flipped(value, 1)],
    ['with another nonce', row, (value) => flipped(value, 5)],
    ['with another first byte', row, (value) => flipped(value, ENVELOPE_HEADER_BYTES)],
    ['with another tag', row, (value) => flipped(value)],
    ['that is empty', row, () => new Uint8Array()],
    ['that is cut off', row, (value) => value.subarray(0, -1)],
    ['of which the payload is altered', payloadRow(row), (value) => flipped(value, 100)],
    ['of which the payload is gone', payloadRow(row), () => undefined],
  ])(
    '%s keeps the old key, no other record from the new one, and is mended',
    async (_, key, damage, code = 'ERR_CORRUPT') => {
      const location = await closedStore()
      const value = await readRow(location, key)
      await writeRow(location, key, damage(value))
      let store = await openStore(location)
      for (let time = 0; time < 2; time++) {
        expect(await codeOf(() => store.rotate())).toBe(code)
        const { dataKeys } = await store.status()
        expect(dataKeys.map(({ id }) => id)).toEqual([1, 2])
        expect(dataKeys[1]).toMatchObject({ active: true, records: 39 })
      }
      expect((await store.verify()).ok).toBe(false)
      await store.close()
      expect(await dataKeysOf(location)).toEqual([1, 2])

      await writeRow(location, key, value)
      store = await openStore(location)
      expect(await store.rotate()).toEqual({
        dataKey: 2,
        records: 40,
        resealed: 1,
        dropped: [],
      })
      expect(await store.get({ scope: scopeOf('10'), name: '10' })).toBe(payloadOf('10', 0))
      expect(await store.verify()).toEqual({ ok: true, records: 40, problems: [] })
      expect(await dataKeysOf(location)).toEqual([2])
    },
  )

  test('that names the new key by a flipped bit keeps the old key, too', async () => {
    const location = await closedStore(1)
    const value = await readRow(location, row)
    expect(value[4]).toBe(2)
    await writeRow(location, row, flipped(value, 4))
    const store = await openStore(location)
    expect(await codeOf(() => store.rotate())).toBe('ERR_CORRUPT')
    expect(await dataKeysOf(location)).toEqual([2, 3])
  })

  test('beside a new root key: the keys are changed, the old data key stays', async () => {
    const location = await closedStore()
    const value = await readRow(location, row)
    await writeRow(location, row, flipped(value))
    let store = await openStore(location)
    await store.addKey(testKey(2))
    expect(await codeOf(() => store.rotate({ root: true, keys: [testKey(2)] }))).toBe('ERR_CORRUPT')
    expect(store.keys()).toHaveLength(1)
    await store.close()
    await writeRow(location, row, value)
    expect(await codeOf(() => openStore(location))).toBe('ERR_WRONG_KEY')
    store = await openStore(location, { key: testKey(2) })
    expect(await store.rotate()).toMatchObject({ dataKey: 2, records: 40, resealed: 1 })
    expect(await store.verify()).toMatchObject({ ok: true, records: 40 })
  })

  test('that is older than the head says is told by verify, before and after', async () => {
    const location = await newLocation()
    let store = await openStore(location)
    await fill(store, 40)
    await store.close()
    const old = await readRow(location, recordRow('1', scopeOf('1')))
    store = await openStore(location)
    await store.set({ scope: scopeOf('1'), name: '1', payload: 'newer' })
    await store.close()
    await writeRow(location, recordRow('1', scopeOf('1')), old)
    store = await openStore(location)
    expect((await store.verify()).problems).toMatchObject([{ kind: 'altered', what: 'records' }])
    await codeOf(() => store.rotate())
    expect((await store.verify()).problems).toMatchObject([{ kind: 'altered', what: 'records' }])
  })
})

describe('what was sealed under the old key', () => {
  test('is unreadable when it is put back', async () => {
    const location = await newLocation()
    let store = await openStore(location)
    await fill(store, 40)
    await store.close()
    const before = await allRows(location)
    store = await openStore(location)
    await store.rotate()
    await store.close()
    const after = await allRows(location)
    expect([...after.keys()]).toEqual([...before.keys()])
    // Every sealed row is another one: records, payloads and the head. What is not sealed has stayed.
    for (const [key, value] of after)
      expect([key, value.equals(before.get(key) as Buffer)]).toEqual([key, key[0] === 'i'])
    for (const name of ['1', '10']) {
      const scope = scopeOf(name)
      const keys =
        name === '10' ? [recordRow(name, scope), payloadRow(recordRow(name, scope))] : [recordRow(name, scope)]
      for (const key of keys) await writeRow(location, key, before.get(Buffer.from(key).toString('latin1')) as Buffer)
    }
    store = await openStore(location)
    for (const name of ['1', '10']) {
      expect(await codeOf(() => store.get({ scope: scopeOf(name), name }))).toBe('ERR_CORRUPT')
      expect(await codeOf(() => store.list({ scope: scopeOf(name), limit: 100 }))).toBe('ERR_CORRUPT')
    }
    expect((await store.verify()).ok).toBe(false)
    await store.close()
    await writeRow(location, Buffer.from('h'), before.get('h') as Buffer)
    expect(await codeOf(() => openStore(location))).toBe('ERR_ROLLBACK')
  })
})

describe('a rotation beside others', () => {
  test.each([
    { bytes: 3 * 1024 * 1024, count: 6 },
    { bytes: 100_000, count: 60 },
    { bytes: 900, count: 400 },
  ])('no write of it is larger than a bound: $count payloads of $bytes bytes', async ({ bytes, count }) => {
    const location = await newLocation()
    const store = await openStore(location)
    const payload = (n: number): Buffer => Buffer.alloc(bytes, `${n} `)
    for (let n = 0; n < count; n++) await store.set({ scope: account, name: `${n}`, payload: payload(n) })
    const { commits, restore } = spyOnCommits()
    const getMany = vi.spyOn(LevelEngine.prototype, 'getMany')
    onTestFinished(() => {
      restore()
      getMany.mockRestore()
    })
    await store.rotate()
    for (const changes of commits) {
      const size = changes.reduce((sum, change) => sum + (change.type === 'put' ? change.value.length : 0), 0)
      // One payload, with its padding, may come on top of a mebibyte.
      expect(size).toBeLessThan(1024 * 1024 + bytes * 1.12 + 32 * 1024)
      expect(changes.filter(({ key }) => key[0] === 0x72).length).toBeLessThanOrEqual(32)
    }
    for (const [rows] of getMany.mock.calls) expect(rows.length).toBeLessThanOrEqual(64)
    for (let n = 0; n < count; n++) {
      const found = (await store.getBytes({ scope: account, name: `${n}` })) as Uint8Array
      expect(payload(n).equals(found)).toBe(true)
    }
    expect(await store.verify()).toMatchObject({ ok: true, records: count })
  })
})

describe('what a rotation does not do', () => {
  test('it does not drop a key while a record is missing', async () => {
    const location = await newLocation()
    let store = await openStore(location)
    await fill(store, 40)
    await store.close()
    const engine = await LevelEngine.open(join(location, 'data'))
    await writeTo(engine, [{ type: 'del', key: recordRow('1', scopeOf('1')) }], await engine.get(HEAD_ROW))
    await engine.close()
    store = await openStore(location, { verify: false })
    expect(await codeOf(() => store.rotate())).toBe('ERR_CORRUPT')
    expect(await dataKeysOf(location)).toEqual([1, 2])
  })

  test('it does not touch what a keychain keeps for a slot, before another counts', async () => {
    const location = await newLocation()
    const entries = new Map<string, Uint8Array>()
    const keychain: KeyProvider = {
      kind: 'keychain',
      wrap: async (rootKey, { slotId }) => {
        entries.set(Buffer.from(slotId).toString('hex'), rootKey.slice())
        return {}
      },
      unwrap: async (_, { slotId }) => entries.get(Buffer.from(slotId).toString('hex'))?.slice() ?? null,
    }
    const store = await openStore(location, { key: keychain })
    expect(await codeOf(() => store.rotate({ root: true, keys: [keychain, testKey(9)] }))).toBe('ERR_WRONG_KEY')
    const commit = vi.spyOn(LevelEngine.prototype, 'checkOwned').mockImplementation(() => {
      throw new SecretStoreError('ERR_LOCKED', 'test: another')
    })
    expect(await codeOf(() => store.rotate({ root: true, keys: [keychain] }))).toBe('ERR_LOCKED')
    commit.mockRestore()
    await store.close()
    const again = await openStore(location, { key: keychain })
    await again.rotate({ root: true, keys: [keychain] })
    await again.close()
    await openStore(location, { key: keychain })
  })
})
