import { describe, expect, test } from 'vitest'
import type { UnstorageDriver } from '../../../src/unstorage/index'
import type { Installed } from './installed'

/** As much of unstorage as is used here. */
interface Storage {
  hasItem(key: string): Promise<boolean>
  getItem(key: string): Promise<unknown>
  getItems(items: (string | { key: string })[]): Promise<{ key: string; value: unknown }[]>
  getItemRaw(key: string): Promise<Uint8Array | null>
  setItem(key: string, value: unknown, options?: { ttl?: number }): Promise<void>
  setItems(items: { key: string; value: unknown; options?: { ttl?: number } }[]): Promise<void>
  setItemRaw(key: string, value: Uint8Array): Promise<void>
  removeItem(key: string, options?: { removeMeta?: boolean }): Promise<void>
  getMeta(key: string): Promise<{ birthtime?: Date; ttl?: number; of?: string }>
  setMeta(key: string, value: object): Promise<void>
  getKeys(base?: string, options?: { maxDepth?: number }): Promise<string[]>
  clear(base?: string): Promise<void>
  dispose(): Promise<void>
  mount(base: string, driver: UnstorageDriver): Storage
}
interface Unstorage {
  createStorage(options?: { driver: UnstorageDriver }): Storage
  snapshot(storage: Storage, base: string): Promise<Record<string, unknown>>
  restoreSnapshot(storage: Storage, snapshot: Record<string, unknown>): Promise<void>
}

/**
 * What unstorage asks of every driver, in our words: its own tests (test/drivers/utils.ts) are not on npm.
 *
 * @param newDriver - Over a store of its own.
 */
export async function unstorageCases(
  installed: Installed,
  name: 'unstorage' | 'unstorage-2',
  newDriver: () => UnstorageDriver,
): Promise<void> {
  const { createStorage, snapshot, restoreSnapshot } = (await installed.load(name)) as Unstorage
  const fresh = (): Storage => createStorage({ driver: newDriver() })

  describe(name, () => {
    test('has nothing at first', async () => {
      const storage = fresh()
      expect([await storage.hasItem('a:b'), await storage.getItem('a:b'), await storage.getKeys()]).toEqual([
        false,
        null,
        [],
      ])
      expect(await storage.getItemRaw('a:b')).toBeNull()
      await storage.removeItem('a:b')
      await storage.clear()
    })

    test('keeps items under keys of any spelling', async () => {
      const storage = fresh()
      await storage.setItem('a:b', 'one')
      await storage.setItem('/c/d?q=1', 'two')
      expect([await storage.getItem('a/b'), await storage.getItem('c:d?q=2')]).toEqual(['one', 'two'])
      expect([await storage.hasItem('a:b'), await storage.hasItem('a')]).toEqual([true, false])
      await storage.removeItem('a:b')
      expect([await storage.hasItem('a:b'), await storage.getKeys()]).toEqual([false, ['c:d']])
    })

    test.each([
      'text',
      '',
      ':',
      '::',
      ':end:1:',
      ':bytes:',
      '0x',
      'null',
      0,
      false,
      true,
      null,
      1.5,
      { a: [1, { b: 'c' }] },
      [],
    ])('gives back %j as memory does', async (value) => {
      // biome-ignore format: many on a line
      const [storage, memory] = [fresh(), createStorage()]
      await storage.setItem('a', value)
      await memory.setItem('a', value)
      expect(await storage.getItem('a')).toEqual(await memory.getItem('a'))
    })

    test('refuses what is no JSON', async () => {
      class Own {}
      await expect(fresh().setItem('a', new Own())).rejects.toThrow('[unstorage] Cannot stringify value!')
    })

    test('lists keys below a base and to a depth', async () => {
      const storage = fresh()
      for (const key of ['a', 'b', 'b:c', 'b:c:d', 'bc:d']) await storage.setItem(key, 'text')
      expect((await storage.getKeys()).sort()).toEqual(['a', 'b', 'b:c', 'b:c:d', 'bc:d'])
      expect((await storage.getKeys('b')).sort()).toEqual(['b:c', 'b:c:d'])
      expect(await storage.getKeys(undefined, { maxDepth: 0 })).toEqual(['a', 'b'])
      expect((await storage.getKeys(undefined, { maxDepth: 1 })).sort()).toEqual(['a', 'b', 'b:c', 'bc:d'])
    })

    test('clears what is below a base, and all', async () => {
      const driver = newDriver()
      const storage = createStorage({ driver })
      for (const key of ['users:1', 'users:2', 'users', 'usersold:1', 'orders:1']) await storage.setItem(key, 'text')
      // unstorage itself asks for no base here, whatever it is given; who asks the driver gets no more than the base.
      await driver.clear('users')
      expect(await storage.getKeys()).toEqual(['orders:1', 'users', 'usersold:1'])
      await storage.clear()
      expect(await storage.getKeys()).toEqual([])
    })

    test('is a mount beside another', async () => {
      const storage = createStorage().mount('secrets', newDriver())
      await storage.setItem('secrets:a:b', 'kept')
      await storage.setItem('other', 'in memory')
      expect([await storage.getKeys('secrets'), await storage.getItem('secrets:a:b')]).toEqual([
        ['secrets:a:b'],
        'kept',
      ])
      await storage.clear('secrets')
      expect([await storage.getKeys(), await storage.getItem('other')]).toEqual([['other'], 'in memory'])
    })

    test('sets and gets many', async () => {
      const storage = fresh()
      await storage.setItems(['a', 'b', 'c'].map((key) => ({ key, value: `of ${key}` })))
      expect(await storage.getItems([{ key: 'c' }, 'none', 'a?q'])).toEqual([
        { key: 'c', value: 'of c' },
        { key: 'none', value: null },
        { key: 'a', value: 'of a' },
      ])
    })

    test.each([[[1, 2, 3]], [[]], [[0x3a]], [[0x3a, 0x3a, 0]], [[255, 254]]])('keeps the bytes %j', async (bytes) => {
      const storage = fresh()
      await storage.setItemRaw('a', Uint8Array.from(bytes))
      expect([...((await storage.getItemRaw('a')) ?? [])]).toEqual(bytes)
    })

    test('keeps what is known of an item, its own and the store’s', async () => {
      const storage = fresh()
      await storage.setItem('a', 'text', { ttl: 60 })
      await storage.setMeta('a', { of: 'the app' })
      const { birthtime, ttl = 0, of } = await storage.getMeta('a')
      expect([birthtime instanceof Date, ttl > 50 && ttl <= 60, of]).toEqual([true, true, 'the app'])
      await storage.removeItem('a', { removeMeta: true })
      expect(await storage.getKeys()).toEqual([])
    })

    test('is copied into another', async () => {
      const [one, other] = [fresh(), fresh()]
      await one.setItem('a:b', { c: 1 })
      await restoreSnapshot(other, await snapshot(one, ''))
      expect(await other.getItem('a:b')).toEqual({ c: 1 })
    })

    test('ends, and leaves the store to others', async () => {
      const driver = newDriver()
      await createStorage({ driver }).setItem('a', 'text')
      await createStorage({ driver }).dispose()
      expect(await createStorage({ driver }).getItem('a')).toBe('text')
    })
  })
}
