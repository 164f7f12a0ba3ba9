import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { exposeSecrets, type Grant } from '../../../src/electron'
import { account, type Scope, type Secret, SecretStore, user } from '../../../src/index'
import { APP, everything, expose, FakeFrame, FakeIpc, FakePage, originOf } from './fakes'

const token = { scope: account, name: 'token' }

/** Whether a page may do anything at all. */
async function isLetIn(page: { call(name: string, params?: unknown): Promise<unknown> }): Promise<boolean> {
  const { error } = (await page.call('find', token)) as { error?: { code: string } }
  if (error !== undefined) expect(error.code).toBe('ERR_ACCESS_DENIED')
  return error === undefined
}

describe('what is no grant is refused', () => {
  const { origin: _, ...elsewhere } = everything
  const someOrigin =
    "allow origin: expected one such as 'https://app.example' or 'app://notes' (for files, a page), got another"
  const somePage = 'allow page: expected a URL as browsers write it, without query and fragment, got another'
  const cases: [string, unknown, string][] = [
    ['no list', everything, 'allow: expected an array of grants, got something else'],
    ['nothing', undefined, 'allow: expected an array of grants, got something else'],
    ['no object', ['all'], 'allow: expected an object, got a string'],
    [
      'an unknown field',
      [{ ...everything, origins: [APP] }],
      "allow: expected only origin, page, frames, when, view, verbs, scopes, names, got 'origins' (did you mean 'origin'?)",
    ],
    ['no place', [elsewhere], 'allow: expected either an origin or a page, got both or neither'],
    [
      'two places',
      [{ ...everything, page: `${APP}/` }],
      'allow: expected either an origin or a page, got both or neither',
    ],
    ['a number for an origin', [{ ...everything, origin: 1 }], 'allow origin: expected a string, got a number'],
    ['a number for a page', [{ ...elsewhere, page: 1 }], 'allow page: expected a string, got a number'],
    [
      'an endless origin',
      [{ ...everything, origin: 'x'.repeat(5001) }],
      'allow origin: expected at most 5000 characters, got more',
    ],
    ...[
      '*',
      'null',
      'app.example',
      '//app.example',
      `${APP}/`,
      `${APP}/*`,
      `${APP}:443`,
      'https://*',
      'HTTPS://app.example',
      'https://App.example',
      'https://me@app.example',
      'https://bücher.example',
      'https://app.example ',
      'file://',
      'file:///',
      'about:blank',
      'data://',
      'blob://',
      'app://',
      `blob:${APP}`,
    ].map((origin): [string, unknown, string] => [`the origin ${origin}`, [{ ...everything, origin }], someOrigin]),
    ...[
      'index.html',
      '/app/index.html',
      `${APP}`,
      `${APP}/?a`,
      `${APP}/#a`,
      `${APP}/a/../b`,
      'file:///a b.html',
      'file:///a/./b.html',
      'FILE:///a.html',
    ].map((page): [string, unknown, string] => [`the page ${page}`, [{ ...elsewhere, page }], somePage]),
    [
      'an origin that anybody on the way can answer for',
      [{ ...everything, origin: 'http://app.example' }],
      'allow origin: expected https:, or a host of this machine, got http:',
    ],
    [
      'a page that anybody on the way can answer for',
      [{ ...elsewhere, page: 'http://127.0.0.1.app.example/' }],
      'allow page: expected https:, or a host of this machine, got http:',
    ],
    ['other frames', [{ ...everything, frames: 'sub' }], "allow frames: expected 'main' or 'all', got another"],
    [
      'a file within frames',
      [{ ...elsewhere, page: 'file:///a.html', frames: 'all' }],
      "allow frames: expected 'main' for a file, which any other file can have as a frame, got 'all'",
    ],
    [
      'a condition that is no function',
      [{ ...everything, when: true }],
      'allow when: expected a function, got a boolean',
    ],
    [
      'a view of another copy of the library',
      [{ ...everything, view: Object.create(SecretStore.prototype) }],
      'view: expected one of this copy of the library, got something else',
    ],
    [
      'a view that is none',
      [{ ...everything, view: {} }],
      'allow view: expected a view of a store, got something else',
    ],
    ['no verbs', [{ ...everything, verbs: undefined }], "allow verbs: expected an array or 'all', got something else"],
    ['one verb', [{ ...everything, verbs: 'get' }], "allow verbs: expected an array or 'all', got something else"],
    [
      'an unknown verb',
      [{ ...everything, verbs: ['getBytes'] }],
      'allow verbs: expected some of find, list, get, set, delete, watch, got another',
    ],
    [
      'no scopes',
      [{ ...everything, scopes: undefined }],
      "allow scopes: expected an array or 'all', got something else",
    ],
    ['one scope', [{ ...everything, scopes: account }], "allow scopes: expected an array or 'all', got something else"],
    [
      'an unknown scope',
      [{ ...everything, scopes: [{ type: 'all' }] }],
      "scope.type: expected 'account' or 'user', got a string",
    ],
    ['no names', [{ ...everything, names: undefined }], "allow names: expected an array or 'all', got something else"],
    ['one name', [{ ...everything, names: 'token' }], "allow names: expected an array or 'all', got something else"],
    ['an empty name', [{ ...everything, names: [''] }], 'allow names: expected at least one character, got none'],
    ['a pattern', [{ ...everything, names: [/a/] }], 'allow names prefix: expected a string, got undefined'],
    ['nothing for a name', [{ ...everything, names: [null] }], 'allow names: expected an object, got null'],
    [
      'an empty prefix',
      [{ ...everything, names: [{ prefix: '' }] }],
      'allow names prefix: expected at least one character, got none',
    ],
    [
      'another field of a prefix',
      [{ ...everything, names: [{ prefix: 'a', suffix: 'b' }] }],
      "allow names: expected only prefix, got 'suffix'",
    ],
    [
      'half a character',
      [{ ...everything, names: [{ prefix: '\ud83d' }] }],
      'allow names prefix: expected well-formed Unicode, got a lone surrogate',
    ],
  ]
  test.each(cases)('%s', (_, allow, message) => {
    expect(() => expose(allow as Grant[])).toThrow(new RegExp(`^${escaped(message)}$`))
  })

  test('a grant that never counts, since an earlier one takes all of its pages', () => {
    const { origin: _, ...elsewhere } = everything
    const when = () => true
    const page = `${APP}/a.html`
    const never = 'expected pages that no grant before it takes, got one that never counts'
    const refused: Grant[][] = [
      [everything, everything],
      [everything, { ...everything, when }],
      [everything, { ...elsewhere, page }],
      [{ ...everything, frames: 'all' }, everything],
      [
        { ...elsewhere, page },
        { ...elsewhere, page, verbs: [] },
      ],
    ]
    for (const allow of refused) expect(() => expose(allow)).toThrow(`allow[1]: ${never}`)
    expect(() => expose([{ ...elsewhere, page }, everything, { ...everything, when }])).toThrow(`allow[2]: ${never}`)
    const taken: Grant[][] = [
      [{ ...everything, when }, everything],
      [{ ...elsewhere, page }, everything],
      [everything, { ...everything, frames: 'all' }],
      [everything, { ...everything, origin: 'https://other.example' }],
      [
        { ...elsewhere, page },
        { ...elsewhere, page: `${APP}/b.html` },
      ],
    ]
    for (const allow of taken) expect(() => expose(allow)).not.toThrow()
  })

  test('what is none of what is asked for at all', () => {
    const store = SecretStore.memory()
    onTestFinished(() => store.close())
    const ipc = new FakeIpc()
    const options = { allow: [everything] }
    for (const no of [undefined, null, {}, { handle() {}, removeHandler() {} }]) {
      expect(() => exposeSecrets(no as never, store, options)).toThrow(
        new TypeError("ipcMain: expected Electron's, in the main process, got something else"),
      )
    }
    for (const no of [undefined, null, {}, store.get, Object.create(store)]) {
      expect(() => exposeSecrets(ipc, no as never, options)).toThrow(
        new TypeError('store: expected a store that was opened, got something else'),
      )
    }
    expect(() => exposeSecrets(ipc, store, undefined as never)).toThrow(
      'exposeSecrets: expected an object, got undefined',
    )
    expect(() => exposeSecrets(ipc, store, { ...options, deny: [] } as never)).toThrow(
      "expected only allow, got 'deny'",
    )
    // And none of it has left a handler behind.
    expect(() => exposeSecrets(ipc, store, options)).not.toThrow()
  })
})

describe('which pages', () => {
  test('with no grant, none', async () => {
    expect(await isLetIn(expose([]).page())).toBe(false)
  })

  test.each([
    [`${APP}/`, APP, true],
    [`${APP}/any/page?query#fragment`, APP, true],
    ['about:blank', APP, true],
    ['about:srcdoc', APP, true],
    [`blob:${APP}/1`, APP, true],
    [`${APP}/`, 'null', false],
    [`${APP}/`, '', false],
    [`${APP}/`, undefined as never, false],
    [`${APP}/`, `${APP}/`, false],
    [`${APP}/`, `${APP}.evil.example`, false],
    [`${APP}/`, `${APP}:8443`, false],
    [`${APP}/`, 'http://app.example', false],
    [`${APP}/`, 'https://APP.example', false],
    [`${APP}/`, 'https://sub.app.example', false],
    [`${APP}/`, 'file://', false],
    ['about:blank', 'null', false],
    ['data:text/html,x', 'null', false],
  ])('of an origin, to the letter: %s of %s is %s', async (url, origin, expected) => {
    const page = expose([everything]).page(url, APP)
    page.frame.origin = origin
    expect(await isLetIn(page)).toBe(expected)
  })

  const { origin: _, ...elsewhere } = everything
  const index = 'file:///opt/My%20App/index.html'

  test.each([
    [index, true],
    [`${index}?query#fragment`, true],
    [`${index}#/?a`, true],
    ['file:///opt/My%20App/other.html', false],
    [`${index}/`, false],
    [`${index}%3Fa`, false],
    ['file:///opt/My%20App/Index.html', false],
    ['file:///opt/./My%20App/index.html', true],
    ['file:///opt/My%20App%2Findex.html', false],
    ['file:///opt/link/index.html', false],
    ['file://server/opt/My%20App/index.html', false],
    [`https://evil.example/${index}`, false],
    [`https://evil.example/?${index}`, false],
    [`data:text/html,${index}`, false],
  ])('of one file: %s is %s', async (url, expected) => {
    const page = expose([{ ...elsewhere, page: index }]).page(new URL(url).href)
    expect(await isLetIn(page)).toBe(expected)
  })

  test('of one file on another machine, whose origin does not say which', async () => {
    const page = 'file://server/share/index.html'
    expect(await isLetIn(expose([{ ...elsewhere, page }]).page(page, 'file://'))).toBe(true)
    expect(await isLetIn(expose([{ ...elsewhere, page }]).page('file:///share/index.html', 'file://'))).toBe(false)
  })

  test('of one file, not another that has called itself so by history.pushState, nor one that does not say', async () => {
    const world = expose([{ ...elsewhere, page: index }])
    const other = world.page('file:///home/me/Downloads/evil.html')
    other.frame.navigate(index)
    expect(await isLetIn(other)).toBe(false)
    const left = world.page(index)
    left.frame.navigate('file:///opt/My%20App/elsewhere.html')
    expect(await isLetIn(left)).toBe(false)
    for (const said of [undefined, null, 1, {}, [index], '', 'index.html']) {
      expect((await world.page(index).raw('find', token, said)).error?.code).toBe('ERR_ACCESS_DENIED')
    }
  })

  test('what a message says of its page lets nobody in', async () => {
    const world = expose([{ ...elsewhere, page: index }])
    expect((await world.page('file:///evil.html').raw('find', token, index)).error?.code).toBe('ERR_ACCESS_DENIED')
    expect((await world.page(index, 'null').raw('find', token, index)).error?.code).toBe('ERR_ACCESS_DENIED')
    expect((await world.page(index).raw('find', token, `${index}#a`)).error).toBeUndefined()
  })

  test('of one page of an origin', async () => {
    const world = expose([{ ...elsewhere, page: `${APP}/settings` }])
    expect(await isLetIn(world.page(`${APP}/settings?tab=1`))).toBe(true)
    expect(await isLetIn(world.page(`${APP}/settings/`))).toBe(false)
    expect(await isLetIn(world.page(`${APP}/settings`, 'null'))).toBe(false)
  })

  test.each([
    'http://localhost:5173',
    'http://app.localhost',
    'http://127.0.0.1',
    'http://[::1]:1',
    'app://notes',
    'chrome-extension://abcdef',
  ])('of %s', async (origin) => {
    expect(await isLetIn(expose([{ ...everything, origin }]).page(`${origin}/`))).toBe(true)
  })

  test('the main frame, and if it is said, frames that are within nothing but their own origin', async () => {
    const [main, all] = [expose([everything]), expose([{ ...everything, frames: 'all' }])]
    for (const [world, expected] of [
      [main, false],
      [all, true],
    ] as const) {
      const outer = world.page()
      const inner = world.page(`${APP}/inner`, APP, outer.frame)
      const innermost = world.page('about:srcdoc', APP, inner.frame)
      expect(await Promise.all([outer, inner, innermost].map(isLetIn))).toEqual([true, expected, expected])
      const evil = world.page('https://evil.example/')
      expect(await isLetIn(world.page(`${APP}/`, APP, evil.frame))).toBe(false)
      expect(await isLetIn(world.page('https://evil.example/', undefined, outer.frame))).toBe(false)
      const between = world.page('https://evil.example/', undefined, outer.frame)
      expect(await isLetIn(world.page(`${APP}/`, APP, between.frame))).toBe(false)
      const sandboxed = world.page(`${APP}/`, 'null', outer.frame)
      expect(await isLetIn(world.page(`${APP}/`, APP, sandboxed.frame))).toBe(false)
    }
    const unsure = main.page()
    unsure.frame.parent = undefined as never
    expect(await isLetIn(unsure)).toBe(false)
  })

  test.each([
    [() => true, true],
    [() => false, false],
    [() => 1, false],
    [() => 'yes', false],
    [() => ({}), false],
    [async () => true, false],
    [() => undefined, false],
  ])('that meet a condition: %s is %s', async (when, expected) => {
    expect(await isLetIn(expose([{ ...everything, when: when as () => boolean }]).page())).toBe(expected)
  })

  test('a condition is asked about the frame, after the origin', async () => {
    const asked: unknown[] = []
    const when: Grant['when'] = ({ frame, webContents }) => asked.push([frame.url, webContents.id]) > 0
    const world = expose([{ ...everything, when }])
    await isLetIn(world.page('https://evil.example/'))
    expect(asked).toEqual([])
    expect(await isLetIn(world.page())).toBe(true)
    // Again when it is answered.
    expect(asked).toEqual([
      [`${APP}/`, 1],
      [`${APP}/`, 1],
    ])
  })

  test('a condition that fails lets nobody in, also not by a later grant, and the app hears of it, the page not', async () => {
    const reported: unknown[] = []
    const mistake = new TypeError('cannot read windows of undefined: example-detail')
    const when = (): boolean => {
      throw mistake
    }
    const world = expose([{ ...everything, when, verbs: [] }, everything], { onError: (error) => reported.push(error) })
    expect(await isLetIn(world.page())).toBe(false)
    expect(reported).toEqual([mistake])
    expect(JSON.stringify(world.ipc.sent)).not.toContain('example-detail')
  })

  test('the first grant that matches counts, whatever the later ones allow', async () => {
    const world = expose([
      { ...everything, when: ({ webContents }) => webContents.id === 7, verbs: ['find'] },
      { ...elsewhere, page: `${APP}/admin` },
      { ...everything, verbs: ['find', 'get'], names: ['token'] },
    ])
    const may = async (page: ReturnType<typeof world.page>) => [
      await page.outcome('get', token),
      await page.outcome('get', { ...token, name: 'other' }),
    ]
    const denied = 'ERR_ACCESS_DENIED'
    expect(await may(world.page(`${APP}/admin`))).toEqual([undefined, undefined])
    expect(await may(world.page())).toEqual([undefined, denied])
    const seventh = world.page(`${APP}/admin`)
    Object.assign(seventh.event, { sender: { id: 7 } })
    expect(await may(seventh)).toEqual([denied, denied])
  })

  test('a list of grants is read once: what is done to it later has no effect', async () => {
    const grant = {
      ...everything,
      verbs: ['find'] as ('find' | 'get')[],
      names: ['token'],
      scopes: [account] as Scope[],
    }
    const allow: Grant[] = [grant]
    const world = expose(allow)
    grant.verbs.push('get')
    grant.names.push('other')
    grant.scopes.push(user('ada'))
    grant.origin = 'https://evil.example'
    allow.push({ ...everything, origin: 'https://evil.example' })
    const page = world.page()
    expect(await page.outcome('get', token)).toBe('ERR_ACCESS_DENIED')
    expect(await page.outcome('find', { ...token, name: 'other' })).toBe('ERR_ACCESS_DENIED')
    expect(await page.outcome('find', { ...token, scope: user('ada') })).toBe('ERR_ACCESS_DENIED')
    expect(await isLetIn(world.page('https://evil.example/'))).toBe(false)
  })
})

const VERBS = ['find', 'list', 'get', 'set', 'delete', 'watch'] as const
const NAMES = ['a', 'ab', 'abc', 'A', 'b', 'b/1', 'b/2', 'é', 'e\u0301', '__proto__', 'a\0'] as const
const SCOPES: readonly Scope[] = [account, user('ada'), user('Ada'), user('bob'), user('__proto__')]

const someNames = fc.oneof(
  fc.constant('all' as const),
  fc.array(
    fc.oneof(
      fc.constantFrom(...NAMES),
      fc.constantFrom('a', 'b/', 'e', '__').map((prefix) => ({ prefix })),
    ),
    { maxLength: 4 },
  ),
)
const someScopes = fc.oneof(fc.constant('all' as const), fc.subarray([...SCOPES]))
const someVerbs = fc.oneof(fc.constant('all' as const), fc.subarray([...VERBS]))

/** What a grant says, put another way. */
function model(grant: Grant, owner: string | undefined) {
  const { verbs, scopes, names } = grant
  return {
    verb: (verb: string) => verbs === 'all' || verbs.some((allowed) => allowed === verb),
    scope: (scope: Scope) =>
      (owner === undefined || scope.type === 'account' || scope.user === owner) &&
      (scopes === 'all' || scopes.some((allowed) => JSON.stringify(allowed) === JSON.stringify(scope))),
    name: (name: string) =>
      names === 'all' ||
      names.some((allowed) =>
        typeof allowed === 'string' ? allowed === name : name.slice(0, allowed.prefix.length) === allowed.prefix,
      ),
  }
}

test('every verb, with every scope and name, does what the grant says and no more', async () => {
  const call = fc.record({
    name: fc.constantFrom('find', 'get', 'getBytes', 'set', 'delete', 'list'),
    scope: fc.constantFrom(...SCOPES),
    secret: fc.constantFrom(...NAMES),
    expand: fc.boolean(),
  })
  const owner = fc.constantFrom(undefined, 'ada')
  await fc.assert(
    fc.asyncProperty(
      someVerbs,
      someScopes,
      someNames,
      owner,
      fc.array(call, { maxLength: 25 }),
      async (verbs, scopes, names, owner, calls) => {
        const grant: Grant = { origin: APP, verbs, scopes, names }
        const store = SecretStore.memory({ sweepIntervalMs: 0 })
        const ipc = new FakeIpc()
        const view = owner === undefined ? store : store.view({ user: owner })
        const end = exposeSecrets(ipc, store, { allow: [{ ...grant, view }] })
        const page = new FakePage(ipc, new FakeFrame(`${APP}/`))
        const allowed = model(grant, owner)
        const held = new Map<string, string>()
        for (const scope of SCOPES) {
          for (const name of NAMES) {
            await store.set({ scope, name, payload: `kept ${name}` })
            held.set(JSON.stringify([scope, name]), `kept ${name}`)
          }
        }
        for (const [index, { name, scope, secret, expand }] of calls.entries()) {
          const key = JSON.stringify([scope, secret])
          const verb = name === 'getBytes' ? 'get' : name
          const takesExpand = !['get', 'getBytes'].includes(name)
          const isExpanded = expand && takesExpand
          const target = { scope, ...(name !== 'list' && { name: secret }) }
          const payload = name === 'set' ? { payload: `set ${index}` } : {}
          const field = name === 'list' ? 'data.payload' : 'payload'
          const params = {
            ...target,
            ...payload,
            ...(isExpanded && { expand: [field] }),
            ...(name === 'list' && { limit: 100 }),
          }
          const { value, error } = await page.call(name, params)
          const mayDo =
            allowed.verb(verb) &&
            (!isExpanded || allowed.verb('get')) &&
            allowed.scope(scope) &&
            (name === 'list' || allowed.name(secret))
          expect(error?.code).toBe(mayDo ? undefined : 'ERR_ACCESS_DENIED')
          if (!mayDo) continue
          if (name === 'set') held.set(key, `set ${index}`)
          const expected = held.get(key)
          if (name === 'delete') held.delete(key)
          if (name === 'get') expect(value).toBe(expected)
          if (name === 'getBytes') expect(value && Buffer.from(value as Uint8Array).toString()).toBe(expected)
          if (name === 'find' || name === 'delete' || name === 'set') {
            expect((value as Secret | undefined)?.payload).toBe(isExpanded ? expected : undefined)
            expect((value as Secret | undefined)?.name).toBe(expected === undefined ? undefined : secret)
          }
          if (name === 'list') {
            const { data, has_more } = value as { data: Secret[]; has_more: boolean }
            const present = NAMES.filter((known) => allowed.name(known) && held.has(JSON.stringify([scope, known])))
            expect(data.map((listed) => listed.name)).toEqual(
              [...present].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
            )
            expect(has_more).toBe(false)
            for (const listed of data) {
              expect(listed.payload).toBe(isExpanded ? held.get(JSON.stringify([scope, listed.name])) : undefined)
            }
          }
        }
        // Nothing else was touched.
        for (const scope of SCOPES) {
          for (const name of NAMES) {
            expect(await store.get({ scope, name })).toBe(held.get(JSON.stringify([scope, name])))
          }
        }
        end()
        await store.close()
      },
    ),
    { numRuns: 60 },
  )
})

test('an empty list allows nothing of its kind', async () => {
  for (const none of [{ verbs: [] }, { scopes: [] }, { names: [] }]) {
    const page = expose([{ ...everything, ...none }]).page()
    for (const name of ['find', 'get', 'getBytes', 'delete'])
      expect(await page.outcome(name, token)).toBe('ERR_ACCESS_DENIED')
    expect(await page.outcome('set', { ...token, payload: 'x' })).toBe('ERR_ACCESS_DENIED')
  }
})

test('names are compared as they are written', async () => {
  const world = expose([{ ...everything, names: ['café', 'Token', { prefix: 'a/' }] }])
  const page = world.page()
  for (const name of [
    'cafe\u0301',
    'CAFÉ',
    'café ',
    'token',
    'TOKEN',
    'Token\0',
    'Tok',
    'a',
    'a%2f',
    'A/',
    ' a/x',
    'a\\',
    '\u0430/x',
    'a∕x',
    '../a/x',
  ]) {
    expect(await page.outcome('find', { scope: account, name })).toBe('ERR_ACCESS_DENIED')
  }
  for (const name of ['café', 'Token', 'a/', 'a/../../secret']) {
    expect(await page.outcome('find', { scope: account, name })).toBeUndefined()
  }
})

test('to expand payloads takes `get`, by whichever verb', async () => {
  const world = expose([{ ...everything, verbs: ['find', 'list', 'set', 'delete'] }])
  const page = world.page()
  await world.store.set({ ...token, payload: 'example-payload' })
  const expand = ['payload']
  for (const [name, params] of [
    ['find', { ...token, expand }],
    ['delete', { ...token, expand }],
    ['set', { ...token, payload: 'x', expand }],
    ['list', { scope: account, expand: ['data.payload'] }],
    ['find', { ...token, expand: [] }],
    ['find', { ...token, expand: null }],
    ['find', { ...token, expand: 'payload' }],
  ] as const) {
    const { error } = await page.call(name, params)
    expect(error).toEqual({
      code: 'ERR_ACCESS_DENIED',
      message: 'secrets: expected a page that is allowed to get, got another',
    })
  }
  expect(await world.store.get(token)).toBe('example-payload')
  expect(JSON.stringify(world.ipc.sent)).not.toContain('example-payload')
  expect(await page.outcome('find', token)).toMatchObject({ name: 'token' })
})

test('two grants with different views: neither sees what the other has', async () => {
  const other = 'https://other.example'
  const world = expose((store) => [
    { ...everything, view: store.view({ account: 'acct_1', livemode: true, user: 'ada' }) },
    { ...everything, origin: other, view: store.view({ account: 'acct_1', livemode: false }) },
  ])
  const [live, test] = [world.page(), world.page(`${other}/`)]
  await live.call('set', { ...token, payload: 'live' })
  await test.call('set', { ...token, payload: 'test' })
  expect(await live.outcome('get', token)).toBe('live')
  expect(await test.outcome('get', token)).toBe('test')
  expect(await world.store.get(token)).toBeUndefined()
  await live.call('set', { scope: user('ada'), name: 'own', payload: 'x' })
  expect(await live.outcome('get', { scope: user('bob'), name: 'own' })).toBe('ERR_ACCESS_DENIED')
  expect(await test.outcome('get', { scope: user('ada'), name: 'own' })).toBeUndefined()
  const { id } = (await live.outcome('find', token)) as Secret
  expect(await test.outcome('list', { scope: account, starting_after: id })).toBe('ERR_CURSOR')
})

describe('lists of restricted names', () => {
  type Listed = { data: Secret[]; has_more: boolean }

  test.each(['plain', 'sealed'] as const)(
    'names: %s; pages forward and backward are those of the names that may be seen',
    async (names) => {
      const some = fc.uniqueArray(
        fc.tuple(fc.constantFrom('see/', 'hide/'), fc.string({ maxLength: 3 })).map(([kind, rest]) => kind + rest),
        { maxLength: 30 },
      )
      await fc.assert(
        fc.asyncProperty(some, fc.integer({ min: 1, max: 7 }), fc.boolean(), async (all, limit, expand) => {
          const world = expose([{ ...everything, names: [{ prefix: 'see/' }] }], { names })
          const page = world.page()
          const ids = new Map<string, string>()
          for (const name of all) {
            if (!name.isWellFormed()) continue
            ids.set(name, (await world.store.set({ scope: account, name, payload: `of ${name}` })).id)
          }
          const order = (await world.store.list({ scope: account, limit: 100 })).data.map(({ name }) => name)
          const seen = order.filter((name) => name.startsWith('see/'))
          const list = async (cursor: object): Promise<Listed> => {
            const { value, error } = await page.call('list', {
              scope: account,
              limit,
              ...cursor,
              ...(expand && { expand: ['data.payload'] }),
            })
            expect(error).toBeUndefined()
            return value as Listed
          }
          const forward: string[] = []
          for (let cursor = {}; ; ) {
            const { data, has_more } = await list(cursor)
            forward.push(...data.map(({ name }) => name))
            expect(data.length).toBe(Math.min(limit, seen.length - forward.length + data.length))
            expect(has_more).toBe(forward.length < seen.length)
            for (const { name, payload } of data) expect(payload).toBe(expand ? `of ${name}` : undefined)
            if (!has_more) break
            cursor = { starting_after: data.at(-1)?.id }
          }
          expect(forward).toEqual(seen)
          const last = seen.at(-1)
          const backward: string[] = []
          for (let before = last && ids.get(last); before !== undefined; ) {
            const { data, has_more } = await list({ ending_before: before })
            backward.unshift(...data.map(({ name }) => name))
            expect(has_more).toBe(backward.length < seen.length - 1)
            before = has_more ? data[0]?.id : undefined
          }
          expect(backward).toEqual(seen.slice(0, -1))
          // No cursor tells a hidden secret from none.
          for (const direction of ['starting_after', 'ending_before']) {
            const none = await page.call('list', { scope: account, [direction]: 'appsecret_000000000000000000000000' })
            expect(none.error?.code).toBe('ERR_CURSOR')
            for (const name of order.filter((hidden) => hidden.startsWith('hide/'))) {
              expect(await page.call('list', { scope: account, [direction]: ids.get(name) })).toEqual(none)
            }
          }
          await world.store.close()
        }),
        { numRuns: 25 },
      )
    },
  )

  test('past more than a page of hidden names', async () => {
    const world = expose([{ ...everything, names: ['m', 'z'] }])
    const names = [
      ...Array.from({ length: 250 }, (_, index) => `a${index}`),
      'm',
      ...Array.from({ length: 250 }, (_, index) => `n${index}`),
      'z',
    ]
    await world.store.batch(names.map((name) => ({ type: 'set', scope: account, name, payload: 'x' })))
    const first = (await world.page().outcome('list', { scope: account, limit: 1 })) as Listed
    expect([first.data.map(({ name }) => name), first.has_more]).toEqual([['m'], true])
    const second = (await world
      .page()
      .outcome('list', { scope: account, limit: 1, starting_after: first.data[0]?.id })) as Listed
    expect([second.data.map(({ name }) => name), second.has_more]).toEqual([['z'], false])
    const back = (await world.page().outcome('list', { scope: account, ending_before: second.data[0]?.id })) as Listed
    expect([back.data.map(({ name }) => name), back.has_more]).toEqual([['m'], false])
  })

  test('a cursor of another scope, user or mode is the same as none', async () => {
    const world = expose([{ ...everything, scopes: [account, user('ada')] }])
    const page = world.page()
    const none = await page.call('list', { scope: account, starting_after: 'appsecret_000000000000000000000000' })
    const live = world.store.view({ livemode: true })
    const ids = [
      (await world.store.set({ scope: user('ada'), name: 'x', payload: 'x' })).id,
      (await world.store.set({ scope: user('bob'), name: 'x', payload: 'x' })).id,
      (await live.set({ scope: account, name: 'x', payload: 'x' })).id,
    ]
    for (const starting_after of ids) expect(await page.call('list', { scope: account, starting_after })).toEqual(none)
    expect(await page.outcome('list', { scope: user('bob') })).toBe('ERR_ACCESS_DENIED')
  })
})

test('origins in these tests are as Chromium writes them', () => {
  expect(['file:///a', 'https://a.example:443/b', 'data:,', 'app://a/b'].map(originOf)).toEqual([
    'file://',
    'https://a.example',
    'null',
    'app://a',
  ])
})

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
