import { describe, expect, test } from 'vitest'
import { account, SecretStore, user } from '../../../src/index'
import * as surface from '../../../src/keyv/index'
import { codeOf, memoryStore, openOver, setMany, TestClock } from '../../support/stores'

const { keyv } = surface
type Adapter = ReturnType<typeof keyv>

/** An adapter over a store with the same clock. */
function setUp(namespace?: string): { store: SecretStore; clock: TestClock; adapter: Adapter } {
  const clock = new TestClock()
  const store = memoryStore({ now: clock.now })
  return { store, clock, adapter: Object.assign(keyv(store, { now: clock.now }), { namespace }) }
}

/** As Keyv 5 takes it. */
function ofKeyv5(adapter: Adapter): Adapter {
  void adapter.opts
  return adapter
}

async function pairsOf(adapter: Adapter): Promise<unknown[]> {
  const pairs: unknown[] = []
  for await (const pair of adapter.iterator()) pairs.push(pair)
  return pairs
}

test('app-secret-store/keyv exports these and no others', () => {
  expect(Object.keys(surface)).toEqual(['keyv'])
})

test('a bad store or option is refused', () => {
  const message = 'store: expected a SecretStore or a view of one, got something else'
  for (const store of [undefined, {}, new Map()]) expect(() => keyv(store as never)).toThrow(new TypeError(message))
  expect(() => keyv(memoryStore(), { ttl: 5 } as never)).toThrow("keyv: expected only now, got 'ttl'")
  expect(() => keyv(memoryStore(), { now: 5 } as never)).toThrow('now: expected a function, got a number')
})

describe('a namespace', () => {
  test('is a scope of its own, with no users of the app in it', async () => {
    const { store, adapter } = setUp('usr_1')
    await store.set({ scope: user('usr_1'), name: 'token', payload: 'of the user' })
    await store.set({ scope: account, name: 'token', payload: 'of the account' })
    await adapter.set('token', 'of Keyv')
    expect(await store.get({ scope: user('keyv:usr_1'), name: 'token' })).toBe('of Keyv')
    await adapter.clear()
    expect(await adapter.get('token')).toBeUndefined()
    expect(await store.get({ scope: user('usr_1'), name: 'token' })).toBe('of the user')
    expect(await store.get({ scope: account, name: 'token' })).toBe('of the account')
  })

  test.each([
    ['users', 'users:archive'],
    [undefined, 'keyv'],
    ['', 'keyv:'],
    ['a', 'a:'],
    ['__proto__', 'constructor'],
  ])('%j shares nothing with %j', async (one, other) => {
    const store = memoryStore()
    const [first, second] = [one, other].map((namespace) => Object.assign(keyv(store), { namespace })) as [
      Adapter,
      Adapter,
    ]
    for (const key of ['k', 'archive:k', ':k', 'keyv:k']) await first.set(key, 'first')
    await second.set('k', 'second')
    expect([await first.get('k'), await second.get('k')]).toEqual(['first', 'second'])
    expect([(await pairsOf(first)).length, (await pairsOf(second)).length]).toEqual([4, 1])
    await first.clear()
    expect([await pairsOf(first), await second.get('k')]).toEqual([[], 'second'])
  })

  test('that is none, and an empty one, are the same', async () => {
    const { adapter } = setUp()
    await adapter.set('k', 'text')
    adapter.namespace = ''
    expect(await adapter.get('k')).toBe('text')
  })

  test('too long is refused, by its name', async () => {
    const { adapter } = setUp('x'.repeat(4996))
    await expect(adapter.get('k')).rejects.toThrow('namespace: expected at most 4995 characters, got more')
    adapter.namespace = 'x'.repeat(4995)
    await adapter.set('k', 'text')
    expect(await adapter.get('k')).toBe('text')
  })

  test('is cleared whole, however much is in it', async () => {
    const store = memoryStore()
    const batches: number[] = []
    const batch: typeof store.batch = (operations) => {
      batches.push(operations.length)
      return store.batch(operations)
    }
    const watched = { get: store.get.bind(store), list: store.list.bind(store), batch }
    const adapter = Object.assign(keyv(watched), { namespace: 'cache' })
    await setMany(store, 250, (n) => ({ scope: user('keyv:cache'), name: `k-${n}`, payload: 'text' }))
    await setMany(store, 3, (n) => ({ scope: user('keyv:other'), name: `k-${n}`, payload: 'text' }))
    expect((await pairsOf(adapter)).length).toBe(250)
    await adapter.clear()
    await adapter.clear()
    expect(batches).toEqual([100, 100, 50])
    expect(await pairsOf(adapter)).toEqual([])
    adapter.namespace = 'other'
    expect((await pairsOf(adapter)).length).toBe(3)
  })
})

describe('a key', () => {
  const LONG = 'x'.repeat(5000)
  test.each(['__proto__', 'constructor', 'a:b', ':', '\0', '😀', 'é', 'e\u0301', LONG])(
    'may be any text (%#)',
    async (key) => {
      const { adapter } = setUp()
      expect([await adapter.get(key), await adapter.has(key), await adapter.delete(key)]).toEqual([
        undefined,
        false,
        false,
      ])
      await adapter.set(key, 'text')
      expect(await adapter.getMany(['none', key, 'neither'])).toEqual([undefined, 'text', undefined])
      expect(await pairsOf(adapter)).toEqual([[key, 'text']])
      expect(await adapter.delete(key)).toBe(true)
    },
  )

  test('that a store cannot keep is refused, and nothing is set with it', async () => {
    const { adapter } = setUp()
    for (const key of ['', '\ud800', 'x'.repeat(5001), 5, undefined]) {
      const entries = [{ key: 'good', value: 'text' }, { key: key as string, value: 'text' }] // biome-ignore format: one line
      await expect(adapter.setMany(entries)).rejects.toThrow(/^key: expected /)
    }
    expect(await pairsOf(adapter)).toEqual([])
  })

  test('that is given twice has its last value, and is deleted once', async () => {
    const { adapter } = setUp()
    await adapter.setMany([{ key: 'a', value: 'one' }, { key: 'a', value: 'two' }]) // biome-ignore format: one line
    expect(await adapter.getMany(['a', 'a'])).toEqual(['two', 'two'])
    expect(await adapter.deleteMany(['a', 'a'])).toEqual([true, false])
  })
})

describe('a value', () => {
  test('is text or bytes, which may be empty', async () => {
    const { adapter } = setUp()
    const values = ['text', '', ':', ':end:1:x', Uint8Array.of(), Uint8Array.of(0, 255)]
    for (const [index, value] of values.entries()) await adapter.set(`k${index}`, value)
    expect(await adapter.getMany(values.map((_, index) => `k${index}`))).toEqual(values)
  })

  test.each([5, undefined, null, {}, { value: 1 }, Symbol('s')])('is nothing else', async (value) => {
    const { adapter } = setUp()
    await adapter.set('k', 'before')
    await expect(adapter.set('k', value)).rejects.toThrow(/^value: expected text or bytes, got /)
    expect(await adapter.get('k')).toBe('before')
  })

  test('of the app itself is an error, and is deleted by its key', async () => {
    const { store, adapter } = setUp('cache')
    await store.set({ scope: user('keyv:cache'), name: 'k', payload: ':of the app' })
    for (const work of [() => adapter.get('k'), () => adapter.getMany(['k']), () => pairsOf(adapter)]) {
      await expect(work()).rejects.toThrow(/^entry: expected one of an adapter's/)
    }
    expect(await adapter.delete('k')).toBe(true)
  })
})

describe('an end', () => {
  test('is kept to the millisecond, and on disk as the next whole second', async () => {
    const { store, clock, adapter } = setUp()
    clock.ms += 850
    await adapter.set('k', 'text', clock.ms + 100)
    const secret = await store.find({ scope: user('keyv'), name: 'k' })
    expect(secret?.expires_at).toBe(clock.seconds + 1)
    clock.ms += 99
    expect([await adapter.get('k'), await adapter.has('k'), await pairsOf(adapter)]).toEqual([
      'text',
      true,
      [['k', 'text']],
    ])
    clock.ms += 1
    expect([await adapter.get('k'), await adapter.has('k'), await pairsOf(adapter)]).toEqual([undefined, false, []])
    expect([await adapter.getMany(['k']), await adapter.hasMany(['k'])]).toEqual([[undefined], [false]])
    clock.ms += 50
    expect(await store.find({ scope: user('keyv'), name: 'k' })).toBeUndefined()
  })

  test.each(['memory', 'LevelDB'] as const)('is the store’s own over %s, and leaves no row', async (engine) => {
    const clock = new TestClock()
    const store = await openOver(engine, { now: clock.now })
    const adapter = keyv(store, { now: clock.now })
    await adapter.setMany([
      { key: 'short', value: 'text', ttl: 1 },
      { key: 'long', value: 'text', expires: clock.ms + 5000 },
      { key: 'ever', value: 'text' },
    ])
    clock.advanceSeconds(6)
    expect(await store.sweep()).toBe(2)
    expect(await pairsOf(adapter)).toEqual([['ever', 'text']])
  })

  test('that has come is accepted, and deletes what was there', async () => {
    const { store, clock, adapter } = setUp()
    for (const end of [clock.ms, clock.ms - 1, clock.ms + 0.5]) {
      await adapter.set('k', 'before')
      expect(await adapter.set('k', 'over', end)).toBe(true)
      expect(await adapter.get('k')).toBeUndefined()
    }
    expect((await store.list({ scope: user('keyv') })).data).toEqual([])
  })

  test('is gone when the value is set without one', async () => {
    const { clock, adapter } = setUp()
    await adapter.set('k', 'one', clock.ms + 10)
    await adapter.set('k', 'two')
    clock.advanceSeconds(100)
    expect(await adapter.get('k')).toBe('two')
  })

  test('more than a hundred years ahead is refused', async () => {
    const { clock, adapter } = setUp()
    await expect(adapter.set('k', 'text', clock.ms + 101 * 366 * 86_400_000)).rejects.toThrow(
      /^expires_at: expected at most 100 years ahead/,
    )
  })
})

describe('Keyv 5', () => {
  test('gives a time to live, and gets one answer from deleteMany', async () => {
    const { clock, adapter } = setUp()
    ofKeyv5(adapter)
    await adapter.set('k', 'text', 1000)
    await adapter.set('other', 'text')
    clock.ms += 999
    expect(await adapter.get('k')).toBe('text')
    clock.ms += 1
    expect(await adapter.get('k')).toBeUndefined()
    expect([await adapter.deleteMany(['other', 'none']), await adapter.deleteMany([])]).toEqual([false, true])
    expect(await adapter.get('other')).toBeUndefined()
  })

  test('is told what get throws, which it keeps to itself', async () => {
    const { store, adapter } = setUp()
    const told: unknown[] = []
    expect(adapter.on('error', (error) => told.push(error))).toBe(adapter)
    adapter.on('clear', () => told.push('clear'))
    await store.close()
    expect(await codeOf(() => adapter.get('k'))).toBe('ERR_CLOSED')
    expect(told).toEqual([])
    ofKeyv5(adapter)
    expect(await codeOf(() => adapter.get('k'))).toBe('ERR_CLOSED')
    expect(told).toMatchObject([{ code: 'ERR_CLOSED' }])
  })

  test('and 6 cannot be taken for one another', async () => {
    const { clock, adapter } = setUp()
    await expect(adapter.set('k', 'text', 60_000)).rejects.toThrow(/^expires: expected Unix milliseconds/)
    ofKeyv5(adapter)
    await expect(adapter.set('k', 'text', clock.ms + 60_000)).rejects.toThrow(/^ttl: expected milliseconds from now on/)
    expect(adapter.capabilities).toMatchObject({ store: 'keyvStorage', expires: true })
    await adapter.set('k', 'text', clock.ms + 60_000)
    expect(await adapter.get('k')).toBe('text')
    expect(await adapter.deleteMany(['k'])).toEqual([true])
  })
})

test('a closed store is an error of each method, and disconnect closes none', async () => {
  const store = SecretStore.memory()
  const adapter = keyv(store)
  await adapter.disconnect()
  await adapter.set('k', 'text')
  await store.close()
  const calls = [
    () => adapter.get('k'),
    () => adapter.getMany(['k']),
    () => adapter.has('k'),
    () => adapter.hasMany(['k']),
    () => adapter.set('k', 'text'),
    () => adapter.setMany([{ key: 'k', value: 'text' }]),
    () => adapter.delete('k'),
    () => adapter.deleteMany(['k']),
    () => adapter.clear(),
    () => pairsOf(adapter),
  ]
  for (const call of calls) expect(await codeOf(call)).toBe('ERR_CLOSED')
})
