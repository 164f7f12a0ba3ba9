import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SecretStore } from '../../src/index'
import { type HttpServer, listen, type RequestLogEntry, type StripeApp } from '../../src/stripe/index'
import { TestClock } from '../support'
import { appOf, DELETE, FIND, get, LIVE_KEY, type Params, post, type Reply, SECRETS, TEST_KEY } from './requests'

const RUNS = 4000
const RUNS_OVER_HTTP = 400
const MODEL_RUNS = 60
/** In every payload, and in the key of every request: it must not come back in an error, nor be logged. */
const MARKER = 'qzqzmarker'
const KEY = `sk_test_${MARKER}`

const clock = new TestClock()
let store: SecretStore
let app: StripeApp
let server: HttpServer
let log: RequestLogEntry[] = []

beforeAll(async () => {
  store = SecretStore.memory({ now: clock.now, sweepIntervalMs: 0, maxPayloadBytes: 2000 })
  const onRequest = (entry: RequestLogEntry): void => void log.push(entry)
  app = appOf(store, { apiKeys: [KEY, { key: `rk_live_${MARKER}`, user: 'u' }], maxBodyBytes: 5000, onRequest })
  server = await listen(app)
})

afterAll(async () => {
  await server.close()
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
const pair = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(keyword, text) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom('payload', 'payload[]', 'payloda', 'payload[a]'), payload) },
)
function formOf(pairs: readonly (readonly [string, string])[], to: (text: string) => string): string {
  return pairs.map(([name, value]) => `${to(name)}=${to(value)}`).join('&')
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
      `Bearer rk_live_${MARKER}`,
      `Basic ${btoa(`${KEY}:`)}`,
      KEY,
    ),
    'stripe-account': fc.oneof({ weight: 5, arbitrary: fc.constant('acct_1') }, { weight: 1, arbitrary: headerText }),
    'stripe-context': fc.constantFrom('acct_1', 'a/acct_1', '', '/'),
    'stripe-version': headerText,
    'idempotency-key': fc.oneof(fc.constantFrom('k', 'l', 'x'.repeat(300)), headerText),
    'content-type': fc.constantFrom('application/x-www-form-urlencoded', 'application/json', 'x'),
  },
  { requiredKeys: ['authorization'] },
)
const path = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(SECRETS, FIND, DELETE) },
  { weight: 1, arbitrary: fc.webPath() },
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
  if (method === 'HEAD' && answer === '') return
  const { error, object } = JSON.parse(answer)
  if (error === undefined) expect([reply.status, ['apps.secret', 'list'].includes(object)]).toEqual([200, true])
  else {
    expect(reply.status).toBeGreaterThanOrEqual(400)
    expect(error).toMatchObject({ type: expect.stringMatching(/^\w+_error$/), message: expect.stringMatching(/./) })
    expect(answer).not.toContain(MARKER)
    expect(reply.headers.get('stripe-should-retry')).toBe('false')
  }
}

describe('whatever is sent', () => {
  test(`is answered in JSON, and is no failure (${RUNS} requests)`, async () => {
    const statuses = new Map<number, number>()
    await fc.assert(
      fc.asyncProperty(anyRequest, async (request) => {
        log = []
        const reply = await app(toRequest(request, 'http://localhost'))
        statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1)
        await check(reply, request.method)
        expect(log).toHaveLength(1)
        expect(JSON.stringify(log)).not.toContain(MARKER)
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
    for (const status of [200, 400, 401, 403, 404]) expect(statuses.get(status), String(status)).toBeGreaterThan(20)
  })

  test(`over HTTP too (${RUNS_OVER_HTTP} requests)`, async () => {
    await fc.assert(
      fc.asyncProperty(anyRequest, async (request) => {
        await check(await fetch(toRequest(request, server.url)), request.method)
      }),
      { numRuns: RUNS_OVER_HTTP },
    )
  })
})

describe('a model', () => {
  type Held = { id: string; payload: string; expires_at: number | null }
  const place = fc.record({
    live: fc.boolean(),
    account: fc.constantFrom('', 'acct_1', 'acct_2'),
    user: fc.constantFrom('', 'a', 'a|b', 'ü%'),
    name: fc.constantFrom('n', 'n|', 'N', '%00', '[1]', 'ключ', '__proto__'),
  })
  const step = fc.oneof(
    fc.record({
      call: fc.constant('set' as const),
      place,
      payload: fc.string({ unit: 'grapheme', minLength: 1 }),
      lifetime: fc.constantFrom(0, 0, 5),
    }),
    fc.record({ call: fc.constantFrom('find' as const, 'delete' as const, 'list' as const), place }),
    fc.record({ call: fc.constant('wait' as const), seconds: fc.constantFrom(1, 5) }),
  )

  test('agrees with a plain map', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
        const time = new TestClock()
        const own = SecretStore.memory({ now: time.now, sweepIntervalMs: 0 })
        const over = appOf(own)
        const model = new Map<string, Held>()
        for (const next of steps) {
          if (next.call === 'wait') {
            time.advanceSeconds(next.seconds)
            continue
          }
          const { live, account, user, name } = next.place
          const scope: Params =
            user === '' ? { 'scope[type]': 'account' } : { 'scope[type]': 'user', 'scope[user]': user }
          const headers: Params = { authorization: `Bearer ${live ? LIVE_KEY : TEST_KEY}`, 'stripe-account': account }
          const where = JSON.stringify([live, account, user])
          const key = `${where}${name}`
          const held = model.get(key)
          const alive =
            held !== undefined && (held.expires_at === null || held.expires_at > time.seconds) ? held : undefined
          const seen = (reply: Reply): unknown => reply.body.payload ?? reply.body.error?.code
          if (next.call === 'set') {
            const expires_at = next.lifetime === 0 ? null : time.seconds + next.lifetime
            const { payload } = next
            const more: Params = expires_at === null ? {} : { expires_at: String(expires_at) }
            const { status, body } = await post(over, SECRETS, { ...scope, name, payload, ...more }, headers)
            expect(status).toBe(200)
            if (alive !== undefined) expect(body.id).toBe(alive.id)
            model.set(key, { id: body.id, payload, expires_at })
          } else if (next.call === 'find') {
            const reply = await get(over, FIND, { ...scope, name, 'expand[]': 'payload' }, headers)
            expect(seen(reply)).toBe(alive?.payload ?? 'resource_missing')
          } else if (next.call === 'delete') {
            const reply = await post(over, DELETE, { ...scope, name, 'expand[]': 'payload' }, headers)
            expect(seen(reply)).toBe(alive?.payload ?? 'resource_missing')
            model.delete(key)
          } else {
            const { body } = await get(over, SECRETS, { ...scope, limit: '100' }, headers)
            const ids = [...model]
              .filter(
                ([k, { expires_at }]) => k.startsWith(where) && (expires_at === null || expires_at > time.seconds),
              )
              .map(([, { id }]) => id)
            expect(body.data.map(({ id }: Held) => id).sort()).toEqual(ids.sort())
          }
        }
        expect(await own.verify()).toMatchObject({ ok: true })
        await own.close()
      }),
      { numRuns: MODEL_RUNS },
    )
  })
})
