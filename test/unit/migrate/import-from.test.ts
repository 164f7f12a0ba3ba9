import { describe, expect, test, vi } from 'vitest'
import { account, type BatchOperation, SecretStore, user } from '../../../src/index'
import { type ImportReport, importFrom, type SecretSource } from '../../../src/migrate'
import { sourceOf } from '../../support/sources'
import { codeOf, directoryDigest, newLocation, openStore, TestClock } from '../../support/stores'
import { eventually } from '../../support/waiting'

const memory = (options = {}): SecretStore =>
  SecretStore.memory({ sweepIntervalMs: 0, compactIntervalMs: 0, ...options })
const outcomes = (report: ImportReport): string[] =>
  report.entries.map(({ from, name, outcome }) => `${from} → ${name}: ${outcome}`)
const reasons = (report: ImportReport): (string | undefined)[] => report.entries.map(({ reason }) => reason)
const counts = ({ entries, ...rest }: ImportReport): object => rest
const NONE = { dryRun: false, created: 0, replaced: 0, unchanged: 0, conflicts: 0, failed: 0, skipped: 0 }
const MARK = 'payload-that-no-report-may-hold'

describe('an import', () => {
  test('sets text and bytes as what they are, and says so without a payload', async () => {
    const store = memory()
    const source = sourceOf([
      { name: 'text', payload: MARK },
      { name: 'bytes', payload: Uint8Array.of(0, 255) },
      { name: 'for a user', payload: 'x', scope: user('usr_1'), expires_at: 4_000_000_000 },
    ])
    const report = await importFrom(source, store)
    expect(report).toEqual({
      ...NONE,
      created: 3,
      entries: [
        { from: 'text', name: 'text', scope: account, outcome: 'created' },
        { from: 'bytes', name: 'bytes', scope: account, outcome: 'created' },
        { from: 'for a user', name: 'for a user', scope: user('usr_1'), outcome: 'created' },
      ],
    })
    expect(JSON.stringify(report)).not.toContain(MARK)
    expect(await store.get({ scope: account, name: 'text' })).toBe(MARK)
    expect(await store.getBytes({ scope: account, name: 'bytes' })).toEqual(Uint8Array.of(0, 255))
    await expect(store.get({ scope: account, name: 'bytes' })).rejects.toThrow('got bytes')
    expect((await store.find({ scope: user('usr_1'), name: 'for a user' }))?.expires_at).toBe(4_000_000_000)
    expect(source.reads).toBe(1)
  })

  test('done again changes nothing: not a byte on disk, not the checkpoint', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    const source = sourceOf([
      { name: 'a', payload: 'one' },
      { name: 'b', payload: Uint8Array.of(1), expires_at: 4_000_000_000 },
      { name: 'c', payload: 'two', expires_at: null },
    ])
    await importFrom(source, store)
    const before = [await directoryDigest(location), await store.checkpoint()]
    for (const replace of [false, true]) {
      expect(counts(await importFrom(source, store, { replace }))).toEqual({ ...NONE, unchanged: 3 })
    }
    expect([await directoryDigest(location), await store.checkpoint()]).toEqual(before)
  })

  test('as a dry run says the same, and changes nothing: not a byte on disk, not the checkpoint', async () => {
    const location = await newLocation()
    const store = await openStore(location, { maxPayloadBytes: 10 })
    await store.batch([
      { type: 'set', scope: account, name: 'same', payload: 'x' },
      { type: 'set', scope: account, name: 'other', payload: 'x' },
    ])
    const entries = [
      { name: 'same', payload: 'x' },
      { name: 'other', payload: 'y' },
      { name: 'new', payload: 'z' },
      { name: 'large', payload: '12345678901' },
      { name: 'broken', problem: 'it: expected to be whole, got broken' },
      { name: 'unwanted', skipped: true },
    ]
    const before = [await directoryDigest(location), await store.checkpoint()]
    const dry = [
      await importFrom(sourceOf(entries), store, { dryRun: true }),
      await importFrom(sourceOf(entries), store, { dryRun: true, replace: true }),
    ]
    expect([await directoryDigest(location), await store.checkpoint()]).toEqual(before)
    const expected = { ...NONE, created: 1, unchanged: 1, failed: 2, skipped: 1 }
    expect(dry.map(counts)).toEqual([
      { ...expected, dryRun: true, conflicts: 1 },
      { ...expected, dryRun: true, replaced: 1 },
    ])
    const wet = await importFrom(sourceOf(entries), store, { replace: true })
    expect({ ...wet, dryRun: true }).toEqual(dry[1])
    expect(await directoryDigest(location)).not.toBe(before[0])
  })

  test('goes where it is told: a scope, an account in live mode', async () => {
    const store = memory()
    const view = store.view({ account: 'acct_1', livemode: true, user: 'usr_1' })
    await importFrom(sourceOf([{ name: 'a', payload: 'x' }]), view, { scope: user('usr_1') })
    expect(await view.get({ scope: user('usr_1'), name: 'a' })).toBe('x')
    expect(await store.get({ scope: user('usr_1'), name: 'a' })).toBeUndefined()
    const elsewhere = sourceOf([{ name: 'a', payload: 'x', scope: user('usr_2') }])
    expect(await codeOf(() => importFrom(elsewhere, view))).toBe('ERR_ACCESS_DENIED')
  })

  test('of nothing is a report of nothing', async () => {
    expect(await importFrom(sourceOf([]), memory())).toEqual({ ...NONE, entries: [] })
  })
})

describe('a secret that is there', () => {
  test('stays as it is, unless it is to be replaced', async () => {
    const store = memory()
    const there = await store.set({ scope: account, name: 'a', payload: 'newer' })
    const source = sourceOf([{ name: 'a', payload: 'older' }])
    const left = await importFrom(source, store)
    expect(outcomes(left)).toEqual(['a → a: conflict'])
    expect(reasons(left)).toEqual(['name: expected it to be free or the same, got another payload'])
    expect(await store.get({ scope: account, name: 'a' })).toBe('newer')
    expect(counts(await importFrom(source, store, { replace: true }))).toEqual({ ...NONE, replaced: 1 })
    expect(await store.get({ scope: account, name: 'a' })).toBe('older')
    expect((await store.find({ scope: account, name: 'a' }))?.id).toBe(there.id)
  })

  test('is another if one is text and one is bytes', async () => {
    const store = memory()
    await store.set({ scope: account, name: 'text', payload: 'x' })
    await store.set({ scope: account, name: 'bytes', payload: Uint8Array.of(120) })
    const crossed = [
      { name: 'text', payload: Uint8Array.of(120) },
      { name: 'bytes', payload: 'x' },
    ]
    expect(counts(await importFrom(sourceOf(crossed), store))).toEqual({ ...NONE, conflicts: 2 })
    const same = [
      { name: 'text', payload: 'x' },
      { name: 'bytes', payload: Uint8Array.of(120) },
    ]
    expect(counts(await importFrom(sourceOf(same), store))).toEqual({ ...NONE, unchanged: 2 })
    const others = [
      { name: 'text', payload: Uint8Array.of(121) },
      { name: 'bytes', payload: '120' },
    ]
    expect(counts(await importFrom(sourceOf(others), store))).toEqual({ ...NONE, conflicts: 2 })
    const otherBytes = sourceOf([{ name: 'bytes', payload: Uint8Array.of(121) }])
    expect(counts(await importFrom(otherBytes, store))).toEqual({ ...NONE, conflicts: 1 })
    expect(counts(await importFrom(sourceOf(crossed), store, { replace: true }))).toEqual({ ...NONE, replaced: 2 })
  })

  test('is held against an expiry only if the source has one', async () => {
    const store = memory()
    await store.set({ scope: account, name: 'a', payload: 'x', expires_at: 4_000_000_000 })
    const importing = (expires_at: object, replace = false) =>
      importFrom(sourceOf([{ name: 'a', payload: 'x', ...expires_at }]), store, { replace })
    expect(outcomes(await importing({}))).toEqual(['a → a: unchanged'])
    expect(outcomes(await importing({ expires_at: 4_000_000_000 }))).toEqual(['a → a: unchanged'])
    const conflict = await importing({ expires_at: null })
    expect(outcomes(conflict)).toEqual(['a → a: conflict'])
    expect(reasons(conflict)).toEqual([
      'name: expected it to be free or the same, got the same payload with another expires_at',
    ])
    expect(outcomes(await importing({ expires_at: 4_000_000_001 }, true))).toEqual(['a → a: replaced'])
    expect((await store.find({ scope: account, name: 'a' }))?.expires_at).toBe(4_000_000_001)
  })

  test('keeps its expiry when it is replaced, unless the source says another or none', async () => {
    const store = memory()
    const expiryAfter = async (name: string, expires_at: object): Promise<unknown> => {
      await store.set({ scope: account, name, payload: 'old', expires_at: 4_000_000_000 })
      const source = sourceOf([{ name, payload: 'new', ...expires_at }])
      const report = await importFrom(source, store, { replace: true })
      expect(report.entries).toEqual([{ from: name, name, scope: account, outcome: 'replaced' }])
      expect(await store.get({ scope: account, name })).toBe('new')
      return (await store.find({ scope: account, name }))?.expires_at
    }
    expect(await expiryAfter('silent', {})).toBe(4_000_000_000)
    expect(await expiryAfter('other', { expires_at: 4_000_000_001 })).toBe(4_000_000_001)
    expect(await expiryAfter('never', { expires_at: null })).toBe(null)
  })

  test('that expires between the look and the write fails, and is made by the next import', async () => {
    const clock = new TestClock()
    const store = memory({ now: clock.now })
    await store.set({ scope: account, name: 'a', payload: 'old', expires_at: clock.seconds + 5 })
    const source = sourceOf([
      { name: 'a', payload: 'new' },
      { name: 'b', payload: 'x' },
    ])
    const batch = store.batch.bind(store)
    const late = vi.spyOn(store, 'batch').mockImplementation((operations: readonly BatchOperation[]) => {
      clock.advanceSeconds(5)
      return batch(operations)
    })
    const report = await importFrom(source, store, { replace: true })
    expect(outcomes(report)).toEqual(['a → a: failed', 'b → b: created'])
    expect(reasons(report)[0]).toMatch(/^expires_at: expected a time after/)
    late.mockRestore()
    expect(outcomes(await importFrom(source, store, { replace: true }))).toEqual(['a → a: created', 'b → b: unchanged'])
  })

  test('is not there from the second of its expiry on', async () => {
    const clock = new TestClock()
    const store = memory({ now: clock.now })
    await store.set({ scope: account, name: 'a', payload: 'x', expires_at: clock.seconds + 1 })
    clock.advanceSeconds(1)
    for (const dryRun of [true, false]) {
      const report = await importFrom(sourceOf([{ name: 'a', payload: 'y' }]), store, { dryRun })
      expect(outcomes(report)).toEqual(['a → a: created'])
    }
  })
})

describe('one entry that cannot be imported', () => {
  const bad: [why: string, entry: object, reason: string][] = [
    ['is unreadable', { name: 'x', problem: 'it: expected to open, got a lock' }, 'it: expected to open, got a lock'],
    ['has an empty payload', { name: 'x', payload: '' }, 'payload: expected at least one byte, got none'],
    ['has no bytes', { name: 'x', payload: new Uint8Array() }, 'payload: expected at least one byte, got none'],
    ['has no payload', { name: 'x' }, 'payload: expected a string or a Uint8Array, got undefined'],
    ['has a number', { name: 'x', payload: 5 }, 'payload: expected a string or a Uint8Array, got a number'],
    [
      'has half a character',
      { name: 'x', payload: `${MARK}\ud800` },
      'payload: expected well-formed Unicode, got a lone surrogate',
    ],
    ['is too large', { name: 'x', payload: MARK.repeat(40) }, 'payload: expected at most 1000 bytes, got more'],
    ['has no name', { name: '', payload: 'x' }, 'name: expected at least one character, got none'],
    ['has half a name', { name: '\udc00', payload: 'x' }, 'name: expected well-formed Unicode, got a lone surrogate'],
    [
      'has too long a name',
      { name: 'n'.repeat(5001), payload: 'x' },
      'name: expected at most 5000 characters, got more',
    ],
    ['has expired', { name: 'x', payload: 'x', expires_at: 5 }, 'expires_at: expected a time after 1700000000, got 5'],
    [
      'is in no scope',
      { name: 'x', payload: 'x', scope: { type: 'team' } },
      "scope.type: expected 'account' or 'user', got a string",
    ],
    ['is in a null scope', { name: 'x', payload: 'x', scope: null }, 'scope: expected an object, got null'],
  ]

  test.each(bad)('since it %s, is reported, and stops no other', async (_, entry, reason) => {
    for (const dryRun of [true, false]) {
      const store = memory({ maxPayloadBytes: 1000, now: new TestClock().now })
      const source = sourceOf([{ name: 'first', payload: 'x' }, entry, { name: 'last', payload: 'x' }])
      const report = await importFrom(source, store, { dryRun })
      expect(counts(report)).toEqual({ ...NONE, dryRun, created: 2, failed: 1 })
      expect(reasons(report)).toEqual([undefined, reason, undefined])
      expect(JSON.stringify(report)).not.toContain(MARK)
      expect(await store.get({ scope: account, name: 'last' })).toBe(dryRun ? undefined : 'x')
    }
  })

  test('since it expires between the look and the write, is reported, and stops no other', async () => {
    const clock = new TestClock()
    const store = memory({ now: clock.now })
    const batch = store.batch.bind(store)
    vi.spyOn(store, 'batch').mockImplementation((operations: readonly BatchOperation[]) => {
      if (operations.length > 1) clock.advanceSeconds(10)
      return batch(operations)
    })
    const source = sourceOf([
      { name: 'broken', problem: 'it: expected to be whole, got broken' },
      { name: 'a', payload: 'x' },
      { name: 'b', payload: 'x', expires_at: clock.seconds + 5 },
      { name: 'c', payload: 'x' },
    ])
    const report = await importFrom(source, store)
    expect(outcomes(report)).toEqual(['broken → broken: failed', 'a → a: created', 'b → b: failed', 'c → c: created'])
    expect(reasons(report)[2]).toMatch(/^expires_at: expected a time after/)
    expect(counts(report)).toEqual({ ...NONE, created: 2, failed: 2 })
    expect(await store.get({ scope: account, name: 'c' })).toBe('x')
  })
})

describe('a name', () => {
  const entries = [
    { name: 'a', payload: '1' },
    { name: 'b', payload: '2' },
    { name: 'broken', problem: 'it: expected to be whole, got broken' },
    { name: 'c', payload: '3' },
  ]

  test('can be given anew, or left out', async () => {
    const store = memory()
    const rename = (name: string) => (name === 'b' ? undefined : `app/${name}`)
    const report = await importFrom(sourceOf(entries), store, { rename })
    expect(report.entries).toEqual([
      { from: 'a', name: 'app/a', scope: account, outcome: 'created' },
      { from: 'b', scope: account, outcome: 'skipped' },
      { from: 'broken', name: 'app/broken', scope: account, outcome: 'failed', reason: entries[2]?.problem },
      { from: 'c', name: 'app/c', scope: account, outcome: 'created' },
    ])
    expect(await store.get({ scope: account, name: 'app/a' })).toBe('1')
    expect((await store.list({ scope: account })).data).toHaveLength(2)
  })

  test('that several get is given to none of them, whatever their order', async () => {
    for (const order of [entries, entries.toReversed()]) {
      const store = memory()
      const report = await importFrom(sourceOf(order), store, { rename: (name) => (name === 'c' ? 'c' : 'same') })
      expect(counts(report)).toEqual({ ...NONE, created: 1, failed: 3 })
      const said = new Map(report.entries.map(({ from, reason }) => [from, reason]))
      expect(said.get('a')).toBe('name: expected one entry for it, got 3')
      expect(said.get('b')).toBe('name: expected one entry for it, got 3')
      expect(said.get('broken')).toBe(entries[2]?.problem)
      expect(await store.get({ scope: account, name: 'same' })).toBeUndefined()
    }
  })

  test('in two scopes is two names', async () => {
    const twice = [
      { name: 'a', payload: '1', scope: user('account') },
      { name: 'a', payload: '2' },
      { name: 'a', payload: '3', scope: user('usr_1') },
    ]
    expect(counts(await importFrom(sourceOf(twice), memory()))).toEqual({ ...NONE, created: 3 })
  })

  test('has to be text', async () => {
    const store = memory()
    const rename = (() => 5) as never
    await expect(importFrom(sourceOf(entries), store, { rename })).rejects.toThrow(
      'rename: expected a string or undefined, got something else',
    )
    const failing = () => {
      throw new Error('no such name')
    }
    await expect(importFrom(sourceOf(entries), store, { rename: failing })).rejects.toThrow('no such name')
    expect((await store.list({ scope: account })).data).toEqual([])
  })
})

describe('many entries', () => {
  const many = Array.from({ length: 250 }, (_, n) => ({ name: `n${n}`, payload: `${n}` }))

  test('are written in batches of bounded number and size, and told of', async () => {
    const store = memory()
    const batch = vi.spyOn(store, 'batch')
    const told: string[] = []
    await importFrom(sourceOf(many), store, { onProgress: ({ done, total }) => void told.push(`${done}/${total}`) })
    expect(batch.mock.calls.map(([operations]) => operations.length)).toEqual([100, 100, 50])
    expect(told).toEqual(['100/250', '200/250', '250/250'])
    batch.mockClear()
    const large = Array.from({ length: 5 }, (_, n) => ({ name: `l${n}`, payload: 'x'.repeat(3 * 1024 * 1024) }))
    await importFrom(sourceOf(large), store)
    expect(batch.mock.calls.map(([operations]) => operations.length)).toEqual([1, 1, 1, 1, 1])
  })

  test('end early when told to; the next import does the rest', async () => {
    const store = memory()
    const stop = new AbortController()
    const onProgress = (): void => stop.abort(new Error('stopped'))
    await expect(importFrom(sourceOf(many), store, { onProgress, signal: stop.signal })).rejects.toThrow('stopped')
    expect(counts(await importFrom(sourceOf(many), store))).toEqual({ ...NONE, created: 150, unchanged: 100 })
    await expect(importFrom(sourceOf(many), store, { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow(
      'before',
    )
  })

  test('end with what is thrown by who is told', async () => {
    const onProgress = (): void => {
      throw new Error('enough')
    }
    await expect(importFrom(sourceOf(many), memory(), { onProgress })).rejects.toThrow('enough')
  })
})

describe('a source', () => {
  test('may give its entries one at a time, and is told when nobody wants more', async () => {
    let open = 0
    const source: SecretSource = {
      kind: 'test',
      async *read() {
        open++
        try {
          yield { name: 'a', payload: 'x' }
          yield { name: 5 } as never
          yield { name: 'b', payload: 'x' }
        } finally {
          open--
        }
      },
    }
    const store = memory()
    await expect(importFrom(source, store)).rejects.toThrow('source entry: expected a name, got none')
    await eventually(() => expect(open).toBe(0))
    expect(await store.get({ scope: account, name: 'a' })).toBeUndefined()
  })

  test('that hangs does not keep an abort waiting', async () => {
    const stop = new AbortController()
    const source: SecretSource = {
      kind: 'test',
      async *read() {
        yield { name: 'a', payload: 'x' }
        stop.abort(new Error('stopped'))
        await new Promise(() => {})
      },
    }
    await expect(importFrom(source, memory(), { signal: stop.signal })).rejects.toThrow('stopped')
    const silent: SecretSource = { kind: 'test', read: () => new Promise(() => {}) }
    const signal = AbortSignal.timeout(1)
    await expect(importFrom(silent, memory(), { signal })).rejects.toThrow('timeout')
  })

  test('that fails half way leaves the store as it was', async () => {
    const source: SecretSource = {
      kind: 'test',
      async *read() {
        yield { name: 'a', payload: 'x' }
        throw new Error('the end of the file')
      },
    }
    const store = memory()
    await expect(importFrom(source, store)).rejects.toThrow('the end of the file')
    expect(await store.get({ scope: account, name: 'a' })).toBeUndefined()
  })

  test.each<[unknown, string]>([
    [
      { name: 'a', payload: 'x', expiresAt: 5 },
      "source entry: expected only name, payload, expires_at, scope, problem, skipped, got 'expiresAt' (did you mean 'expires_at'?)",
    ],
    ['a', 'source entry: expected an object, got a string'],
    [{ payload: 'x' }, 'source entry: expected a name, got none'],
    [{ name: 'a', problem: 5 }, 'source entry: expected a problem in words, got something else'],
    [{ name: 'a', problem: '' }, 'source entry: expected a problem in words, got something else'],
    [{ name: 'a', skipped: false }, 'source entry: expected skipped to be true, got something else'],
  ])('has to have entries, not %j', async (entry, message) => {
    const store = memory()
    const source = sourceOf([{ name: 'first', payload: 'x' }, entry])
    await expect(importFrom(source, store)).rejects.toThrow(new TypeError(message))
    expect(await store.get({ scope: account, name: 'first' })).toBeUndefined()
  })

  test.each([[undefined], [null], [5], [{}], ['text']])('has to be one, not %j', async (given) => {
    await expect(importFrom(given as never, memory())).rejects.toThrow(
      new TypeError('source: expected one such as keytar({ … }) or dotenv({ … }), got something else'),
    )
  })

  test('has to give entries', async () => {
    const source = { kind: 'test', read: async () => 5 } as never
    await expect(importFrom(source, memory())).rejects.toThrow(
      'source: expected entries from read(), got something else',
    )
  })
})

describe('a mistake in the call', () => {
  test.each<[object, string]>([
    [
      { dryrun: true },
      "importFrom: expected only scope, rename, dryRun, replace, onProgress, signal, got 'dryrun' (did you mean 'dryRun'?)",
    ],
    [{ dryRun: 'yes' }, 'dryRun: expected a boolean, got a string'],
    [{ replace: 1 }, 'replace: expected a boolean, got a number'],
    [{ rename: 'x' }, 'rename: expected a function, got a string'],
    [{ scope: 'account' }, 'scope: expected an object, got a string'],
    [{ signal: {} }, 'signal: expected an AbortSignal, got something else'],
    [{ onProgress: 1 }, 'onProgress: expected a function, got a number'],
  ])('such as %j is named before the source is read', async (options, message) => {
    const source = sourceOf([])
    await expect(importFrom(source, memory(), options as never)).rejects.toThrow(new TypeError(message))
    expect(source.reads).toBe(0)
  })

  test.each([[undefined], [null], [{}], [{ batch() {}, find() {}, get() {} }]])(
    'such as a store that is %j',
    async (store) => {
      await expect(importFrom(sourceOf([]), store as never)).rejects.toThrow(
        'store: expected a SecretStore or a view, of this copy of the library (import both, or require both)',
      )
    },
  )
})

test('what is wrong with the store ends the import', async () => {
  const closed = memory()
  await closed.close()
  const source = sourceOf([{ name: 'a', payload: 'x' }])
  expect(await codeOf(() => importFrom(source, closed))).toBe('ERR_CLOSED')
  const store = memory()
  vi.spyOn(store, 'batch').mockRejectedValue(Object.assign(new Error('no space'), { code: 'ERR_FAILED' }))
  expect(await codeOf(() => importFrom(source, store))).toBe('ERR_FAILED')
})
