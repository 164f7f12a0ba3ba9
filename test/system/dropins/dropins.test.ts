import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type * as Library from '../../../src/index'
import type * as KeytarEntry from '../../../src/keytar/index'
import type * as KeyvEntry from '../../../src/keyv/index'
import type * as UnstorageEntry from '../../../src/unstorage/index'
import { fromRoot } from '../../support/paths'
import { newLocation } from '../../support/stores'
import { expectedOutput } from '../package/readme-blocks.mjs'
import { install } from './installed'
import { keytarCases } from './keytar'
import { keyv5Cases } from './keyv-5'
import { keyv6Cases } from './keyv-6'
import { unstorageCases } from './unstorage'

// The drop-ins of the packed library, in the tests of what they stand in for.

const installed = await install()
afterAll(() => installed.remove())
const { SecretStore, rawKey } = (await installed.load('app-secret-store')) as typeof Library
const { keytar } = (await installed.load('app-secret-store/keytar')) as typeof KeytarEntry
const { keyv } = (await installed.load('app-secret-store/keyv')) as typeof KeyvEntry
const { unstorage } = (await installed.load('app-secret-store/unstorage')) as typeof UnstorageEntry

/** Closed at the end. */
const opened: Library.SecretStore[] = []
afterAll(() => Promise.all(opened.map((store) => store.close())))

/** Its clock is that of the moment: Keyv's tests stop it. */
function memory(): Library.SecretStore {
  const store = SecretStore.memory({ now: () => Date.now() })
  opened.push(store)
  return store
}

describe('keytar', () => {
  keytarCases(() => keytar(memory()))
})

describe('keytar, by require and over a directory', () => {
  const entry = installed.require('app-secret-store/keytar') as typeof KeytarEntry

  test('keeps a password', async () => {
    const location = await newLocation()
    for (const expected of [null, 'one']) {
      const store = await SecretStore.open(location, { key: rawKey(new Uint8Array(32).fill(7)) })
      const passwords = entry.keytar(store)
      expect(await passwords.getPassword('my-app', 'alice')).toBe(expected)
      await passwords.setPassword('my-app', 'alice', 'one')
      await store.close()
    }
  })
})

async function directory(): Promise<Library.SecretStore> {
  const parent = await mkdtemp(join(tmpdir(), 'secret-store-dropins-'))
  const key = rawKey(new Uint8Array(32).fill(7))
  const store = await SecretStore.open(join(parent, 'secrets'), { key, now: () => Date.now() })
  afterAll(async () => {
    await store.close()
    await rm(parent, { recursive: true, force: true })
  })
  return store
}

describe.each([
  ['memory', memory],
  ['a directory', directory],
])('over %s', async (_, open) => {
  const store = await open()

  describe('Keyv 5', async () => {
    await keyv5Cases(installed, store, () => keyv(store))
  })

  describe('Keyv 6', async () => {
    await keyv6Cases(installed, () => keyv(store))
  })
})

describe('from Keyv 5 to Keyv 6', () => {
  interface Keyv {
    get(key: string): Promise<unknown>
    set(key: string, value: unknown, ttl?: number): Promise<boolean>
  }
  type KeyvModule = { default: new (options: object) => Keyv }

  test.each([undefined, 'cache', 'a:b'])('a Keyv of the namespace %s finds what it has set', async (namespace) => {
    const store = memory()
    const open = async (name: string): Promise<Keyv> => {
      const { default: Keyv } = (await installed.load(name)) as KeyvModule
      return new Keyv({ store: keyv(store), namespace, useKeyPrefix: false })
    }
    const before = await open('keyv')
    const values = ['text', ':text', '', 0, false, null, { a: [1, ':b'] }, Buffer.from('ab')]
    for (const [index, value] of values.entries()) await before.set(`k${index}`, value, 600_000)
    const after = await open('keyv-6')
    for (const [index, value] of values.entries()) expect(await after.get(`k${index}`)).toEqual(value)
  })
})

describe('the programs of docs/migration.md', async () => {
  const text = await readFile(fromRoot('docs/migration.md'), 'utf8')
  const blocks = [...text.matchAll(/^```javascript\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code)
  const programs = blocks.flatMap((code) => {
    const original = /from '(keyv|unstorage)'/.exec(code)?.[1]
    if (original === undefined) return []
    return [original, original === 'keyv' ? 'keyv-6' : 'unstorage-2'].map((name) => [name, code, original] as const)
  })

  test('are of each', () => {
    expect(programs.map(([name]) => name)).toEqual(['keyv', 'keyv-6', 'unstorage', 'unstorage-2'])
  })

  test.each(programs)('with %s prints what it says', async (name, code, original) => {
    const expected = expectedOutput(code)
    expect(expected).not.toEqual([])
    expect(await installed.run(code.replace(`from '${original}'`, `from '${name}'`))).toEqual(expected)
  })
})

test('their types fit those of what they stand in for', async () => {
  const program = `
    import Keyv5 from 'keyv'
    import Keyv6 from 'keyv-6'
    import { createStorage as createStorage1, type Driver as Driver1 } from 'unstorage'
    import { createStorage as createStorage2, type Driver as Driver2 } from 'unstorage-2'
    import { SecretStore } from 'app-secret-store'
    import { type Keytar, keytar } from 'app-secret-store/keytar'
    import { keyv } from 'app-secret-store/keyv'
    import { unstorage } from 'app-secret-store/unstorage'

    const store = SecretStore.memory()
    const view = store.view({ user: 'usr_1' })
    const passwords: Keytar = keytar(view)
    const drivers: [Driver1, Driver2] = [unstorage(store), unstorage(view)]
    void [new Keyv5({ store: keyv(store) }), new Keyv6({ store: keyv(view) }), new Keyv6(keyv(store)), passwords]
    void [createStorage1({ driver: drivers[0] }), createStorage2({ driver: unstorage(store) })]
    // And a type that fits is told from one that does not.
    // @ts-expect-error
    void createStorage1({ driver: keyv(store) })`
  expect(await installed.compile(program)).toBe('')
})

await unstorageCases(installed, 'unstorage', () => unstorage(memory()))
await unstorageCases(installed, 'unstorage-2', () => unstorage(memory()))
