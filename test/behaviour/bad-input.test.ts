import { runInNewContext } from 'node:vm'
import { account, type OpenOptions, type SecretView, user } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import { newLocation, openOver, openStore, readsAtOnce, stores, TestClock, testKey } from '../support/stores'

const HUNDRED_YEARS = 3_155_760_000
const NOW = new TestClock().seconds
const LONE = 'a\ud800'
const good = { scope: account, name: 'n' }
const goodSet = { ...good, payload: 'p' }

type Refusal = readonly [verb: string, params: unknown, type: 'TypeError' | 'RangeError', message: string]

/** For a field of text: everything it may not be, with the whole message. */
function textRefusals(verb: string, label: string, of: (value: unknown) => unknown): Refusal[] {
  return [
    [verb, of(undefined), 'TypeError', `${label}: expected a string, got undefined`],
    [verb, of(null), 'TypeError', `${label}: expected a string, got null`],
    [verb, of(5), 'TypeError', `${label}: expected a string, got a number`],
    [verb, of(['x']), 'TypeError', `${label}: expected a string, got an array`],
    [verb, of(new String('x')), 'TypeError', `${label}: expected a string, got an object`],
    [verb, of(''), 'TypeError', `${label}: expected at least one character, got none`],
    [verb, of(LONE), 'TypeError', `${label}: expected well-formed Unicode, got a lone surrogate`],
    [verb, of('\udc00'), 'TypeError', `${label}: expected well-formed Unicode, got a lone surrogate`],
    [verb, of('x'.repeat(5001)), 'RangeError', `${label}: expected at most 5000 characters, got more`],
    [verb, of('\u{1f600}'.repeat(5001)), 'RangeError', `${label}: expected at most 5000 characters, got more`],
    [verb, of('x'.repeat(1_000_000)), 'RangeError', `${label}: expected at most 5000 characters, got more`],
  ]
}

const date = new Date((NOW + 100) * 1000)

const refusals: readonly Refusal[] = [
  // Whole parameters.
  ['set', undefined, 'TypeError', 'set: expected an object, got undefined'],
  ['set', null, 'TypeError', 'set: expected an object, got null'],
  ['set', 'n', 'TypeError', 'set: expected an object, got a string'],
  ['set', [goodSet], 'TypeError', 'set: expected an object, got an array'],
  ['find', 1, 'TypeError', 'find: expected an object, got a number'],
  ['get', undefined, 'TypeError', 'get: expected an object, got undefined'],
  ['getBytes', true, 'TypeError', 'getBytes: expected an object, got a boolean'],
  ['findSync', () => {}, 'TypeError', 'find: expected an object, got a function'],
  ['getSync', null, 'TypeError', 'get: expected an object, got null'],
  ['delete', undefined, 'TypeError', 'delete: expected an object, got undefined'],
  ['list', undefined, 'TypeError', 'list: expected an object, got undefined'],
  ['batch', undefined, 'TypeError', 'batch: expected an array, got undefined'],
  ['batch', { ...goodSet, type: 'set' }, 'TypeError', 'batch: expected an array, got an object'],

  // Unknown fields, with the field that was meant where one is near.
  [
    'set',
    { ...goodSet, expiresAt: NOW + 1 },
    'TypeError',
    "set: expected only scope, name, expand, payload, expires_at, got 'expiresAt' (did you mean 'expires_at'?)",
  ],
  [
    'set',
    { ...goodSet, expires: NOW + 1 },
    'TypeError',
    "set: expected only scope, name, expand, payload, expires_at, got 'expires' (did you mean 'expires_at'?)",
  ],
  [
    'set',
    { ...goodSet, ttl: 5 },
    'TypeError',
    "set: expected only scope, name, expand, payload, expires_at, got 'ttl'",
  ],
  [
    'set',
    { ...goodSet, payloads: 'x' },
    'TypeError',
    "set: expected only scope, name, expand, payload, expires_at, got 'payloads' (did you mean 'payload'?)",
  ],
  ['get', { ...good, expand: [] }, 'TypeError', "get: expected only scope, name, got 'expand'"],
  [
    'getBytes',
    { ...good, Name: 'n' },
    'TypeError',
    "getBytes: expected only scope, name, got 'Name' (did you mean 'name'?)",
  ],
  ['find', { ...good, payload: 'p' }, 'TypeError', "find: expected only scope, name, expand, got 'payload'"],
  ['delete', { ...good, expires_at: 1 }, 'TypeError', "delete: expected only scope, name, expand, got 'expires_at'"],
  [
    'list',
    { scope: account, startingAfter: 'x' },
    'TypeError',
    "list: expected only scope, prefix, limit, starting_after, ending_before, expand, got 'startingAfter' (did you mean 'starting_after'?)",
  ],
  [
    'find',
    JSON.parse('{"__proto__":{},"name":"n"}'),
    'TypeError',
    "find: expected only scope, name, expand, got '__proto__'",
  ],
  ['find', { ...good, constructor: 1 }, 'TypeError', "find: expected only scope, name, expand, got 'constructor'"],
  [
    'find',
    { scope: { type: 'account', id: 'x' }, name: 'n' },
    'TypeError',
    "scope: expected only type, user, got 'id'",
  ],

  // Scopes.
  ['find', { name: 'n' }, 'TypeError', 'scope: expected an object, got undefined'],
  ['find', { name: 'n', scope: 'account' }, 'TypeError', 'scope: expected an object, got a string'],
  ['find', { name: 'n', scope: {} }, 'TypeError', "scope.type: expected 'account' or 'user', got undefined"],
  [
    'find',
    { name: 'n', scope: { type: 'app' } },
    'TypeError',
    "scope.type: expected 'account' or 'user', got a string",
  ],
  ['list', { scope: { type: 'Account' } }, 'TypeError', "scope.type: expected 'account' or 'user', got a string"],
  [
    'find',
    { name: 'n', scope: { type: 'account', user: 'u' } },
    'TypeError',
    'scope.user: expected none for the account scope, got a string',
  ],
  [
    'list',
    { scope: { type: 'account', user: null } },
    'TypeError',
    'scope.user: expected none for the account scope, got null',
  ],
  ...textRefusals('find', 'scope.user', (id) => ({ name: 'n', scope: { type: 'user', user: id } })),

  // Names, in every verb that has one.
  ...['set', 'find', 'get', 'getBytes', 'findSync', 'getSync', 'delete'].flatMap((verb) =>
    textRefusals(verb, 'name', (name) => ({ scope: account, name, ...(verb === 'set' ? { payload: 'p' } : {}) })),
  ),

  // Payloads.
  ['set', good, 'TypeError', 'payload: expected a string or a Uint8Array, got undefined'],
  ['set', { ...good, payload: null }, 'TypeError', 'payload: expected a string or a Uint8Array, got null'],
  ['set', { ...good, payload: { a: 1 } }, 'TypeError', 'payload: expected a string or a Uint8Array, got an object'],
  ['set', { ...good, payload: [1, 2] }, 'TypeError', 'payload: expected a string or a Uint8Array, got an array'],
  [
    'set',
    { ...good, payload: new ArrayBuffer(2) },
    'TypeError',
    'payload: expected a string or a Uint8Array, got an object',
  ],
  [
    'set',
    { ...good, payload: new Uint16Array(2) },
    'TypeError',
    'payload: expected a string or a Uint8Array, got an object',
  ],
  [
    'set',
    { ...good, payload: '' },
    'TypeError',
    'payload: expected at least one byte, got none (to remove it, delete)',
  ],
  [
    'set',
    { ...good, payload: new Uint8Array() },
    'TypeError',
    'payload: expected at least one byte, got none (to remove it, delete)',
  ],
  ['set', { ...good, payload: LONE }, 'TypeError', 'payload: expected well-formed Unicode, got a lone surrogate'],
  ['set', { ...good, payload: 'x'.repeat(2001) }, 'RangeError', 'payload: expected at most 2000 bytes, got more'],
  ['set', { ...good, payload: new Uint8Array(2001) }, 'RangeError', 'payload: expected at most 2000 bytes, got more'],
  ['set', { ...good, payload: '\u{e9}'.repeat(1001) }, 'RangeError', 'payload: expected at most 2000 bytes, got 2002'],

  // Expiry.
  [
    'set',
    { ...goodSet, expires_at: '1' },
    'TypeError',
    'expires_at: expected a whole number of Unix seconds, got a string',
  ],
  [
    'set',
    { ...goodSet, expires_at: 1n },
    'TypeError',
    'expires_at: expected a whole number of Unix seconds, got a bigint',
  ],
  [
    'set',
    { ...goodSet, expires_at: date },
    'TypeError',
    'expires_at: expected a whole number of Unix seconds, got a Date (Math.floor(date.getTime() / 1000) is what is stored)',
  ],
  ['set', { ...goodSet, expires_at: NOW + 0.5 }, 'RangeError', `expires_at: expected whole seconds, got ${NOW + 0.5}`],
  ['set', { ...goodSet, expires_at: Number.NaN }, 'RangeError', 'expires_at: expected whole seconds, got NaN'],
  ['set', { ...goodSet, expires_at: Infinity }, 'RangeError', 'expires_at: expected whole seconds, got Infinity'],
  ['set', { ...goodSet, expires_at: NOW }, 'RangeError', `expires_at: expected a time after ${NOW}, got ${NOW}`],
  ['set', { ...goodSet, expires_at: 0 }, 'RangeError', `expires_at: expected a time after ${NOW}, got 0`],
  ['set', { ...goodSet, expires_at: -1 }, 'RangeError', `expires_at: expected a time after ${NOW}, got -1`],
  [
    'set',
    { ...goodSet, expires_at: NOW + HUNDRED_YEARS + 1 },
    'RangeError',
    `expires_at: expected at most 100 years ahead, got ${NOW + HUNDRED_YEARS + 1} (milliseconds? divide by 1000 and floor)`,
  ],
  [
    'set',
    { ...goodSet, expires_at: (NOW + 60) * 1000 },
    'RangeError',
    `expires_at: expected at most 100 years ahead, got ${(NOW + 60) * 1000} (milliseconds? divide by 1000 and floor)`,
  ],

  // Expansion.
  ['find', { ...good, expand: 'payload' }, 'TypeError', 'expand: expected an array, got a string'],
  ['find', { ...good, expand: null }, 'TypeError', 'expand: expected an array, got null'],
  ['find', { ...good, expand: ['data.payload'] }, 'TypeError', "expand: expected only 'payload', got a string"],
  [
    'set',
    { ...goodSet, expand: [undefined] },
    'TypeError',
    "expand: expected only 'payload' or 'replaced', got undefined",
  ],
  [
    'set',
    { ...goodSet, expand: new Array(1) },
    'TypeError',
    "expand: expected only 'payload' or 'replaced', got undefined",
  ],
  ['find', { ...good, expand: ['replaced'] }, 'TypeError', "expand: expected only 'payload', got a string"],
  [
    'set',
    { ...goodSet, expires_at: 'Keep' },
    'TypeError',
    'expires_at: expected a whole number of Unix seconds, got a string',
  ],
  ['list', { scope: account, prefix: 1 }, 'TypeError', 'prefix: expected a string, got a number'],
  [
    'list',
    { scope: account, prefix: '\ud800' },
    'TypeError',
    'prefix: expected well-formed Unicode, got a lone surrogate',
  ],
  ['delete', { ...good, expand: ['payload', 'name'] }, 'TypeError', "expand: expected only 'payload', got a string"],
  ['list', { scope: account, expand: ['payload'] }, 'TypeError', "expand: expected only 'data.payload', got a string"],

  // Pages.
  ['list', { scope: account, limit: 0 }, 'RangeError', 'limit: expected an integer from 1 to 100, got 0'],
  ['list', { scope: account, limit: 101 }, 'RangeError', 'limit: expected an integer from 1 to 100, got 101'],
  ['list', { scope: account, limit: 1.5 }, 'RangeError', 'limit: expected an integer from 1 to 100, got 1.5'],
  ['list', { scope: account, limit: Number.NaN }, 'RangeError', 'limit: expected an integer from 1 to 100, got NaN'],
  ['list', { scope: account, limit: '10' }, 'TypeError', 'limit: expected a number, got a string'],
  ['list', { scope: account, limit: null }, 'TypeError', 'limit: expected a number, got null'],
  [
    'list',
    { scope: account, starting_after: 'a', ending_before: 'b' },
    'TypeError',
    'cursor: expected starting_after or ending_before, got both',
  ],
  ...['starting_after', 'ending_before'].flatMap((cursor) =>
    textRefusals('list', cursor, (id) => ({ scope: account, [cursor]: id })).filter(
      ([, params]) => (params as Record<string, unknown>)[cursor] !== undefined,
    ),
  ),

  // Batches: the part that is wrong is named.
  ['batch', [undefined], 'TypeError', 'batch[0]: expected an object, got undefined'],
  // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
  ['batch', [, { ...goodSet, type: 'set' }], 'TypeError', 'batch[0]: expected an object, got undefined'],
  ['batch', [goodSet], 'TypeError', "batch[0] type: expected 'set' or 'delete', got undefined"],
  ['batch', [{ ...goodSet, type: 'put' }], 'TypeError', "batch[0] type: expected 'set' or 'delete', got a string"],
  [
    'batch',
    [
      { ...goodSet, type: 'set' },
      { ...good, type: 'delete', payload: 'p' },
    ],
    'TypeError',
    "batch[1]: expected only scope, name, expand, got 'payload'",
  ],
  [
    'batch',
    [{ ...goodSet, type: 'set', ttl: 5 }],
    'TypeError',
    "batch[0]: expected only type, scope, name, expand, payload, expires_at, got 'ttl'",
  ],
  [
    'batch',
    [
      { ...goodSet, type: 'set' },
      { ...goodSet, type: 'set', name: '' },
    ],
    'TypeError',
    'name: expected at least one character, got none',
  ],
]

/** What a verb does with parameters of any sort, as a promise. */
async function call(view: SecretView, verb: string, params: unknown): Promise<unknown> {
  return (view as unknown as Record<string, (params: unknown) => unknown>)[verb]?.(params)
}

async function caught(work: () => unknown): Promise<unknown> {
  try {
    return ['no error', await work()]
  } catch (error) {
    return error
  }
}

describe.each(['memory', 'LevelDB'] as const)('over %s', (engine) => {
  test('every wrong parameter is refused with its own message, and leaves the store as it was', async () => {
    const store = await openOver(engine, { maxPayloadBytes: 2000 })
    await store.set(goodSet)
    const before = [await store.checkpoint(), await store.verify()]
    for (const [verb, params, type, message] of refusals) {
      for (const view of [store, store.view({ account: 'acct_1', livemode: true })]) {
        const error = await caught(() => call(view, verb, params))
        expect([verb, error]).toEqual([verb, expect.objectContaining({ name: type, message })])
        // Not one of the world's: no code.
        expect(error).not.toHaveProperty('code')
      }
    }
    expect([await store.checkpoint(), await store.verify()]).toEqual(before)
    expect(await store.get(good)).toBe('p')
  })

  test('a walk refuses what a page refuses', async () => {
    const store = await openOver(engine)
    for (const [verb, params, type, message] of refusals) {
      if (verb !== 'list') continue
      const walk = (): Promise<unknown> =>
        store
          .list(params as { scope: typeof account })
          [Symbol.asyncIterator]()
          .next()
      expect(await caught(walk)).toMatchObject({ name: type, message })
    }
  })

  test('the bounds themselves are accepted', async () => {
    const store = await openOver(engine, { maxPayloadBytes: 2000 })
    for (const payload of ['x'.repeat(2000), '\u{e9}'.repeat(1000), new Uint8Array(2000), 'x', Uint8Array.of(0)]) {
      await store.set({ ...good, payload })
      expect(await store.getBytes(good)).toEqual(
        typeof payload === 'string' ? new TextEncoder().encode(payload) : payload,
      )
    }
    for (const expires_at of [NOW + 1, NOW + HUNDRED_YEARS, null]) {
      expect(await store.set({ ...goodSet, expires_at })).toMatchObject({ expires_at })
    }
    for (const limit of [1, 100]) expect((await store.list({ scope: account, limit })).data).toHaveLength(1)
    // What is left undefined is left out.
    const loose = { ...goodSet, expires_at: undefined, expand: undefined } as unknown as typeof goodSet
    expect(await store.set(loose)).not.toHaveProperty('payload')
    expect(await store.find({ ...good, expand: [] })).not.toHaveProperty('payload')
    expect(await store.find({ ...good, expand: ['payload', 'payload'] })).toHaveProperty('payload', 'p')
    const list = { scope: account, limit: undefined, starting_after: undefined, ending_before: undefined }
    expect(await store.list(list as unknown as { scope: typeof account })).toMatchObject({ data: [{ name: 'n' }] })
  })

  const hostileNames = [
    ...[
      'x',
      ' ',
      '|',
      '||',
      '\0',
      '\0\0',
      '../',
      '../../etc/passwd',
      '/',
      '\\',
      '.',
      '..',
      'CON',
      '\n',
      '\x7f',
      '\u{feff}',
    ],
    ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', 'then', 'null', 'undefined', '0', '-1'],
    ...['account', 'account|', '|account|', 'user:x', 'user:x|n', 'rt|account|n', '%', '%7C', '%25', '%7c'],
    ...['caf\u{e9}', 'cafe\u{301}', '\u{212b}', '\u{e5}', 'a\u{30a}', '\u{fb01}', 'fi', '\u{200d}', '\u{202e}abc'],
    ...['a', 'aa', 'aaa', 'a\0', 'a|', '\u{ffff}', '\u{10ffff}', '\u{1f600}', 'x'.repeat(4999), 'x'.repeat(5000)],
    ...['\u{1f600}'.repeat(5000), '\u{10ffff}'.repeat(4999), '\u{301}'.repeat(5000)],
  ]

  test.each(['plain', 'sealed'] as const)(
    'hostile names and user ids, %s, are all different secrets',
    async (names) => {
      const store = await openOver(engine, { names })
      const scopes = [account, ...['account', 'x|y', 'user:x|y', '|', '\0', '../', '__proto__', 'x', 'x|'].map(user)]
      for (const scope of [...scopes, user('\u{1f600}'.repeat(5000))]) {
        await store.batch(
          hostileNames.map((name, index) => ({
            type: 'set',
            scope,
            name,
            payload: `${JSON.stringify(scope).slice(0, 99)} ${index}`,
          })),
        )
      }
      for (const scope of [...scopes, user('\u{1f600}'.repeat(5000))]) {
        for (const [index, name] of hostileNames.entries()) {
          const secret = await store.find({ scope, name, expand: ['payload'] })
          expect(secret?.name).toBe(name)
          expect(secret?.scope).toEqual(scope)
          expect(secret?.payload).toBe(`${JSON.stringify(scope).slice(0, 99)} ${index}`)
        }
        const walked: string[] = []
        for await (const { name } of store.list({ scope })) walked.push(name)
        if (names === 'sealed') walked.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        expect(walked).toEqual(hostileNames.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
      }
      for (const absent of ['y', 'xx', 'a\0\0', '\u{1f600}'.repeat(4999), 'x'.repeat(4998), 'ACCOUNT', 'n']) {
        expect(await store.find({ scope: account, name: absent })).toBeUndefined()
      }
      expect(await store.verify()).toMatchObject({ ok: true, records: hostileNames.length * 11, problems: [] })
    },
  )

  test('accounts of views are as hostile as names', async () => {
    const store = await openOver(engine)
    const accounts = ['account', '|', '\0', '../', '__proto__', 'l', 't', 'a|account|n', '\u{1f600}'.repeat(5000)]
    for (const of of accounts) await store.view({ account: of }).set({ ...good, payload: of.slice(0, 20) })
    for (const of of accounts) expect(await store.view({ account: of }).get(good)).toBe(of.slice(0, 20))
    expect(await store.get(good)).toBeUndefined()
  })

  test('each property is read once, at the call, so that it cannot change in between', async () => {
    const store = await openOver(engine)
    const reads: string[] = []
    const watched = <T extends object>(label: string, target: T): T => {
      const copy = {}
      for (const [name, value] of Object.entries(target)) {
        Object.defineProperty(copy, name, {
          enumerable: true,
          get() {
            reads.push(`${label}${name}`)
            return value
          },
        })
      }
      return copy as T
    }
    const once = async (expected: readonly string[], work: () => PromiseLike<unknown> | unknown): Promise<void> => {
      reads.length = 0
      const working = work()
      expect([...reads].sort()).toEqual([...expected].sort())
      await working
      expect([...reads].sort()).toEqual([...expected].sort())
    }
    const scope = watched('scope.', { type: 'user' as const, user: 'u' })
    const inScope = ['scope', 'scope.type', 'scope.user']
    const set = { scope, name: 'n', payload: 'p', expires_at: NOW + 5, expand: ['payload'] as const }
    await once([...inScope, 'name', 'payload', 'expires_at', 'expand'], () => store.set(watched('', set)))
    const find = { scope, name: 'n', expand: [] }
    await once([...inScope, 'name', 'expand'], () => store.find(watched('', find)))
    if (readsAtOnce) await once([...inScope, 'name', 'expand'], () => store.findSync(watched('', find)))
    await once([...inScope, 'name'], () => store.get(watched('', { scope, name: 'n' })))
    await once([...inScope, 'name'], () => store.getBytes(watched('', { scope, name: 'n' })))
    await once([...inScope, 'limit'], () => store.list(watched('', { scope, limit: 1 })))
    await once([...inScope, 'type', 'name'], () =>
      store.batch([watched('', { type: 'delete' as const, scope, name: 'n' })]),
    )
    await once([...inScope, 'name'], () => store.delete(watched('', { scope, name: 'n' })))
  })

  test('inherited properties are none, and a prototype is not needed', async () => {
    const store = await openOver(engine)
    const bare = Object.assign(Object.create(null), goodSet)
    await store.set(bare)
    expect(await store.get(good)).toBe('p')
    await expect(store.get(Object.create(good))).rejects.toThrow('scope: expected an object, got undefined')
  })

  test('bytes of another realm are bytes', async () => {
    const store = await openOver(engine)
    await store.set({ ...good, payload: runInNewContext('Uint8Array.of(1, 2)') })
    expect(await store.getBytes(good)).toEqual(Uint8Array.of(1, 2))
    await store.set({ ...good, payload: Buffer.from('buffer') })
    expect(await store.getBytes(good)).toEqual(new TextEncoder().encode('buffer'))
  })

  test('no message shows a payload, a name or an id', async () => {
    const store = await openOver(engine, { maxPayloadBytes: 5 })
    const secret = 'hunter2hunter2'
    for (const [verb, params] of [
      ['set', { ...good, payload: secret }],
      ['set', { ...good, payload: [secret] }],
      ['set', { ...good, payload: `${secret}\ud800` }],
      ['set', { ...goodSet, name: `${secret}\ud800` }],
      ['set', { ...goodSet, expand: [secret] }],
      ['find', { name: 'n', scope: { type: secret } }],
      ['list', { scope: account, starting_after: secret }],
    ] as const) {
      expect(String(await caught(() => call(store, verb, params)))).not.toContain(secret)
    }
  })
})

describe('options', () => {
  const common: readonly [Record<string, unknown>, 'TypeError' | 'RangeError', string][] = [
    [{ now: 5 }, 'TypeError', 'now: expected a function, got a number'],
    [{ now: () => Number.NaN }, 'TypeError', 'now: expected milliseconds since the Unix epoch, got something else'],
    [{ now: () => -1 }, 'TypeError', 'now: expected milliseconds since the Unix epoch, got something else'],
    [{ now: () => 'x' }, 'TypeError', 'now: expected milliseconds since the Unix epoch, got something else'],
    [{ onError: 'log' }, 'TypeError', 'onError: expected a function, got a string'],
    [{ sweepIntervalMs: -1 }, 'RangeError', `sweepIntervalMs: expected an integer from 0 to ${2 ** 53 - 1}, got -1`],
    [{ sweepIntervalMs: 0.5 }, 'RangeError', `sweepIntervalMs: expected an integer from 0 to ${2 ** 53 - 1}, got 0.5`],
    [{ sweepIntervalMs: '1' }, 'TypeError', 'sweepIntervalMs: expected a number, got a string'],
    [
      { compactIntervalMs: Infinity },
      'RangeError',
      `compactIntervalMs: expected an integer from 0 to ${2 ** 53 - 1}, got Infinity`,
    ],
    [{ maxPayloadBytes: 0 }, 'RangeError', 'maxPayloadBytes: expected an integer from 1 to 1073741824, got 0'],
    [
      { maxPayloadBytes: 2 ** 31 },
      'RangeError',
      'maxPayloadBytes: expected an integer from 1 to 1073741824, got 2147483648',
    ],
    [{ names: 'hashed' }, 'TypeError', "names: expected 'plain' or 'sealed', got another"],
    [{ sweepInterval: 5 }, 'TypeError', "got 'sweepInterval' (did you mean 'sweepIntervalMs'?)"],
    [{ max_payload_bytes: 5 }, 'TypeError', "got 'max_payload_bytes' (did you mean 'maxPayloadBytes'?)"],
    [{ ttl: 5 }, 'TypeError', "onError, got 'ttl'"],
  ]

  test('of memory stores are refused one by one', () => {
    for (const [options, name, message] of common) {
      const expected = expect.objectContaining({
        name,
        message: expect.stringContaining(message.replace('onError, ', '')),
      })
      expect(() => stores.memory(options)).toThrow(expected)
    }
    expect(() => stores.memory(null as unknown as object)).toThrow('options: expected an object, got null')
    expect(() => stores.memory({ key: testKey() } as object)).toThrow("got 'key'")
  })

  test('of stores on disk are refused one by one, and nothing is created', async () => {
    const location = await newLocation()
    const own: typeof common = [
      [
        { key: undefined },
        'TypeError',
        'key: expected a key provider such as passphrase(\u{2026}) or rawKey(\u{2026})',
      ],
      [{ createIfMissing: 1 }, 'TypeError', 'createIfMissing: expected a boolean, got a number'],
      [{ minimum: 'x' }, 'TypeError', 'minimum: expected a token from checkpoint(), got something else'],
      [{ minimum: 5 }, 'TypeError', 'minimum: expected a token from checkpoint(), got something else'],
      [{ passphrase: 'x' }, 'TypeError', "got 'passphrase'"],
      [{ createIfMising: true }, 'TypeError', "got 'createIfMising'"],
    ]
    for (const [options, name, message] of [...common, ...own]) {
      const opening = caught(() => stores.open(location, { key: testKey(), ...options } as OpenOptions))
      const found = (await opening) as Error
      expect([options, found.name, found.message]).toEqual([
        options,
        name,
        expect.stringContaining(message.replace('onError, ', '')),
      ])
    }
    await expect(stores.open(location, undefined as unknown as OpenOptions)).rejects.toThrow(
      'options: expected an object, got undefined',
    )
    await expect(openStore(location, { createIfMissing: false })).rejects.toThrow(
      'location: expected a store, got none',
    )
  })

  test('of views are refused one by one', () => {
    const store = stores.memory({ sweepIntervalMs: 0 })
    const wrong: readonly [unknown, string, string][] = [
      [undefined, 'TypeError', 'view: expected an object, got undefined'],
      [{ livemode: 'true' }, 'TypeError', 'livemode: expected a boolean, got a string'],
      [{ account: '' }, 'TypeError', 'account: expected at least one character, got none'],
      [{ account: null }, 'TypeError', 'account: expected a string, got null'],
      [{ account: LONE }, 'TypeError', 'account: expected well-formed Unicode, got a lone surrogate'],
      [{ account: 'x'.repeat(5001) }, 'RangeError', 'account: expected at most 5000 characters, got more'],
      [{ user: '' }, 'TypeError', 'user: expected at least one character, got none'],
      [{ user: user('u') }, 'TypeError', 'user: expected a string, got an object'],
      [
        { liveMode: true },
        'TypeError',
        "view: expected only account, livemode, user, got 'liveMode' (did you mean 'livemode'?)",
      ],
      [{ stripeAccount: 'a' }, 'TypeError', "view: expected only account, livemode, user, got 'stripeAccount'"],
    ]
    for (const [options, name, message] of wrong) {
      expect(() => store.view(options as object)).toThrow(expect.objectContaining({ name, message }))
    }
  })

  test('a clock that breaks later fails what needs it, and nothing else', async () => {
    let ms: number = new TestClock().ms
    const store = stores.memory({ now: () => ms, sweepIntervalMs: 0, compactIntervalMs: 0 })
    await store.set(goodSet)
    ms = Number.NaN
    await expect(store.set(goodSet)).rejects.toThrow('now: expected milliseconds since the Unix epoch')
    await expect(store.sweep()).rejects.toThrow('now: expected milliseconds since the Unix epoch')
    ms = new TestClock().ms
    expect(await store.get(good)).toBe('p')
    expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
  })
})
