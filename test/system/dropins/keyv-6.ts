import * as vitest from 'vitest'
import { describe, expect, test } from 'vitest'
import type { keyv } from '../../../src/keyv/index'
import type { Installed } from './installed'
import { keyvSuite } from './keyv-5'

type Adapter = ReturnType<typeof keyv>

/** As much of Keyv 6 as is used here. */
interface Keyv6 {
  readonly store: unknown
  get(key: string): Promise<unknown>
  getMany(keys: string[]): Promise<unknown[]>
  set(key: string, value: unknown, ttl?: number): Promise<boolean>
  setMany(entries: { key: string; value: unknown; ttl?: number }[]): Promise<boolean[]>
  setRaw(key: string, value: { value: unknown; expires?: number }): Promise<boolean>
  has(key: string): Promise<boolean>
  hasMany(keys: string[]): Promise<boolean[]>
  delete(key: string): Promise<boolean>
  deleteMany(keys: string[]): Promise<boolean[]>
  clear(): Promise<void>
  disconnect(): Promise<void>
  iterator(): AsyncIterable<[string, unknown]>
  on(event: 'error', listener: (error: Error) => void): void
}
type Keyv6Class = new (options: object) => Keyv6

/**
 * Keyv's tests for its adapters are on npm as those of Keyv 5. These three of them say what Keyv 6 does otherwise: it
 * answers `deleteMany` for each key, reports symbols as an event, and has another option for a serializer.
 */
const OTHERWISE_IN_6: ReadonlySet<string> = new Set([
  '.deleteMany([keys]) with nonexistent keys resolves to false',
  'value can not be symbol',
  'value can be BigInt using other serializer/deserializer',
])

export async function keyv6Cases(installed: Installed, adapter: () => Adapter): Promise<void> {
  const { default: Keyv } = (await installed.load('keyv-6')) as { default: Keyv6Class }
  const { keyvTestSuite, keyvIteratorTests } = await keyvSuite(installed)
  const without = (name: string, work: () => void): void => {
    if (!OTHERWISE_IN_6.has(name)) test(name, work)
  }
  const but = { ...vitest, it: without } as unknown as typeof vitest
  keyvTestSuite(but, Keyv, adapter)
  keyvIteratorTests(but, Keyv, adapter)
  throughKeyv6(Keyv, adapter)
  contractOfKeyv6(adapter)
}

function throughKeyv6(Keyv: Keyv6Class, adapter: () => Adapter): void {
  const fresh = (): Keyv6 => new Keyv({ store: adapter(), namespace: crypto.randomUUID() })

  describe('through Keyv 6', () => {
    test('is used as it is, without the bridge for older adapters', () => {
      const store = adapter()
      expect(new Keyv({ store }).store).toBe(store)
    })

    test('deleteMany answers for each key', async () => {
      const keyv = fresh()
      await keyv.set('a', 1)
      expect(await keyv.deleteMany(['a', 'none', 'a'])).toEqual([true, false, false])
      expect(await keyv.deleteMany([])).toEqual([])
    })

    test('a symbol is no value, and big numbers and bytes are', async () => {
      const keyv = fresh()
      keyv.on('error', () => {})
      expect(await keyv.set('a', Symbol('s'))).toBe(false)
      expect(await keyv.set('b', 2n ** 70n)).toBe(true)
      expect(await keyv.set('c', { bytes: Buffer.from('ab') })).toBe(true)
      expect(await keyv.getMany(['c', 'a', 'b'])).toEqual([{ bytes: Buffer.from('ab') }, undefined, 2n ** 70n])
    })

    test('many are set with a ttl each', async () => {
      const keyv = fresh()
      const ends = [{ key: 'short', value: 0, ttl: 20 }, { key: 'long', value: 1, ttl: 600_000 }] // biome-ignore format: one line
      expect(await keyv.setMany([...ends, { key: 'ever', value: 2 }])).toEqual([true, true, true])
      await vitest.vi.waitFor(async () => expect(await keyv.has('short')).toBe(false))
      expect(await keyv.hasMany(['ever', 'short', 'long'])).toEqual([true, false, true])
      expect(await keyv.getMany(['ever', 'short', 'long'])).toEqual([2, undefined, 1])
    })

    test('a raw value that has ended is taken, and is not there', async () => {
      const keyv = fresh()
      await keyv.set('a', 'before')
      expect(await keyv.setRaw('a', { value: 'over', expires: Date.now() - 1 })).toBe(true)
      expect(await keyv.get('a')).toBeUndefined()
    })

    test('a namespace with colons is one of its own', async () => {
      const [one, other] = ['users', 'users:archive'].map((namespace) => new Keyv({ store: adapter(), namespace }))
      if (one === undefined || other === undefined) throw new Error('expected two')
      await one.set('archive:k', 'of one')
      await other.set('k', 'of the other')
      await one.clear()
      expect([await one.get('archive:k'), await other.get('k')]).toEqual([undefined, 'of the other'])
    })

    test('what its serializer would not turn into text is an error', async () => {
      const keyv = new Keyv({ store: adapter(), serialization: false })
      const errors: string[] = []
      keyv.on('error', ({ message }) => errors.push(message))
      expect(await keyv.set('a', 1)).toBe(false)
      expect(errors).toEqual(['value: expected text or bytes, got an object (from a serializer that is off?)'])
    })

    test('disconnect leaves the store to others', async () => {
      const keyv = fresh()
      await keyv.set('a', 1)
      await keyv.disconnect()
      expect(await keyv.get('a')).toBe(1)
    })
  })
}

/** What Keyv 6 asks of an adapter, as its own tests have it, which are not on npm. */
function contractOfKeyv6(adapter: () => Adapter): void {
  const fresh = (): Adapter => Object.assign(adapter(), { namespace: crypto.randomUUID() })

  describe('as an adapter of Keyv 6', () => {
    test('keeps what it is given, until it is deleted', async () => {
      const store = fresh()
      expect([await store.get('a'), await store.has('a'), await store.delete('a')]).toEqual([undefined, false, false])
      expect(await store.set('a', 'text')).toBe(true)
      expect([await store.get('a'), await store.has('a')]).toEqual(['text', true])
      expect([await store.delete('a'), await store.get('a'), await store.has('a')]).toEqual([true, undefined, false])
    })

    test('takes several at once, and none', async () => {
      const store = fresh()
      expect(await store.setMany(['a', 'b', 'c'].map((key) => ({ key, value: `of ${key}` })))).toEqual([
        true,
        true,
        true,
      ])
      expect(await store.getMany(['c', 'none', 'a'])).toEqual(['of c', undefined, 'of a'])
      expect(await store.hasMany(['none', 'b'])).toEqual([false, true])
      expect(await store.deleteMany(['a', 'none', 'b'])).toEqual([true, false, true])
      expect(await store.hasMany(['a', 'b', 'c'])).toEqual([false, false, true])
      const nothing = [
        await store.setMany([]),
        await store.getMany([]),
        await store.hasMany([]),
        await store.deleteMany([]),
      ]
      expect(nothing).toEqual([[], [], [], []])
      expect(await store.getMany(['none', 'neither'])).toEqual([undefined, undefined])
    })

    test('clears its namespace, and no other', async () => {
      const [store, other] = [fresh(), fresh()]
      for (const each of [store, other]) for (const key of ['a', 'b']) await each.set(key, 'text')
      expect(await store.clear()).toBeUndefined()
      expect([await store.hasMany(['a', 'b']), await other.hasMany(['a', 'b'])]).toEqual([
        [false, false],
        [true, true],
      ])
      await store.clear()
    })

    test('iterates over its namespace', async () => {
      const store = fresh()
      const pairs = async (): Promise<unknown[]> => {
        const found: unknown[] = []
        for await (const pair of store.iterator()) found.push(pair)
        return found
      }
      expect(await pairs()).toEqual([])
      await store.set('b', '2')
      await store.set('a', '1')
      await store.set('over', '3', Date.now() + 30)
      await vitest.vi.waitFor(async () => expect(await store.has('over')).toBe(false))
      expect(await pairs()).toEqual([['a', '1'], ['b', '2']]) // biome-ignore format: one line
      store.namespace = crypto.randomUUID()
      expect(await pairs()).toEqual([])
    })

    test('keeps a value until its time, to the millisecond, and then no longer', async () => {
      const store = fresh()
      const endMs = Date.now() + 300
      await store.set('a', 'text', endMs)
      await store.setMany([{ key: 'b', value: 'text', expires: endMs }, { key: 'c', value: 'text' }]) // biome-ignore format: one line
      for (;;) {
        const before = Date.now()
        const values = await store.getMany(['a', 'b'])
        const after = Date.now()
        if (after < endMs) expect(values).toEqual(['text', 'text'])
        if (before >= endMs) expect(values).toEqual([undefined, undefined])
        if (before >= endMs) break
      }
      expect([await store.has('a'), await store.hasMany(['b', 'c'])]).toEqual([false, [false, true]])
    })

    test('has a namespace that Keyv sets, and ends without an error', async () => {
      const store = adapter()
      expect(store.namespace).toBeUndefined()
      store.namespace = 'one'
      expect(store.namespace).toBe('one')
      await store.disconnect()
    })
  })
}
