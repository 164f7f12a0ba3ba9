import { describe, expect, test } from 'vitest'
import { account, SecretStore, user } from '../../../src/index'
import * as surface from '../../../src/unstorage/index'
import { codeOf, memoryStore, setMany, TestClock } from '../../support/stores'

const { unstorage } = surface

function setUp() {
  const clock = new TestClock()
  const store = memoryStore({ now: clock.now })
  return { store, clock, driver: unstorage(store, { now: clock.now }) }
}

test('app-secret-store/unstorage exports these and no others', () => {
  expect(Object.keys(surface)).toEqual(['unstorage'])
})

test('a bad store or option is refused', () => {
  const message = 'store: expected a SecretStore or a view of one, got something else'
  for (const store of [undefined, {}, new Map()])
    expect(() => unstorage(store as never)).toThrow(new TypeError(message))
  const store = memoryStore()
  expect(() => unstorage(store, { base: 'x' } as never)).toThrow("unstorage: expected only scope, now, got 'base'")
  expect(() => unstorage(store, { scope: 'users' } as never)).toThrow('scope: expected an object, got a string')
  expect(() => unstorage(store, { now: 5 } as never)).toThrow('now: expected a function, got a number')
})

test('it names itself, what it does and the store', () => {
  const { store, driver } = setUp()
  expect([driver.name, driver.flags, driver.getInstance()]).toEqual(['app-secret-store', { ttl: true }, store])
})

describe('an item', () => {
  test('is the secret of its key, in a scope', async () => {
    const { store, driver } = setUp()
    await driver.setItem('session:alice', '{"a":1}')
    expect(await store.get({ scope: user('unstorage'), name: 'session:alice' })).toBe('{"a":1}')
    const other = unstorage(store, { scope: user('other') })
    expect(await other.getItem('session:alice')).toBeNull()
    await other.setItem('session:alice', 'other')
    await other.clear()
    expect([await driver.getItem('session:alice'), await other.getKeys()]).toEqual(['{"a":1}', []])
  })

  test.each(['__proto__', 'constructor', 'toString', '😀', 'a$'])('may be called %s', async (key) => {
    const { driver } = setUp()
    expect([await driver.hasItem(key), await driver.getItem(key), await driver.getMeta(key)]).toEqual([
      false,
      null,
      null,
    ])
    await driver.removeItem(key)
    await driver.setItem(key, 'text')
    expect([await driver.hasItem(key), await driver.getItem(key), await driver.getKeys()]).toEqual([
      true,
      'text',
      [key],
    ])
    await driver.removeItem(key)
    expect(await driver.getKeys()).toEqual([])
  })

  test('of text is read as bytes, and of bytes as text if they are', async () => {
    const { driver } = setUp()
    await driver.setItem('text', 'é')
    await driver.setItemRaw('bytes', Uint8Array.of(0xc3, 0xa9))
    await driver.setItemRaw('raw text', 'é')
    for (const key of ['text', 'bytes', 'raw text']) {
      expect([await driver.getItem(key), [...((await driver.getItemRaw(key)) ?? [])]]).toEqual(['é', [0xc3, 0xa9]])
    }
    await driver.setItemRaw('no text', Uint8Array.of(255))
    await expect(driver.getItem('no text')).rejects.toThrow(
      new TypeError('item: expected text, got bytes (read them with getItemRaw)'),
    )
    await expect(driver.setItemRaw('object', {})).rejects.toThrow(/^value: expected text or bytes, got an object/)
  })

  test('is set with others in one write, or none of them is', async () => {
    const { driver } = setUp()
    await expect(driver.setItems([{ key: 'a', value: 'one' }, { key: '', value: 'two' }])).rejects.toThrow(TypeError) // biome-ignore format: one line
    expect(await driver.getKeys()).toEqual([])
    await driver.setItems([])
  })
})

describe('a time to live', () => {
  test('is in seconds, and an item ends with it', async () => {
    const { store, clock, driver } = setUp()
    clock.ms += 900
    await driver.setItem('a', 'text', { ttl: 1 })
    await driver.setItems([{ key: 'b', value: 'text', options: { ttl: 0.2 } }, { key: 'c', value: 'text' }], { ttl: 3 }) // biome-ignore format: one line
    expect(await driver.getMeta('c')).toEqual({ birthtime: new Date(clock.seconds * 1000), ttl: 3 })
    clock.ms += 200
    expect([await driver.hasItem('a'), await driver.hasItem('b'), await driver.hasItem('c')]).toEqual([
      true,
      false,
      true,
    ])
    clock.ms += 799
    expect(await driver.getItem('a')).toBe('text')
    expect(await driver.getMeta('a')).toMatchObject({ ttl: 0 })
    clock.ms += 1
    // The store itself has the item until the next whole second.
    expect(await store.find({ scope: user('unstorage'), name: 'a' })).toBeDefined()
    expect([await driver.getItem('a'), await driver.getItemRaw('a'), await driver.getMeta('a')]).toEqual([
      null,
      null,
      null,
    ])
    expect(await driver.getMeta('c')).toMatchObject({ ttl: 2 })
    clock.advanceSeconds(3)
    expect(await driver.getKeys()).toEqual([])
    expect(await store.sweep()).toBe(0)
  })

  test('of 0, and none, is for ever', async () => {
    const { clock, driver } = setUp()
    await driver.setItem('a', 'text', { ttl: 0 })
    await driver.setItem('b', 'text', {})
    clock.advanceSeconds(10 ** 9)
    expect([await driver.getItem('a'), await driver.getItem('b')]).toEqual(['text', 'text'])
    expect(await driver.getMeta('a')).toEqual({ birthtime: new Date(1_700_000_000_000) })
  })

  test('that is over deletes the item', async () => {
    const { driver } = setUp()
    await driver.setItem('a', 'text')
    await driver.setItem('a', 'text', { ttl: -1 })
    expect(await driver.getItem('a')).toBeNull()
  })

  test.each([Number.NaN, '60', {}, 10 ** 9])('of %j is refused', async (ttl) => {
    const { driver } = setUp()
    await expect(driver.setItem('a', 'text', { ttl } as never)).rejects.toThrow(/^ttl: expected /)
    expect(await driver.getItem('a')).toBeNull()
  })
})

test('a base is what comes before a colon', async () => {
  const { store, driver } = setUp()
  for (const key of ['users', 'users:1', 'users:1:a', 'usersold:1']) await driver.setItem(key, 'text')
  for (const base of ['users', 'users:']) expect(await driver.getKeys(base)).toEqual(['users:1', 'users:1:a'])
  await setMany(store, 250, (n) => ({ scope: user('unstorage'), name: `many:${n}`, payload: 'text' }))
  await driver.clear('many')
  await driver.clear('users:1')
  expect(await driver.getKeys('')).toEqual(['users', 'users:1', 'usersold:1'])
  await store.set({ scope: account, name: 'a', payload: 'of the app' })
  await driver.clear()
  expect([await driver.getKeys(), await store.get({ scope: account, name: 'a' })]).toEqual([[], 'of the app'])
})

test('a closed store is an error of each method, and dispose closes none', async () => {
  const store = SecretStore.memory()
  const driver = unstorage(store)
  await driver.dispose()
  await driver.setItem('a', 'text')
  await store.close()
  const calls = [
    () => driver.hasItem('a'),
    () => driver.getItem('a'),
    () => driver.getItemRaw('a'),
    () => driver.setItem('a', 'text'),
    () => driver.setItemRaw('a', 'text'),
    () => driver.setItems([{ key: 'a', value: 'text' }]),
    () => driver.removeItem('a'),
    () => driver.getMeta('a'),
    () => driver.getKeys(),
    () => driver.clear(),
  ]
  for (const call of calls) expect(await codeOf(call)).toBe('ERR_CLOSED')
})
