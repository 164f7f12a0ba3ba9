import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { account, SecretStore } from '../../../src/index'
import { MemoryEngine } from '../../../src/storage/memory-engine'
import { type RequestLogEntry, type StripeApp, stripeSecrets } from '../../../src/stripe/index'
import { failNextWrite } from '../../support/engine-writes'
import {
  appOf,
  create,
  DELETE,
  deleteWhere,
  FIND,
  get,
  inAccount,
  type Params,
  SECRETS,
  send,
} from '../../support/stripe-requests'

/** What must turn up nowhere: in no log, no error, no warning, and of an answer only where it was asked for. */
const PAYLOAD = 'qz-payload-marker'
const KEY = 'sk_test_qz-key-marker'
const MARKERS = /qz-payload|qz-key/

let store: SecretStore
let app: StripeApp
const said: unknown[] = []
const hear = (what: unknown): void => void said.push(what)

beforeEach(() => {
  said.length = 0
  store = SecretStore.memory()
  app = appOf(store, {
    apiKeys: [KEY, { key: 'rk_test_qz-key-marker', access: 'read' }],
    onRequest: hear,
    onError: hear,
  })
  process.on('warning', hear)
  onTestFinished(() => void process.off('warning', hear))
})

afterEach(() => store.close())

/** All that an error or an entry says, its fields that JSON leaves out included. */
function everything(what: unknown): string {
  if (!(what instanceof Error)) return JSON.stringify(what)
  const own = Object.getOwnPropertyNames(what).map((name) => JSON.stringify(Reflect.get(what, name)))
  return [what.name, ...own, what.cause === undefined ? '' : everything(what.cause)].join(' ')
}

function expectSilence(markers = MARKERS): void {
  for (const what of said) expect(everything(what)).not.toMatch(markers)
}

const auth = { authorization: `Bearer ${KEY}` }
const FORM = { ...auth, 'content-type': 'application/x-www-form-urlencoded' }

test.each([
  ['where it belongs', SECRETS, `name=n&scope[type]=account&payload=${PAYLOAD}`, FORM],
  ['under a misspelt name', SECRETS, `name=n&scope[type]=account&payloda=${PAYLOAD}`, FORM],
  ['without a name', SECRETS, PAYLOAD, FORM],
  ['as a name', SECRETS, `${PAYLOAD}=x`, FORM],
  ['as a name within a name', SECRETS, `scope[${PAYLOAD}]=x&name=n`, FORM],
  ['as a list', SECRETS, `name=n&scope[type]=account&payload[]=${PAYLOAD}`, FORM],
  ['twice', SECRETS, `name=n&scope[type]=account&payload=${PAYLOAD}&payload=${PAYLOAD}`, FORM],
  ['too long', SECRETS, `name=n&scope[type]=account&payload=${PAYLOAD.repeat(1_000_000)}`, FORM],
  ['as the time of expiry', SECRETS, `name=n&scope[type]=account&payload=p&expires_at={${PAYLOAD}}`, FORM],
  ['as what is expanded', SECRETS, `name=n&scope[type]=account&payload=p&expand[]={${PAYLOAD}}`, FORM],
  ['with a broken escape', SECRETS, `name=n&scope[type]=account&payload=${PAYLOAD}%`, FORM],
  [
    'as JSON',
    SECRETS,
    JSON.stringify({ name: 'n', payload: PAYLOAD }),
    { ...auth, 'content-type': 'application/json' },
  ],
  ['as JSON that calls itself a form', SECRETS, JSON.stringify({ name: 'n', payload: PAYLOAD }), FORM],
  ['in the query', `${SECRETS}?name=n&scope[type]=account&payload=${PAYLOAD}`, '', FORM],
  ['in the query of an unknown route', `/v1/nothing?payload=${PAYLOAD}`, '', FORM],
  ['in place of the key', SECRETS, '', { authorization: `Bearer ${PAYLOAD}` }],
  ['in a scheme of its own', SECRETS, '', { authorization: PAYLOAD }],
  [
    'beside a key that may not',
    SECRETS,
    `name=n&scope[type]=account&payload=${PAYLOAD}`,
    { ...FORM, authorization: 'Bearer rk_test_qz-key-marker' },
  ],
])('a payload %s is said nowhere', async (_, path, body, headers: Params) => {
  const { status, body: answer } = await send(app, 'POST', path, { body, headers })
  expect(said.length).toBeGreaterThan(0)
  expectSilence()
  if (status !== 200) expect(JSON.stringify(answer)).not.toMatch(MARKERS)
  else expect(answer.payload).toBeUndefined()
})

describe('a payload of any shape', () => {
  const TARGET = 'name=n&scope[type]=account'
  /** What could be taken for something harmless: for a number, a name, a part of a path. */
  const SHAPES = {
    'a token': 'tok_4eC39HqLyjWDarjtT1zdp7dc',
    'a key of the service': 'sk_live_51HqLyjWDarjtT1zdp7dc',
    'a short password': 'hunter2',
    'a password of letters': 'correcthorsebatterystaple',
    hexadecimal: 'deadbeefcafe0123456789abcdef',
    base64: 'YWJjIGtleSBrZXk=',
    digits: '4242424242424242',
    JSON: '{"access_token":"ya29A0ARrdaM","refresh_token":null}',
    'a parameter list': 'access_token=ya29A0ARrdaM&expires=3600',
    brackets: 'a1[b2][c3]',
    Unicode: 'пароль🔑12',
  }
  const isWord = (payload: string): boolean => /^[a-z]+$/.test(payload)
  const escaped = encodeURIComponent

  interface Sent {
    readonly method?: string
    readonly path?: string
    readonly body?: string | Uint8Array
    readonly headers?: Params
  }

  const WAYS: Readonly<Record<string, (payload: string) => Sent>> = {
    'under a misspelt name': (payload) => ({ body: `${TARGET}&payloda=${escaped(payload)}` }),
    'under a misspelt name within another': (payload) => ({ body: `${TARGET}&scope[payload]=${escaped(payload)}` }),
    'without a name': (payload) => ({ body: escaped(payload) }),
    'without a name, as it is': (payload) => ({ body: payload.replaceAll('&', '%26') }),
    'without a name, behind the others': (payload) => ({ body: `${TARGET}&${escaped(payload)}` }),
    'without a name, twice': (payload) => ({ body: `${escaped(payload)}&${escaped(payload)}` }),
    'without a name, in the query': (payload) => ({ path: `${SECRETS}?${escaped(payload)}`, body: TARGET }),
    'without a name, to delete': (payload) => ({ path: DELETE, body: escaped(payload) }),
    'without a name, to find': (payload) => ({ method: 'GET', path: `${FIND}?${escaped(payload)}` }),
    'in the query, of a call that has none': (payload) => ({
      method: 'GET',
      path: `${FIND}?${TARGET}&payload=${escaped(payload)}`,
    }),
    'in the query, beside the body': (payload) => ({
      path: `${SECRETS}?payload=${escaped(payload)}`,
      body: `${TARGET}&payload=x`,
    }),
    'as a list': (payload) => ({ body: `${TARGET}&payload[]=${escaped(payload)}` }),
    'as an object': (payload) => ({ body: `${TARGET}&payload[a][b]=${escaped(payload)}` }),
    'nested too deep': (payload) => ({ body: `${TARGET}&payload[a][b][c][d][e]=${escaped(payload)}` }),
    'as the kind of scope': (payload) => ({ body: `name=n&payload=x&scope[type]=user&scope=${escaped(payload)}` }),
    'as JSON': (payload) => ({
      body: JSON.stringify({ payload }),
      headers: { 'content-type': 'application/json' },
    }),
    'as JSON that calls itself a form': (payload) => ({ body: JSON.stringify({ payload }) }),
    'as JSON alone': (payload) => ({ body: JSON.stringify(payload) }),
    'in several parts': (payload) => ({
      body: `--x\r\nContent-Disposition: form-data; name="payload"\r\n\r\n${payload}\r\n--x--\r\n`,
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
    }),
    'in front of a broken escape': (payload) => ({ body: `${TARGET}&payload=${escaped(payload)}%` }),
    'in front of what is no UTF-8': (payload) => ({ body: Buffer.concat([Buffer.from(payload), Buffer.of(0xff)]) }),
    'among too many parameters': (payload) => ({ body: `${'&'.repeat(1000)}payload=${escaped(payload)}` }),
    'in the place of the key': (payload) => ({ headers: { authorization: `Bearer ${escaped(payload)}` } }),
    'in the place of the key, of Basic': (payload) => ({
      headers: { authorization: `Basic ${Buffer.from(`${payload}:${payload}`).toString('base64')}` },
    }),
    'in the place of the whole authorization': (payload) => ({ headers: { authorization: escaped(payload) } }),
    'as its password': (payload) => ({
      headers: { authorization: `Basic ${Buffer.from(`:${payload}`).toString('base64')}` },
    }),
    'as a type of content': (payload) => ({ body: TARGET, headers: { 'content-type': escaped(payload) } }),
  }

  /** Where a word is not to be told from a name or a route, which errors and entries do repeat. */
  const WAYS_OF_NO_WORD: typeof WAYS = {
    'as a name': (payload) => ({ body: `${escaped(payload)}=x` }),
    'as a name within another': (payload) => ({ body: `${TARGET}&payload=x&scope[${escaped(payload)}]=x` }),
    'as what is expanded': (payload) => ({ body: `${TARGET}&payload=x&expand[]=${escaped(payload)}` }),
    'in the path': (payload) => ({ path: `${SECRETS}/${escaped(payload)}` }),
    'in the path, behind find': (payload) => ({ method: 'GET', path: `${FIND}/${escaped(payload)}?${TARGET}` }),
    'as the path': (payload) => ({ method: 'GET', path: `/${escaped(payload)}` }),
  }

  async function expectSaidNowhere(
    payload: string,
    { method = 'POST', path = SECRETS, body, headers }: Sent,
  ): Promise<void> {
    said.length = 0
    const given = { ...FORM, ...headers }
    const { status, body: answer } = await send(app, method, path, {
      ...(body !== undefined && { body }),
      headers: given,
    })
    expect([status >= 400, status < 500, said.length]).toEqual([true, true, 1])
    // In whatever form it could come back, and no more than its beginning.
    const start = payload.slice(0, 15)
    for (const form of [payload, start, escaped(payload), escaped(start), JSON.stringify(start).slice(1, -1)]) {
      expect(JSON.stringify(answer), form).not.toContain(form)
      expect(said.map(everything).join('\n'), form).not.toContain(form)
    }
  }

  test.each(Object.entries(WAYS))('%s', async (_, way) => {
    for (const payload of Object.values(SHAPES)) await expectSaidNowhere(payload, way(payload))
  })

  test.each(Object.entries(WAYS_OF_NO_WORD))('%s', async (_, way) => {
    const payloads = Object.values(SHAPES).filter(
      (payload) => !isWord(payload) && !isWord(payload.replace('=', '').toLowerCase()),
    )
    for (const payload of payloads) await expectSaidNowhere(payload, way(payload))
  })

  test('as the time of its expiry', async () => {
    for (const payload of Object.values(SHAPES).filter((text) => !/^\d+$/.test(text))) {
      await expectSaidNowhere(payload, { body: `${TARGET}&payload=x&expires_at=${escaped(payload)}` })
      await expectSaidNowhere(payload, {
        method: 'GET',
        path: `${SECRETS}?scope[type]=account&limit=${escaped(payload)}`,
      })
    }
  })
})

test.each(['stripe-account', 'stripe-context'])(
  'a key in the place of the account (%s) is said nowhere',
  async (header) => {
    for (const key of [KEY, 'sk_live_qz-key-marker51H', 'rk_live_qz-key-marker51H']) {
      for (const path of [SECRETS, '/v1/nothing']) {
        const { status, body } = await send(app, 'GET', path, { headers: { ...auth, [header]: key } })
        expect(status).toBe(403)
        expect(JSON.stringify(body)).not.toMatch(MARKERS)
      }
    }
    expectSilence()
  },
)

test('a key is said nowhere, whether it is known or not', async () => {
  const list = { 'scope[type]': 'account' }
  for (const key of [KEY, `${KEY}x`, `rk_live_${KEY}`]) {
    const { body } = await get(app, SECRETS, list, { authorization: `Bearer ${key}` })
    expect(JSON.stringify(body)).not.toMatch(MARKERS)
    const refused = await get(app, SECRETS, list, { authorization: `Bearer ${key}`, 'stripe-account': 'nobody' })
    expect(JSON.stringify(refused.body)).not.toMatch(MARKERS)
  }
  expectSilence()
})

test('a log says where a secret is, and not what it is', async () => {
  await send(app, 'POST', SECRETS, {
    body: `name=n&scope[type]=user&scope[user]=u&payload=${PAYLOAD}&expand[]=payload&expires_at=4102444800&x=y`,
    headers: { ...FORM, 'stripe-account': 'acct_1', 'idempotency-key': 'k' },
  })
  const [entry] = said as [RequestLogEntry]
  expect(entry).toEqual({
    requestId: entry.requestId,
    method: 'POST',
    path: SECRETS,
    status: 400,
    replayed: false,
    key: 'sk_test_****',
    livemode: false,
    account: 'acct_1',
    idempotencyKey: 'k',
    params: {
      name: 'n',
      scope: { type: 'user', user: 'u' },
      payload: '[redacted]',
      expand: { 0: 'payload' },
      expires_at: '4102444800',
      '[unknown]': '[redacted]',
    },
  })
})

describe('an entry', () => {
  const HUGE = 'a'.repeat(200_000)
  const RAW = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

  test.each([
    ['a path', `/${'a/'.repeat(100_000)}`, {}],
    ['a path of empty parts', '/'.repeat(100_000), {}],
    ['an idempotency key', SECRETS, { 'idempotency-key': HUGE }],
    ['an account', SECRETS, { 'stripe-account': HUGE, 'stripe-context': HUGE }],
    ['a query', `${SECRETS}?name=${HUGE}`, {}],
  ])('of a request without a key holds little of %s', async (_, path, headers) => {
    for (const authorization of ['', 'Bearer sk_test_unknown', `Bearer ${HUGE}`]) {
      said.length = 0
      await send(app, 'POST', path, { headers: { ...headers, authorization } })
      expect(said).toHaveLength(1)
      expect(JSON.stringify(said).length).toBeLessThan(600)
    }
  })

  test('of a request with a key holds at most 500 characters of a value', async () => {
    const body = `name=${HUGE}&scope[type]=user&scope[user]=${HUGE}&payload=${PAYLOAD}&starting_after=${HUGE}`
    await send(app, 'POST', SECRETS, { body, headers: { ...FORM, 'idempotency-key': HUGE } })
    expect(JSON.stringify(said).length).toBeLessThan(3000)
    expect(JSON.stringify(said)).toContain(`${'a'.repeat(500)}…`)
  })

  test('holds nothing that a terminal obeys, or that turns text around', async () => {
    const raw = 'a\u009b31m\u001b[2J\u202eb\u2066c\u200f\u2028\u0085\u007f'
    const body = new URLSearchParams({ 'scope[type]': 'user', 'scope[user]': raw, name: raw, starting_after: raw })
    await send(app, 'POST', SECRETS, { body: `${body}`, headers: { ...FORM, 'idempotency-key': 'k\u0085\u009b' } })
    for (const entry of said) expect(JSON.stringify(entry)).not.toMatch(RAW)
    expect(said).toMatchObject([
      { idempotencyKey: 'k\\u{85}\\u{9b}', params: { name: expect.stringMatching(/^a\\u\{9b\}31m\\u\{1b\}/) } },
    ])
  })
})

test('a store that fails says nothing of what it was to write', async () => {
  const broken = SecretStore.memory()
  const over = appOf(broken, { apiKeys: [KEY], onRequest: hear, onError: hear })
  await broken.close()
  for (const reply of [
    await send(over, 'POST', SECRETS, { body: `name=n&scope[type]=account&payload=${PAYLOAD}`, headers: FORM }),
    await get(over, FIND, inAccount('n'), auth),
  ]) {
    expect(JSON.stringify(reply.body)).not.toMatch(MARKERS)
  }
  expect(said.filter((what) => what instanceof Error)).toHaveLength(2)
  expectSilence()
})

test('a store that cannot write, or cannot read, says nothing of what it was about', async () => {
  onTestFinished(() => void vi.restoreAllMocks())
  const body = `name=n&scope[type]=account&payload=${PAYLOAD}&expand[]=payload`
  const found = inAccount('n', { 'expand[]': 'payload' })
  await send(app, 'POST', SECRETS, { body, headers: FORM })
  const answers: unknown[] = []
  const reading = vi.spyOn(MemoryEngine.prototype, 'getSync').mockReturnValue(Uint8Array.of(7))
  answers.push(await get(app, FIND, found, auth))
  reading.mockRestore()
  failNextWrite(MemoryEngine.prototype, new Error('of the disk'))
  for (const key of [undefined, 'key']) {
    const headers = key === undefined ? FORM : { ...FORM, 'idempotency-key': key }
    answers.push(await send(app, 'POST', SECRETS, { body, headers }))
    answers.push(await send(app, 'POST', DELETE, { body: body.replace(/&payload=[^&]*/, ''), headers }))
  }
  expect(answers).toMatchObject(Array(5).fill({ status: 500, body: { error: { type: 'api_error' } } }))
  expect(JSON.stringify(answers)).not.toMatch(MARKERS)
  expect(said.filter((what) => what instanceof Error)).toHaveLength(5)
  expectSilence()
})

test('without a listener a failure is a warning, which says no more', async () => {
  const broken = SecretStore.memory()
  onTestFinished(() => void vi.restoreAllMocks())
  failNextWrite(MemoryEngine.prototype, new Error(`of the disk`))
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
  const over = appOf(broken, { apiKeys: [KEY] })
  await send(over, 'POST', SECRETS, { body: `name=n&scope[type]=account&payload=${PAYLOAD}`, headers: FORM })
  expect((await warned).name).toBe('SecretStoreWarning')
  expect(said).toHaveLength(1)
  expectSilence()
  await broken.close()
})

test('a reply that is sent again says a payload only where the first did, and its entry never', async () => {
  const headers = { ...FORM, 'idempotency-key': 'key' }
  const body = `name=n&scope[type]=account&payload=${PAYLOAD}`
  for (const more of ['', '&expand[]=payload']) {
    const key = { ...headers, 'idempotency-key': `key${more}` }
    for (let i = 0; i < 2; i++) {
      const { body: answer } = await send(app, 'POST', SECRETS, { body: body + more, headers: key })
      expect(answer.payload).toBe(more === '' ? undefined : PAYLOAD)
    }
    const other = await send(app, 'POST', SECRETS, { body: `${body}2${more}`, headers: key })
    expect(other.body.error.type).toBe('idempotency_error')
    expect(JSON.stringify(other.body)).not.toMatch(MARKERS)
  }
  expect(said).toMatchObject([false, true, false, false, true, false].map((replayed) => ({ replayed })))
  expectSilence()
})

test('an error of the calls in process says no more', async () => {
  const secrets = stripeSecrets(store)
  const scope = { type: 'account' }
  for (const params of [
    { name: 'n', scope, payload: PAYLOAD, expires_at: 1 },
    { name: 'n', scope, payload: [PAYLOAD] },
    { name: 'n', scope, [PAYLOAD]: PAYLOAD, payload: PAYLOAD },
    { name: 'n', scope, payload: Buffer.from(PAYLOAD) },
    { name: 'n', scope, payload: { toString: () => PAYLOAD } },
  ]) {
    const error = await secrets.create(params as never, { apiKey: KEY }).catch((caught) => caught)
    expect(error).toMatchObject({ statusCode: 400 })
    expect(everything(error)).not.toMatch(MARKERS)
  }
})

test('the test would notice', async () => {
  const loud = appOf(store, { apiKeys: [KEY], onRequest: () => hear({ leaked: PAYLOAD }) })
  await send(loud, 'GET', SECRETS, { headers: auth })
  expect(expectSilence).toThrow()
  said.length = 0
  await create(app, 'n', 'p')
  await deleteWhere(app, 'n')
  await store.set({ scope: account, name: 'n', payload: 'p' })
  expectSilence()
})
