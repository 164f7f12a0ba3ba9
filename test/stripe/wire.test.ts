import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { account, SecretStore, user } from '../../src/index'
import { createStripeApp, type HttpServer, listen, type StripeApp } from '../../src/stripe/index'
import { TestClock } from '../support'
import {
  appOf,
  create,
  DELETE,
  FIND,
  get,
  inAccount,
  LIVE_KEY,
  type Params,
  payloadOf,
  post,
  type Reply,
  SECRETS,
  send,
  TEST_KEY,
} from './requests'

const run = promisify(execFile)
const clock = new TestClock()
const FORM = 'application/x-www-form-urlencoded'
const OTHER_KEYS = [
  { key: 'rk_test_extension', user: 'usr_1' },
  { key: 'rk_test_installed', user: 'usr_1', account: 'acct_1' },
  { key: 'rk_test_reader', access: 'read' },
] as const

let store: SecretStore
let app: StripeApp

beforeEach(() => {
  store = SecretStore.memory({ now: clock.now, sweepIntervalMs: 0, maxPayloadBytes: 10_000 })
  app = appOf(store, { apiKeys: [TEST_KEY, LIVE_KEY, ...OTHER_KEYS] })
})

afterEach(async () => {
  expect(await store.verify()).toMatchObject({ ok: true })
  await store.close()
})

function form(body: string, headers: Params = {}): Promise<Reply> {
  return send(app, 'POST', SECRETS, { body, headers: { 'content-type': FORM, ...headers } })
}

const bearer = (key: string): Params => ({ authorization: `Bearer ${key}` })
const basic = (text: string): Params => ({ authorization: `Basic ${btoa(text)}` })

describe('every encoding of a parameter', () => {
  const set = 'name=n&payload=p&scope[type]=user&scope[user]=u%20v'

  test.each([
    ['brackets as they are', set],
    ['encoded brackets', 'name=n&payload=p&scope%5Btype%5D=user&scope%5Buser%5D=u%20v'],
    ['lower-case escapes', 'name=n&payload=p&scope%5btype%5d=user&scope%5buser%5d=u%20v'],
    ['a plus for a space', 'name=n&payload=p&scope[type]=user&scope[user]=u+v'],
    ['another order, and empty pieces', '&&scope[user]=u+v&payload=p&scope[type]=user&&name=n&'],
    ['an empty expiry', `${set}&expires_at=`],
  ])('%s', async (_, body) => {
    expect(await form(body)).toMatchObject({ status: 200, body: { name: 'n', expires_at: null } })
    expect(await store.get({ scope: user('u v'), name: 'n' })).toBe('p')
  })

  test.each(['expand[]=payload', 'expand[0]=payload', 'expand%5B%5D=payload', 'expand[7]=payload'])(
    '%s',
    async (more) => {
      expect((await form(`${set}&${more}`)).body.payload).toBe('p')
    },
  )

  test.each([
    ['query alone', `${SECRETS}?${set}`, ''],
    ['query and body', `${SECRETS}?name=n&payload=p`, 'scope[type]=user&scope[user]=u+v'],
  ])('in the %s', async (_, path, body) => {
    const { status } = await send(app, 'POST', path, { body, headers: { 'content-type': FORM } })
    expect(status).toBe(200)
    expect(await store.get({ scope: user('u v'), name: 'n' })).toBe('p')
  })

  test.each([
    ['brackets', '{"a":[1],"b":[[]]}', '{"a":[1],"b":[[]]}'],
    ['a bracket and an equals sign', 'a[b]=c', 'a[b]=c'],
    ['escapes of escapes', '%2525+%2B', '%25 +'],
    ['semicolons and question marks', '?a;b?', '?a;b?'],
    ['UTF-8 as it is', 'ü🔑', 'ü🔑'],
    ['UTF-8 escaped', '%C3%BC%F0%9F%94%91', 'ü🔑'],
    ['a NUL', 'a%00b', 'a\0b'],
    ['the replacement character itself', '%EF%BF%BD', '\ufffd'],
    ['a byte order mark', '%EF%BB%BFx', '\ufeffx'],
  ])('a payload with %s', async (_, encoded, payload) => {
    expect((await form(`name=n&scope[type]=account&payload=${encoded}`)).status).toBe(200)
    expect(await store.get({ scope: account, name: 'n' })).toBe(payload)
  })

  test('a first name with a question mark keeps it', async () => {
    expect((await form('?name=n&payload=p&scope[type]=account')).body.error.code).toBe('parameter_unknown')
  })

  test.each([
    ['no content type', {}],
    ['an empty one', { 'content-type': '' }],
    ['a charset', { 'content-type': `${FORM}; charset=utf-8` }],
    ['capitals', { 'content-type': FORM.toUpperCase() }],
  ])('with %s', async (_, headers: Params) => {
    const body = new TextEncoder().encode('name=n&payload=p&scope[type]=account')
    expect((await send(app, 'POST', SECRETS, { body, headers })).status).toBe(200)
  })
})

describe('parameters that are refused', () => {
  const unset = (param: string): string =>
    `You passed an empty string for '${param}'. We assume empty values are an attempt to unset a parameter; however ` +
    `'${param}' cannot be unset. You should remove '${param}' from your request or supply a non-empty value.`

  const ACCOUNT = 'scope[type]=account'
  const TARGET = `name=n&${ACCOUNT}`

  test.each([
    ['', 'parameter_missing', 'name', 'Missing required param: name.'],
    ['name=n', 'parameter_missing', 'scope', 'Missing required param: scope.'],
    [TARGET, 'parameter_missing', 'payload', 'Missing required param: payload.'],
    ['name=n&scope[user]=u', 'parameter_missing', 'scope[type]', 'Missing required param: scope[type].'],
    ['name=n&scope[type]=user', 'parameter_missing', 'scope[user]', 'Missing required param: scope[user].'],
    [`name=&${ACCOUNT}`, 'parameter_invalid_empty', 'name', unset('name')],
    [`${TARGET}&payload=`, 'parameter_invalid_empty', 'payload', unset('payload')],
    ['name=n&scope=', 'parameter_invalid_empty', 'scope', unset('scope')],
    ['name=n&scope[type]=', 'parameter_invalid_empty', 'scope[type]', unset('scope[type]')],
    ['name=n&scope[type]=user&scope[user]=', 'parameter_invalid_empty', 'scope[user]', unset('scope[user]')],
    [`${TARGET}&payload=p&expand=`, 'parameter_invalid_empty', 'expand', unset('expand')],
    [`${TARGET}&payload=p&colour=red`, 'parameter_unknown', 'colour', 'Received unknown parameter: colour'],
    [`${TARGET}&payload=p&a=1&b[c]=2`, 'parameter_unknown', 'a', 'Received unknown parameters: a, b'],
    [`${TARGET}&payload=p&limit=3`, 'parameter_unknown', 'limit', 'Received unknown parameter: limit'],
    [`${TARGET}&scope[x]=1&payload=p`, 'parameter_unknown', 'scope[x]', 'Received unknown parameter: scope[x]'],
    ['name=n&scope=account&payload=p', undefined, 'scope', 'Invalid object'],
    ['name=n&scope[type]=all', undefined, 'scope[type]', 'Invalid scope[type]: must be one of account or user'],
    ['name[a]=n&scope[type]=account', undefined, 'name', 'Invalid string'],
    [`${TARGET}&payload[]=p`, undefined, 'payload', 'Invalid string'],
    [
      `${TARGET}&scope[user]=u`,
      undefined,
      'scope[user]',
      "You can only provide 'scope[user]' when 'scope[type]' is 'user'.",
    ],
    [`${TARGET}&payload=p&expand=payload`, undefined, 'expand', 'Invalid array'],
    [`${TARGET}&payload=p&expand[0][a]=payload`, undefined, 'expand', 'Invalid string'],
    [`${TARGET}&payload=p&expand[]=id`, undefined, undefined, 'This property cannot be expanded (id).'],
    [`${TARGET}&payload=p&expires_at=soon`, 'parameter_invalid_integer', 'expires_at', 'Invalid integer: soon'],
    [`${TARGET}&payload=p&expires_at=1.5e9`, 'parameter_invalid_integer', 'expires_at', 'Invalid integer: 1.5e9'],
    [`${TARGET}&payload=p&expires_at[]=1`, 'parameter_invalid_integer', 'expires_at', 'Invalid integer'],
    [`name=${'x'.repeat(5001)}&${ACCOUNT}`, undefined, 'name', 'Invalid string: must be at most 5000 characters'],
    [`${TARGET}&payload=${'x'.repeat(10_001)}`, undefined, 'payload', 'Invalid string: must be at most 10000 bytes'],
    [`${TARGET}&payload=${'ü'.repeat(5001)}`, undefined, 'payload', 'Invalid string: must be at most 10000 bytes'],
    [`name=a&${TARGET}`, undefined, 'name', 'Invalid request: a parameter was given more than once.'],
    [`${TARGET}&scope=x`, undefined, 'scope', 'Invalid request: a parameter was given more than once.'],
    [
      `${TARGET}&scope[type][x]=y`,
      undefined,
      'scope[type][x]',
      'Invalid request: a parameter was given more than once.',
    ],
    ['a[b][c][d][e][f]=1', undefined, 'a[b][c][d][e][f]', 'Invalid parameter: it is nested too deeply'],
    ['tok_123=x', 'parameter_unknown', undefined, 'Received unknown parameter'],
    ['sk_live_51H', 'parameter_unknown', undefined, 'Received unknown parameter'],
    ['colour=red&tok_123=x', 'parameter_unknown', 'colour', 'Received unknown parameter: colour'],
    ['name=n&scope[tok_123]=x', 'parameter_unknown', undefined, 'Received unknown parameter'],
    [`${TARGET}&payload=p&expires_at=tok_123`, 'parameter_invalid_integer', 'expires_at', 'Invalid integer'],
    ['a&'.repeat(1001), undefined, undefined, 'Too many parameters: at most 1000 are accepted.'],
    [
      `${TARGET}&payload=100%`,
      undefined,
      undefined,
      'Invalid form encoding: the parameters are not percent-encoded UTF-8.',
    ],
    [
      `${TARGET}&payload=%FF`,
      undefined,
      undefined,
      'Invalid form encoding: the parameters are not percent-encoded UTF-8.',
    ],
    [
      `${TARGET}&payload=%ED%A0%80`,
      undefined,
      undefined,
      'Invalid form encoding: the parameters are not percent-encoded UTF-8.',
    ],
  ])('%.80s', async (body, code, param, message) => {
    const reply = await form(body)
    expect(reply.status).toBe(400)
    const docs = code && { code, doc_url: `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}` }
    expect(reply.body).toEqual({ error: { type: 'invalid_request_error', message, ...docs, ...(param && { param }) } })
    expect(reply.headers.get('stripe-should-retry')).toBe('false')
    expect(reply.headers.get('request-id')).toMatch(/^req_\w{14}$/)
    expect((await store.status()).records).toBe(0)
  })

  test.each([
    [clock.seconds, 'is in the past'],
    [-5, 'is in the past'],
    [clock.ms, 'in seconds: divide'],
    [clock.seconds + 3_155_760_001, 'no more than 100 years'],
  ])('expires_at %d', async (expires_at, message) => {
    const { status, body } = await create(app, 'n', 'p', undefined, { expires_at: String(expires_at) })
    expect([status, body.error.param]).toEqual([400, 'expires_at'])
    expect(body.error.message).toContain(message)
  })

  test('the bounds of expires_at are accepted', async () => {
    for (const expires_at of [clock.seconds + 1, clock.seconds + 3_155_760_000]) {
      expect((await create(app, 'n', 'p', undefined, { expires_at: String(expires_at) })).body).toMatchObject({
        expires_at,
      })
    }
  })

  test.each([
    ['limit=0', 'parameter_invalid_integer', 'limit', 'This value must be greater than or equal to 1.'],
    ['limit=101', 'parameter_invalid_integer', 'limit', 'This value must be less than or equal to 100.'],
    ['limit=ten', 'parameter_invalid_integer', 'limit', 'Invalid integer: ten'],
    ['limit=', 'parameter_invalid_empty', 'limit', unset('limit')],
    ['starting_after=', 'parameter_invalid_empty', 'starting_after', unset('starting_after')],
    ['starting_after=appsecret_x', 'resource_missing', 'starting_after', "No such secret: 'appsecret_x'"],
    ['ending_before=appsecret_x', 'resource_missing', 'ending_before', "No such secret: 'appsecret_x'"],
    [
      'starting_after=a&ending_before=b',
      undefined,
      undefined,
      'Received both starting_after and ending_before parameters. Please pass in only one.',
    ],
    [
      'expand[]=payload',
      undefined,
      undefined,
      "This property cannot be expanded (payload). You may want to try expanding 'data.payload' instead.",
    ],
    ['name=n', 'parameter_unknown', 'name', 'Received unknown parameter: name'],
  ])('a list with %s', async (query, code, param, message) => {
    const { status, body } = await send(app, 'GET', `${SECRETS}?scope[type]=account&${query}`)
    expect(status).toBe(400)
    expect(body.error).toMatchObject({ message, ...(code && { code }), ...(param && { param }) })
    expect(['code' in body.error, 'param' in body.error]).toEqual([code !== undefined, param !== undefined])
  })

  test('a cursor of another scope, account or mode, or of what is gone', async () => {
    const expires_at = String(clock.seconds + 10)
    const elsewhere = [
      await post(app, SECRETS, { name: 'n', payload: 'p', 'scope[type]': 'user', 'scope[user]': 'u' }),
      await post(app, SECRETS, inAccount('n', { payload: 'p' }), { 'stripe-account': 'acct_1' }),
      await post(app, SECRETS, inAccount('n', { payload: 'p' }), bearer(LIVE_KEY)),
      await create(app, 'dying', 'p', undefined, { expires_at }),
      await create(app, 'deleted', 'p'),
    ]
    await post(app, DELETE, inAccount('deleted'))
    clock.advanceSeconds(10)
    for (const { body } of elsewhere) {
      const { status } = await get(app, SECRETS, { 'scope[type]': 'account', starting_after: body.id })
      expect(status, body.name).toBe(400)
    }
  })
})

describe('who may ask', () => {
  test.each([
    ['Bearer', bearer(TEST_KEY)],
    ['bearer in small letters', { authorization: `bearer ${TEST_KEY}` }],
    ['Basic with an empty password', basic(`${TEST_KEY}:`)],
    ['Basic with no colon', basic(TEST_KEY)],
  ])('%s', async (_, headers) => {
    expect((await get(app, SECRETS, { 'scope[type]': 'account' }, headers)).status).toBe(200)
  })

  test.each([
    ['none', { authorization: '' }],
    ['an unknown key', bearer('sk_test_secretive')],
    ['one that is longer', bearer(`${TEST_KEY}secretive`)],
    ['one that is shorter', bearer(TEST_KEY.slice(0, -1))],
    ['two', bearer(`${TEST_KEY}, ${TEST_KEY}`)],
    ['the key in the password', basic(`:${TEST_KEY}`)],
    ['no base64', { authorization: 'Basic §§secretive' }],
    ['another scheme', { authorization: `Digest ${TEST_KEY}` }],
    ['nothing behind Bearer', { authorization: 'Bearer ' }],
  ])('%s is 401', async (_, headers) => {
    const reply = await get(app, SECRETS, { 'scope[type]': 'account' }, headers)
    expect(reply).toMatchObject({ status: 401, body: { error: { type: 'invalid_request_error' } } })
    expect(reply.headers.get('www-authenticate')).toBe('Bearer realm="Stripe"')
    expect(JSON.stringify(reply.body)).not.toMatch(/secretive|tests/)
  })

  test.each(['rk_test_extension', 'rk_test_installed'])('%s reaches the account and its own user', async (key) => {
    const of = (who: string, more: Params = {}): Params => ({ 'scope[type]': 'user', 'scope[user]': who, ...more })
    const outcomes = async (params: Params): Promise<number[]> => {
      const named = { ...params, name: 'n' }
      const replies = [
        await post(app, SECRETS, { ...named, payload: 'p' }, bearer(key)),
        await get(app, FIND, named, bearer(key)),
        await get(app, SECRETS, params, bearer(key)),
        await post(app, DELETE, named, bearer(key)),
      ]
      return replies.map(({ status }) => status)
    }
    expect(await outcomes({ 'scope[type]': 'account' })).toEqual([200, 200, 200, 200])
    expect(await outcomes(of('usr_1'))).toEqual([200, 200, 200, 200])
    expect(await outcomes(of('usr_2'))).toEqual([403, 403, 403, 403])
    expect((await store.status()).records).toBe(0)
  })

  test('a key of an account needs no header, and reaches no other', async () => {
    await post(app, SECRETS, inAccount('n', { payload: 'connected' }), { 'stripe-account': 'acct_1' })
    const key = bearer('rk_test_installed')
    expect(await payloadOf(app, 'n', key)).toBe('connected')
    expect(await payloadOf(app, 'n', { ...key, 'stripe-account': 'acct_1' })).toBe('connected')
    expect(await payloadOf(app, 'n', { ...key, 'stripe-account': 'acct_2' })).toBe('account_invalid')
  })

  test('a key that may only read changes nothing', async () => {
    const reader = bearer('rk_test_reader')
    await create(app, 'n', 'p')
    expect(await payloadOf(app, 'n', reader)).toBe('p')
    for (const reply of [
      await post(app, SECRETS, inAccount('n', { payload: 'q' }), reader),
      await post(app, DELETE, inAccount('n'), reader),
    ]) {
      expect(reply).toMatchObject({ status: 403, body: { error: { code: 'more_permissions_required' } } })
    }
    expect(await payloadOf(app, 'n')).toBe('p')
  })

  test.each([
    [{ 'stripe-account': 'acct_1' }, 'acct_1'],
    [{ 'stripe-context': 'acct_1' }, 'acct_1'],
    [{ 'stripe-context': 'org_1/acct_1' }, 'acct_1'],
    [{ 'stripe-account': 'acct_1', 'stripe-context': 'acct_1' }, 'acct_1'],
    [{ 'stripe-account': '' }, undefined],
    [{ 'stripe-account': 'acct_1', 'stripe-context': 'acct_2' }, 403],
    [{ 'stripe-account': 'someone' }, 403],
    [{ 'stripe-account': 'acct_' }, 403],
    [{ 'stripe-account': 'secret-store/stripe/replies' }, 403],
  ])('%j', async (headers: Params, expected) => {
    const { status } = await post(app, SECRETS, inAccount('n', { payload: 'p' }), headers)
    expect(status).toBe(expected === 403 ? 403 : 200)
    if (expected === 403) return
    const view = store.view(expected === undefined ? {} : { account: expected as string })
    expect(await view.get({ scope: account, name: 'n' })).toBe('p')
  })

  test.each([
    [undefined],
    [[]],
    [['']],
    [['pk_test_1']],
    [['sk_test_']],
    [[`sk_test_${'x'.repeat(201)}`]],
    [['sk_test_ü']],
    [[{ key: 'sk_test_1', user: '' }]],
    [[{ key: 'sk_test_1', account: 'nobody' }]],
    [[{ key: 'sk_test_1', access: 'all' }]],
    [[{ key: 'sk_test_1', mode: 'live' }]],
  ])('keys %j are a mistake of the program', (apiKeys) => {
    const make = (): StripeApp => createStripeApp(store, { apiKeys: apiKeys as never })
    expect(make).toThrow(TypeError)
    expect(make).not.toThrow(/sk_test_1\b/)
  })
})

describe('routes', () => {
  test.each([
    ['GET', '/'],
    ['GET', '/v1/customers'],
    ['PUT', SECRETS],
    ['DELETE', SECRETS],
    ['PATCH', SECRETS],
    ['OPTIONS', SECRETS],
    ['POST', FIND],
    ['GET', DELETE],
    ['GET', '/v1/apps/secrets/find/x'],
    ['GET', '/V1/apps/secrets'],
    ['GET', '/v1/apps/secrets/'],
    ['GET', '/v1//apps/secrets'],
  ])('%s %s is unknown', async (method, path) => {
    const { status, body } = await send(app, method, path)
    expect(status).toBe(404)
    expect(body.error).toMatchObject({ type: 'invalid_request_error' })
    expect(body.error.message).toContain(`Unrecognized request URL (${method}: ${path}). `)
    expect(body.error.message.includes('trailing slash')).toBe(path.endsWith('/'))
  })

  test.each(['application/json', 'multipart/form-data; boundary=x', 'text/plain'])(
    'a body of %s is refused',
    async (type) => {
      const reply = await form('{"name":"n"}', { 'content-type': type })
      expect(reply).toMatchObject({ status: 400, body: { error: { type: 'invalid_request_error' } } })
      expect(reply.body.error.message).toContain(
        'check that your POST content type is application/x-www-form-urlencoded',
      )
    },
  )

  test('a payload of bytes cannot be expanded, and is deleted as it is', async () => {
    await store.set({ scope: account, name: 'n', payload: Uint8Array.of(255) })
    const expand = { 'expand[]': 'payload' }
    for (const reply of [
      await get(app, FIND, inAccount('n', expand)),
      await get(app, SECRETS, { 'scope[type]': 'account', 'expand[]': 'data.payload' }),
      await post(app, DELETE, inAccount('n', expand)),
    ]) {
      expect(reply).toMatchObject({ status: 400, body: { error: { param: 'expand' } } })
    }
    expect((await post(app, DELETE, inAccount('n'))).status).toBe(200)
  })

  test('a store that fails is 500 and told of, one that is closed 503', async () => {
    const told: unknown[] = []
    const failing = SecretStore.memory()
    const onError = (error: unknown): void => {
      told.push(error)
      throw new Error('of the listener')
    }
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
    const over = appOf(failing, { onError })
    await failing.close()
    const closed = await create(over, 'n', 'p')
    expect(closed).toMatchObject({ status: 503, body: { error: { type: 'api_error' } } })
    expect(closed.headers.has('stripe-should-retry')).toBe(false)
    expect(told).toMatchObject([{ code: 'ERR_CLOSED' }])
    expect((await warned).message).toBe('of the listener')
  })
})

describe('over a socket', () => {
  async function serve(over: Parameters<typeof listen>[0] = app): Promise<HttpServer> {
    const server = await listen(over)
    onTestFinished(() => server.close())
    return server
  }

  /** What comes back for these bytes, until the connection is closed. */
  function exchange({ port, host }: HttpServer, bytes: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = ''
      const socket = connect(port, host, () => socket.end(bytes))
      socket.on('data', (data) => {
        text += data
      })
      socket.on('close', () => resolve(text))
      socket.on('error', (error) => (text === '' ? reject(error) : resolve(text)))
    })
  }

  async function stillAnswers({ url }: HttpServer): Promise<void> {
    const reply = await fetch(`${url}${SECRETS}?scope[type]=account`, { headers: bearer(TEST_KEY) })
    expect(reply.status).toBe(200)
  }

  test('listens on this machine alone, on a free port', async () => {
    const server = await serve()
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`)
    await expect(listen(app, { port: server.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await expect(listen(app, { port: 70_000 })).rejects.toThrow(RangeError)
    await stillAnswers(server)
  })

  test.each([
    ['garbage', 'GARBAGE\r\n\r\n'],
    ['no host', `GET ${SECRETS} HTTP/1.1\r\n\r\n`],
    ['a host that is none', `GET ${SECRETS} HTTP/1.1\r\nHost: a b\r\n\r\n`],
    ['a target that is none', 'GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['huge headers', `GET ${SECRETS} HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(400_000)}\r\n\r\n`],
    ['two lengths', `POST ${SECRETS} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
    ['a tunnel', 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an expectation', `GET /v1 HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe\r\nConnection: close\r\n\r\n`],
    ['raw bytes in the target', `GET ${SECRETS}?name=\xfc HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`],
  ])('answers %s in JSON, and goes on', async (_, bytes) => {
    const server = await serve()
    const text = await exchange(server, bytes)
    const [head = '', body = ''] = text.split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 4\d\d /)
    expect(head.toLowerCase()).toContain('request-id: req_')
    expect(JSON.parse(body).error.type).toBe('invalid_request_error')
    await stillAnswers(server)
  })

  test('a name and a user of 5,000 characters fit into a query', async () => {
    const { url } = await serve()
    const [name, who] = ['🔑'.repeat(5000), '🧑'.repeat(5000)]
    await store.set({ scope: user(who), name, payload: 'p' })
    const query = new URLSearchParams({ name, 'scope[type]': 'user', 'scope[user]': who, 'expand[]': 'payload' })
    const reply = await fetch(`${url}${FIND}?${query}`, { headers: bearer(TEST_KEY) })
    expect(await reply.json()).toMatchObject({ payload: 'p' })
  })

  test('a body that ends early changes nothing', async () => {
    const server = await serve()
    const head = `POST ${SECRETS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TEST_KEY}\r\nContent-Length: 1000\r\n\r\n`
    await exchange(server, `${head}name=n&payload=p&scope[type]=account`).catch(() => '')
    await stillAnswers(server)
    expect((await store.status()).records).toBe(0)
  })

  test.each([
    ['with its length', true],
    ['in chunks', false],
  ])('a body that is too large, %s, is 413', async (_, hasLength) => {
    const server = await serve(appOf(store, { maxBodyBytes: 1000 }))
    const large = 'x'.repeat(1_000_000)
    const body = hasLength ? large : new Blob([large]).stream()
    const init = { method: 'POST', body, duplex: 'half', headers: { ...bearer(TEST_KEY), 'content-type': FORM } }
    const reply = await fetch(server.url + SECRETS, init as RequestInit)
    expect(reply.status).toBe(413)
    expect(await reply.json()).toMatchObject({ error: { type: 'api_error' } })
    await stillAnswers(server)
  })

  test('closing lets a request end, closes what is idle, and lets nobody in', async () => {
    let arrived = (): void => {}
    let answer = (_: Response): void => {}
    const isThere = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const server = await listen((request) => {
      if (new URL(request.url).pathname !== '/slow') return new Response('quick')
      arrived()
      return new Promise((resolve) => {
        answer = resolve
      })
    })
    const agent = new Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    const ask = (path: string): Promise<string> =>
      new Promise((resolve, reject) => {
        httpRequest({ agent, host: server.host, port: server.port, path }, (response) => {
          response.on('data', (data) => resolve(String(data)))
        })
          .on('error', reject)
          .end()
      })
    expect(await ask('/')).toBe('quick')
    const slow = ask('/slow')
    await isThere
    const closed = server.close()
    expect(server.close()).toBe(closed)
    await expect(fetch(server.url)).rejects.toThrow('fetch failed')
    answer(new Response('done'))
    expect(await slow).toBe('done')
    await closed
  })

  test('closing lets an answer end that has begun, and does not wait for its connection after that', async () => {
    let body: ReadableStreamDefaultController<string> | undefined
    const stream = new ReadableStream<string>({
      start(controller) {
        body = controller
        controller.enqueue('be')
      },
    })
    const server = await listen(() => new Response(stream.pipeThrough(new TextEncoderStream())), {
      closeTimeoutMs: 600_000,
    })
    const agent = new Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    const request = httpRequest({ agent, host: server.host, port: server.port }).end()
    const [response] = await once(request, 'response')
    let text = ''
    response.on('data', (data: Buffer) => {
      text += data
    })
    await once(response, 'data')
    const closed = server.close()
    body?.enqueue('gun')
    body?.close()
    await once(response, 'end')
    expect(text).toBe('begun')
    await closed
  })

  test('closing does not wait for a connection on which nothing was said', async () => {
    const server = await listen(app, { closeTimeoutMs: 600_000 })
    const socket = connect(server.port, server.host)
    await once(socket, 'connect')
    // A second one has been accepted after the first.
    await stillAnswers(server)
    await Promise.all([once(socket, 'close'), server.close()])
  })

  test.each([
    [{ port: -1 }, RangeError],
    [{ port: '80' }, TypeError],
    [{ closeTimeoutMs: 1.5 }, RangeError],
    [{ hostname: 'localhost' }, TypeError],
  ])('listen options %j are a mistake of the program', async (options, kind) => {
    await expect(listen(app, options as never)).rejects.toThrow(kind)
  })

  test('closing waits no longer than it was told to', async () => {
    let arrived = (): void => {}
    const isThere = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const never = (): Promise<Response> => {
      arrived()
      return new Promise(() => {})
    }
    const server = await listen(never, { closeTimeoutMs: 50 })
    const hanging = fetch(server.url).catch((error: Error) => error.message)
    await isThere
    await server.close()
    expect(await hanging).toBe('fetch failed')
  })

  test('curl', async (context) => {
    const has = await run('curl', ['--version']).then(
      () => true,
      () => false,
    )
    if (!has) {
      console.warn('skipped: curl is not installed')
      context.skip('curl is not installed')
    }
    const { url } = await serve()
    const curl = async (...args: string[]): Promise<unknown> => {
      const { stdout } = await run('curl', ['-sS', '-g', '-u', `${TEST_KEY}:`, ...args])
      return JSON.parse(stdout)
    }
    const scope = ['-d', 'scope[type]=account']
    const set = await curl(url + SECRETS, ...scope, '-d', 'name=a b', '--data-urlencode', 'payload={"a":[1],"b":"5%+"}')
    expect(set).toMatchObject({ object: 'apps.secret', name: 'a b' })
    const find = await curl('-G', url + FIND, ...scope, '-d', 'name=a+b', '-d', 'expand[]=payload')
    expect(find).toMatchObject({ payload: '{"a":[1],"b":"5%+"}' })
    expect(await curl(`${url}${SECRETS}?scope%5Btype%5D=account`)).toMatchObject({ data: [{ name: 'a b' }] })
    expect(await curl('-X', 'POST', `${url}${DELETE}?scope[type]=account&name=a%20b`)).toMatchObject({ deleted: true })
    expect(await curl('--json', '{}', url + SECRETS)).toMatchObject({ error: { type: 'invalid_request_error' } })
  })
})
