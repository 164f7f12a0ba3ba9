import { describe, expect, test, vi } from 'vitest'
import { utf8 } from '../../../src/base/bytes'
import type { StoreContext } from '../../../src/context'
import { createKeyringFile } from '../../../src/crypto/data-keys'
import { Keyring } from '../../../src/crypto/keyring'
import { systemRandom } from '../../../src/crypto/random'
import { SecretStoreError } from '../../../src/errors'
import { EMPTY_HEAD } from '../../../src/format/head'
import type { SecretChange } from '../../../src/model'
import { CommitQueue } from '../../../src/storage/commit/queue'
import { sealHead } from '../../../src/storage/head'
import { expiryRow } from '../../../src/storage/keyspace'
import { KnownRecords } from '../../../src/storage/known/known-records'
import { MemoryEngine } from '../../../src/storage/memory-engine'
import { expireOperation, sweep } from '../../../src/verbs/expiry'
import { writeTo } from '../../support/engine-writes'
import { idOf, rowOf } from '../../support/records'
import { codeOf } from '../../support/stores'

const NOW = 1000

/** A store with nothing around it, whose clock stands at `NOW`. */
class Bare {
  readonly engine: MemoryEngine
  readonly queue: CommitQueue
  readonly context: StoreContext
  readonly told: string[] = []
  now = NOW
  closed = false

  constructor() {
    const rootKey = new Uint8Array(32).fill(1)
    const fields = { storeId: new Uint8Array(16), created: 0, names: 'plain', slots: [] } as const
    const keyring = new Keyring(createKeyringFile(rootKey, fields, systemRandom), rootKey, systemRandom)
    const head = sealHead(keyring, EMPTY_HEAD)
    const known = new KnownRecords(0)
    this.engine = new MemoryEngine([head])
    this.queue = new CommitQueue(this.engine, keyring, known, EMPTY_HEAD, head.value)
    this.queue.onChange((changes: readonly SecretChange[]) => {
      for (const { type, record } of changes) this.told.push(`${type} ${record.address.name}`)
    })
    this.context = {
      engine: this.engine,
      keyring,
      known,
      queue: this.queue,
      nowSeconds: () => this.now,
      checkOpen: () => {
        if (this.closed) throw new SecretStoreError('ERR_CLOSED', 'closed')
      },
    } as unknown as StoreContext
  }

  set(name: string, expires_at: number | null, id = idOf(name)): Promise<void> {
    const address = { partition: { account: undefined, livemode: false }, scope: { type: 'account' }, name } as const
    return this.queue.submit({
      records: [rowOf(name)],
      payloads: [],
      sizeBytes: 0,
      apply(transaction) {
        transaction.put(rowOf(name), { id, address, created: 0, expires_at }, { type: 'text', bytes: utf8('p') })
      },
    })
  }

  /** Puts a row, or takes it away, past all that a store sees to. */
  async edit(key: Uint8Array, value: Uint8Array | undefined): Promise<void> {
    const change = value === undefined ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const)
    expect(await writeTo(this.engine, [change], this.queue.headValue)).toBe(true)
  }

  has(name: string): boolean {
    return this.engine.getSync(rowOf(name).bytes) !== undefined
  }
}

describe('a sweep', () => {
  test('deletes what is due in this second, and reads no hint of a later one', async () => {
    const store = new Bare()
    await Promise.all([store.set('due', NOW), store.set('later', NOW + 1), store.set('never', null)])
    const scan = vi.spyOn(store.engine, 'scan')
    expect(await sweep(store.context)).toBe(1)
    expect(store.told).toEqual(['expire due'])
    expect(['due', 'later', 'never'].map((name) => store.has(name))).toEqual([false, true, true])
    const pages = await Promise.all(scan.mock.results.map(({ value }) => value as ReturnType<MemoryEngine['scan']>))
    expect(pages.flat()).toHaveLength(1)
    expect(store.engine.getSync(expiryRow(NOW, 'appsecret_000000000000000000000due'))).toBeUndefined()
  })

  test.each([
    ['leads nowhere', 5, 'appsecret_00000000000000000000000a', undefined],
    ['leads to a record that never expires', 5, 'appsecret_00000000000000000000000a', null],
    ['leads to a record that expires later', 5, 'appsecret_00000000000000000000000a', NOW + 1],
    ['tells of another time than the record', 5, 'appsecret_00000000000000000000000a', 6],
    ['tells of another record', 5, 'appsecret_00000000000000000000000b', 5],
  ])('deletes nothing for a hint that %s, and leaves the hint', async (_, time, id, expires_at) => {
    const store = new Bare()
    if (expires_at !== undefined) {
      await store.set('a', expires_at)
      if (expires_at !== null) await store.edit(expiryRow(expires_at, 'appsecret_00000000000000000000000a'), undefined)
    }
    const hint = expiryRow(time, id)
    await store.edit(hint, rowOf('a').bytes)
    expect(await sweep(store.context)).toBe(0)
    expect(store.has('a')).toBe(expires_at !== undefined)
    expect(store.engine.getSync(hint)).toEqual(rowOf('a').bytes)
    expect(store.told).toEqual([])
  })

  test('sees to all others before it tells of the first that cannot be read', async () => {
    const store = new Bare()
    await Promise.all(['a', 'b', 'c', 'd'].map((name, place) => store.set(name, place + 1)))
    await store.edit(rowOf('b').bytes, utf8('damaged'))
    const version = (store.engine.getSync(rowOf('c').bytes) as Uint8Array).slice()
    version[0] = 9
    await store.edit(rowOf('c').bytes, version)
    expect(await codeOf(() => sweep(store.context))).toBe('ERR_CORRUPT')
    expect(store.told).toEqual(['expire a', 'expire d'])
    await store.edit(rowOf('b').bytes, undefined)
    expect(await codeOf(() => sweep(store.context))).toBe('ERR_UNSUPPORTED_VERSION')
  })

  test('goes through as many as there are, and ends when the store does', async () => {
    const store = new Bare()
    const names = Array.from({ length: 1100 }, (_, n) => `n${String(n).padStart(4, '0')}`)
    await Promise.all(names.map((name) => store.set(name, 7)))
    const { scan } = MemoryEngine.prototype
    const spy = vi.spyOn(store.engine, 'scan').mockImplementation(async (range) => {
      const rows = await scan.call(store.engine, range)
      store.closed = spy.mock.calls.length > 1
      return rows
    })
    expect(await codeOf(() => sweep(store.context))).toBe('ERR_CLOSED')
    const first = store.told.length
    expect(first).toBeGreaterThan(0)
    spy.mockRestore()
    store.closed = false
    expect(await sweep(store.context)).toBe(1100 - first)
    expect(store.told).toHaveLength(1100)
  })
})

describe('at its turn', () => {
  test.each([
    ['the record that was seen, and expired, is deleted', 'appsecret_00000000000000000000000a', NOW, true],
    ['one that expires in the next second stays', 'appsecret_00000000000000000000000a', NOW + 1, false],
    ['one that never expires stays', 'appsecret_00000000000000000000000a', null, false],
    ['another one that has expired stays', 'appsecret_00000000000000000000000b', NOW, false],
  ])('%s', async (_, id, expires_at, isDeleted) => {
    const store = new Bare()
    await store.set('a', expires_at, id)
    const expiring = store.queue.submit(
      expireOperation(rowOf('a'), { id: 'appsecret_00000000000000000000000a' }, () => store.now),
    )
    expect(await expiring).toBe(isDeleted)
    expect(store.has('a')).toBe(!isDeleted)
    expect(store.told).toEqual(isDeleted ? ['expire a'] : [])
  })

  test('what is gone already is not deleted again', async () => {
    const store = new Bare()
    expect(
      await store.queue.submit(expireOperation(rowOf('a'), { id: 'appsecret_00000000000000000000000a' }, () => NOW)),
    ).toBe(false)
  })

  test('the clock of then counts, and not the one of when it was seen', async () => {
    const store = new Bare()
    await store.set('a', NOW)
    const expiring = store.queue.submit(
      expireOperation(rowOf('a'), { id: 'appsecret_00000000000000000000000a' }, () => store.now),
    )
    store.now = NOW - 1
    expect(await expiring).toBe(false)
  })

  test('it counts for the size of a commit with the length of its row key', () => {
    const rowKey = rowOf('a')
    const { records, payloads, sizeBytes } = expireOperation(
      rowKey,
      { id: 'appsecret_00000000000000000000000a' },
      () => NOW,
    )
    expect([records, payloads, sizeBytes]).toEqual([[rowKey], [], rowKey.bytes.length])
    expect(records[0]).toBe(rowKey)
  })
})
