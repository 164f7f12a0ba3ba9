import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { exposeInPreload, exposeSecrets, type Grant } from '../../../src/electron'
import { account, type ChangeEvent, type Secret, SecretStore, SecretStoreError, user } from '../../../src/index'
import { brief } from '../../support/behaviour/changes'
import { eventually, newGate, turnOfLoop } from '../../support/waiting'
import { APP, everything, expose, type FakePage, type World } from './fakes'

const token = { scope: account, name: 'token' }
const PAYLOAD = 'example-payload'

/** Lets everything that is on its way arrive. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await turnOfLoop()
}

/** A page that is told of changes; what it is told. */
async function listening(page: FakePage): Promise<ChangeEvent[]> {
  const changes: ChangeEvent[] = []
  const end = await page.secrets.onChange((change) => changes.push(change))
  onTestFinished(end)
  return changes
}

/** A store whose reads and writes wait until they are let go. */
function held(world: World, begun: (name: string) => void = () => {}): { letGo(): void } {
  const gate = newGate()
  const prototype = Object.getPrototypeOf(SecretStore.prototype)
  for (const name of ['get', 'getBytes', 'find', 'set', 'delete'] as const) {
    const original = prototype[name]
    prototype[name] = async function (this: unknown, ...args: unknown[]) {
      if (this !== world.store) {
        begun(name)
        await gate.opened
      }
      return original.apply(this, args)
    }
    onTestFinished(() => {
      prototype[name] = original
    })
  }
  return { letGo: gate.open }
}

describe('window.secrets', () => {
  test('does what the store does', async () => {
    const { secrets } = expose([everything]).page()
    const expires_at = Math.floor(Date.now() / 1000) + 3600
    const set = await secrets.set({ ...token, payload: PAYLOAD, expires_at })
    expect(set).toMatchObject({ object: 'apps.secret', name: 'token', expires_at, scope: account })
    expect(set).not.toHaveProperty('payload')
    expect(await secrets.get(token)).toBe(PAYLOAD)
    expect(await secrets.find({ ...token, expand: ['payload'] })).toEqual({ ...set, payload: PAYLOAD })
    expect(await secrets.list({ scope: account })).toEqual({
      object: 'list',
      url: '/v1/apps/secrets',
      has_more: false,
      data: [set],
    })
    expect(await secrets.list({ scope: account, expand: ['data.payload'] })).toMatchObject({
      data: [{ ...set, payload: PAYLOAD }],
    })
    expect(await secrets.delete(token)).toEqual({ ...set, deleted: true })
    expect(await secrets.get(token)).toBeUndefined()
    expect(await secrets.find(token)).toBeUndefined()
    await secrets.set({ scope: user('ada'), name: 'bytes', payload: Uint8Array.of(0, 1, 255) })
    expect(await secrets.getBytes({ scope: user('ada'), name: 'bytes' })).toEqual(Uint8Array.of(0, 1, 255))
  })

  test('has no more than it says, under the name that is asked for', () => {
    const exposed: [string, unknown][] = []
    const contextBridge = { exposeInMainWorld: (key: string, api: unknown) => exposed.push([key, api]) }
    exposeInPreload(contextBridge, { invoke: async () => {}, postMessage() {} }, 'vault')
    expect(exposed.map(([key, api]) => [key, Object.keys(api as object).sort()])).toEqual([
      ['vault', ['delete', 'find', 'get', 'getBytes', 'list', 'onChange', 'set']],
    ])
  })

  test('errors are their code and message, and nothing else', async () => {
    const { secrets } = expose([{ ...everything, verbs: ['get', 'set', 'list'] }]).page()
    const tell = (work: Promise<unknown>) =>
      work.then(
        () => 'no error',
        (error) => ({ text: String(error), keys: Object.keys(error) }),
      )
    await secrets.set({ ...token, payload: Uint8Array.of(1) })
    for (const [work, text] of [
      [secrets.find(token), 'Error: ERR_ACCESS_DENIED: secrets: expected a page that is allowed to find, got another'],
      [
        secrets.onChange(() => {}),
        'Error: ERR_ACCESS_DENIED: secrets: expected a page that is allowed to watch, got another',
      ],
      [secrets.get(token), expect.stringMatching(/^Error: TypeError: .*getBytes/)],
      [
        secrets.set({ ...token, payload: '' }),
        'Error: TypeError: payload: expected at least one byte, got none (to remove it, delete)',
      ],
      [
        secrets.set({ ...token, payload: 'x', expires_at: 1 }),
        expect.stringMatching(/^Error: RangeError: expires_at: /),
      ],
      [secrets.onChange({} as never), 'Error: TypeError: onChange: expected a function, got something else'],
      [
        secrets.list({ scope: account, starting_after: 'no' }),
        'Error: ERR_CURSOR: starting_after: expected the id of a secret in this scope, got no such id',
      ],
    ] as const) {
      expect(await tell(work)).toEqual({ text, keys: [] })
    }
  })
})

describe('what may come in', () => {
  const circle: Record<string, unknown> = {}
  circle['circle'] = circle
  const malformed: unknown[] = [
    undefined,
    null,
    true,
    0,
    -0,
    Number.NaN,
    1n,
    '',
    'x',
    '\ud800',
    [],
    new Array(1),
    Object.assign(new Array(3), { 2: account }),
    {},
    circle,
    new Map([['scope', account]]),
    new Set([1]),
    new Date(0),
    new Date(Number.NaN),
    /a/g,
    new Error('x'),
    new ArrayBuffer(8),
    new Uint8Array(8),
    new Float64Array(2),
    new DataView(new ArrayBuffer(8)),
    new Boolean(true),
    new String('token'),
    Object(1n),
    JSON.parse('{"__proto__": {"scope": {"type": "account"}, "name": "token"}}'),
    JSON.parse('{"scope": {"type": "account"}, "name": "token", "__proto__": {"expand": ["payload"]}}'),
    JSON.parse('{"scope": {"type": "account", "__proto__": null}, "name": "token"}'),
    JSON.parse('{"constructor": 1, "toString": 2, "then": 3, "valueOf": 4, "hasOwnProperty": 5}'),
    Object.assign([], { scope: account, name: 'token' }),
  ]

  test('what is no call is refused', async () => {
    const page = expose([everything]).page()
    const message = 'secrets: expected one of find, list, get, getBytes, set, delete, watch, got another'
    for (const call of [
      ...malformed,
      '__proto__',
      'constructor',
      'toString',
      'batch',
      'sweep',
      'close',
      'verify',
      'GET',
      'get ',
      ['get'],
    ]) {
      expect((await page.raw(call, token)).error).toEqual({ code: 'TypeError', message })
    }
    expect((await page.raw()).error).toEqual({ code: 'TypeError', message })
  })

  test('what are no parameters is refused, by every call, and nothing has happened', async () => {
    const world = expose([everything])
    const page = world.page()
    const { id } = await world.store.set({ ...token, payload: PAYLOAD })
    const good: Record<string, Record<string, unknown>> = {
      find: token,
      get: token,
      getBytes: token,
      delete: token,
      set: { ...token, payload: 'x' },
      list: { scope: account },
    }
    for (const [call, params] of Object.entries(good)) {
      for (const bad of malformed) {
        expect((await page.call(call, bad)).error?.code, `${call} ${String(malformed.indexOf(bad))}`).toBe('TypeError')
        for (const field of Object.keys(params)) {
          if (field === 'payload' && (bad === 'x' || bad instanceof Uint8Array)) continue
          if (field === 'name' && bad === 'x') continue
          expect(['TypeError', 'RangeError'], `${call} ${field}`).toContain(
            (await page.call(call, { ...params, [field]: bad })).error?.code,
          )
        }
      }
    }
    for (const expires_at of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1.5, 1e300, '1', 1n, new Date()]) {
      expect(['TypeError', 'RangeError']).toContain(
        (await page.call('set', { ...token, payload: 'x', expires_at })).error?.code,
      )
    }
    for (const limit of [0, -0, -1, 101, 1.5, Number.NaN, '1', 1n, null]) {
      expect(['TypeError', 'RangeError']).toContain((await page.call('list', { scope: account, limit })).error?.code)
    }
    expect(await world.store.find({ ...token, expand: ['payload'] })).toMatchObject({ id, payload: PAYLOAD })
    expect((await world.store.verify()).records).toBe(1)
    expect(JSON.stringify(world.ipc.sent)).not.toContain(PAYLOAD)
    expect(Object.keys(Object.prototype)).toEqual([])
    expect(({} as { scope?: unknown }).scope).toBeUndefined()
  })

  test('any message is answered, with a value or an error of the known kinds, and never rejected', async () => {
    const world = expose([{ ...everything, names: ['mine'] }])
    await world.store.set({ ...token, payload: PAYLOAD })
    const page = world.page()
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
    })
    const calls = fc.oneof(anything, fc.constantFrom('find', 'get', 'getBytes', 'set', 'delete', 'list', 'watch'))
    const params = fc.oneof(
      anything,
      fc.record(
        {
          scope: fc.oneof(anything, fc.constant(account)),
          name: fc.oneof(anything, fc.constant('mine')),
          payload: anything,
          expand: anything,
        },
        { requiredKeys: [] },
      ),
    )
    await fc.assert(
      fc.asyncProperty(calls, params, anything, async (call, params, more) => {
        const { error } = await page.raw(call, params, more, more)
        if (error === undefined) return
        expect(['TypeError', 'RangeError', 'ERR_ACCESS_DENIED', 'ERR_CURSOR']).toContain(error.code)
        expect(error.message).toMatch(/^[^:]+: expected .+, got /s)
      }),
      { numRuns: 500 },
    )
    expect(await world.store.get(token)).toBe(PAYLOAD)
    expect(JSON.stringify(world.ipc.sent)).not.toContain(PAYLOAD)
  })

  test('an error does not carry what was sent back in full', async () => {
    const { error } = await expose([everything])
      .page()
      .call('find', { ...token, ['x'.repeat(1_000_000)]: 1 })
    expect(error?.code).toBe('TypeError')
    expect(error?.message.length).toBeLessThan(200)
  })

  test('of an error that is none of ours nothing is told but that there was one', async () => {
    let isBroken = false
    const now = (): number => {
      if (isBroken) throw new Error(PAYLOAD)
      return Date.now()
    }
    const page = expose([everything], { now }).page()
    isBroken = true
    const message = 'secrets: expected an answer, got an error'
    expect((await page.call('set', { ...token, payload: 'x' })).error).toEqual({ code: 'Error', message })
    isBroken = false
  })

  test('errors of the store are told by code', async () => {
    const world = expose([everything])
    await world.store.close()
    const { error } = await world.page().call('get', token)
    expect(error?.code).toBe('ERR_CLOSED')
    await expect(world.page().secrets.onChange(() => {})).rejects.toThrow(/^ERR_CLOSED: /)
    expect(world.ipc.openPorts).toBe(0)
  })
})

describe('a page that has gone when it is answered', () => {
  const left: [string, (page: FakePage) => void][] = [
    ['another origin is in the frame', ({ frame }) => frame.navigate('https://evil.example/')],
    ['a page with another grant is in the frame', ({ frame }) => frame.navigate('https://less.example/')],
    ['a page without an origin is in the frame', ({ frame }) => frame.navigate(`${APP}/`, 'null')],
    [
      'the frame is detached',
      ({ frame }) => {
        frame.detached = true
      },
    ],
    [
      'the frame is detached, and its window is gone',
      ({ frame, event }) => {
        frame.detached = true
        Object.defineProperty(event.sender, 'mainFrame', {
          get: () => {
            throw new TypeError('Object has been destroyed')
          },
        })
      },
    ],
    [
      'the frame is destroyed',
      ({ frame }) => {
        frame.destroyed = true
      },
    ],
    [
      'the frame throws',
      ({ frame }) => {
        frame.throws = true
      },
    ],
    [
      'another process has the frame',
      ({ frame }) => {
        frame.processId++
      },
    ],
    [
      'the frame goes on as another of the same process',
      ({ frame }) => {
        frame.routingId++
      },
    ],
    ['the bridge has ended', () => {}],
  ]
  const never: typeof left = [
    [
      'there is no frame',
      ({ event }) => {
        Object.assign(event, { senderFrame: null })
      },
    ],
    [
      'to ask for the frame throws',
      ({ event }) => {
        Object.defineProperty(event, 'senderFrame', {
          get: () => {
            throw new Error('gone')
          },
        })
      },
    ],
  ]

  test.each(left)('gets nothing: %s', async (what, leave) => {
    const world = expose([everything, { ...everything, origin: 'https://less.example', verbs: ['get'] }])
    await world.store.set({ ...token, payload: PAYLOAD })
    const page = world.page()
    const { letGo } = held(world)
    const answer = page.call('get', token)
    const write = page.call('set', { scope: account, name: 'written', payload: 'x' })
    await settled()
    leave(page)
    if (what === 'the bridge has ended') world.end()
    letGo()
    const message = 'secrets: expected the page that asked, got another'
    expect(await answer).toEqual({ error: { code: 'ERR_ACCESS_DENIED', message } })
    expect(await write).toEqual({ error: { code: 'ERR_ACCESS_DENIED', message } })
    expect(JSON.stringify(world.ipc.sent)).not.toContain(PAYLOAD)
  })

  const outside = left.filter(([what]) => !/bridge|another process|same process/.test(what))

  test.each([...outside, ...never])('is not let in: %s', async (_, leave) => {
    const world = expose([everything])
    const page = world.page()
    leave(page)
    expect((await page.call('get', token)).error).toEqual({
      code: 'ERR_ACCESS_DENIED',
      message: 'secrets: expected a page that is allowed to use secrets, got another',
    })
  })
})

describe('a frame that says it is detached, as Electron 33 does of one that came back after a crash', () => {
  test('is served while it is in the tree of its window, and told of changes; then no more', async () => {
    const world = expose([everything])
    await world.store.set({ ...token, payload: PAYLOAD })
    const page = world.page()
    page.frame.detached = true
    page.main.framesInSubtree = [page.frame]
    expect(await page.outcome('get', token)).toBe(PAYLOAD)
    const changes = await listening(page)
    await world.store.set({ ...token, payload: 'x' })
    await settled()
    expect(changes).toHaveLength(1)
    page.main.framesInSubtree = []
    expect(await page.outcome('get', token)).toBe('ERR_ACCESS_DENIED')
    await world.store.set({ ...token, payload: 'y' })
    await settled()
    expect(changes).toHaveLength(1)
    expect(world.ipc.openPorts).toBe(0)
  })

  test('the frame is asked for once a message, as it comes: later Electron warns', async () => {
    const world = expose([everything])
    const page = world.page()
    let asked = 0
    const { frame } = page
    Object.defineProperty(page.event, 'senderFrame', {
      get: () => {
        asked++
        return frame
      },
    })
    const { letGo } = held(world)
    const answers = Array.from({ length: 10 }, () => page.call('set', { ...token, payload: 'x' }))
    expect(asked).toBe(10)
    letGo()
    await Promise.all(answers)
    expect(asked).toBe(10)
  })
})

describe('a call that gets no answer', () => {
  test('is an error of ours, before the bridge and after its end', async () => {
    const world = expose([everything])
    const { secrets } = world.page()
    world.end()
    const message =
      'ERR_CLOSED: secrets: expected exposeSecrets of the main process to answer, got nobody (it was not called yet, or has ended)'
    await expect(secrets.get(token)).rejects.toThrow(new Error(message))
    await expect(secrets.onChange(() => {})).rejects.toThrow(new Error(message))
  })

  test('because of an argument that cannot be sent names the argument', async () => {
    const { secrets } = expose([everything]).page()
    const sent = 'expected what can be sent to another process, got'
    const long = 'x'.repeat(1000)
    for (const [params, text] of [
      [{ ...token, payload: () => {} }, `payload: ${sent} a function`],
      [{ ...token, payload: Symbol(PAYLOAD) }, `payload: ${sent} a symbol`],
      [{ ...token, payload: Promise.resolve(PAYLOAD) }, `payload: ${sent} a promise`],
      [{ ...token, payload: new WeakMap() }, `payload: ${sent} an object that holds something else`],
      [{ ...token, [long]: () => {} }, `${long.slice(0, 100)}: ${sent} a function`],
      [() => {}, `set parameters: ${sent} a function`],
    ] as const) {
      await expect(secrets.set(params as never)).rejects.toThrow(new Error(`TypeError: ${text}`))
    }
  })

  test('for any other reason says no more than that', async () => {
    let exposed: { get(params: unknown): Promise<unknown> } | undefined
    const contextBridge = {
      exposeInMainWorld: (_: string, api: unknown) => {
        exposed = api as typeof exposed
      },
    }
    for (const [reason, text] of [
      [new Error(`Error invoking remote method: ${PAYLOAD}`), 'Error: secrets: expected an answer, got an error'],
      ['could not be cloned', 'Error: secrets: expected an answer, got an error'],
      [new Error("Error invoking remote method 'secret-store:call': reply was never sent"), /^ERR_CLOSED: /],
    ] as const) {
      exposeInPreload(contextBridge, { invoke: () => Promise.reject(reason), postMessage() {} })
      await expect(exposed?.get(token)).rejects.toThrow(text)
    }
  })
})

describe('changes', () => {
  test('are told to those that listen, in order, without payloads', async () => {
    const world = expose([everything])
    const [one, two] = [await listening(world.page()), await listening(world.page())]
    const { id } = (await world.page().outcome('set', { ...token, payload: PAYLOAD })) as Secret
    await world.store.set({ ...token, payload: new TextEncoder().encode(PAYLOAD) })
    await world.store.delete({ ...token })
    await settled()
    expect(one).toEqual([
      { type: 'set', id, ...token },
      { type: 'set', id, ...token },
      { type: 'delete', id, ...token },
    ])
    expect(two).toEqual(one)
    expect(JSON.stringify(world.ipc.sent)).not.toContain(PAYLOAD)
    expect(JSON.stringify(world.ipc.sent)).not.toContain(Buffer.from(PAYLOAD).join(','))
  })

  test('only of what the page may see', async () => {
    const live = 'https://live.example'
    const world = expose((store) => [
      { ...everything, scopes: [account, user('ada')], names: ['token', { prefix: 'see/' }] },
      { ...everything, origin: live, view: store.view({ livemode: true, user: 'bob' }) },
    ])
    const [first, second] = [await listening(world.page()), await listening(world.page(`${live}/`))]
    for (const view of [world.store, world.store.view({ livemode: true })]) {
      for (const scope of [account, user('ada'), user('bob')]) {
        for (const name of ['token', 'see/1', 'see', 'hidden']) await view.set({ scope, name, payload: 'x' })
      }
    }
    await settled()
    const told = (changes: ChangeEvent[]) =>
      changes.map(({ scope, name }) => `${scope.type === 'user' ? scope.user : '-'} ${name}`)
    expect(told(first)).toEqual(['- token', '- see/1', 'ada token', 'ada see/1'])
    expect(told(second)).toEqual([
      '- token',
      '- see/1',
      '- see',
      '- hidden',
      'bob token',
      'bob see/1',
      'bob see',
      'bob hidden',
    ])
    expect(JSON.stringify(world.ipc.sent).match(/hidden/g)).toHaveLength(2)
  })

  test('are told of what expires, as of what is deleted', async () => {
    let ms = 1_700_000_000_000
    const world = expose([{ ...everything, names: ['token'] }], { now: () => ms })
    await world.store.set({ ...token, payload: 'x', expires_at: 1_700_000_010 })
    await world.store.set({ scope: account, name: 'hidden', payload: 'x', expires_at: 1_700_000_010 })
    const changes = await listening(world.page())
    ms += 10_000
    await world.store.sweep()
    await settled()
    expect(changes.map(brief)).toEqual(['expire token'])
  })

  test('no longer, once the page has ended it; the same function may listen twice', async () => {
    const world = expose([everything])
    const { secrets } = world.page()
    const changes: string[] = []
    const listener = (change: ChangeEvent) => changes.push(brief(change))
    const ends = [await secrets.onChange(listener), await secrets.onChange(listener)]
    expect(world.ipc.openPorts).toBe(1)
    const change = async (name: string) => {
      await world.store.set({ scope: account, name, payload: 'x' })
      await settled()
    }
    await change('a')
    ends[0]?.()
    ends[0]?.()
    await change('b')
    ends[1]?.()
    await settled()
    expect(world.ipc.openPorts).toBe(0)
    await change('c')
    expect(changes).toEqual(['set a', 'set a', 'set b'])
    onTestFinished(await secrets.onChange(listener))
    await change('d')
    expect(changes).toEqual(['set a', 'set a', 'set b', 'set d'])
  })

  test('a listener that throws disturbs no other, and no later change', async () => {
    const world = expose([everything])
    const { secrets } = world.page()
    const thrown: unknown[] = []
    const mistake = (error: unknown) => thrown.push(error)
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', mistake)
    onTestFinished(() => {
      process.off('uncaughtException', mistake)
      for (const other of others) process.on('uncaughtException', other)
    })
    onTestFinished(
      await secrets.onChange(() => {
        throw new Error('of the page')
      }),
    )
    const changes: ChangeEvent[] = []
    onTestFinished(await secrets.onChange((change) => changes.push(change)))
    for (const name of ['a', 'b']) await world.store.set({ scope: account, name, payload: 'x' })
    await settled()
    expect(changes.map(brief)).toEqual(['set a', 'set b'])
    await eventually(() => expect(thrown.map(String)).toEqual(['Error: of the page', 'Error: of the page']))
  })

  test.each([
    ['of another origin', (page: FakePage) => page.frame.navigate('https://evil.example/')],
    ['of another grant', (page: FakePage) => page.frame.navigate('https://other.example/')],
    ['of no origin', (page: FakePage) => page.frame.navigate(`${APP}/`, 'null')],
    [
      'in a frame that is destroyed',
      (page: FakePage) => {
        page.frame.destroyed = true
      },
    ],
    [
      'in a frame that throws',
      (page: FakePage) => {
        page.frame.throws = true
      },
    ],
  ])('nothing to a page %s, which took the place of one that listened', async (_, leave) => {
    const world = expose([everything, { ...everything, origin: 'https://other.example' }])
    const page = world.page()
    const changes = await listening(page)
    leave(page)
    await world.store.set({ ...token, payload: 'x' })
    await settled()
    expect(changes).toEqual([])
    expect(world.ipc.openPorts).toBe(0)
    // And it is forgotten: that the first page comes back changes nothing.
    page.frame.destroyed = false
    page.frame.throws = false
    page.frame.navigate(`${APP}/`)
    await world.store.set({ ...token, payload: 'x' })
    await settled()
    expect(changes).toEqual([])
  })

  test('to one port of a frame, the last', async () => {
    const world = expose([everything])
    const page = world.page()
    const [first] = page.postPorts() as [MessagePort]
    expect(await page.outcome('watch')).toBeUndefined()
    const [second] = page.postPorts() as [MessagePort]
    expect(await page.outcome('watch')).toBeUndefined()
    // Each is for one call.
    expect(await page.outcome('watch')).toBe('TypeError')
    await world.store.set({ ...token, payload: 'x' })
    expect(receiveMessageOnPort(first)).toBeUndefined()
    expect(receiveMessageOnPort(second)?.message).toMatchObject({ type: 'set' })
    await settled()
    expect(world.ipc.openPorts).toBe(1)
  })

  test('to no port that came without the call, with others, or from a page that may not watch', async () => {
    const world = expose([
      { ...everything, names: ['token'] },
      { ...everything, origin: 'https://less.example', verbs: ['get'] },
    ])
    const none = 'secrets: expected a port to tell of changes by, got none'
    const page = world.page()
    expect((await page.call('watch')).error).toEqual({ code: 'TypeError', message: none })
    page.sendWithoutPorts()
    const ports = [...page.postPorts(0), ...page.postPorts(2), ...page.postPorts(50)]
    expect((await page.call('watch')).error).toEqual({ code: 'TypeError', message: none })
    for (const url of ['https://less.example/', 'https://evil.example/']) {
      const other = world.page(url)
      ports.push(...other.postPorts())
      expect(await other.outcome('watch')).toBe('ERR_ACCESS_DENIED')
    }
    const gone = world.page()
    Object.assign(gone.event, { senderFrame: null })
    ports.push(...gone.postPorts())
    ports.push(...world.page().postPorts()) // never called for
    await world.store.set({ ...token, payload: 'x' })
    for (const port of ports) expect(receiveMessageOnPort(port)).toBeUndefined()
    expect(world.ipc.sent.filter((message) => (message as { type?: string }).type === 'set')).toEqual([])
  })

  test('what is said into a port is not kept', async () => {
    const world = expose([everything])
    const page = world.page()
    page.postPorts()
    await page.call('watch')
    expect(world.ipc.ports.map(({ started }) => started)).toEqual([true])
  })

  test('no frame leaves anything behind, if changes come or not', async () => {
    const world = expose([everything])
    for (let frame = 0; frame < 300; frame++) {
      const page = world.page()
      const end = await page.secrets.onChange(() => {})
      if (frame % 3 === 0) end()
      else if (frame % 3 === 1) world.ipc.ports.at(-1)?.close()
      else page.frame.destroyed = true
    }
    await settled()
    expect(world.ipc.openPorts).toBe(100)
    await world.store.set({ ...token, payload: 'x' })
    expect(world.ipc.openPorts).toBe(0)
    expect(world.ipc.sent.filter((message) => (message as { type?: string }).type === 'set')).toEqual([])
  })

  test('a page is told of nothing before it has asked, and misses nothing after', async () => {
    const world = expose([everything])
    await world.store.set({ scope: account, name: 'before', payload: 'x' })
    const changes = await listening(world.page())
    await world.store.set({ scope: account, name: 'after', payload: 'x' })
    await settled()
    expect(changes.map(brief)).toEqual(['set after'])
  })

  test('a listener that was refused is not told, also if another is let in later', async () => {
    const allowed = { now: false }
    const world = expose([{ ...everything, when: () => allowed.now }])
    const { secrets } = world.page()
    const refused: ChangeEvent[] = []
    await expect(secrets.onChange((change) => refused.push(change))).rejects.toThrow('ERR_ACCESS_DENIED')
    allowed.now = true
    const changes: ChangeEvent[] = []
    onTestFinished(await secrets.onChange((change) => changes.push(change)))
    await world.store.set({ ...token, payload: 'x' })
    await settled()
    expect([refused.length, changes.length]).toEqual([0, 1])
  })

  test('the listeners of a port that main has closed have ended; the next one opens another', async () => {
    const allowed = { now: true }
    const world = expose([{ ...everything, when: () => allowed.now }])
    const { secrets } = world.page()
    const changes: string[] = []
    onTestFinished(await secrets.onChange((change) => changes.push(`first ${change.name}`)))
    allowed.now = false
    await world.store.set({ scope: account, name: 'a', payload: 'x' })
    await settled()
    allowed.now = true
    onTestFinished(await secrets.onChange((change) => changes.push(`second ${change.name}`)))
    await world.store.set({ scope: account, name: 'b', payload: 'x' })
    await settled()
    expect(changes).toEqual(['second b'])
  })
})

describe('how much', () => {
  test('a thousand calls of a frame at once, and then again; other frames have their own', async () => {
    const world = expose([everything])
    const [page, other] = [world.page(), world.page()]
    await world.store.set({ ...token, payload: PAYLOAD })
    const { letGo } = held(world)
    const calls = Array.from({ length: 1200 }, () => page.outcome('get', token))
    await settled()
    expect((await page.call('find', token)).error).toEqual({
      code: 'ERR_BUSY',
      message: 'secrets: expected at most 1000 calls at once, got more',
    })
    const others = other.outcome('get', token)
    letGo()
    const outcomes = await Promise.all(calls)
    expect(outcomes.slice(0, 1000).every((outcome) => outcome === PAYLOAD)).toBe(true)
    expect(outcomes.slice(1000).every((outcome) => outcome === 'ERR_BUSY')).toBe(true)
    expect(await others).toBe(PAYLOAD)
    const again = await Promise.all(Array.from({ length: 1000 }, () => page.outcome('get', token)))
    expect(again.every((outcome) => outcome === PAYLOAD)).toBe(true)
  })

  test('what is refused or fails is counted no longer', async () => {
    const world = expose([{ ...everything, verbs: ['set', 'get'] }])
    const page = world.page()
    const calls = Array.from({ length: 3000 }, (_, index) => {
      if (index % 3 === 0) return page.outcome('find', token)
      return index % 3 === 1
        ? page.outcome('get', { ...token, name: '' })
        : page.outcome('set', { ...token, payload: 1 })
    })
    await Promise.all(calls)
    const after = await Promise.all(Array.from({ length: 1000 }, () => page.outcome('get', token)))
    expect(new Set(after)).toEqual(new Set([undefined]))
  })

  test('64 MiB of payloads of a frame at once, and then again; other frames have their own', async () => {
    const world = expose([everything])
    const [page, other] = [world.page(), world.page()]
    const mebibytes = (count: number) => new Uint8Array(count * 1024 * 1024)
    const { letGo } = held(world)
    const calls = [16, 16, 16, 16].map((count, index) =>
      page.call('set', { scope: account, name: `n${index}`, payload: mebibytes(count) }),
    )
    await settled()
    const message = 'secrets: expected at most 67108864 characters or bytes of payload at once, got more'
    for (const payload of ['x', Uint8Array.of(1)]) {
      expect((await page.call('set', { ...token, payload })).error).toEqual({ code: 'ERR_BUSY', message })
    }
    const others = other.outcome('set', { ...token, payload: 'x' })
    letGo()
    expect((await Promise.all(calls)).map(({ error }) => error)).toEqual([undefined, undefined, undefined, undefined])
    expect(await others).toMatchObject({ name: 'token' })
    // More than a secret may have: a refusal that gives back what it took.
    for (let time = 0; time < 5; time++) {
      expect(await page.outcome('set', { ...token, payload: mebibytes(17) })).toBe('RangeError')
    }
    expect(await page.outcome('set', { ...token, payload: mebibytes(16) })).toMatchObject({ name: 'token' })
  })

  test('what a read cannot be does not wait for its turn, in which it would be held', async () => {
    const world = expose([everything])
    const page = world.page()
    const { letGo } = held(world)
    const waiting = page.outcome('get', token)
    const refused: unknown[] = []
    for (const [call, params] of [
      ['find', { ...token, name: 'x'.repeat(5001) }],
      ['get', { ...token, more: 'x' }],
      ['getBytes', { ...token, scope: { type: 'user', user: 'x'.repeat(5001) } }],
      ['list', { scope: account, starting_after: 'x'.repeat(5001) }],
    ] as const) {
      void page.outcome(call, params).then((outcome) => refused.push(outcome))
    }
    await settled()
    expect(refused).toEqual(['RangeError', 'TypeError', 'RangeError', 'RangeError'])
    letGo()
    await waiting
  })

  test('a page of a list has at most 64 MiB of payloads, and no payload is read that is not on it', async () => {
    const world = expose([{ ...everything, names: [{ prefix: 'big' }, 'small'] }])
    const page = world.page()
    const payload = 'x'.repeat(16 * 1024 * 1024)
    for (const name of ['big1', 'big2', 'big3', 'big4', 'small']) {
      await world.store.set({ scope: account, name, payload: name === 'small' ? 'x' : payload })
    }
    await world.store.set({ scope: account, name: 'hidden', payload: Uint8Array.of(1) })
    const expand = ['data.payload']
    expect((await page.call('list', { scope: account, expand })).error).toEqual({
      code: 'RangeError',
      message: 'list: expected at most 67108864 characters of payload on a page, got more (use a lower limit)',
    })
    const { data, has_more } = (await page.outcome('list', { scope: account, expand, limit: 4 })) as {
      data: Secret[]
      has_more: boolean
    }
    expect([data.map(({ payload }) => payload?.length), has_more]).toEqual([Array(4).fill(payload.length), true])
  })

  test('a list with payloads is refused as the store refuses it', async () => {
    const world = expose([everything])
    const page = world.page()
    await world.store.set({ ...token, payload: Uint8Array.of(1) })
    for (const params of [
      { scope: account, expand: ['data.payload'] },
      { scope: account, expand: ['payload'] },
      { scope: account, expand: ['data.payload'], limit: 0 },
      { scope: account, expand: ['data.payload'], starting_after: 'none' },
    ]) {
      const error = await world.store.list(params as never).then(
        () => new Error('no error'),
        (error: unknown) => error as Error,
      )
      const code = error instanceof SecretStoreError ? error.code : error.name
      expect((await page.call('list', params)).error).toEqual({ code, message: error.message })
    }
    expect(await page.outcome('list', { scope: account, expand: [] })).toMatchObject({ data: [{ name: 'token' }] })
  })

  test('a list with payloads leaves out what is deleted meanwhile', async () => {
    const world = expose([everything])
    for (const name of ['a', 'b', 'c']) await world.store.set({ scope: account, name, payload: name })
    const { letGo } = held(world)
    const list = world.page().outcome('list', { scope: account, expand: ['data.payload'] })
    await settled()
    await world.store.delete({ scope: account, name: 'b' })
    letGo()
    expect(await list).toMatchObject({
      data: [
        { name: 'a', payload: 'a' },
        { name: 'c', payload: 'c' },
      ],
    })
  })

  test('reads of a frame go one by one, with a turn for everybody else in between; writes and other frames do not wait', async () => {
    const world = expose([everything])
    const running = { get: 0, set: 0 }
    const { letGo } = held(world, (name) => {
      if (name === 'get' || name === 'set') running[name]++
    })
    const page = world.page()
    const reads = Array.from({ length: 100 }, () => page.call('get', token))
    const writes = Array.from({ length: 100 }, () => page.call('set', { ...token, payload: 'x' }))
    await settled()
    expect(running).toMatchObject({ get: 1, set: 100 })
    const others = [world.page().call('get', token), world.page().call('get', token)]
    await settled()
    expect(running).toMatchObject({ get: 3, set: 100 })
    let turns = 0
    let isOver = false
    const turn = (): void => {
      turns++
      if (!isOver) setImmediate(turn)
    }
    turn()
    letGo()
    await Promise.all([...reads, ...writes, ...others])
    isOver = true
    expect(running.get).toBe(102)
    expect(turns).toBeGreaterThan(90)
  })
})

describe('its end', () => {
  test('calls find nobody, listeners hear nothing, and another may begin', async () => {
    const world = expose([everything])
    const page = world.page()
    const changes = await listening(page)
    world.end()
    await expect(page.call('get', token)).rejects.toThrow("No handler registered for 'secret-store:call'")
    await world.store.set({ ...token, payload: 'x' })
    await settled()
    expect(changes).toEqual([])
    expect(world.ipc.openPorts).toBe(0)
    const again = exposeSecrets(world.ipc, world.store, { allow: [everything] })
    onTestFinished(again)
    // The first one's end, once more, is not the end of the second.
    world.end()
    expect(await page.outcome('get', token)).toBe('x')
    const more = await listening(world.page())
    await world.store.set({ ...token, payload: 'x' })
    await settled()
    expect(more).toHaveLength(1)
  })

  test('twice at once is an error, of Electron, and the first goes on', async () => {
    const world = expose([everything])
    const secrets = await world.page().secrets
    expect(() => exposeSecrets(world.ipc, world.store, { allow: [{ ...everything, names: [] }] })).toThrow(
      'second handler',
    )
    expect(await secrets.get(token)).toBeUndefined()
    const changes = await listening(world.page())
    await world.store.set({ ...token, payload: 'x' })
    await settled()
    expect(changes).toHaveLength(1)
  })

  test('a store that is closed meanwhile: an error, and no listener hangs on', async () => {
    const world = expose([everything])
    const page = world.page()
    await listening(page)
    const answers = [page.outcome('get', token), page.outcome('set', { ...token, payload: 'x' })]
    await world.store.close()
    for (const outcome of await Promise.all(answers))
      expect(outcome === undefined || outcome === 'ERR_CLOSED' || (outcome as Secret).name === 'token').toBe(true)
    expect(await page.outcome('get', token)).toBe('ERR_CLOSED')
  })
})

/** Of what a page may do by an interface that is typed, this compiles. */
export const typed: Grant = {
  page: 'file:///a.html',
  frames: 'main',
  verbs: ['find'],
  scopes: [account, user('a')],
  names: ['a', { prefix: 'b' }],
}
