import { createRequire } from 'node:module'
import type Stripe from 'stripe'
import { describe, expect, onTestFinished, test } from 'vitest'
import { rawKey } from '../../src/index'
import { type StripeFixture, type StripeFixtureOptions, startStripeFixture } from '../../src/stripe/index'
import { newLocation } from '../support'

/** The official client, over real HTTP, in the newest major version and in older ones. */
const CLIENTS = ['stripe', 'stripe-20', 'stripe-17', 'stripe-14', 'stripe-12', 'stripe-9']

const require = createRequire(import.meta.url)
const scope = { type: 'account' } as const
const mine = { type: 'user', user: 'usr_1' } as const

async function start(options?: StripeFixtureOptions): Promise<StripeFixture> {
  const fixture = await startStripeFixture(options)
  onTestFinished(() => fixture.close())
  return fixture
}

/** Hundreds of secrets, by names in order. */
function many(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${String(i).padStart(4, '0')}`, `example ${i}`]))
}

async function errorOf(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  return call.then(
    () => {
      throw new Error('expected an error, got an answer')
    },
    (error) => error,
  )
}

describe.each(CLIENTS)('%s', (name) => {
  const Client: typeof Stripe = require(name)

  function connect(fixture: StripeFixture, config: object = {}, key = fixture.apiKey): Stripe {
    const client = new Client(key, {
      ...fixture.stripeConfig(),
      maxNetworkRetries: 2,
      ...config,
    } as Stripe.StripeConfig)
    return client
  }

  test('is the version its name says', () => {
    expect((Client as unknown as { PACKAGE_VERSION: string }).PACKAGE_VERSION).toMatch(
      name === 'stripe' ? /^23\./ : new RegExp(`^${name.split('-')[1]}\\.`),
    )
  })

  test('sets, finds, lists and deletes in both scopes', async () => {
    const { secrets } = connect(await start()).apps
    for (const where of [scope, mine]) {
      const target = { name: 'token', scope: where }
      const created = await secrets.create({ ...target, payload: 'example' })
      expect(created).toMatchObject({ object: 'apps.secret', expires_at: null, livemode: false, ...target })
      expect('payload' in created).toBe(false)
      expect('payload' in (await secrets.find(target))).toBe(false)
      expect((await secrets.find({ ...target, expand: ['payload'] })).payload).toBe('example')
      const page = await secrets.list({ scope: where })
      expect(page).toMatchObject({ object: 'list', url: '/v1/apps/secrets', has_more: false })
      expect(page.data.map((secret) => [secret.id, 'payload' in secret])).toEqual([[created.id, false]])
      expect((await secrets.list({ scope: where, expand: ['data.payload'] })).data[0]?.payload).toBe('example')
      expect((await secrets.create({ ...target, payload: 'x', expand: ['payload'] })).payload).toBe('x')
      expect(await secrets.deleteWhere(target)).toMatchObject({ id: created.id, deleted: true })
      expect((await secrets.list({ scope: where })).data).toEqual([])
    }
  })

  test('replaces, and keeps id and created', async () => {
    const fixture = await start()
    const { secrets } = connect(fixture).apps
    const target = { name: 'token', scope }
    const expires_at = fixture.clock.seconds + 1000
    const first = await secrets.create({ ...target, payload: 'one', expires_at })
    expect(first.expires_at).toBe(expires_at)
    fixture.clock.advanceSeconds(10)
    const second = await secrets.create({ ...target, payload: 'two' })
    expect(second).toMatchObject({ id: first.id, created: first.created, expires_at: null })
    await secrets.create({ ...target, payload: 'three', expires_at })
    fixture.clock.advanceSeconds(1000)
    expect(await errorOf(secrets.find(target))).toMatchObject({ code: 'resource_missing' })
  })

  test.each([
    ['JSON with brackets', '{"access_token":"a[1]","list":[1,[2]],"s":"]=["}'],
    ['percent signs', '100%25 %5B %zz %'],
    ['what forms are made of', 'a&b=c+d e?f#g;h'],
    ['quotes and lines', '"\'`\\ \r\n\t'],
    ['Unicode', 'ünïcödé ключ 密鑰 🔑👩‍👩‍👧 ﷽ \u0301\u2028\ufeff'],
    ['5,000 characters', '🔑x'.repeat(2500)],
    ['1 MB', 'x[%]'.repeat(250_000)],
  ])('a payload with %s comes back as it was', async (_, payload) => {
    const { secrets } = connect(await start()).apps
    const beginning = [...payload].slice(0, 40).join('')
    const target = { name: `n ${beginning}`, scope: { type: 'user', user: beginning } as const }
    await secrets.create({ ...target, payload })
    const found = await secrets.find({ ...target, expand: ['payload'] })
    expect(found).toMatchObject(target)
    expect(found.payload === payload).toBe(true)
  })

  test('walks hundreds of secrets forward and backward', async () => {
    const names = Object.keys(many(257))
    const fixture = await start({ secrets: many(257), users: { usr_1: many(3) } })
    const { secrets } = connect(fixture).apps
    const forward: string[] = []
    for await (const secret of secrets.list({ scope, limit: 50 })) forward.push(secret.name)
    expect(forward).toEqual(names)
    expect(fixture.requests).toHaveLength(6)
    const last = await secrets.find({ name: names.at(-1) as string, scope })
    const backward: string[] = []
    for await (const secret of secrets.list({ scope, limit: 7, ending_before: last.id })) backward.push(secret.name)
    expect(backward).toEqual(names.slice(0, -1).reverse())
    const array = await secrets.list({ scope, limit: 100, expand: ['data.payload'] }).autoPagingToArray({ limit: 1000 })
    expect(array.map(({ name, payload }) => [name, payload])).toEqual(Object.entries(many(257)))
    const visited: string[] = []
    await secrets.list({ scope: mine }).autoPagingEach((secret) => void visited.push(secret.name))
    expect(visited).toEqual(names.slice(0, 3))
  })

  test.each([
    ['an injected 500', { status: 500 }],
    ['a dropped connection', { drop: true }],
  ])('sends again after %s, and it takes effect once', async (_, fault) => {
    const fixture = await start({ secrets: { token: 'example' } })
    const { secrets } = connect(fixture).apps
    fixture.failNext({ ...fault, afterEffect: true })
    expect(await secrets.deleteWhere({ name: 'token', scope })).toMatchObject({ name: 'token', deleted: true })
    expect(fixture.requests.map(({ replayed }) => replayed)).toEqual([false, true])

    // Between the first time and the second somebody else replaces it: that must stay.
    fixture.failNext({ ...fault, afterEffect: true })
    let replaced: Promise<unknown> | undefined
    fixture.failNext({
      status: 503,
      when: () => {
        replaced ??= fixture.secrets.create({ name: 'token', payload: 'newer', scope })
        return true
      },
    })
    await secrets.create({ name: 'token', payload: 'older', scope })
    await replaced
    expect(fixture.requests.at(-1)).toMatchObject({ replayed: true, status: 200 })
    expect((await fixture.secrets.find({ name: 'token', scope, expand: ['payload'] })).payload).toBe('newer')
  })

  test('a fault before the effect is no obstacle either', async () => {
    const fixture = await start()
    const { secrets } = connect(fixture).apps
    fixture.failNext({ status: 409 })
    fixture.failNext({ drop: true })
    await secrets.create({ name: 'token', payload: 'example', scope })
    expect(fixture.requests.map(({ status, replayed }) => [status, replayed])).toEqual([
      [409, false],
      [null, false],
      [200, false],
    ])
  })

  test('a key of the caller is replayed, and refused for anything else', async () => {
    const { secrets } = connect(await start()).apps
    const once = { idempotencyKey: 'of the caller' }
    const first = await secrets.create({ name: 'token', payload: 'one', scope }, once)
    const again = await secrets.create({ name: 'token', payload: 'one', scope }, once)
    expect(again).toEqual(first)
    expect(again.lastResponse.headers['idempotent-replayed']).toBe('true')
    const other = await errorOf(secrets.create({ name: 'token', payload: 'two', scope }, once))
    expect(other).toMatchObject({ type: 'StripeIdempotencyError', statusCode: 400, rawType: 'idempotency_error' })
    const route = await errorOf(secrets.deleteWhere({ name: 'token', scope }, once))
    expect(route).toBeInstanceOf(Client.errors.StripeIdempotencyError)
  })

  test('each failure is of its class', async () => {
    const fixture = await start({
      apiKeys: [
        { key: 'rk_test_extension', user: 'usr_1' },
        { key: 'rk_test_reader', access: 'read' },
      ],
    })
    const { secrets } = connect(fixture, { maxNetworkRetries: 0 }).apps
    const { errors } = Client
    const target = { name: 'appConfig', scope }

    const missing = await errorOf(secrets.find(target))
    expect(missing).toBeInstanceOf(errors.StripeInvalidRequestError)
    expect(missing).toMatchObject({ statusCode: 404, code: 'resource_missing', message: "No such secret: 'appConfig'" })
    expect(missing.requestId).toBe(fixture.requests.at(-1)?.requestId)
    expect(await errorOf(secrets.deleteWhere(target))).toMatchObject({ statusCode: 404, code: 'resource_missing' })

    const empty = await errorOf(secrets.create({ ...target, payload: '' }))
    expect(empty).toBeInstanceOf(errors.StripeInvalidRequestError)
    expect(empty).toMatchObject({ statusCode: 400, code: 'parameter_invalid_empty', param: 'payload' })
    expect(empty.message).toMatch(/^You passed an empty string for 'payload'\. /)
    const unnamed = await errorOf(secrets.find({ scope } as never))
    expect(unnamed).toMatchObject({
      code: 'parameter_missing',
      message: 'Missing required param: name.',
      param: 'name',
    })
    const unknown = await errorOf(secrets.find({ ...target, colour: 'red' } as never))
    expect(unknown).toMatchObject({ code: 'parameter_unknown', message: 'Received unknown parameter: colour' })
    const past = await errorOf(secrets.create({ ...target, payload: 'x', expires_at: 2000 }))
    expect(past).toMatchObject({ statusCode: 400, param: 'expires_at' })

    const stranger = await errorOf(connect(fixture, {}, 'sk_test_stranger').apps.secrets.find(target))
    expect(stranger).toBeInstanceOf(errors.StripeAuthenticationError)
    expect(stranger.message).not.toContain('stranger')
    const other = await errorOf(
      connect(fixture, {}, 'rk_test_extension').apps.secrets.list({ scope: { type: 'user', user: 'usr_2' } }),
    )
    expect(other).toBeInstanceOf(errors.StripePermissionError)
    const reader = await errorOf(connect(fixture, {}, 'rk_test_reader').apps.secrets.deleteWhere(target))
    expect(reader).toBeInstanceOf(errors.StripePermissionError)
    expect(await errorOf(secrets.find(target, { stripeAccount: 'nobody' }))).toBeInstanceOf(
      errors.StripePermissionError,
    )

    for (const [status, type] of [
      [429, errors.StripeRateLimitError],
      [409, errors.StripeAPIError],
      [413, errors.StripeAPIError],
      [503, errors.StripeAPIError],
    ] as const) {
      fixture.failNext({ status })
      const injected = await errorOf(secrets.find(target))
      expect(injected).toBeInstanceOf(type)
      expect(injected.statusCode).toBe(status)
    }
  })

  test('accounts and modes are side by side', async () => {
    const fixture = await start()
    const test = connect(fixture).apps.secrets
    const connected = connect(fixture, { stripeAccount: 'acct_2' }).apps.secrets
    const live = connect(fixture, {}, fixture.liveApiKey).apps.secrets
    const target = { name: 'token', scope }
    await Promise.all([
      test.create({ ...target, payload: 'own' }),
      test.create({ ...target, payload: 'first' }, { stripeAccount: 'acct_1' }),
      connected.create({ ...target, payload: 'second' }),
      live.create({ ...target, payload: 'live' }),
      live.create({ ...target, payload: 'live first' }, { stripeAccount: 'acct_1' }),
    ])
    const expanded = { ...target, expand: ['payload'] }
    const found = await Promise.all([
      test.find(expanded),
      test.find(expanded, { stripeAccount: 'acct_1' }),
      connected.find(expanded),
      live.find(expanded),
      live.find(expanded, { stripeAccount: 'acct_1' }),
    ])
    expect(found.map(({ payload, livemode }) => [payload, livemode])).toEqual([
      ['own', false],
      ['first', false],
      ['second', false],
      ['live', true],
      ['live first', true],
    ])
    await live.deleteWhere(target)
    expect((await test.find(expanded)).payload).toBe('own')
  })
})

describe.each(['stripe', 'stripe-9'])('%s, with a restart in the middle of a walk', (name) => {
  test('sees every secret once', async () => {
    const Client: typeof Stripe = require(name)
    const options = { location: await newLocation(), key: rawKey(new Uint8Array(32).fill(1)) }
    let fixture = await startStripeFixture({ ...options, secrets: many(250) })
    onTestFinished(() => fixture.close())
    const config = fixture.stripeConfig()
    const stripe = new Client(fixture.apiKey, { ...config, maxNetworkRetries: 2 } as Stripe.StripeConfig)
    const seen: string[] = []
    for await (const secret of stripe.apps.secrets.list({ scope, limit: 20, expand: ['data.payload'] })) {
      seen.push(`${secret.name}: ${secret.payload}`)
      if (seen.length !== 70 && seen.length !== 180) continue
      await fixture.close()
      fixture = await startStripeFixture({ ...options, port: config.port })
    }
    expect(seen).toEqual(Object.entries(many(250)).map(([name, payload]) => `${name}: ${payload}`))
  })
})
