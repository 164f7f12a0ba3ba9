import * as vitest from 'vitest'
import { describe, expect, test } from 'vitest'
import type { SecretStore } from '../../../src/index'
import { user } from '../../../src/index'
import type { keyv } from '../../../src/keyv/index'
import type { Installed } from './installed'

type Suite = (test: typeof vitest, Keyv: unknown, store: () => unknown) => void
type Adapter = ReturnType<typeof keyv>

/** As much of Keyv 5 as is used here. */
interface Keyv5 {
  get(key: string): Promise<unknown>
  getMany(keys: string[]): Promise<unknown[]>
  set(key: string, value: unknown, ttl?: number): Promise<boolean>
  setMany(entries: { key: string; value: unknown; ttl?: number }[]): Promise<boolean[]>
  delete(key: string[]): Promise<boolean>
  has(key: string): Promise<boolean>
  clear(): Promise<void>
  iterator(): AsyncIterable<[string, unknown]>
  on(event: 'error', listener: (error: Error) => void): void
}
type Keyv5Class = new (options: object) => Keyv5

/** The tests that Keyv has for its storage adapters, as they are on npm: of Keyv 5. */
export async function keyvSuite(installed: Installed): Promise<Record<'keyvTestSuite' | 'keyvIteratorTests', Suite>> {
  const suite = (await installed.load('@keyv/test-suite')) as { default: Suite; keyvIteratorTests: Suite }
  return { keyvTestSuite: suite.default, keyvIteratorTests: suite.keyvIteratorTests }
}

/** @param adapter - Over this store. */
export async function keyv5Cases(installed: Installed, store: SecretStore, adapter: () => Adapter): Promise<void> {
  const { default: Keyv } = (await installed.load('keyv')) as { default: Keyv5Class }
  const { keyvTestSuite, keyvIteratorTests } = await keyvSuite(installed)
  keyvTestSuite(vitest, Keyv, adapter)
  keyvIteratorTests(vitest, Keyv, adapter)

  describe('through Keyv 5', () => {
    const fresh = (options: object = {}): [keyv: Keyv5, namespace: string] => {
      const namespace = `own:${crypto.randomUUID()}`
      return [new Keyv({ store: adapter(), namespace, ...options }), namespace]
    }

    test('many are set with a ttl each, and asked for in any order', async () => {
      const [keyv] = fresh()
      const ends = [{ key: 'short', value: 0, ttl: 20 }, { key: 'long', value: 1, ttl: 600_000 }] // biome-ignore format: one line
      expect(await keyv.setMany([...ends, { key: 'ever', value: 2 }])).toEqual([true, true, true])
      await vitest.vi.waitFor(async () => expect(await keyv.has('short')).toBe(false))
      expect(await keyv.getMany(['ever', 'short', 'long'])).toEqual([2, undefined, 1])
      expect([await keyv.delete(['ever', 'none']), await keyv.has('ever')]).toEqual([false, false])
    })

    test('a key has the namespace before it, unless Keyv is told not to', async () => {
      const names = async (namespace: string): Promise<string[]> =>
        (await store.list({ scope: user(`keyv:${namespace}`) })).data.map(({ name }) => name)
      const [prefixed, one] = fresh()
      const [plain, other] = fresh({ useKeyPrefix: false })
      for (const keyv of [prefixed, plain]) await keyv.set('token', 1)
      expect([await names(one), await names(other)]).toEqual([[`${one}:token`], ['token']])
      const pairs: unknown[] = []
      for await (const pair of plain.iterator()) pairs.push(pair)
      expect(pairs).toEqual([['token', 1]])
      await plain.clear()
      expect([await prefixed.get('token'), await plain.get('token')]).toEqual([1, undefined])
    })

    test('what cannot be read is told as an error, and thrown if Keyv is told so', async () => {
      const [keyv, namespace] = fresh({ useKeyPrefix: false })
      const [throwing] = fresh({ namespace, useKeyPrefix: false, throwOnErrors: true })
      const message = "entry: expected one of an adapter's, got another secret in its scope"
      const told: unknown[] = []
      keyv.on('error', (error) => told.push(error.message))
      await store.set({ scope: user(`keyv:${namespace}`), name: 'k', payload: ':of the app' })
      expect([await keyv.get('k'), told]).toEqual([undefined, [message]])
      await expect(throwing.get('k')).rejects.toThrow(message)
      await expect(keyv.getMany(['k'])).rejects.toThrow(message)
    })

    test('what cannot be kept is told as an error', async () => {
      const [keyv] = fresh()
      const told: string[] = []
      keyv.on('error', ({ message }) => told.push(message))
      expect([await keyv.set('x'.repeat(5000), 1), await keyv.set('k', 1, 10 ** 13)]).toEqual([false, false])
      expect(told).toEqual([
        'key: expected at most 5000 characters, got more',
        'ttl: expected milliseconds from now on, less than 10^12, got more (a time, as Keyv 6 gives it?)',
      ])
    })
  })
}
