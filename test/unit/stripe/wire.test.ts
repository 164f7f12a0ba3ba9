import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, onTestFinished, type TestContext, test, vi } from 'vitest'
import { account, SecretStore, user } from '../../../src/index'
import { MemoryEngine } from '../../../src/storage/memory-engine'
import { createStripeApp, type HttpServer, listen, type StripeApp } from '../../../src/stripe/index'
import { failNextWrite } from '../../support/engine-writes'
import { urlFromRoot } from '../../support/paths'
import { TestClock } from '../../support/stores'
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
} from '../../support/stripe-requests'
import { newGate, turnOfLoop } from '../../support/waiting'

const run = promisify(execFile)
const clock = new TestClock()
const FORM = 'application/x-www-form-urlencoded'
const OTHER_KEYS = [
  { key: 'rk_test_extension', user: 'usr_1' },
  { key: 'rk_test_installed', user: 'usr_1', account: 'acct_1' },
  { key: 'rk_test_reader', access: 'read' },
] as const

let store: SecretStore
/** As it is served. */
let bare: StripeApp
/** The same, with every reply looked at. */
let app: StripeApp

beforeEach(() => {
  store = SecretStore.memory({ now: clock.now, sweepIntervalMs: 0, maxPayloadBytes: 10_000 })
  bare = appOf(store, { apiKeys: [TEST_KEY, LIVE_KEY, ...OTHER_KEYS] })
  app = watched(bare)
})

afterEach(async () => {
  expect(await store.verify()).toMatchObject({ ok: true })
  await store.close()
})

/** What holds of every reply, whatever the test is about: JSON, numbered, and a refusal is not to be sent again. */
function watched(over: StripeApp): StripeApp {
  return async (request) => {
    const reply = await over(request)
    expect(reply.headers.get('content-type')).toBe('application/json')
    expect(reply.headers.get('request-id')).toMatch(/^req_[0-9A-Za-z]{14}$/)
    const isRefusal = reply.status >= 400 && reply.status < 500
    if (reply.status < 500) expect(reply.headers.get('stripe-should-retry')).toBe(isRefusal ? 'false' : null)
    const { error } = (await reply.clone().json()) as Reply['body']
    // A client takes whatever has no error for a success.
    expect(error === undefined).toBe(reply.status === 200)
    if (error !== undefined)
      expect([error.type, error.message]).toEqual([expect.any(String), expect.stringMatching(/./)])
    return reply
  }
}

const CALLS = {
  create: ['POST', SECRETS],
  find: ['GET', FIND],
  delete: ['POST', DELETE],
  list: ['GET', SECRETS],
} as const

/** One of the four calls, with its parameters where a client puts them, as they are. */
function ask(call: keyof typeof CALLS, params: string, headers: Params = {}): Promise<Reply> {
  const [method, path] = CALLS[call]
  if (method === 'GET') return send(app, method, `${path}?${params}`, { headers })
  return send(app, method, path, { body: params, headers: { 'content-type': FORM, ...headers } })
}

/** The whole body of a refusal. */
function refusal(message: string, code?: string, param?: string): object {
  const docs = code && { code, doc_url: `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}` }
  return { error: { type: 'invalid_request_error', message, ...docs, ...(param && { param }) } }
}

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
    ['a closing bracket in front', ']=', ']='],
    ['brackets alone', '[]', '[]'],
    ['a percent sign and an ampersand', '100%25%26b=c', '100%&b=c'],
    ['line ends as they are', 'a\r\nb', 'a\r\nb'],
    ['the highest character', '%F4%8F%BF%BF', '\u{10ffff}'],
  ])('a payload with %s', async (_, encoded, payload) => {
    expect((await form(`name=n&scope[type]=account&payload=${encoded}`)).status).toBe(200)
    expect(await store.get({ scope: account, name: 'n' })).toBe(payload)
  })

  test.each([
    'name=a+b%2B%C3%BC%25[1]&scope[type]=user&scope[user]=u+v',
    'name=a%20b%2b%c3%bc%25%5B1%5D&scope%5Btype%5D=user&scope%5Buser%5D=u%20v',
    '&scope[user]=u%20v&&scope[type]=user&name=a+b%2B%C3%BC%25[1]&',
  ])('%s in a query', async (target) => {
    const made = await ask('create', `${target}&payload=p`)
    expect(made.body).toMatchObject({ name: 'a b+ü%[1]', scope: { type: 'user', user: 'u v' } })
    const expanded = { ...made.body, payload: 'p' }
    for (const expand of ['expand[]=payload', 'expand[0]=payload', 'expand%5B%5D=payload', 'expand%5b0%5d=payload']) {
      expect((await ask('find', `${target}&${expand}`)).body).toEqual(expanded)
      const { body } = await ask('list', `scope%5Btype%5D=user&scope[user]=u+v&${expand.replace('=', '=data.')}`)
      expect(body).toEqual({ object: 'list', url: SECRETS, has_more: false, data: [expanded] })
    }
    expect((await send(app, 'POST', `${DELETE}?${target}`)).body).toEqual({ ...made.body, deleted: true })
  })

  test('a parameter both in the query and in the body is given twice', async () => {
    for (const [query, body] of [
      ['name=n', set],
      ['scope[type]=user', 'name=n&payload=p&scope[user]=u&scope[type]=user'],
      ['payload=other', set],
    ]) {
      const reply = await send(app, 'POST', `${SECRETS}?${query}`, {
        body: body as string,
        headers: { 'content-type': FORM },
      })
      expect(reply.status, query).toBe(400)
      expect(reply.body.error.message).toBe('Invalid request: a parameter was given more than once.')
    }
    expect((await store.status()).records).toBe(0)
  })

  test('lists given in two ways, or twice, are one list', async () => {
    for (const more of ['expand[]=payload&expand[]=payload', 'expand[0]=payload&expand[]=payload']) {
      expect((await form(`${set}&${more}`)).body.payload).toBe('p')
    }
  })

  test('a first name with a question mark keeps it', async () => {
    expect((await form('?name=n&payload=p&scope[type]=account')).body.error.code).toBe('parameter_unknown')
    expect((await send(app, 'GET', `${SECRETS}??scope[type]=account`)).body.error.code).toBe('parameter_unknown')
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

  const twice = 'Invalid request: a parameter was given more than once.'
  const badEncoding = 'Invalid form encoding: the parameters are not percent-encoded UTF-8.'
  const LONG = 'x'.repeat(5001)
  const tooLong = 'Invalid string: must be at most 5000 characters'

  /** Of a scope, which all four calls have. */
  const SCOPES = [
    ['', 'parameter_missing', 'scope', 'Missing required param: scope.'],
    ['scope[user]=u', 'parameter_missing', 'scope[type]', 'Missing required param: scope[type].'],
    ['scope[type]=user', 'parameter_missing', 'scope[user]', 'Missing required param: scope[user].'],
    ['scope=', 'parameter_invalid_empty', 'scope', unset('scope')],
    ['scope[type]=', 'parameter_invalid_empty', 'scope[type]', unset('scope[type]')],
    ['scope[type]=user&scope[user]=', 'parameter_invalid_empty', 'scope[user]', unset('scope[user]')],
    [`${ACCOUNT}&scope[x]=1`, 'parameter_unknown', 'scope[x]', 'Received unknown parameter: scope[x]'],
    [`${ACCOUNT}&scope[tok_123]=x`, 'parameter_unknown', undefined, 'Received unknown parameter'],
    ['scope[]=account', 'parameter_unknown', 'scope[0]', 'Received unknown parameter: scope[0]'],
    ['scope=account', undefined, 'scope', 'Invalid object'],
    ['scope[type]=all', undefined, 'scope[type]', 'Invalid scope[type]: must be one of account or user'],
    ['scope[type]=Account', undefined, 'scope[type]', 'Invalid scope[type]: must be one of account or user'],
    ['scope[type][]=account', undefined, 'scope[type]', 'Invalid string'],
    ['scope[type]=user&scope[user][id]=u', undefined, 'scope[user]', 'Invalid string'],
    [`scope[type]=user&scope[user]=${LONG}`, undefined, 'scope[user]', tooLong],
    [
      `${ACCOUNT}&scope[user]=u`,
      undefined,
      'scope[user]',
      "You can only provide 'scope[user]' when 'scope[type]' is 'user'.",
    ],
    [`${ACCOUNT}&scope=x`, undefined, 'scope', twice],
    [`${ACCOUNT}&${ACCOUNT}`, undefined, 'scope[type]', twice],
    [`${ACCOUNT}&scope[type][x]=y`, undefined, 'scope[type][x]', twice],
    [`${ACCOUNT}&expand=`, 'parameter_invalid_empty', 'expand', unset('expand')],
    [`${ACCOUNT}&expand=payload`, undefined, 'expand', 'Invalid array'],
    [`${ACCOUNT}&expand[0][a]=payload`, undefined, 'expand', 'Invalid string'],
    [`${ACCOUNT}&expand[]=id`, undefined, undefined, 'This property cannot be expanded (id).'],
    [`${ACCOUNT}&expand[]=`, undefined, undefined, 'This property cannot be expanded.'],
    [`${ACCOUNT}&expand[0]=id&expand[0]=id`, undefined, 'expand[0]', twice],
    [`${ACCOUNT}&colour=red`, 'parameter_unknown', 'colour', 'Received unknown parameter: colour'],
    [`${ACCOUNT}&a=1&b[c]=2`, 'parameter_unknown', 'a', 'Received unknown parameters: a, b'],
    [`${ACCOUNT}&[a]=1`, 'parameter_unknown', undefined, 'Received unknown parameter'],
    [`${ACCOUNT}&=1`, 'parameter_unknown', undefined, 'Received unknown parameter'],
    [`${ACCOUNT}&tok_123=x`, 'parameter_unknown', undefined, 'Received unknown parameter'],
    [`${ACCOUNT}&sk_live_51H`, 'parameter_unknown', undefined, 'Received unknown parameter'],
    [`${ACCOUNT}&colour=red&tok_123=x`, 'parameter_unknown', 'colour', 'Received unknown parameter: colour'],
    ['a[b][c][d][e][f]=1', undefined, 'a[b][c][d][e][f]', 'Invalid parameter: it is nested too deeply'],
    ['a[b][c][d][e]=1', 'parameter_unknown', 'a', 'Received unknown parameter: a'],
    ['a&'.repeat(1000), undefined, undefined, 'Too many parameters: at most 1000 are accepted.'],
    [`${ACCOUNT}&b=100%`, undefined, undefined, badEncoding],
    [`${ACCOUNT}&b=%F`, undefined, undefined, badEncoding],
    [`${ACCOUNT}&%zz=b`, undefined, undefined, badEncoding],
    [`${ACCOUNT}&b=%FF`, undefined, undefined, badEncoding],
    [`${ACCOUNT}&b=%C3`, undefined, undefined, badEncoding],
    [`${ACCOUNT}&b=%C0%80`, undefined, undefined, badEncoding],
    [`${ACCOUNT}&b=%ED%A0%80`, undefined, undefined, badEncoding],
    [`${ACCOUNT}&b=%F4%90%80%80`, undefined, undefined, badEncoding],
  ] as const

  async function expectRefusal(
    reply: Reply,
    code: string | undefined,
    param: string | undefined,
    message: string,
  ): Promise<void> {
    expect(reply.body).toEqual(refusal(message, code, param))
    expect(reply.status).toBe(400)
    expect((await store.status()).records).toBe(0)
  }

  describe.each(['create', 'find', 'delete', 'list'] as const)('by %s', (call) => {
    // A name that is good comes first, and its lack or its fault would be found first.
    test.each(SCOPES)('%.80s', async (params, code, param, message) => {
      await expectRefusal(await ask(call, call === 'list' ? params : `name=n&${params}`), code, param, message)
    })
  })

  describe.each(['create', 'find', 'delete'] as const)('by %s, of a name', (call) => {
    test.each([
      [ACCOUNT, 'parameter_missing', 'name', 'Missing required param: name.'],
      [`name=&${ACCOUNT}`, 'parameter_invalid_empty', 'name', unset('name')],
      [`name&${ACCOUNT}`, 'parameter_invalid_empty', 'name', unset('name')],
      [`name[a]=n&${ACCOUNT}`, undefined, 'name', 'Invalid string'],
      [`name[]=n&${ACCOUNT}`, undefined, 'name', 'Invalid string'],
      [`name=${LONG}&${ACCOUNT}`, undefined, 'name', tooLong],
      [`name=a&${TARGET}`, undefined, 'name', twice],
      [`${TARGET}&limit=3`, 'parameter_unknown', 'limit', 'Received unknown parameter: limit'],
      [`${TARGET}&Name=n`, 'parameter_unknown', 'Name', 'Received unknown parameter: Name'],
      [`${TARGET}&expand[]=data.payload`, undefined, undefined, 'This property cannot be expanded (data.payload).'],
    ])('%.80s', async (params, code, param, message) => {
      await expectRefusal(await ask(call, params), code, param, message)
    })
  })

  test.each([
    [TARGET, 'parameter_missing', 'payload', 'Missing required param: payload.'],
    [`${TARGET}&payload=`, 'parameter_invalid_empty', 'payload', unset('payload')],
    [`${TARGET}&payload[]=p`, undefined, 'payload', 'Invalid string'],
    [`${TARGET}&payload[a]=p`, undefined, 'payload', 'Invalid string'],
    [`${TARGET}&payload=p&payload=p`, undefined, 'payload', twice],
    [`${TARGET}&payload=p&expires_at=soon`, 'parameter_invalid_integer', 'expires_at', 'Invalid integer: soon'],
    [`${TARGET}&payload=p&expires_at=1.5e9`, 'parameter_invalid_integer', 'expires_at', 'Invalid integer: 1.5e9'],
    [`${TARGET}&payload=p&expires_at=1e99`, 'parameter_invalid_integer', 'expires_at', 'Invalid integer: 1e99'],
    [`${TARGET}&payload=p&expires_at=%201`, 'parameter_invalid_integer', 'expires_at', 'Invalid integer'],
    [`${TARGET}&payload=p&expires_at=tok_123`, 'parameter_invalid_integer', 'expires_at', 'Invalid integer'],
    [`${TARGET}&payload=p&expires_at[]=1`, 'parameter_invalid_integer', 'expires_at', 'Invalid integer'],
    [
      `${TARGET}&payload=p&expires_at=${'9'.repeat(16)}`,
      'parameter_invalid_integer',
      'expires_at',
      `Invalid integer: ${'9'.repeat(16)}`,
    ],
    [`${TARGET}&payload=${'x'.repeat(10_001)}`, undefined, 'payload', 'Invalid string: must be at most 10000 bytes'],
    [`${TARGET}&payload=${'ü'.repeat(5001)}`, undefined, 'payload', 'Invalid string: must be at most 10000 bytes'],
  ])('by create: %.80s', async (params, code, param, message) => {
    await expectRefusal(await ask('create', params), code, param, message)
  })

  test.each(['find', 'delete'] as const)('a payload by %s', async (call) => {
    const reply = await ask(call, `${TARGET}&payload=p`)
    await expectRefusal(reply, 'parameter_unknown', 'payload', 'Received unknown parameter: payload')
  })

  test('a body with bytes that are no UTF-8, whether they are escaped or not', async () => {
    for (const bytes of [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]]) {
      for (const call of ['create', 'delete'] as const) {
        const body = Buffer.concat([Buffer.from(`${TARGET}&payload=a`), Buffer.from(bytes)])
        const reply = await send(app, 'POST', CALLS[call][1], { body, headers: { 'content-type': FORM } })
        await expectRefusal(reply, undefined, undefined, 'Invalid form encoding: the body is not UTF-8.')
      }
    }
  })

  test('as many as may be, and as long as may be, are accepted', async () => {
    expect((await form(`${'&'.repeat(996)}${TARGET}&payload=p`)).status).toBe(200)
    const [name, holder] = ['🔑'.repeat(5000), 'ü'.repeat(5000)]
    const params = { 'scope[type]': 'user', 'scope[user]': holder, name }
    const made = await post(app, SECRETS, { ...params, payload: 'x'.repeat(10_000) })
    expect(made.body).toMatchObject({ name, scope: { user: holder } })
    expect((await get(app, FIND, params)).body).toEqual(made.body)
    expect((await post(app, DELETE, params)).body).toEqual({ ...made.body, deleted: true })
    const over = await post(app, SECRETS, { ...params, name: `${name}x`, payload: 'p' })
    expect(over.body).toEqual(refusal(tooLong, undefined, 'name'))
  })

  const past = (value: number): string =>
    'The parameter `expires_at` expects a unix timestamp representing a date and time in the future. You specified the ' +
    `value \`${value}\` which is in the past.`
  const far =
    'Invalid timestamp: can be no more than 100 years in the future. It is in seconds: divide milliseconds by 1000, and ' +
    'floor.'

  test.each([
    [clock.seconds, past(clock.seconds)],
    [clock.seconds - 1, past(clock.seconds - 1)],
    [0, past(0)],
    [-5, past(-5)],
    [clock.ms, far],
    [clock.seconds + 3_155_760_001, far],
    [999_999_999_999_999, far],
  ])('expires_at %d', async (expires_at, message) => {
    const reply = await create(app, 'n', 'p', undefined, { expires_at: String(expires_at) })
    await expectRefusal(reply, undefined, 'expires_at', message)
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
    ['payload=p', 'parameter_unknown', 'payload', 'Received unknown parameter: payload'],
    ['limit=-1', 'parameter_invalid_integer', 'limit', 'This value must be greater than or equal to 1.'],
    ['limit=1.0', 'parameter_invalid_integer', 'limit', 'Invalid integer: 1.0'],
    ['limit[]=3', 'parameter_invalid_integer', 'limit', 'Invalid integer'],
    ['limit=3&limit=3', undefined, 'limit', twice],
    ['ending_before=', 'parameter_invalid_empty', 'ending_before', unset('ending_before')],
    ['starting_after[]=a', undefined, 'starting_after', 'Invalid string'],
    ['ending_before[]=a', undefined, 'ending_before', 'Invalid string'],
    [`starting_after=${LONG}`, undefined, 'starting_after', tooLong],
    [`ending_before=${LONG}`, undefined, 'ending_before', tooLong],
    ['starting_after=%00', 'resource_missing', 'starting_after', "No such secret: '\0'"],
  ])('a list with %.60s', async (query, code, param, message) => {
    await expectRefusal(await ask('list', `${ACCOUNT}&${query}`), code, param, message)
  })

  test('pages, from either end, of every size', async () => {
    const names = ['a', 'b', 'c', 'd', 'e']
    const secrets: { id: string }[] = []
    for (const name of names) secrets.push((await create(app, name, `payload ${name}`)).body)
    const [a, b, c, d, e] = secrets as [{ id: string }, { id: string }, { id: string }, { id: string }, { id: string }]
    for (const [query, data, has_more] of [
      ['', [a, b, c, d, e], false],
      ['&limit=5', [a, b, c, d, e], false],
      ['&limit=100', [a, b, c, d, e], false],
      ['&limit=4', [a, b, c, d], true],
      [`&limit=2&starting_after=${b.id}`, [c, d], true],
      [`&limit=2&starting_after=${c.id}`, [d, e], false],
      [`&limit=2&starting_after=${e.id}`, [], false],
      [`&limit=2&ending_before=${d.id}`, [b, c], true],
      [`&limit=2&ending_before=${c.id}`, [a, b], false],
      [`&limit=1&ending_before=${a.id}`, [], false],
    ] as const) {
      expect((await ask('list', ACCOUNT + query)).body, query).toEqual({ object: 'list', url: SECRETS, has_more, data })
    }
  })

  test('a page is of ten secrets, unless it is asked for more', async () => {
    for (let i = 0; i < 11; i++) await create(app, `n${i}`, 'p')
    const { body } = await ask('list', ACCOUNT)
    expect([body.data.length, body.has_more]).toEqual([10, true])
  })

  test.each(['starting_after', 'ending_before'])(
    '%s another scope, account or mode, or what is gone',
    async (param) => {
      const expires_at = String(clock.seconds + 10)
      const ofUser = { name: 'n', payload: 'p', 'scope[type]': 'user', 'scope[user]': 'u' }
      const elsewhere = [
        await post(app, SECRETS, ofUser),
        await post(app, SECRETS, inAccount('n', { payload: 'p' }), { 'stripe-account': 'acct_1' }),
        await post(app, SECRETS, inAccount('n', { payload: 'p' }), bearer(LIVE_KEY)),
        await create(app, 'dying', 'p', undefined, { expires_at }),
        await create(app, 'deleted', 'p'),
      ].map(({ body }) => body.id)
      const here = await create(app, 'here', 'p')
      await post(app, DELETE, inAccount('deleted'))
      clock.advanceSeconds(10)
      for (const id of [...elsewhere, 'here', `${here.body.id}x`, here.body.id.slice(0, -1)]) {
        const { status, body } = await ask('list', `${ACCOUNT}&${param}=${id}`)
        expect(status, id).toBe(400)
        expect(body).toEqual(refusal(`No such secret: '${id}'`, 'resource_missing', param))
      }
      expect((await ask('list', `${ACCOUNT}&${param}=${here.body.id}`)).body.data).toEqual([])
    },
  )

  test.each(['find', 'delete'] as const)('%s of nothing', async (call) => {
    const expires_at = String(clock.seconds + 10)
    await create(app, 'dying', 'p', undefined, { expires_at })
    await create(app, 'deleted', 'p')
    await post(app, DELETE, inAccount('deleted'))
    await post(app, SECRETS, inAccount('other account', { payload: 'p' }), { 'stripe-account': 'acct_1' })
    await post(app, SECRETS, inAccount('other mode', { payload: 'p' }), bearer(LIVE_KEY))
    clock.advanceSeconds(10)
    for (const name of ['appConfig', 'dying', 'deleted', 'other account', 'other mode', "it's", 'ü\0']) {
      const reply = await ask(call, `${ACCOUNT}&name=${encodeURIComponent(name)}`)
      expect(reply.status, name).toBe(404)
      expect(reply.body).toEqual(refusal(`No such secret: '${name}'`, 'resource_missing', 'name'))
    }
  })
})

describe('who may ask', () => {
  test.each([
    ['Bearer', bearer(TEST_KEY)],
    ['bearer in small letters', { authorization: `bearer ${TEST_KEY}` }],
    ['Bearer in capitals, and spaces', { authorization: `BEARER   ${TEST_KEY}` }],
    ['Basic in small letters', { authorization: `basic ${btoa(`${TEST_KEY}:`)}` }],
    ['Basic with a password', basic(`${TEST_KEY}:pass:word`)],
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
    ['nothing behind Basic', { authorization: 'Basic' }],
    ['the key alone', { authorization: TEST_KEY }],
    ['the key in other case', bearer(TEST_KEY.toUpperCase())],
    ['bytes that are no text', { authorization: `Basic ${btoa('\xff\xfesecretive:')}` }],
    ['a key with a NUL', basic(`${TEST_KEY}\0:`)],
  ])('%s is 401 on every route', async (_, headers) => {
    for (const [method, path] of [...Object.values(CALLS), ['GET', '/v1/nothing']] as const) {
      const reply = await send(app, method, path, { headers })
      expect(reply).toMatchObject({ status: 401, body: { error: { type: 'invalid_request_error' } } })
      expect(Object.keys(reply.body.error).sort()).toEqual(['message', 'type'])
      expect(reply.headers.get('www-authenticate')).toBe('Bearer realm="Stripe"')
      expect(JSON.stringify([reply.body, ...reply.headers]).toLowerCase()).not.toMatch(/secretive|tests/)
    }
  })

  const help =
    ' See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.'
  const unread = (scheme: string): string =>
    `You did not provide an API key, though you did set your Authorization header to "${scheme}". Using Bearer auth, ` +
    `your Authorization header should look something like 'Authorization: Bearer YOUR_SECRET_KEY'.${help}`

  test.each([
    ['Bearer', unread('Bearer')],
    ['Basic', unread('Basic')],
    [`Basic ${btoa(':x')}`, unread('Basic')],
    ['Digest x', unread('')],
    ['Bearer sk_test_unknown', 'Invalid API Key provided: sk_test_****'],
    ['Bearer rk_live_unknown', 'Invalid API Key provided: rk_live_****'],
    ['Bearer unknown', 'Invalid API Key provided: ****'],
  ])('%s is refused in these words', async (authorization, message) => {
    expect((await ask('list', 'scope[type]=account', { authorization })).body).toEqual(refusal(message))
  })

  test('no header at all is refused in other words', async () => {
    const reply = await app(new Request(`http://localhost${SECRETS}`))
    const message =
      'You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth ' +
      `(e.g. 'Authorization: Bearer YOUR_SECRET_KEY').${help}`
    expect([reply.status, await reply.json()]).toEqual([401, refusal(message)])
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

  test('the secrets of another user are neither shown nor changed, nor is it said whether there are any', async () => {
    const theirs = { 'scope[type]': 'user', 'scope[user]': 'usr_2' }
    const made = await post(app, SECRETS, { ...theirs, name: 'there', payload: 'p' })
    const key = bearer('rk_test_extension')
    for (const name of ['there', 'not there']) {
      for (const reply of [
        await post(app, SECRETS, { ...theirs, name, payload: 'q' }, key),
        await get(app, FIND, { ...theirs, name, 'expand[]': 'payload' }, key),
        await get(app, SECRETS, { ...theirs, 'expand[]': 'data.payload' }, key),
        await get(app, SECRETS, { ...theirs, starting_after: made.body.id }, key),
        await post(app, DELETE, { ...theirs, name }, key),
      ]) {
        expect(reply.status).toBe(403)
        expect(reply.body).toEqual(
          refusal('This key can only access account-scoped secrets, and secrets scoped to its own user.'),
        )
      }
    }
    expect(await store.get({ scope: user('usr_2'), name: 'there' })).toBe('p')
    expect((await store.status()).records).toBe(1)
  })

  test('a key of an account needs no header, and reaches no other', async () => {
    await post(app, SECRETS, inAccount('n', { payload: 'connected' }), { 'stripe-account': 'acct_1' })
    const key = bearer('rk_test_installed')
    expect(await payloadOf(app, 'n', key)).toBe('connected')
    expect(await payloadOf(app, 'n', { ...key, 'stripe-account': 'acct_1' })).toBe('connected')
    expect(await payloadOf(app, 'n', { ...key, 'stripe-account': 'acct_2' })).toBe('account_invalid')
  })

  test("a UI extension's key without an account reaches no connected one", async () => {
    await post(app, SECRETS, inAccount('n', { payload: 'connected' }), { 'stripe-account': 'acct_1' })
    await post(app, SECRETS, inAccount('n', { payload: 'own' }))
    const key = bearer('rk_test_extension')
    expect(await payloadOf(app, 'n', key)).toBe('own')
    for (const header of ['stripe-account', 'stripe-context']) {
      expect(await payloadOf(app, 'n', { ...key, [header]: 'acct_1' })).toBe('account_invalid')
      const set = await post(app, SECRETS, inAccount('n', { payload: 'q' }), { ...key, [header]: 'acct_1' })
      expect(set.status).toBe(403)
    }
    expect(await store.view({ account: 'acct_1' }).get({ scope: account, name: 'n' })).toBe('connected')
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
      const message =
        "Permission denied. The provided key 'rk_test_****' does not have the required permissions for this endpoint: it " +
        'may only read.'
      expect(reply.body).toEqual(refusal(message, 'more_permissions_required'))
    }
    expect(await payloadOf(app, 'n')).toBe('p')
    expect((await get(app, SECRETS, { 'scope[type]': 'account' }, reader)).body.data).toHaveLength(1)
  })

  test.each([
    [{ 'stripe-account': 'acct_1' }, 'acct_1'],
    [{ 'stripe-context': 'acct_1' }, 'acct_1'],
    [{ 'stripe-context': 'org_1/acct_1' }, 'acct_1'],
    [{ 'stripe-account': 'acct_1', 'stripe-context': 'acct_1' }, 'acct_1'],
    [{ 'stripe-account': '' }, undefined],
    [{ 'stripe-context': '' }, undefined],
    [{ 'stripe-context': '/' }, undefined],
    [{ 'stripe-context': 'acct_0/acct_1' }, 'acct_1'],
    [{ 'stripe-account': `acct_${'x'.repeat(200)}` }, `acct_${'x'.repeat(200)}`],
    [{ 'stripe-account': `acct_${'x'.repeat(201)}` }, 403],
    [{ 'stripe-account': 'acct_1, acct_1' }, 403],
    [{ 'stripe-account': 'acct_é' }, 403],
    [{ 'stripe-account': 'acct_1/acct_2' }, 403],
    [{ 'stripe-context': 'org_1' }, 403],
    [{ 'stripe-context': 'acct_1/org_1' }, 403],
    [{ 'stripe-account': 'acct_1', 'stripe-context': 'acct_2' }, 403],
    [{ 'stripe-account': 'someone' }, 403],
    [{ 'stripe-account': 'acct_' }, 403],
    [{ 'stripe-account': 'secret-store/stripe/replies' }, 403],
  ])('%j', async (headers: Params, expected) => {
    const { status, body } = await post(app, SECRETS, inAccount('n', { payload: 'p' }), headers)
    expect(status).toBe(expected === 403 ? 403 : 200)
    if (expected === 403) {
      expect(body.error).toMatchObject({ type: 'invalid_request_error', code: 'account_invalid' })
      expect(body.error.message).toContain("The provided key 'sk_test_****' does not have access to account ")
      expect((await store.status()).records).toBe(0)
      return
    }
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
    ['GET', '//v1/apps/secrets'],
    ['POST', '/v1/apps/secrets/'],
    ['GET', '/v1/apps/secrets/find/'],
    ['POST', '/v1/apps/secrets/delete/'],
    ['HEAD', SECRETS],
    ['HEAD', FIND],
    ['PUT', FIND],
    ['DELETE', DELETE],
    ['REPORT', SECRETS],
  ])('%s %s is unknown', async (method, path) => {
    const { status, body } = await send(app, method, path)
    expect(status).toBe(404)
    const slash =
      'If you are trying to list objects, remove the trailing slash. If you are trying to retrieve an object, make sure ' +
      'you passed a valid (non-empty) identifier in your code. '
    const message =
      `Unrecognized request URL (${method}: ${path}). ${path.endsWith('/') ? slash : ''}` +
      'Please see https://stripe.com/docs or we can help at https://support.stripe.com/.'
    expect(body).toEqual(refusal(message))
  })

  test.each(['/v1/apps/secret%73', '/v1/apps/secrets%2Ffind', '/v1/apps/secrets;x', '/v1/apps/secrets%00'])(
    '%s is no other way to write a route',
    async (path) => {
      const { status, body } = await send(app, 'GET', `${path}?scope[type]=account&name=n`)
      expect(status).toBe(404)
      expect(body.error.message).toMatch(/^Unrecognized request URL \(GET: \/v1\/apps\//)
    },
  )

  const types = [
    'application/json',
    'multipart/form-data; boundary=x',
    'text/plain',
    'x;',
    `${FORM}x`,
    `${FORM}, ${FORM}`,
  ]

  test.each(types)('a body of the type %j is refused, whatever is in it', async (type) => {
    for (const body of ['{"name":"n"}', '', 'name=n&payload=p&scope[type]=account']) {
      for (const path of [SECRETS, DELETE]) {
        const reply = await send(app, 'POST', path, { body, headers: { 'content-type': type } })
        expect(reply.status).toBe(400)
        const message =
          'Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any ' +
          'questions, we can help at https://support.stripe.com/.'
        expect(reply.body).toEqual(refusal(message))
      }
    }
    expect((await store.status()).records).toBe(0)
  })

  test('JSON and multipart that call themselves a form are unknown parameters', async () => {
    for (const body of [
      '{"name":"n","payload":"p"}',
      '--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nn\r\n--x--',
    ]) {
      expect((await form(body)).body.error.code).toBe('parameter_unknown')
    }
  })

  test.each([
    ['with its length', { 'content-length': '5000' }],
    ['without', {}],
    ['with too small a length', { 'content-length': '5' }],
    ['with a length that is none', { 'content-length': 'many' }],
  ])('a body that is too large is 413, %s', async (_, headers: Params) => {
    const small = watched(appOf(store, { maxBodyBytes: 1000 }))
    const body = `name=n&scope[type]=account&payload=${'x'.repeat(4965)}`
    const reply = await send(small, 'POST', SECRETS, { body, headers: { 'content-type': FORM, ...headers } })
    expect(reply.status).toBe(413)
    const message = 'Request body too large: at most 1000 bytes are accepted.'
    expect(reply.body).toEqual({ error: { type: 'api_error', message } })
    expect((await store.status()).records).toBe(0)
  })

  test('a body may be as large as it may be', async () => {
    const body = 'name=n&scope[type]=account&payload=p'
    const headers = { 'content-type': FORM }
    for (const [maxBodyBytes, status] of [
      [body.length, 200],
      [body.length - 1, 413],
    ] as const) {
      const small = watched(appOf(store, { maxBodyBytes }))
      expect((await send(small, 'POST', SECRETS, { body, headers })).status).toBe(status)
    }
    // By default there is room for the largest payload in its longest form.
    const escaped = [...Buffer.from('ü'.repeat(5000))].map((byte) => `%${byte.toString(16)}`).join('')
    expect((await form(`name=n&scope[type]=account&payload=${escaped}`)).status).toBe(200)
  })

  test('a body that fails on its way changes nothing', async () => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(Buffer.from('name=n&payload=p&scope[type]=account'))
        controller.error(new Error('of the network'))
      },
    })
    const reply = await send(app, 'POST', SECRETS, { body, duplex: 'half' } as RequestInit)
    expect(reply.status).toBe(400)
    expect(reply.body).toEqual(refusal('Invalid request: the body ended early.'))
    expect((await store.status()).records).toBe(0)
  })

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

  test('a store that fails is 500, not to be sent again, and told of', async () => {
    const told: unknown[] = []
    const failing = SecretStore.memory()
    onTestFinished(() => failing.close())
    const over = watched(appOf(failing, { onError: (error) => void told.push(error) }))
    failNextWrite(MemoryEngine.prototype, new Error('of the disk'))
    onTestFinished(() => void vi.restoreAllMocks())
    for (const reply of [await create(over, 'n', 'p'), await create(over, 'n', 'p', 'key')]) {
      expect(reply).toMatchObject({ status: 500, body: { error: { type: 'api_error' } } })
      expect(reply.body.error.message).toMatch(/^ERR_FAILED: /)
      expect(reply.headers.get('stripe-should-retry')).toBe('false')
    }
    expect(told).toMatchObject([{ code: 'ERR_FAILED' }, { code: 'ERR_FAILED' }])
  })

  test('a store that is closed is 503 and told of', async () => {
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
  const AUTHORIZED = `Host: a\r\nAuthorization: Bearer ${TEST_KEY}\r\n`
  const SET = 'name=n&payload=p&scope[type]=account'

  async function serve(over: Parameters<typeof listen>[0] = bare): Promise<HttpServer> {
    const server = await listen(over)
    onTestFinished(() => server.close())
    return server
  }

  /** What comes back for these bytes, until the connection is closed. */
  function exchange(server: HttpServer, bytes: string | Uint8Array): Promise<string> {
    const { port, host } = server
    return new Promise((resolve, reject) => {
      let text = ''
      const socket = connect(port, host, () => socket.end(named(server, bytes)))
      socket.on('data', (data) => {
        text += data
      })
      socket.on('close', () => resolve(text))
      socket.on('error', (error) => (text === '' ? reject(error) : resolve(text)))
    })
  }

  /** One answer on its own. */
  function read(text: string): { readonly status: number; readonly head: string; readonly error: { type: string } } {
    const [head = '', body = ''] = text.split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 \d{3} /)
    expect(head).toMatch(/\r\nrequest-id: req_[0-9A-Za-z]{14}(?:\r|$)/i)
    expect(head).toMatch(/\r\ncontent-type: application\/json(?:\r|$)/i)
    return { status: Number(head.slice(9, 12)), head, error: JSON.parse(body).error }
  }

  /** A connection on which these bytes were sent, and which its client keeps open until the test ends. */
  /** Host `a` stands for the server. */
  function named({ host, port }: Pick<HttpServer, 'host' | 'port'>, bytes: string | Uint8Array): Buffer {
    const text = Buffer.from(bytes as string).toString('latin1')
    return Buffer.from(text.replaceAll(/^Host: a(?=\r?$)/gm, `Host: ${host}:${port}`), 'latin1')
  }

  async function hold(server: HttpServer, bytes: string): Promise<Socket> {
    const { port, host } = server
    const socket = connect({ port, host, allowHalfOpen: true })
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => {})
    socket.resume()
    await once(socket, 'connect')
    socket.write(named(server, bytes))
    return socket
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
    ['line ends alone', '\n\n\n\0'],
    ['a greeting of TLS', Buffer.from('16030100bd010000b90303', 'hex')],
    ['a greeting of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a version there is none of', `GET ${SECRETS} HTTP/9.9\r\nHost: a\r\n\r\n`],
    ['a method there is none of', `FETCH ${SECRETS} HTTP/1.1\r\nHost: a\r\n\r\n`],
    ['no host', `GET ${SECRETS} HTTP/1.1\r\n\r\n`],
    ['an empty host', `GET ${SECRETS} HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n`],
    ['a host that is none', `GET ${SECRETS} HTTP/1.1\r\nHost: a b\r\n\r\n`],
    ['a host with more to it', `GET ${SECRETS} HTTP/1.1\r\nHost: a@b/c?d#e\r\nConnection: close\r\n\r\n`],
    ['a target that is none', 'GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an asterisk for a target', 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['a header without a colon', `GET ${SECRETS} HTTP/1.1\r\nHost: a\r\nx\r\n\r\n`],
    ['a NUL in a header', `GET ${SECRETS} HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n`],
    ['line feeds alone', `GET ${SECRETS} HTTP/1.1\nHost: a\n\n`],
    ['huge headers', `GET ${SECRETS} HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(400_000)}\r\n\r\n`],
    ['a huge target', `GET /${'x'.repeat(400_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
    ['two lengths', `POST ${SECRETS} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
    ['a length that is none', `POST ${SECRETS} HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n`],
    [
      'a length and chunks',
      `POST ${SECRETS} HTTP/1.1\r\n${AUTHORIZED}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n`,
    ],
    ['a chunk that is none', `POST ${SECRETS} HTTP/1.1\r\n${AUTHORIZED}Transfer-Encoding: chunked\r\n\r\nzz\r\n${SET}`],
    [
      'a chunk that ends early',
      `POST ${SECRETS} HTTP/1.1\r\n${AUTHORIZED}Transfer-Encoding: chunked\r\n\r\nff\r\n${SET}`,
    ],
    ['a body that ends early', `POST ${SECRETS} HTTP/1.1\r\n${AUTHORIZED}Content-Length: 1000\r\n\r\n${SET}`],
    ['a tunnel', 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an expectation', `GET /v1 HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe\r\nConnection: close\r\n\r\n`],
    ['UTF-8 as it is in the target', `POST ${SECRETS}?${SET}ü HTTP/1.1\r\n${AUTHORIZED}Connection: close\r\n\r\n`],
    [
      'a byte of Latin-1 in the target',
      Buffer.from(`POST ${SECRETS}?${SET}\xfc HTTP/1.1\r\n${AUTHORIZED}Connection: close\r\n\r\n`, 'latin1'),
    ],
    [
      'a control character in the target',
      `POST ${SECRETS}?${SET}\x01 HTTP/1.1\r\n${AUTHORIZED}Connection: close\r\n\r\n`,
    ],
  ])('answers %s in JSON, and goes on', async (_, bytes) => {
    const server = await serve()
    const { status, error, head } = read(await exchange(server, bytes))
    expect(status).toBeGreaterThanOrEqual(400)
    expect(status).toBeLessThan(500)
    expect(error.type).toBe('invalid_request_error')
    expect(head.toLowerCase()).toContain('stripe-should-retry: false')
    await stillAnswers(server)
    expect((await store.status()).records).toBe(0)
  })

  test.each([
    ['an expectation', 'Expect: 200-maybe\r\nConnection: close\r\n', SET],
    ['another protocol offered', 'Connection: Upgrade, close\r\nUpgrade: h2c\r\n', SET],
    ['a raw payload', 'Connection: close\r\n', SET.replace('payload=p', 'payload=ü[1]')],
  ])('carries out a request with %s', async (_, headers, body) => {
    const server = await serve()
    const length = `Content-Length: ${Buffer.byteLength(body)}\r\n`
    const text = await exchange(server, `POST ${SECRETS} HTTP/1.1\r\n${AUTHORIZED}${length}${headers}\r\n${body}`)
    expect(read(text).status).toBe(200)
    expect(await store.get({ scope: account, name: 'n' })).toBe(new URLSearchParams(body).get('payload'))
  })

  test.each([
    ['evil.example'],
    ['evil.example:PORT'],
    ['127.0.0.1.evil.example:PORT'],
    ['localhost.evil.example:PORT'],
    ['evil.example#localhost:PORT'],
    ['127.0.0.1'],
    ['localhost'],
    ['localhost:1'],
    ['localhost:PORT, evil.example'],
    ['evil.example@localhost:PORT'],
    ['[::1]'],
    ['[::1:PORT'],
    ['0.0.0.0:PORT'],
    ['192.168.0.1:PORT'],
    ['localhost:PORT\r\nHost: evil.example'],
    ['evil.example\r\nHost: localhost:PORT'],
  ])('answers a request for %j with 403 alone, whatever its key', async (name) => {
    const handled: string[] = []
    const server = await serve((request) => {
      handled.push(request.url)
      return bare(request)
    })
    const host = name.replaceAll('PORT', String(server.port))
    const query = 'scope[type]=account&name=n'
    const lines = `Host: ${host}\r\nAuthorization: Bearer ${TEST_KEY}\r\nConnection: close\r\n\r\n`
    for (const target of [`${FIND}?${query}`, `http://localhost:${server.port}${FIND}?${query}`, '/v1/nothing', '/#']) {
      const { status, error } = read(await exchange(server, `GET ${target} HTTP/1.1\r\n${lines}`))
      expect([status, error.type]).toEqual([403, 'invalid_request_error'])
    }
    expect(handled).toEqual([])
  })

  test.each(['localhost:PORT', 'LocalHost:PORT', '127.0.0.1:PORT', '127.1.2.3:PORT', '[::1]:PORT'])(
    'answers a request for %s as one for itself',
    async (name) => {
      const server = await serve()
      const host = name.replace('PORT', String(server.port))
      const lines = `Host: ${host}\r\nAuthorization: Bearer ${TEST_KEY}\r\nConnection: close\r\n\r\n`
      const text = await exchange(server, `GET ${SECRETS}?scope[type]=account HTTP/1.1\r\n${lines}`)
      expect(read(text).status).toBe(200)
    },
  )

  test('HEAD is a 404 with a length and without a body', async () => {
    const server = await serve()
    const text = await exchange(server, `HEAD ${SECRETS} HTTP/1.1\r\n${AUTHORIZED}Connection: close\r\n\r\n`)
    expect(text).toMatch(/^HTTP\/1\.1 404 /)
    expect(text).toMatch(/\r\nrequest-id: req_/i)
    expect(text.slice(text.indexOf('\r\n\r\n'))).toBe('\r\n\r\n')
  })

  test('requests sent in one go are answered in their order', async () => {
    const server = await serve()
    const of = (name: string): string => {
      const body = SET.replace('name=n', `name=${name}`)
      return `POST ${SECRETS} HTTP/1.1\r\n${AUTHORIZED}Content-Length: ${body.length}\r\n\r\n${body}`
    }
    const last = `GET /v1 HTTP/1.1\r\n${AUTHORIZED}Connection: close\r\n\r\n`
    const text = await exchange(server, of('a') + of('b') + of('c') + last)
    expect(text.match(/HTTP\/1\.1 \d+|"name": "\w"/g)).toEqual([
      ...['HTTP/1.1 200', '"name": "a"', 'HTTP/1.1 200', '"name": "b"'],
      ...['HTTP/1.1 200', '"name": "c"', 'HTTP/1.1 404'],
    ])
  })

  test('what took effect is not answered with the refusal of the bytes that came after it', async () => {
    const server = await serve()
    const post = `POST ${SECRETS} HTTP/1.1\r\n${AUTHORIZED}Content-Length: ${SET.length}\r\n\r\n${SET}`
    const text = await exchange(server, `${post}GARBAGE\r\n\r\n`)
    await stillAnswers(server)
    // It may be answered, or be left without an answer and sent again; 400 says that it was not carried out.
    if ((await store.status()).records === 1) expect(text).not.toMatch(/^HTTP\/1\.1 4/)
  })

  test('a number sign in the target cuts nothing off', async () => {
    const server = await serve()
    const text = await exchange(server, `POST ${SECRETS}?${SET}#q HTTP/1.1\r\n${AUTHORIZED}Connection: close\r\n\r\n`)
    const stored = await store.get({ scope: account, name: 'n' })
    // No fragment belongs there: it is refused, or part of the payload, but the payload is not another without a word.
    expect([text.slice(9, 12), stored]).not.toEqual(['200', 'p'])
  })

  test('what a handler fails with is no mistake of the client', async () => {
    const { url } = await serve(() => Promise.reject(new Error('of the handler')))
    const reply = await fetch(url)
    expect(reply.status).toBe(500)
    expect(await reply.json()).toMatchObject({ error: { type: 'api_error' } })
    expect(reply.headers.get('request-id')).toMatch(/^req_/)
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
    expect(reply.headers.get('request-id')).toMatch(/^req_/)
    expect(reply.headers.get('stripe-should-retry')).toBe('false')
    await stillAnswers(server)
    expect((await store.status()).records).toBe(0)
  })

  test('closing lets a request end, closes what is idle, and lets nobody in', async () => {
    let answer = (_: Response): void => {}
    const arrived = newGate()
    const server = await listen((request) => {
      if (new URL(request.url).pathname !== '/slow') return new Response('quick')
      arrived.open()
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
    await arrived.opened
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

  test('closing lets a request end whose body is still on its way, and answers it on a connection that closes', async () => {
    const arrived = newGate()
    const server = await listen((request) => {
      arrived.open()
      return bare(request)
    })
    const socket = connect(server.port, server.host)
    let text = ''
    socket.on('data', (data) => {
      text += data
    })
    const head = `POST ${SECRETS} HTTP/1.1\r\n${AUTHORIZED}Content-Length: ${SET.length}\r\n\r\n`
    socket.write(named(server, head + SET.slice(0, 9)))
    await arrived.opened
    const closed = server.close()
    socket.write(SET.slice(9))
    await Promise.all([closed, once(socket, 'close')])
    expect(read(text)).toMatchObject({ status: 200, head: expect.stringMatching(/\r\nconnection: close/i) })
    expect(await store.get({ scope: account, name: 'n' })).toBe('p')
  })

  // Where closing does hang, it would do so for ten minutes: the test gives up after two.
  test.each([
    ['is idle after an answer', `GET ${SECRETS}?scope[type]=account HTTP/1.1\r\n${AUTHORIZED}\r\n`, 'data'],
    ['was told off, and stays', 'GARBAGE\r\n\r\n', 'end'],
    ['wanted a tunnel, and stays', 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n', 'end'],
  ] as const)('closing does not wait for a connection that %s', { timeout: 120_000 }, async (_, bytes, event) => {
    const server = await listen(bare, { closeTimeoutMs: 600_000 })
    const socket = await hold(server, bytes)
    await once(socket, event)
    await server.close()
  })

  test('a connection that wanted a tunnel is closed in the time that closing may take', {
    timeout: 120_000,
  }, async () => {
    const server = await listen(bare, { closeTimeoutMs: 50 })
    await once(await hold(server, 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n'), 'end')
    await server.close()
  })

  test('a server that was closed lets nobody in, and its port be used again', async () => {
    const server = await listen(bare)
    await stillAnswers(server)
    await Promise.all([server.close(), server.close(), server[Symbol.asyncDispose]()])
    await expect(fetch(server.url)).rejects.toThrow('fetch failed')
    await server.close()
    const next = await listen(bare, { port: server.port })
    onTestFinished(() => next.close())
    await stillAnswers(next)
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
    const arrived = newGate()
    const never = (): Promise<Response> => {
      arrived.open()
      return new Promise(() => {})
    }
    const server = await listen(never, { closeTimeoutMs: 50 })
    const hanging = fetch(server.url).catch((error: Error) => error.message)
    await arrived.opened
    await server.close()
    expect(await hanging).toBe('fetch failed')
  })

  test('no connection that is reset ends the process, whatever was said on it', async () => {
    const openings = {
      'no HTTP': 'GARBAGE\r\n\r\n',
      'half of a head': `GET ${SECRETS} HTTP/1.1\r\n`,
      'half of a body': `POST ${SECRETS} HTTP/1.1\r\n${AUTHORIZED}Content-Length: 1000\r\n\r\n${SET}`,
      'a request': `POST ${SECRETS} HTTP/1.1\r\n${AUTHORIZED}Content-Length: ${SET.length}\r\n\r\n${SET}`,
      'an expectation': `POST / HTTP/1.1\r\n${AUTHORIZED}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`,
      'another protocol': `GET / HTTP/1.1\r\n${AUTHORIZED}Connection: Upgrade\r\nUpgrade: x\r\n\r\n`,
      'a tunnel': 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n',
    }
    // In a process of its own: an error that nobody catches would be this one's.
    const source = (path: string): string => JSON.stringify(urlFromRoot(`src/${path}`))
    const program = `
      import { SecretStore } from ${source('index.ts')}
      import { createStripeApp, listen } from ${source('stripe/index.ts')}
      const server = await listen(createStripeApp(SecretStore.memory(), { apiKeys: ['${TEST_KEY}'] }))
      process.once('disconnect', () => process.exit())
      process.send(server.port)`
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const exited = once(child, 'exit').then(() => 'the process has ended')
    const [port] = await once(child, 'message')
    const url = `http://127.0.0.1:${port}${SECRETS}?scope[type]=account`
    for (const [what, bytes] of Object.entries(openings)) {
      // Some are reset before they are read, some before they are answered, some after.
      for (let i = 0; i < 30; i++) {
        const socket = connect(port, '127.0.0.1')
        const heard = new Promise((resolve) => socket.once('data', resolve).once('close', resolve))
        socket.on('error', () => {})
        socket.write(named({ host: '127.0.0.1', port }, bytes) + (i % 2 === 0 ? '' : 'x'.repeat(100_000)))
        if (i % 3 === 0) await turnOfLoop()
        if (i % 5 === 0) await Promise.race([heard, setTimeout(20)])
        socket.resetAndDestroy()
      }
      const status = fetch(url, { headers: bearer(TEST_KEY) }).then((reply) => reply.status)
      expect(await Promise.race([status.catch(() => exited), exited]), what).toBe(200)
    }
  })

  describe('curl', () => {
    /** Its answer as it is; the status is on the last line. */
    async function curl(context: TestContext, input: string | Uint8Array, ...args: string[]): Promise<string> {
      const has = await run('curl', ['--version']).then(
        () => true,
        () => false,
      )
      if (!has) {
        console.warn('skipped: curl is not installed')
        context.skip('curl is not installed')
      }
      const running = run('curl', ['-sS', '-g', '-w', '\n%{http_code}', ...args])
      running.child.stdin?.end(input)
      return (await running).stdout
    }

    function parse(answer: string): { readonly status: number; readonly body: Reply['body'] } {
      const end = answer.lastIndexOf('\n')
      return { status: Number(answer.slice(end + 1)), body: JSON.parse(answer.slice(0, end)) }
    }

    const USER = ['-u', `${TEST_KEY}:`]

    test('sets, finds, lists and deletes', async (context) => {
      const { url } = await serve()
      const ask = async (...args: string[]): Promise<unknown> => parse(await curl(context, '', ...USER, ...args)).body
      const scope = ['-d', 'scope[type]=account']
      const set = await ask(
        url + SECRETS,
        ...scope,
        '-d',
        'name=a b',
        '--data-urlencode',
        'payload={"a":[1],"b":"5%+"}',
      )
      expect(set).toMatchObject({ object: 'apps.secret', name: 'a b' })
      const find = await ask('-G', url + FIND, ...scope, '-d', 'name=a+b', '-d', 'expand[]=payload')
      expect(find).toMatchObject({ payload: '{"a":[1],"b":"5%+"}' })
      expect(await ask(`${url}${SECRETS}?scope%5Btype%5D=account`)).toMatchObject({ data: [{ name: 'a b' }] })
      expect(await ask('-X', 'POST', `${url}${DELETE}?scope[type]=account&name=a%20b`)).toMatchObject({ deleted: true })
    })

    test('sends a key as Bearer, in whatever case', async (context) => {
      const { url } = await serve()
      for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
        const header = `authorization: ${scheme} ${TEST_KEY}`
        const answer = parse(await curl(context, '', '-H', header, `${url}${SECRETS}?scope[type]=account`))
        expect(answer).toMatchObject({ status: 200, body: { data: [] } })
      }
    })

    test('sends UTF-8 as it is: in a body it is read, in a URL it is refused and nothing is found or made', async (context) => {
      const { url } = await serve()
      const set = 'name=ü&scope[type]=account&payload=🔑'
      const made = parse(await curl(context, set, ...USER, '--data-binary', '@-', url + SECRETS))
      expect(made).toMatchObject({ status: 200, body: { name: 'ü' } })
      expect(await store.get({ scope: account, name: 'ü' })).toBe('🔑')
      // Node's parser of HTTP takes only ASCII there, as the standard has it.
      for (const [name, status] of [
        ['ü', 400],
        ['%C3%BC', 200],
      ] as const) {
        const found = parse(await curl(context, '', ...USER, `${url}${FIND}?scope[type]=account&name=${name}`))
        expect(found.status).toBe(status)
        expect(found.body.name).toBe(status === 200 ? 'ü' : undefined)
      }
      const other = parse(await curl(context, '', ...USER, '-X', 'POST', `${url}${SECRETS}?${set.replace('ü', 'ö')}`))
      expect(other).toMatchObject({ status: 400, body: { error: { type: 'invalid_request_error' } } })
      expect((await store.status()).records).toBe(1)
    })

    test('sends what is no form, and is told so', async (context) => {
      const { url } = await serve()
      for (const args of [
        ['--json', '{}'],
        ['-F', 'name=n', '-F', 'payload=p', '-F', 'scope[type]=account'],
        ['--data-binary', '@-', '-H', 'content-type: text/plain'],
      ]) {
        const { status, body } = parse(await curl(context, 'name=n', ...USER, ...args, url + SECRETS))
        expect(status).toBe(400)
        expect(body.error.message).toContain('check that your POST content type is application/x-www-form-urlencoded')
      }
      const bytes = Buffer.from([...Buffer.from('name=n&scope[type]=account&payload='), 0xff])
      const { status, body } = parse(await curl(context, bytes, ...USER, '--data-binary', '@-', url + SECRETS))
      expect([status, body]).toEqual([400, refusal('Invalid form encoding: the body is not UTF-8.')])
      expect((await store.status()).records).toBe(0)
    })

    test('sends no content type, and a charset', async (context) => {
      const { url } = await serve()
      for (const type of [
        'content-type:',
        'content-type;',
        'content-type: application/x-www-form-urlencoded;charset=UTF-8',
      ]) {
        const args = ['-H', type, '-d', 'name=n&scope[type]=account&payload=p']
        expect(parse(await curl(context, '', ...USER, ...args, url + SECRETS)).status, type).toBe(200)
      }
    })

    test('asks for the head alone, and waits to be told to go on', async (context) => {
      const server = await serve(appOf(store, { maxBodyBytes: 1000 }))
      const head = await curl(context, '', ...USER, '-I', server.url + SECRETS)
      expect(head).toMatch(/^HTTP\/1\.1 404 /)
      expect(head).toMatch(/\r\nrequest-id: req_/i)
      // Before so large a body it sends `Expect: 100-continue`; with chunks it names no length.
      const large = `name=n&scope[type]=account&payload=${'x'.repeat(3_000_000)}`
      for (const more of [[], ['-H', 'transfer-encoding: chunked']]) {
        const args = [...USER, ...more, '--data-binary', '@-', server.url + SECRETS]
        expect(parse(await curl(context, large, ...args))).toMatchObject({
          status: 413,
          body: { error: { type: 'api_error' } },
        })
      }
      await stillAnswers(server)
    })
  })
})
