import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { account, SecretStore } from '../../src/index'
import { type RequestLogEntry, type StripeApp, stripeSecrets } from '../../src/stripe/index'
import { appOf, create, deleteWhere, FIND, get, inAccount, type Params, SECRETS, send } from './requests'

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

function expectSilence(): void {
  for (const what of said) expect(everything(what)).not.toMatch(MARKERS)
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
