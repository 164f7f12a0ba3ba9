import { afterAll, expect, test } from 'vitest'
import { concat, utf8 } from '../../../src/base/bytes'
import { SecretStore } from '../../../src/index'
import { ApiError } from '../../../src/stripe/api-error'
import { decodeForm, type ParamMap } from '../../../src/stripe/form'
import { parseCreate, parseFind, parseList } from '../../../src/stripe/params'
import { campaign, times } from '../../support/campaign'
import { TestClock } from '../../support/stores'
import { appOf, DELETE, FIND, SECRETS, TEST_KEY } from '../../support/stripe-requests'
import { tell } from './figures'
import { type Decoder, expectThat, fuzz, REFUSED } from './fuzz'
import { nextInput, textOf } from './inputs'

const FILE = 'campaigns/fuzz/stripe.test.ts'

const FORMS = [
  'scope[type]=account&name=n&payload=p&expires_at=1900000000&expand[]=payload',
  'scope%5Btype%5D=user&scope%5Buser%5D=usr_1&name=%D0%BA%F0%9F%92%A9&payload=a%20b%2Bc',
  'scope[type]=account&limit=3&starting_after=appsecret_x&expand[0]=data.payload',
  'name=n&scope[type]=account',
]
const WORDS = [
  ...['scope', 'name', 'payload', '[type]', '[user]', '[]', '[0]', '[1]', '[', ']', '=', '&', '%', '+', '%00', '%FF'],
  ...[
    '%ED%A0%80',
    '%C0%80',
    '%EF%BB%BF',
    '__proto__',
    '[__proto__]',
    'constructor',
    'limit=1e3',
    'expires_at=-1',
    'null',
  ],
  ...['ending_before=x', '=account', '9999999999999999', '%5B', '[a][b][c][d][e]', ';', '#', '?', '\ud83d', '%u0041'],
].map(utf8)

const isBadRequest = (error: unknown): boolean =>
  error instanceof ApiError && error.status === 400 && typeof error.body.message === 'string'

/** The names and values of a form, with brackets as they were given. */
function flat(params: ParamMap, before = ''): string[] {
  return [...params].flatMap(([name, value]) => {
    const full = before === '' ? name : `${before}[${name}]`
    return typeof value === 'string' ? [`${full}=${value}`] : flat(value, full)
  })
}

function encoded(params: ParamMap): string {
  return flat(params)
    .map((pair) => pair.split('=').map(encodeURIComponent).join('='))
    .join('&')
}

const LIMITS = { maxPayloadBytes: 2000, maxPayloadCharacters: 1000 }

const FORM: Decoder = {
  name: 'form body',
  seeds: FORMS.map(utf8),
  words: WORDS,
  refuses: isBadRequest,
  decode: (input) => {
    const text = textOf(input)
    const params = decodeForm(text)
    const values = flat(params).join('')
    expectThat(values.isWellFormed(), 'expected well-formed text, got a lone surrogate')
    const isAltered = values.includes('\ufffd') && !/%EF%BF%BD/i.test(text)
    expectThat(!isAltered, 'expected the text as it was sent, got another in its place')
    // A name with a bracket or a sign of equality in it does not say where it ends.
    if (!/%3D|%5B|%5D|\][^[=&]|=[^&]*=/i.test(text)) expectThat(isSame(params), 'expected the same again, got others')
    let isRequest = false
    for (const parse of [(all: ParamMap) => parseCreate(all, LIMITS), parseFind, parseList]) {
      try {
        parse(params)
        isRequest = true
      } catch (error) {
        if (!isBadRequest(error)) throw error
      }
    }
    return isRequest ? undefined : REFUSED
  },
}

function isSame(params: ParamMap): boolean {
  return JSON.stringify(flat(decodeForm(encoded(params)))) === JSON.stringify(flat(params))
}

test('whatever a form holds, it is decoded or refused', async () => {
  const figures = await campaign(FILE, (draws) => fuzz(FORM, draws, times(6000, 500_000)))
  tell(FORM.name, figures)
  expect(figures.accepted).toBeGreaterThan(0)
  expect(figures.refused).toBeGreaterThan(0)
})

const store = SecretStore.memory({ now: new TestClock().now, sweepIntervalMs: 0, maxPayloadBytes: 2000 })
const failures: unknown[] = []
const app = appOf(store, { maxBodyBytes: 5000, onError: (error) => void failures.push(error) })

afterAll(() => store.close())

const LINES = [`POST ${SECRETS}`, `GET ${SECRETS}`, `GET ${FIND}`, `POST ${DELETE}`, 'GET /v1/%', 'PUT /v1/apps']
const HEADERS = [
  'authorization',
  'stripe-account',
  'stripe-context',
  'stripe-version',
  'idempotency-key',
  'content-type',
]

/**
 * A request as text: method and path, values of headers, each behind the number of its name, an empty line, and a query or
 * a body.
 */
const REQUESTS = LINES.flatMap((line, index) => [
  `${line}\n0Bearer ${TEST_KEY}\n\n${FORMS[index % FORMS.length]}`,
  `${line}\n0Basic ${btoa(`${TEST_KEY}:`)}\n1acct_1\n4key${index}\n5application/x-www-form-urlencoded\n\n${FORMS[0]}`,
])

function requestOf(input: Uint8Array): Request | undefined {
  const text = Buffer.from(input).toString('latin1')
  const [, line = '', fields = '', rest = ''] = /^(.*)\n((?:.+\n)*)\n([\s\S]*)$/.exec(text) ?? []
  const [method = '', path = ''] = line.split(' ')
  const hasBody = method !== 'GET' && method !== 'HEAD'
  try {
    const url = new URL(`http://localhost${path}`)
    if (!hasBody) url.search = rest
    const headers = fields
      .split('\n')
      .filter((field) => field !== '')
      .map((field): [string, string] => [HEADERS[field.charCodeAt(0) % HEADERS.length] as string, field.slice(1)])
    return new Request(url, { method, headers, ...(hasBody && { body: Buffer.from(rest, 'latin1') }) })
  } catch {
    // What is no request to Node never gets as far as the app.
    return undefined
  }
}

const REQUEST: Decoder = {
  name: 'request to the app',
  seeds: REQUESTS.map(utf8),
  words: [
    ...WORDS,
    ...['\n', 'Bearer ', 'Basic ', 'acct_', '0', '4', 'GET ', 'POST ', '/v1/', '//', '../..'].map(utf8),
  ],
  // Most of what is done to the first lines ends there.
  make: (draws) => {
    const start = draws.pick(REQUESTS).split('\n\n')[0] as string
    return concat(utf8(`${start}\n\n`), nextInput(FORMS.map(utf8), WORDS, draws))
  },
  refuses: () => false,
  decode: async (input) => {
    const request = requestOf(input)
    if (request === undefined) return REFUSED
    const reply = await app(request)
    const { object, error } = JSON.parse(await reply.text())
    expectThat(reply.headers.get('content-type') === 'application/json', 'expected JSON, got something else')
    expectThat(failures.length === 0, `expected no failure of the app, got ${failures[0]}`)
    if (reply.status === 200) return expectThat(typeof object === 'string', 'expected an object, got none')
    const isRefused = reply.status >= 400 && reply.status < 500 && typeof error?.message === 'string'
    expectThat(isRefused, `expected a status of 400 to 499 and a message, got ${reply.status}`)
    return REFUSED
  },
}

test('whatever is asked of the app, it answers in JSON, and blames itself for nothing', async () => {
  const figures = await campaign(FILE, (draws) => fuzz(REQUEST, draws, times(2000, 100_000)))
  tell(REQUEST.name, figures)
  expect(figures.accepted).toBeGreaterThan(0)
  expect(figures.refused).toBeGreaterThan(0)
  expect(await store.verify()).toMatchObject({ ok: true })
})
