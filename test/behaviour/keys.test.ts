import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  account,
  generateRecoveryCode,
  type KeyProvider,
  type KeySlotInfo,
  passphrase,
  rawKey,
  recoveryCode,
  SecretStore,
  SecretStoreError,
  type SlotParams,
} from 'app-secret-store'
import { keyringOf, newStore, opening, stateOf } from '../support/behaviour/keys'
import { describe, expect, onTestFinished, test, vi } from '../support/runner'
import { codeOf, newLocation, openStore, stores, TestClock, testKey } from '../support/stores'

/** The least scrypt takes: tests need not be slow. */
const FLOOR = { N: 16_384 }
const SLOT_ID = /^[\w-]{11}$/

describe('keys of a store on disk', () => {
  test('any one slot opens it, and what is removed does no more', async () => {
    const code = generateRecoveryCode()
    const keys = {
      first: testKey(1),
      second: testKey(2),
      passphrase: passphrase('p', FLOOR),
      code: recoveryCode(code),
      argon2id: passphrase('q', { kdf: 'argon2id', m: 19_456, t: 2 }),
    }
    const { location, store } = await newStore(keys.first)
    for (const key of Object.values(keys).slice(1)) await store.addKey(key)
    expect(store.keys().map(({ kind }) => kind)).toEqual([
      'raw-key',
      'raw-key',
      'passphrase',
      'recovery-code',
      'passphrase',
    ])
    await store.close()
    expect(await opening(location, keys)).toEqual(Object.keys(keys))
    expect(await opening(location, { stranger: testKey(9), code: recoveryCode(generateRecoveryCode()) })).toEqual([])

    let again = await openStore(location, { key: keys.passphrase })
    const [first, , third] = again.keys() as [KeySlotInfo, KeySlotInfo, KeySlotInfo]
    expect(await again.removeKey(first.id)).toEqual(first)
    // The key it was opened with may go as well: the store is open already.
    expect(await again.removeKey(third.id)).toEqual(third)
    await again.set({ scope: account, name: 'later', payload: 'l' })
    await again.close()
    expect(await opening(location, keys)).toEqual(['second', 'code', 'argon2id'])
    again = await openStore(location, { key: keys.second })
    expect(await again.get({ scope: account, name: 'later' })).toBe('l')
    expect(await again.verify()).toEqual({ ok: true, records: 2, problems: [] })
  })

  test('a replaced slot changes in its place, in one step', async () => {
    const { location, store } = await newStore()
    await store.addKey(testKey(2))
    await store.addKey(testKey(3))
    const before = store.keys()
    const { version: _, generation } = JSON.parse(await keyringOf(location))
    const replaced = await store.replaceKey(before[1]?.id as string, passphrase('new', { ...FLOOR, label: 'new' }))
    expect(replaced).toMatchObject({ kind: 'passphrase', label: 'new' })
    expect(before.map(({ id }) => id)).not.toContain(replaced.id)
    expect(store.keys()).toEqual([before[0], replaced, before[2]])
    expect(JSON.parse(await keyringOf(location)).generation).toBe(generation + 1)
    await store.close()
    const keys = { one: testKey(1), two: testKey(2), three: testKey(3), new: passphrase('new') }
    expect(await opening(location, keys)).toEqual(['one', 'three', 'new'])
  })

  test('the last slot can be replaced, and not removed', async () => {
    const { location, store } = await newStore()
    const [only] = store.keys() as [KeySlotInfo]
    const before = await stateOf(location, store)
    await expect(store.removeKey(only.id)).rejects.toThrow(
      new SecretStoreError('ERR_LAST_KEY', 'slot: expected another one to remain, got the last (add one first)'),
    )
    expect(await codeOf(() => store.removeKey(only.id))).toBe('ERR_LAST_KEY')
    expect(await stateOf(location, store)).toEqual(before)
    await store.replaceKey(only.id, testKey(2))
    await store.close()
    expect(await opening(location, { one: testKey(1), two: testKey(2) })).toEqual(['two'])
  })

  test('two slots of the same key are two slots: either may go', async () => {
    const { location, store } = await newStore()
    const second = await store.addKey(testKey(1))
    await store.removeKey(store.keys()[0]?.id as string)
    expect(store.keys()).toEqual([second])
    await store.close()
    expect(await opening(location, { one: testKey(1) })).toEqual(['one'])
  })

  test('an id that is no slot\u2019s is ERR_UNKNOWN_KEY, and nothing is changed', async () => {
    const { location, store } = await newStore()
    const { id } = await store.addKey(testKey(2))
    await store.removeKey(id)
    const before = await stateOf(location, store)
    for (const unknown of [id, 'x', id.toUpperCase().padEnd(12, 'A'), `${store.keys()[0]?.id} `]) {
      expect(await codeOf(() => store.removeKey(unknown)), unknown).toBe('ERR_UNKNOWN_KEY')
      expect(await codeOf(() => store.replaceKey(unknown, testKey(3))), unknown).toBe('ERR_UNKNOWN_KEY')
    }
    expect(await stateOf(location, store)).toEqual(before)
  })

  test('label, kind, id and time of each are listed, also after a change of others', async () => {
    const clock = new TestClock()
    const location = await newLocation()
    const created = clock.seconds
    const store = await openStore(location, { now: clock.now, key: rawKey(new Uint8Array(32), { label: 'first' }) })
    clock.advanceSeconds(100)
    const labelled = await store.addKey(passphrase('p', { ...FLOOR, label: '\u{e9} \u{1f600} "' }))
    clock.advanceSeconds(100)
    const code = await store.addKey(recoveryCode(generateRecoveryCode()))
    const keys = store.keys()
    expect(keys).toEqual([
      { id: expect.stringMatching(SLOT_ID), kind: 'raw-key', label: 'first', created },
      { id: expect.stringMatching(SLOT_ID), kind: 'passphrase', label: '\u{e9} \u{1f600} "', created: created + 100 },
      { id: expect.stringMatching(SLOT_ID), kind: 'recovery-code', label: null, created: created + 200 },
    ])
    expect(keys.slice(1)).toEqual([labelled, code])
    expect(new Set(keys.map(({ id }) => id)).size).toBe(3)
    await store.removeKey(keys[0]?.id as string)
    await store.close()
    const again = await openStore(location, { key: passphrase('p') })
    expect(again.keys()).toEqual([labelled, code])
    expect((await again.status()).slots).toEqual([labelled, code])
    // What is handed out is a copy.
    ;(again.keys()[0] as { kind: string }).kind = 'changed'
    again.keys().length = 0
    expect(again.keys()).toEqual([labelled, code])
  })

  test('there are at most 32', async () => {
    const { location, store } = await newStore()
    for (let fill = 2; fill <= 32; fill++) await store.addKey(testKey(fill))
    expect(store.keys()).toHaveLength(32)
    const before = await stateOf(location, store)
    const wrap = vi.fn()
    const unasked = { kind: 'x', wrap, unwrap: async () => null }
    await expect(store.addKey(unasked)).rejects.toThrow(new RangeError('keys: expected at most 32, got one more'))
    expect(wrap).not.toHaveBeenCalled()
    expect(await stateOf(location, store)).toEqual(before)
    await store.replaceKey(store.keys()[5]?.id as string, testKey(33))
    await store.removeKey(store.keys()[6]?.id as string)
    await store.addKey(testKey(34))
    await store.close()
    const open = await opening(location, { 1: testKey(1), 6: testKey(6), 7: testKey(7), 32: testKey(32) })
    expect(open).toEqual(['1', '32'])
    expect(await opening(location, { 33: testKey(33), 34: testKey(34) })).toEqual(['33', '34'])
  })

  test.each<[string, Partial<KeyProvider>]>([
    ['does not open its own slot', { unwrap: async () => null }],
    ['gets another key out than it was given', { unwrap: async () => new Uint8Array(32) }],
    ['gets too few bytes out', { unwrap: async () => new Uint8Array(31) }],
    ['has a kind that keyring.json cannot hold', { kind: 'My Keychain' }],
    ['has a label that is no text', { label: 1 as unknown as string }],
    ['wants bytes in its slot', { wrap: async () => ({ key: new Uint8Array(4) }) as unknown as SlotParams }],
    ['wants more than keyring.json may hold', { wrap: async () => ({ blob: 'x'.repeat(300_000) }) }],
    ['fails', { wrap: () => Promise.reject(new TypeError('keychain: locked')) }],
  ])('a provider that %s is refused, and nothing is changed', async (_, overrides) => {
    const { location, store } = await newStore()
    const keychain = (): KeyProvider => {
      let kept: Uint8Array | undefined
      return {
        kind: 'keychain',
        wrap: async (rootKey) => {
          kept = Uint8Array.from(rootKey)
          return { entry: 1 }
        },
        unwrap: async () => kept?.slice() ?? null,
      }
    }
    const { id } = store.keys()[0] as KeySlotInfo
    const before = await stateOf(location, store)
    const refused = (work: Promise<unknown>): Promise<unknown> =>
      work.then(
        () => 'no error',
        (error) => (error instanceof TypeError || error instanceof RangeError ? 'refused' : error),
      )
    expect(await refused(store.addKey({ ...keychain(), ...overrides }))).toBe('refused')
    expect(await refused(store.replaceKey(id, { ...keychain(), ...overrides }))).toBe('refused')
    expect(await stateOf(location, store)).toEqual(before)
    // The store goes on, and without the fault the provider is taken.
    await store.addKey(keychain())
    await store.set({ scope: account, name: 'later', payload: 'p' })
    expect(await store.verify()).toMatchObject({ ok: true, records: 2 })
  })

  test('calls at one time all take effect, in their order', async () => {
    const { location, store } = await newStore()
    const fills = Array.from({ length: 12 }, (_, n) => n + 2)
    const added = await Promise.all(fills.map((fill) => store.addKey(testKey(fill))))
    expect(store.keys().slice(1)).toEqual(added)
    expect(new Set(added.map(({ id }) => id)).size).toBe(fills.length)
    const [first, second, third] = added as [KeySlotInfo, KeySlotInfo, KeySlotInfo]
    const writes = Array.from({ length: 50 }, (_, n) => store.set({ scope: account, name: `${n}`, payload: 'w' }))
    const outcomes = await Promise.all([
      codeOf(() => store.removeKey(first.id)),
      codeOf(() => store.removeKey(first.id)),
      codeOf(() => store.replaceKey(second.id, testKey(100))),
      codeOf(() => store.replaceKey(second.id, testKey(101))),
      codeOf(() => store.addKey(testKey(102))),
      codeOf(() => store.removeKey(third.id)),
      ...writes,
    ])
    const expected = ['no error', 'ERR_UNKNOWN_KEY', 'no error', 'ERR_UNKNOWN_KEY', 'no error', 'no error']
    expect(outcomes.slice(0, 6)).toEqual(expected)
    expect(await store.verify()).toMatchObject({ ok: true, records: 51 })
    await store.close()
    const keys = { gone: testKey(2), replaced: testKey(3), removed: testKey(4), kept: testKey(5) }
    expect(await opening(location, keys)).toEqual(['kept'])
    expect(await opening(location, { 100: testKey(100), 101: testKey(101), 102: testKey(102) })).toEqual(['100', '102'])
  })

  test('two last slots removed at one time: one stays', async () => {
    const { store } = await newStore()
    await store.addKey(testKey(2))
    const codes = await Promise.all(store.keys().map(({ id }) => codeOf(() => store.removeKey(id))))
    expect(codes).toEqual(['no error', 'ERR_LAST_KEY'])
    expect(store.keys()).toHaveLength(1)
  })

  test('after the end everything is ERR_CLOSED, what was begun before included or done', async () => {
    const { location, store } = await newStore()
    const { id } = store.keys()[0] as KeySlotInfo
    const begun = codeOf(() => store.addKey(testKey(2)))
    const closing = store.close()
    const calls = [
      () => store.keys(),
      () => store.addKey(testKey(3)),
      () => store.removeKey(id),
      () => store.replaceKey(id, testKey(3)),
      () => store.rotate(),
      () => store.status(),
      () => store.backup(join(location, '..', 'backup')),
    ]
    for (const call of calls) expect(await codeOf(call)).toBe('ERR_CLOSED')
    const outcome = await begun
    await closing
    for (const call of calls) expect(await codeOf(call)).toBe('ERR_CLOSED')
    expect(['no error', 'ERR_CLOSED']).toContain(outcome)
    const expected = outcome === 'no error' ? ['1', '2'] : ['1']
    expect(await opening(location, { 1: testKey(1), 2: testKey(2), 3: testKey(3) })).toEqual(expected)
  })
})

describe('keys of a store in memory', () => {
  test('are kept as on disk, and a backup opens by any of them', async () => {
    const clock = new TestClock()
    const store = stores.memory({ now: clock.now, sweepIntervalMs: 0, compactIntervalMs: 0 })
    onTestFinished(() => store.close())
    await store.set({ scope: account, name: 'n', payload: 'p' })
    const [own] = store.keys() as [KeySlotInfo]
    const slot = { id: expect.stringMatching(SLOT_ID), kind: 'memory', label: null, created: clock.seconds }
    expect(own).toEqual(slot)
    expect(await codeOf(() => store.removeKey(own.id))).toBe('ERR_LAST_KEY')
    const added = await store.addKey(rawKey(new Uint8Array(32).fill(2), { label: 'mine' }))
    expect(await store.removeKey(own.id)).toEqual(own)
    const replaced = await store.replaceKey(added.id, testKey(3))
    await Promise.all([4, 5, 6].map((fill) => store.addKey(testKey(fill))))
    expect(store.keys()[0]).toEqual(replaced)
    expect(await codeOf(() => store.removeKey(added.id))).toBe('ERR_UNKNOWN_KEY')
    for (let fill = 7; store.keys().length < 32; fill++) await store.addKey(testKey(fill))
    await expect(store.addKey(testKey(99))).rejects.toThrow(RangeError)
    expect(await store.get({ scope: account, name: 'n' })).toBe('p')
    expect(await store.verify()).toEqual({ ok: true, records: 1, problems: [] })
    const file = join(await newLocation(), '..', 'backup')
    await store.backup(file)
    for (const [fill, code] of [
      [3, 'no error'],
      [5, 'no error'],
      [2, 'ERR_WRONG_KEY'],
    ] as const) {
      const location = await newLocation()
      expect(await codeOf(() => SecretStore.restore(file, location, { key: testKey(fill) }))).toBe(code)
    }
    await store.close()
    expect(await codeOf(() => store.keys())).toBe('ERR_CLOSED')
    expect(await codeOf(() => store.addKey(testKey(2)))).toBe('ERR_CLOSED')
  })
})

describe('a change of keys that fails', () => {
  test('a keyring.json that somebody else wrote is not overwritten', async () => {
    const { location, store } = await newStore()
    const own = await keyringOf(location)
    const other = own.replace('"label": null', '"label": "x"')
    await writeFile(join(location, 'keyring.json'), other)
    expect(await codeOf(() => store.addKey(testKey(2)))).toBe('ERR_LOCKED')
    expect(await codeOf(() => store.rotate())).toBe('ERR_LOCKED')
    expect(await keyringOf(location)).toBe(other)
    expect(store.keys()).toHaveLength(1)
    await store.set({ scope: account, name: 'later', payload: 'l' })
    await writeFile(join(location, 'keyring.json'), own)
    await store.addKey(testKey(2))
    expect(await store.verify()).toMatchObject({ ok: true, records: 2 })
  })

  test('a file left behind by a process that died is replaced, and gone after the next opening', async () => {
    const { location, store } = await newStore()
    const staged = join(location, 'keyring.json.new')
    await writeFile(staged, 'half')
    await store.addKey(testKey(2))
    expect(await readdir(location)).not.toContain('keyring.json.new')
    await writeFile(staged, 'half')
    await store.close()
    expect(await opening(location, { 1: testKey(1), 2: testKey(2) })).toEqual(['1', '2'])
    expect((await readdir(location)).sort()).toEqual(['data', 'keyring.json'])
  })
})

describe('slots', () => {
  test('are read without a key, with what their providers keep, and without a lock', async () => {
    const { location, store } = await newStore(testKey(1))
    const added = await store.addKey(passphrase('p', { ...FLOOR, label: 'on paper' }))
    const slots = await SecretStore.slots(location)
    expect(slots.map(({ params: _, ...info }) => info)).toEqual(store.keys())
    expect(slots[1]).toMatchObject({ ...added, params: { N: 16_384 } })
    await store.close()
    expect(await SecretStore.slots(location, { allowUnsafeLocation: false })).toEqual(slots)
  })

  test('of no store, and of a damaged one, are errors', async () => {
    const location = await newLocation()
    expect(await codeOf(() => SecretStore.slots(location))).toBe('ERR_NOT_FOUND')
    const made = await newStore()
    await made.store.close()
    await writeFile(join(made.location, 'keyring.json'), '{}')
    expect(await codeOf(() => SecretStore.slots(made.location))).toBe('ERR_CORRUPT')
    await expect(SecretStore.slots(made.location, { unsafe: true } as never)).rejects.toThrow('slots')
  })
})
