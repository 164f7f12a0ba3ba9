import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SecretStore } from '../../../src/index'
import { type HttpServer, listen, type RequestLogEntry, type StripeApp } from '../../../src/stripe/index'
import { atLength } from '../../support/lengths'
import { TestClock } from '../../support/stores'
import {
  appOf,
  DELETE,
  FIND,
  get,
  LIVE_KEY,
  type Params,
  post,
  type Reply,
  SECRETS,
  TEST_KEY,
} from '../../support/stripe-requests'

const RUNS: number = atLength(800, 4000)
const RUNS_OVER_HTTP: number = atLength(50, 300)
const RUNS_OF_BYTES: number = atLength(100, 600)
const MODEL_RUNS: number = atLength(10, 60)
/** In every payload: it must not come back in an error, nor be logged. */
const MARKER = 'qz-p4yload'
/** In the key of every request: it must not come back at all. */
const KEY_MARKER = 'qz-k3y'
const KEY = `sk_test_${KEY_MARKER}`

const clock = new TestClock()
let store: SecretStore
let app: StripeApp
let server: HttpServer
let log: RequestLogEntry[] = []
const failures: unknown[] = []

beforeAll(async () => {
  store = SecretStore.memory({ now: clock.now, sweepIntervalMs: 0, maxPayloadBytes: 2000 })
  app = appOf(store, {
    apiKeys: [KEY, { key: `rk_live_${KEY_MARKER}`, user: 'u' }],
    maxBodyBytes: 5000,
    onRequest: (entry) => void log.push(entry),
    onError: (error) => void failures.push(error),
  })
  // What it rejects with, `listen` would answer for it.
  server = await listen((request) =>
    app(request).catch((error) => {
      failures.push(error)
      throw error
    }),
  )
})

afterAll(async () => {
  await server.close()
  expect(failures).toEqual([])
  expect(await store.verify()).toMatchObject({ ok: true })
  await store.close()
})

const text = fc.oneof(
  fc.constantFrom(
    '',
    'account',
    'user',
    'u',
    'n',
    'payload',
    'data.payload',
    '1',
    '0',
    '101',
    '-1',
    '1e9',
    'null',
    '[]',
    '__proto__',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }).map((s) => s.toWellFormed()),
  fc.string({ unit: 'grapheme', maxLength: 3 }).map((s) => s.repeat(2000).slice(0, 2500).toWellFormed()),
)
const keyword = fc.constantFrom(
  ...['name', 'scope', 'scope[type]', 'scope[user]', 'expand', 'expand[]', 'expand[0]', 'expand[x][y]', 'expires_at'],
  ...[
    'limit',
    'starting_after',
    'ending_before',
    'colour',
    '__proto__',
    'constructor[prototype]',
    'scope[__proto__]',
    ']',
    '[',
    '',
  ],
)
const payload = fc.string({ maxLength: 30 }).map((s) => `${MARKER}${s}`)
type Pair = readonly [name: string, value?: string]
const pair = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(keyword, text) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom('payload', 'payload[]', 'payloda', 'payload[a]'), payload) },
  // In the place of a name, with a value and without.
  { weight: 1, arbitrary: fc.tuple(payload, text) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      payload.map((s) => `scope[${s}]`),
      text,
    ),
  },
  { weight: 1, arbitrary: fc.tuple(fc.oneof(payload, keyword)) },
)
function formOf(pairs: readonly Pair[], to: (text: string) => string): string {
  return pairs.map(([name, value]) => (value === undefined ? to(name) : `${to(name)}=${to(value)}`)).join('&')
}
const encode = fc.constantFrom<(s: string) => string>(
  encodeURIComponent,
  (s) => encodeURIComponent(s).replaceAll('%5B', '[').replaceAll('%5D', ']'),
  (s) => encodeURIComponent(s).replaceAll('%20', '+'),
  (s) => s,
)
const formText = fc
  .tuple(fc.array(pair, { maxLength: 6 }), encode, fc.constantFrom('', '', '', '&', '%', '%FF', '&&=', '%zz'))
  .map(([pairs, to, end]) => formOf(pairs, to) + end)
const rawBody = fc.oneof(
  { weight: 6, arbitrary: formText.map((form) => new TextEncoder().encode(form)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  { weight: 1, arbitrary: fc.jsonValue().map((value) => new TextEncoder().encode(JSON.stringify(value))) },
)
const headerText = fc.string({ maxLength: 12 }).map((s) => s.replace(/[^\x21-\x7e]/g, ''))
const headers = fc.record(
  {
    authorization: fc.constantFrom(
      `Bearer ${KEY}`,
      `Bearer ${KEY}`,
      `Bearer rk_live_${KEY_MARKER}`,
      `Basic ${btoa(`${KEY}:`)}`,
      `bearer  ${KEY}`,
      `Bearer ${KEY}x`,
      `Basic ${btoa(`:${KEY}`)}`,
      `Digest ${KEY}`,
      `Bearer ${MARKER}`,
      KEY,
    ),
    'stripe-account': fc.oneof({ weight: 5, arbitrary: fc.constant('acct_1') }, { weight: 1, arbitrary: headerText }),
    'stripe-context': fc.constantFrom('acct_1', 'a/acct_1', '', '/'),
    'stripe-version': headerText,
    'idempotency-key': fc.oneof(fc.constantFrom('k', 'l', 'x'.repeat(300)), headerText),
    'content-type': fc.constantFrom(
      ...['application/x-www-form-urlencoded', 'application/x-www-form-urlencoded; charset=utf-8', ''],
      ...['application/json', 'multipart/form-data; boundary=x', 'x'],
    ),
    'content-encoding': fc.constantFrom('gzip', 'identity'),
  },
  { requiredKeys: ['authorization'] },
)
const path = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(SECRETS, FIND, DELETE) },
  { weight: 1, arbitrary: fc.webPath() },
  { weight: 1, arbitrary: fc.constantFrom(`${SECRETS}/`, `/${SECRETS}`, '/', '/v1/%2e%2e/v1', '/%00', '/%zz', '*') },
)
const wildRequest = fc.record({
  method: fc.constantFrom('GET', 'GET', 'POST', 'POST', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS'),
  path,
  query: fc.oneof(fc.constant(''), formText),
  body: rawBody,
  headers,
})
/** A good request, with at most one thing too many. */
const nearlyGood = fc
  .tuple(
    fc.constantFrom('set', 'set', 'find', 'delete', 'list'),
    fc.constantFrom('n', 'm', '[1]%', 'ключ'),
    fc.array(pair, { maxLength: 1 }),
    payload,
    encode,
    fc.record({ 'idempotency-key': headerText, 'stripe-account': fc.constant('acct_1') }, { requiredKeys: [] }),
  )
  .map(([call, name, more, text, to, others]) => {
    const scope = [['scope[type]', 'account']] as const
    const target = call === 'list' ? scope : ([...scope, ['name', name]] as const)
    const form = formOf([...target, ...(call === 'set' ? ([['payload', text]] as const) : []), ...more], to)
    const isPost = call === 'set' || call === 'delete'
    return {
      method: isPost ? 'POST' : 'GET',
      path: { set: SECRETS, find: FIND, delete: DELETE, list: SECRETS }[call] as string,
      query: isPost ? '' : form,
      body: new TextEncoder().encode(isPost ? form : ''),
      headers: { authorization: `Bearer ${KEY}`, ...others },
    }
  })
const anyRequest = fc.oneof(wildRequest, nearlyGood)
type AnyRequest = typeof anyRequest extends fc.Arbitrary<infer T> ? T : never

function toRequest({ method, path, query, body, headers }: AnyRequest, origin: string): Request {
  const url = new URL(origin + (path.startsWith('/') ? path : `/${path}`))
  url.search = query
  const hasBody = method !== 'GET' && method !== 'HEAD'
  return new Request(url, { method, headers: { ...headers }, ...(hasBody && { body }) })
}

async function check(reply: Response, method: string): Promise<void> {
  expect(reply.status).toBeLessThan(500)
  expect(reply.headers.get('request-id')).toMatch(/^req_\w{14}$/)
  expect(reply.headers.get('content-type')).toBe('application/json')
  const answer = await reply.text()
  expect(answer + JSON.stringify([...reply.headers])).not.toContain(KEY_MARKER)
  if (method === 'HEAD' && answer === '') return
  checkBody(reply.status, answer)
  if (reply.status !== 200) expect(reply.headers.get('stripe-should-retry')).toBe('false')
}

function checkBody(status: number, answer: string): void {
  const { error, object } = JSON.parse(answer)
  if (error === undefined) {
    expect([status, ['apps.secret', 'list'].includes(object)]).toEqual([200, true])
    return
  }
  expect(status).toBeGreaterThanOrEqual(400)
  expect(error).toMatchObject({ type: expect.stringMatching(/^\w+_error$/), message: expect.stringMatching(/./) })
  const members = Object.keys(error).filter((name) => !['type', 'message', 'code', 'doc_url', 'param'].includes(name))
  expect(members).toEqual([])
  expect(answer).not.toContain(MARKER)
}

function checkLog(): void {
  // No less of them: a header made at random is logged, and three signs come up by chance.
  expect(JSON.stringify(log)).not.toMatch(/qz-p4|p4yload|qz-k3/)
}

/** The answers on one connection, one behind the other. */
function splitAnswers(
  text: string,
): readonly { readonly status: number; readonly head: string; readonly body: string }[] {
  const answers = []
  for (let rest = text; rest !== ''; ) {
    const end = rest.indexOf('\r\n\r\n')
    expect(end, JSON.stringify(rest)).toBeGreaterThan(0)
    const head = rest.slice(0, end)
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1])
    const length = status === 100 ? 0 : Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1])
    const from = end + 4
    answers.push({ status, head, body: rest.slice(from, from + length) })
    rest = rest.slice(from + length)
  }
  return answers
}

/** What comes back for these bytes, one character each. */
function exchange(bytes: Uint8Array): Promise<string> {
  const named = Buffer.from(bytes).toString('latin1').replaceAll('localhost:80000', `localhost:${server.port}`)
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect(server.port, server.host, () => socket.end(Buffer.from(named, 'latin1')))
    socket.on('data', (data) => chunks.push(data))
    // A reset is as good an end as another.
    socket.on('error', () => {})
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
}

const SET = `name=n&scope[type]=account&payload=${MARKER}`
/** The port is known when the server listens; until then it is `80000`, which is as long. */
const HEAD = `Host: localhost:80000\r\nAuthorization: Bearer ${KEY}\r\n`
const wellFormed = fc.constantFrom(
  `POST ${SECRETS} HTTP/1.1\r\n${HEAD}Idempotency-Key: k\r\nContent-Length: ${SET.length}\r\nConnection: close\r\n\r\n${SET}`,
  `POST ${SECRETS} HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n${SET.length.toString(16)}\r\n${SET}\r\n0\r\n\r\n`,
  `POST ${SECRETS} HTTP/1.1\r\n${HEAD}Expect: 100-continue\r\nContent-Length: ${SET.length}\r\n\r\n${SET}`,
  `GET ${SECRETS}?scope[type]=account&limit=3 HTTP/1.1\r\n${HEAD}Stripe-Account: acct_1\r\n\r\n`,
  `GET ${FIND}?scope%5Btype%5D=account&name=n HTTP/1.1\r\n${HEAD}\r\nGET / HTTP/1.1\r\n${HEAD}\r\n`,
)
const mutation = fc.record({
  /** Of the length: where it happens. */
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.constantFrom(0, 0, 1, 1, 7),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 4 }),
    fc
      .constantFrom('\r\n', '\r\n\r\n', ' ', '%', '&', '[', '0', ':', 'é')
      .map((text) => new TextEncoder().encode(text)),
  ),
})
const bytesOfHttp = fc
  .tuple(wellFormed, fc.array(mutation, { maxLength: 4 }), fc.boolean())
  .map(([text, mutations, isCut]) => {
    let bytes = Buffer.from(text)
    for (const { at, cut, bytes: added } of mutations) {
      const place = Math.floor(at * bytes.length)
      bytes = Buffer.concat([bytes.subarray(0, place), added, ...(isCut ? [] : [bytes.subarray(place + cut)])])
    }
    return bytes
  })

describe('whatever is sent', () => {
  test(`is answered in JSON, and is no failure (${RUNS} requests)`, async () => {
    const statuses = new Map<number, number>()
    await fc.assert(
      fc.asyncProperty(anyRequest, async (request) => {
        log = []
        const reply = await app(toRequest(request, 'http://localhost'))
        statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1)
        await check(reply, request.method)
        expect(log).toMatchObject([{ status: reply.status, requestId: reply.headers.get('request-id') }])
        checkLog()
      }),
      { numRuns: RUNS },
    )
    console.info(
      `statuses: ${[...statuses]
        .sort()
        .map(([status, count]) => `${status}: ${count}`)
        .join(', ')}`,
    )
    // Of all sorts, or it has tested nothing.
    for (const status of [200, 400, 401, 403, 404, 413])
      expect(statuses.get(status), String(status)).toBeGreaterThan(atLength(0, 20))
  })

  test(`over HTTP too (${RUNS_OVER_HTTP} requests)`, async () => {
    await fc.assert(
      fc.asyncProperty(anyRequest, async (request) => {
        log = []
        await check(await fetch(toRequest(request, server.url)), request.method)
        checkLog()
      }),
      { numRuns: RUNS_OVER_HTTP },
    )
  })

  test(`of bytes that are nearly HTTP is answered in JSON, or closed (${RUNS_OF_BYTES} times)`, async () => {
    const statuses = new Map<number, number>()
    await fc.assert(
      fc.asyncProperty(bytesOfHttp, async (bytes) => {
        log = []
        for (const { status, head, body } of splitAnswers(await exchange(bytes))) {
          statuses.set(status, (statuses.get(status) ?? 0) + 1)
          if (status === 100) continue
          expect(head).toMatch(/\r\nrequest-id: req_\w{14}(?:\r|$)/i)
          expect(head + body).not.toContain(KEY_MARKER)
          checkBody(status, body)
        }
        checkLog()
      }),
      { numRuns: RUNS_OF_BYTES },
    )
    for (const status of [200, 400]) expect(statuses.get(status), String(status)).toBeGreaterThan(atLength(0, 20))
    const reply = await fetch(`${server.url}${SECRETS}?scope[type]=account`, {
      headers: { authorization: `Bearer ${KEY}` },
    })
    await check(reply, 'GET')
    expect(reply.status).toBe(200)
  })
})

describe('a model', () => {
  interface Where {
    readonly live: boolean
    readonly account: string
    /** Of the account scope, if it is empty. */
    readonly user: string
  }

  /** A request, as it can be sent once more. */
  interface Ask extends Where {
    readonly call: 'set' | 'find' | 'delete'
    readonly name: string
    readonly expand: boolean
    readonly payload?: string
    readonly expires_at?: number | undefined
    readonly key?: string | undefined
  }

  interface ListAsk extends Where {
    readonly expand: boolean
    readonly limit?: number | undefined
    readonly cursor?: readonly ['starting_after' | 'ending_before', string] | undefined
  }

  interface Answer {
    readonly status: number
    readonly body: object
  }

  interface Held {
    readonly id: string
    readonly created: number
    readonly expires_at: number | null
    readonly payload: string
  }

  const ROUTE = { set: SECRETS, find: FIND, delete: DELETE }

  function refusal(status: number, message: string, code: string, param: string): Answer {
    const doc_url = `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}`
    return { status, body: { error: { code, doc_url, message, param, type: 'invalid_request_error' } } }
  }

  function idempotencyError(message: string): Answer {
    return { status: 400, body: { error: { message, type: 'idempotency_error' } } }
  }

  function show(
    { live, user }: Where,
    name: string,
    { id, created, expires_at, payload }: Held,
    expand: boolean,
  ): object {
    const scope = user === '' ? { type: 'account' } : { type: 'user', user }
    const secret = { id, object: 'apps.secret', created, expires_at, livemode: live, name, scope }
    return expand ? { ...secret, payload } : secret
  }

  /** What the service is to do, with maps alone. */
  class Model {
    readonly #scopes = new Map<string, Map<string, Held>>()
    readonly #replies = new Map<string, { ask: string; path: string; until: number; answer: Answer }>()
    readonly #now: () => number

    constructor(now: () => number) {
      this.#now = now
    }

    /** @param newId - That of the secret, if this makes one. */
    answer(ask: Ask, newId: string): { readonly answer: Answer; readonly isReplay: boolean } {
      if (ask.key === undefined) return { answer: this.#execute(ask, newId), isReplay: false }
      const key = JSON.stringify([ask.live, ask.account, ask.key])
      const path = ROUTE[ask.call]
      const { call, user, name, payload, expires_at, expand } = ask
      const content = JSON.stringify([call, user, name, payload, expires_at, expand])
      const kept = this.#replies.get(key)
      if (kept !== undefined && kept.until > this.#now()) {
        const hint = `Try using a key other than '${ask.key}' if you meant to execute a different request.`
        const sameEndpoint =
          'Keys for idempotent requests can only be used for the same endpoint they were first used for'
        if (kept.path !== path) {
          return { answer: idempotencyError(`${sameEndpoint} ('${path}' vs '${kept.path}'). ${hint}`), isReplay: false }
        }
        const sameParameters =
          'Keys for idempotent requests can only be used with the same parameters they were first used with.'
        if (kept.ask !== content) return { answer: idempotencyError(`${sameParameters} ${hint}`), isReplay: false }
        return { answer: kept.answer, isReplay: true }
      }
      const answer = this.#execute(ask, newId)
      // Of those that are sent here only an expiry in the past is refused without being executed.
      if (answer.status !== 400) this.#replies.set(key, { ask: content, path, until: this.#now() + 86_400, answer })
      return { answer, isReplay: false }
    }

    #execute(ask: Ask, newId: string): Answer {
      const { call, name, expand, payload = '', expires_at = null } = ask
      const secrets = this.#secrets(ask)
      const held = this.#live(ask).find(([liveName]) => liveName === name)?.[1]
      if (call === 'set') {
        if (expires_at !== null && expires_at <= this.#now()) {
          const message =
            'The parameter `expires_at` expects a unix timestamp representing a date and time in the future. You specified ' +
            `the value \`${expires_at}\` which is in the past.`
          return { status: 400, body: { error: { message, param: 'expires_at', type: 'invalid_request_error' } } }
        }
        const next = { id: held?.id ?? newId, created: held?.created ?? this.#now(), expires_at, payload }
        secrets.set(name, next)
        return { status: 200, body: show(ask, name, next, expand) }
      }
      if (held === undefined) return refusal(404, `No such secret: '${name}'`, 'resource_missing', 'name')
      const body = show(ask, name, held, expand)
      if (call === 'find') return { status: 200, body }
      secrets.delete(name)
      return { status: 200, body: { ...body, deleted: true } }
    }

    list(ask: ListAsk): Answer {
      const all = this.#live(ask)
      const { limit = 10, cursor, expand } = ask
      let [from, to] = [0, Math.min(limit, all.length)]
      let has_more = all.length > limit
      if (cursor !== undefined) {
        const [param, id] = cursor
        const place = all.findIndex(([, held]) => held.id === id)
        if (place === -1) return refusal(400, `No such secret: '${id}'`, 'resource_missing', param)
        if (param === 'starting_after') {
          from = place + 1
          to = Math.min(from + limit, all.length)
          has_more = to < all.length
        } else {
          to = place
          from = Math.max(0, to - limit)
          has_more = from > 0
        }
      }
      const data = all.slice(from, to).map(([name, held]) => show(ask, name, held, expand))
      return { status: 200, body: { object: 'list', url: SECRETS, has_more, data } }
    }

    #secrets({ live, account, user }: Where): Map<string, Held> {
      const where = JSON.stringify([live, account, user])
      const secrets = this.#scopes.get(where) ?? new Map<string, Held>()
      this.#scopes.set(where, secrets)
      return secrets
    }

    #live(where: Where): [name: string, held: Held][] {
      return [...this.#secrets(where)]
        .filter(([, { expires_at }]) => expires_at === null || expires_at > this.#now())
        .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }
  }

  // Several of a kind where they are to meet: the names and keys are few, the account and the mode mostly the same.
  const live = fc.constantFrom(...Array(7).fill(false), true)
  const accountId = fc.constantFrom(...Array(8).fill(''), 'acct_1', 'acct_2')
  const userId = fc.constantFrom(...Array(7).fill(''), 'a', 'a|b', 'ü%')
  // U+FFFF stands before the key in UTF-8, and behind it in UTF-16.
  const name = fc.constantFrom(
    'n',
    'n|',
    'na',
    'N',
    '%00',
    '\0',
    '[1]',
    'ключ',
    '__proto__',
    '\uffff',
    '🔑',
    ' ',
    '&=+',
  )
  const key = fc.oneof(fc.constant(undefined), fc.constantFrom(...'abcdefghijklmnopqrst'))
  const where = { live, account: accountId, user: userId }
  const target = { ...where, name, expand: fc.boolean() }
  const payload = fc.string({ unit: 'grapheme', minLength: 1 })
  const lifetime = fc.constantFrom(undefined, undefined, undefined, 5, 100_000)
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ step: fc.constant('set' as const), ...target, payload, lifetime, key }) },
    { weight: 3, arbitrary: fc.record({ step: fc.constant('find' as const), ...target }) },
    { weight: 2, arbitrary: fc.record({ step: fc.constant('delete' as const), ...target, key }) },
    {
      weight: 3,
      arbitrary: fc.record({
        step: fc.constant('list' as const),
        ...where,
        expand: fc.boolean(),
        limit: fc.constantFrom(undefined, 1, 1, 2, 3, 100),
        cursor: fc.constantFrom(undefined, 'starting_after' as const, 'ending_before' as const),
        /** Of the ids there have been so far. */
        id: fc.nat(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ step: fc.constant('again' as const), which: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ step: fc.constant('wait' as const), seconds: fc.constantFrom(1, 5, 86_395) }) },
  )

  const headersOf = ({ live, account }: Where): Params => ({
    authorization: `Bearer ${live ? LIVE_KEY : TEST_KEY}`,
    'stripe-account': account,
  })
  const scopeOf = ({ user }: Where): Params =>
    user === '' ? { 'scope[type]': 'account' } : { 'scope[type]': 'user', 'scope[user]': user }

  function sendAsk(over: StripeApp, ask: Ask): Promise<Reply> {
    const { call, name, expand, payload, expires_at, key } = ask
    const params = {
      ...scopeOf(ask),
      name,
      ...(payload !== undefined && { payload }),
      ...(expires_at !== undefined && { expires_at: String(expires_at) }),
      ...(expand && { 'expand[]': 'payload' }),
    }
    const headers = { ...headersOf(ask), ...(key !== undefined && { 'idempotency-key': key }) }
    return call === 'find' ? get(over, FIND, params, headers) : post(over, ROUTE[call], params, headers)
  }

  test(`answers what plain maps would, to the letter (${MODEL_RUNS} sequences)`, async () => {
    const seen = { replays: 0, pages: 0, refusals: 0 }
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 120, size: 'max' }), async (steps) => {
        const time = new TestClock()
        const own = SecretStore.memory({ now: time.now, sweepIntervalMs: 0 })
        const over = appOf(own)
        const model = new Model(() => time.seconds)
        const asks: Ask[] = []
        const ids: string[] = []
        const perform = async (ask: Ask): Promise<void> => {
          const reply = await sendAsk(over, ask)
          const { answer, isReplay } = model.answer(ask, reply.body.id)
          expect(reply.body).toEqual(answer.body)
          expect(reply.status).toBe(answer.status)
          expect(reply.headers.get('idempotent-replayed')).toBe(isReplay ? 'true' : null)
          if (isReplay) seen.replays++
          if (reply.status !== 200) seen.refusals++
          if (ask.call === 'set' && reply.status === 200 && !ids.includes(reply.body.id)) {
            expect(reply.body.id).toMatch(/^appsecret_[0-9A-Za-z]{24}$/)
            ids.push(reply.body.id)
          }
        }
        for (const next of steps) {
          if (next.step === 'wait') {
            time.advanceSeconds(next.seconds)
          } else if (next.step === 'again') {
            const ask = asks[next.which % asks.length]
            if (ask !== undefined) await perform(ask)
          } else if (next.step === 'list') {
            const { step: _, cursor, id, ...ask } = next
            const chosen = ids[id % ids.length]
            const given = cursor !== undefined && chosen !== undefined ? ([cursor, chosen] as const) : undefined
            const params = {
              ...scopeOf(ask),
              ...(ask.limit !== undefined && { limit: String(ask.limit) }),
              ...(given !== undefined && { [given[0]]: given[1] }),
              ...(ask.expand && { 'expand[]': 'data.payload' }),
            }
            const { status, body } = await get(over, SECRETS, params, headersOf(ask))
            const expected = model.list({ ...ask, cursor: given })
            expect(body).toEqual(expected.body)
            expect(status).toBe(expected.status)
            if (status === 200 && body.has_more) seen.pages++
          } else {
            const { step: call, ...rest } = next
            const expires_at =
              next.step === 'set' && next.lifetime !== undefined ? time.seconds + next.lifetime : undefined
            const ask: Ask = { call, ...rest, expires_at }
            asks.push(ask)
            await perform(ask)
          }
        }
        expect(await own.verify()).toMatchObject({ ok: true })
        await own.close()
      }),
      { numRuns: MODEL_RUNS },
    )
    console.info(`a model: ${seen.replays} replays, ${seen.pages} pages of several, ${seen.refusals} refusals`)
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(atLength(0, 20))
  })
})
