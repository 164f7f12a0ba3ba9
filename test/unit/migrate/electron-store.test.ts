import { createCipheriv, createDecipheriv, randomInt } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import Conf from 'conf'
import { describe, expect, test } from 'vitest'
import { account, SecretStore } from '../../../src/index'
import { type ElectronStoreOptions, electronStore, importFrom, type SourceEntry } from '../../../src/migrate'
import { temporaryDirectory } from '../../support/stores'

// electron-store is conf, and finds its directory by Electron.

type Stored = Record<string, unknown>
const conf = async (options = {}): Promise<Conf<Stored>> =>
  new Conf<Stored>({ cwd: await temporaryDirectory(), projectName: 'test', ...options })

async function entriesOf(store: { readonly store: object }, options?: ElectronStoreOptions): Promise<SourceEntry[]> {
  const entries: SourceEntry[] = []
  for await (const entry of electronStore(store, options).read() as AsyncIterable<SourceEntry>) entries.push(entry)
  return entries
}

describe('an electron-store', () => {
  test.each([
    ['without a key', {}],
    ['with the encryption of its default', { encryptionKey: 'obscured' }],
    ['with authenticated encryption', { encryptionKey: 'obscured', encryptionAlgorithm: 'aes-256-gcm' }],
  ])('%s is read by path, and left as it is', async (_, options) => {
    const store = await conf(options)
    store.set('token', 'example-token')
    store.set('accounts.alice.token', 'of alice')
    store.set('accounts.bob', { token: 'of bob', scopes: ['read', 'write'], expires: 5, valid: false })
    store.set('gone', null)
    store.set('nothing', {})
    const before = [await readFile(store.path), (await stat(store.path)).mtimeMs]
    expect(await entriesOf(store)).toEqual([
      { name: 'token', payload: 'example-token' },
      { name: 'accounts.alice.token', payload: 'of alice' },
      { name: 'accounts.bob.token', payload: 'of bob' },
      { name: 'accounts.bob.scopes', payload: '["read","write"]' },
      { name: 'accounts.bob.expires', payload: '5' },
      { name: 'accounts.bob.valid', payload: 'false' },
      { name: 'gone', problem: 'value: expected text, bytes or JSON other than null, got something else' },
      { name: 'nothing', payload: '{}' },
    ])
    const secrets = SecretStore.memory()
    expect((await importFrom(electronStore(store), secrets)).created).toBe(7)
    expect(await secrets.get({ scope: account, name: 'accounts.alice.token' })).toBe(store.get('accounts.alice.token'))
    expect([await readFile(store.path), (await stat(store.path)).mtimeMs]).toEqual(before)
  })

  test('has the name that `get` takes for everything, and no name twice (random ones)', async () => {
    const pieces = ['a', 'b', '.', '\\', '[', ']', '0', '-', ' ', 'é']
    const key = (): string =>
      `k${Array.from({ length: randomInt(4) }, () => pieces[randomInt(pieces.length)]).join('')}`
    const object = (depth: number): Stored =>
      Object.fromEntries(
        Array.from({ length: randomInt(1, 5) }, () => [
          key(),
          depth > 0 && randomInt(2) ? object(depth - 1) : `v${randomInt(1e9)}`,
        ]),
      )
    for (let n = 0; n < 100; n++) {
      const store = await conf()
      store.store = object(3)
      const entries = await entriesOf(store)
      expect(new Set(entries.map(({ name }) => name)).size).toBe(entries.length)
      for (const entry of entries) expect(store.get(entry.name)).toBe('payload' in entry && entry.payload)
    }
  })

  test('without dot notation has its keys as names', async () => {
    const store = await conf({ accessPropertiesByDotNotation: false })
    store.set('api.token', 'x')
    store.set('account', { id: 1, token: 'y' })
    expect(await entriesOf(store, { accessPropertiesByDotNotation: false })).toEqual([
      { name: 'api.token', payload: 'x' },
      { name: 'account', payload: '{"id":1,"token":"y"}' },
    ])
    const keys = ['api', 'account']
    expect((await entriesOf(store, { accessPropertiesByDotNotation: false, keys })).map(({ name }) => name)).toEqual([
      'account',
      'api',
    ])
    expect(await entriesOf(store)).toEqual([
      { name: 'api\\.token', payload: 'x' },
      { name: 'account.id', payload: '1' },
      { name: 'account.token', payload: 'y' },
    ])
  })

  test('gives what is asked for', async () => {
    const store = await conf()
    store.store = { token: '1', tokens: '2', accounts: { a: { token: '3' }, b: '4' }, window: { x: 5 } }
    const names = async (keys: string[], more = {}): Promise<string[]> =>
      (await entriesOf(store, { keys, ...more })).map((entry) => ('skipped' in entry ? `no ${entry.name}` : entry.name))
    expect(await names(['token', 'accounts.a'])).toEqual(['token', 'accounts.a.token'])
    expect(await names(['accounts', 'accounts.b'])).toEqual(['accounts.a.token', 'accounts.b'])
    expect(await names(['accounts'], { accessPropertiesByDotNotation: false })).toEqual(['accounts'])
    expect(await names(['accounts.a'], { accessPropertiesByDotNotation: false })).toEqual(['no accounts.a'])
    expect(await names([])).toEqual([])
  })

  test('reports what is asked for and not there, so that a typo is seen, and is no failure', async () => {
    const store = await conf()
    store.store = { token: '1', list: [{ token: '2' }] }
    const keys = ['tokne', 'list.0.token', 'token', '__internal__']
    const { entries, ...counts } = await importFrom(electronStore(store, { keys }), SecretStore.memory())
    expect(entries.map(({ from, outcome }) => [from, outcome])).toEqual([
      ['token', 'created'],
      ['tokne', 'skipped'],
      ['list.0.token', 'skipped'],
      ['__internal__', 'skipped'],
    ])
    expect(counts).toMatchObject({ created: 1, failed: 0, skipped: 3 })
  })

  test('keeps what conf has in it for its migrations', async () => {
    const store = await conf({ projectVersion: '1.0.0', migrations: { '1.0.0': (c: Conf<Stored>) => c.set('a', 'x') } })
    expect(Object.keys(store.store)).toContain('__internal__')
    expect(await entriesOf(store)).toEqual([{ name: 'a', payload: 'x' }])
    expect(await entriesOf(store, { accessPropertiesByDotNotation: false })).toEqual([{ name: 'a', payload: 'x' }])
  })

  test('that another key is given for is not empty', async () => {
    const store = await conf({ encryptionKey: 'right' })
    store.set('token', 'a token that is longer than nothing at all, by some')
    const cwd = store.path.replace(/[\\/][^\\/]*$/, '')
    const before = await readFile(store.path)
    const other = new Conf({ cwd, projectName: 'test', encryptionKey: 'wrong', clearInvalidConfig: true })
    expect(other.store).toEqual({})
    await expect(entriesOf(other)).rejects.toMatchObject({
      code: 'ERR_IO',
      message:
        'electronStore: expected what its file holds, got an empty store (is clearInvalidConfig set, and the key another?)',
    })
    expect(await readFile(store.path)).toEqual(before)
    // Why the document warns of it: with defaults, making the instance is enough to lose all of it.
    new Conf({
      cwd,
      projectName: 'test',
      encryptionKey: 'wrong',
      clearInvalidConfig: true,
      defaults: { theme: 'dark' },
    })
    expect(await readFile(store.path)).not.toEqual(before)
  })

  test.each([
    ['aes-256-cbc', 49],
    ['aes-256-gcm', 55],
    ['aes-256-ctr', 39],
  ])('of one short secret in %s, that another key is given for, is not empty', async (encryptionAlgorithm, bytes) => {
    const encryption = { encryptionAlgorithm, clearInvalidConfig: true }
    const store = await conf({ ...encryption, encryptionKey: 'right' })
    store.set('pin', 'abcdefgh')
    expect((await stat(store.path)).size).toBe(bytes)
    const other = await conf({ ...encryption, encryptionKey: 'wrong', cwd: dirname(store.path) })
    expect(other.store).toEqual({})
    await expect(entriesOf(other)).rejects.toMatchObject({ code: 'ERR_IO' })
  })

  test('in plain text that is cut off, and read as empty, is not empty', async () => {
    const store = await conf({ clearInvalidConfig: true })
    await writeFile(store.path, '{"pin":"abcdefgh"')
    expect(store.store).toEqual({})
    await expect(entriesOf(store)).rejects.toMatchObject({ code: 'ERR_IO' })
  })

  test.each([
    ['no encryption', {}, 2],
    ['its default', { encryptionKey: 'x' }, 33],
    ['aes-256-gcm', { encryptionKey: 'x', encryptionAlgorithm: 'aes-256-gcm' }, 35],
    ['aes-256-ctr', { encryptionKey: 'x', encryptionAlgorithm: 'aes-256-ctr' }, 19],
  ])('with %s that is empty, or has no file, has no entries', async (_, encryption, bytes) => {
    const store = await conf(encryption)
    expect(await entriesOf(store)).toEqual([])
    store.set('a', 'x')
    store.delete('a')
    expect((await stat(store.path)).size).toBe(bytes)
    expect(await entriesOf(store)).toEqual([])
  })

  test('in plain text that is empty may have a line end', async () => {
    const store = await conf()
    await writeFile(store.path, '{}\n')
    expect(await entriesOf(store)).toEqual([])
  })

  test('has keys that only begin as conf’s own does', async () => {
    const store = { store: { __internal__: { migrations: { version: '1.0.0' } }, '__internal__.x': 'mine' } }
    expect(await entriesOf(store, { accessPropertiesByDotNotation: false })).toEqual([
      { name: '__internal__.x', payload: 'mine' },
    ])
    expect(await entriesOf(store)).toEqual([{ name: '__internal__\\.x', payload: 'mine' }])
  })

  test('that is damaged is an error that repeats nothing of it', async () => {
    const store = await conf()
    store.set('token', 'x')
    await writeFile(store.path, 'payload-nobody-may-see')
    const error = await entriesOf(store).catch((caught) => caught)
    expect(error).toMatchObject({
      code: 'ERR_IO',
      message: 'electronStore: expected a store that can be read, got an error from it',
    })
    expect(error.cause).toBeUndefined()
    await expect(entriesOf({ store: [] })).rejects.toThrow(
      new TypeError('electronStore: expected an object in it, got something else'),
    )
  })

  test('of a serialisation of its own may hold bytes, and things that are not JSON', async () => {
    const problem = 'value: expected text, bytes or JSON other than null, got something else'
    const odd = { bytes: Uint8Array.of(1), date: new Date(0), big: 5n, nan: Number.NaN, deep: [{ a: undefined }] }
    expect(await entriesOf({ store: odd })).toEqual([
      { name: 'bytes', payload: Uint8Array.of(1) },
      ...['date', 'big', 'nan', 'deep'].map((name) => ({ name, problem })),
    ])
  })
})

describe('what an electron-store holds encrypted', () => {
  const key = Buffer.alloc(32, 1)
  const iv = Buffer.alloc(16, 2)
  const encrypt = (text: string): Buffer => {
    const cipher = createCipheriv('aes-256-cbc', key, iv)
    return Buffer.concat([cipher.update(text), cipher.final()])
  }
  const decrypt = (bytes: Buffer): string => {
    const decipher = createDecipheriv('aes-256-cbc', key, iv)
    return Buffer.concat([decipher.update(bytes), decipher.final()]).toString()
  }

  test.each(['base64', 'hex', 'latin1'] as const)('as %s is decrypted on the way', async (encoding) => {
    const store = await conf()
    store.set('token', encrypt('example-token').toString(encoding))
    store.set('broken', 'payload-nobody-may-see')
    store.set('window', { width: 800 })
    const entries = await entriesOf(store, {
      decode: async (value) => (typeof value === 'string' ? decrypt(Buffer.from(value, encoding)) : undefined),
    })
    expect(entries).toEqual([
      { name: 'token', payload: 'example-token' },
      { name: 'broken', problem: 'decode: expected a payload, got an error' },
      { name: 'window.width', skipped: true },
    ])
    const report = await importFrom(electronStore(store, { decode: () => undefined }), SecretStore.memory())
    expect(report).toMatchObject({ created: 0, failed: 0, skipped: 3 })
  })

  test('is told to the decoder by its key, and has to come out as a payload', async () => {
    const told: unknown[] = []
    const decode = (value: unknown, name: string): never => {
      told.push([name, value])
      return (name === 'a' ? Uint8Array.of(1) : 5) as never
    }
    expect(await entriesOf({ store: { a: 1, b: { c: [2] } } }, { decode })).toEqual([
      { name: 'a', payload: Uint8Array.of(1) },
      { name: 'b.c', problem: 'decode: expected a string, bytes or undefined, got something else' },
    ])
    expect(told).toEqual([
      ['a', 1],
      ['b.c', [2]],
    ])
  })
})

test.each<[unknown, unknown, string]>([
  [undefined, {}, 'electronStore: expected an instance of electron-store or conf, got something else'],
  [{ get() {} }, {}, 'electronStore: expected an instance of electron-store or conf, got something else'],
  [
    { store: {} },
    { key: 'a' },
    "electronStore: expected only keys, accessPropertiesByDotNotation, decode, got 'key' (did you mean 'keys'?)",
  ],
  [{ store: {} }, { keys: 'a' }, 'keys: expected an array of strings, got something else'],
  [{ store: {} }, { keys: [5] }, 'keys: expected an array of strings, got something else'],
  [{ store: {} }, { decode: 5 }, 'decode: expected a function, got a number'],
  [
    { store: {} },
    { accessPropertiesByDotNotation: 0 },
    'accessPropertiesByDotNotation: expected a boolean, got a number',
  ],
])('refuses %j with %j', (store, options, message) => {
  expect(() => electronStore(store as never, options as never)).toThrow(new TypeError(message))
})
