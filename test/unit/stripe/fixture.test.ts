import Stripe from 'stripe'
import { describe, expect, onTestFinished, test } from 'vitest'
import { account, rawKey, SecretStore, user } from '../../../src/index'
import { type StripeFixture, type StripeFixtureOptions, startStripeFixture } from '../../../src/stripe/index'
import { newLocation } from '../../support/stores'

const scope = { type: 'account' } as const

async function start(options?: StripeFixtureOptions): Promise<StripeFixture> {
  const fixture = await startStripeFixture(options)
  onTestFinished(() => fixture.close())
  return fixture
}

function clientOf(fixture: StripeFixture, config: Stripe.StripeConfig = {}): Stripe {
  return new Stripe(fixture.apiKey, { ...fixture.stripeConfig(), ...config })
}

describe('a fixture', () => {
  test('holds what it was seeded with', async () => {
    const expires_at = Math.floor(Date.now() / 1000) + 3600
    const fixture = await start({
      secrets: { plain: 'one', dying: { payload: 'two', expires_at } },
      users: { usr_1: { plain: 'three' } },
      accounts: { acct_1: { secrets: { plain: 'four' }, users: { usr_1: { plain: 'five' } } } },
      live: { secrets: { plain: 'six' }, accounts: { acct_1: { secrets: { plain: 'seven' } } } },
    })
    const test = fixture.store.view({})
    const connected = fixture.store.view({ account: 'acct_1' })
    const live = fixture.store.view({ livemode: true })
    const name = 'plain'
    expect(await test.get({ scope: account, name })).toBe('one')
    expect(await test.find({ scope: account, name: 'dying' })).toMatchObject({ expires_at })
    expect(await test.get({ scope: user('usr_1'), name })).toBe('three')
    expect(await connected.get({ scope: account, name })).toBe('four')
    expect(await connected.get({ scope: user('usr_1'), name })).toBe('five')
    expect(await live.get({ scope: account, name })).toBe('six')
    expect(await fixture.store.view({ account: 'acct_1', livemode: true }).get({ scope: account, name })).toBe('seven')
  })

  test.each([
    ['an unknown option', { secret: {} }, "got 'secret'"],
    ['an unknown part of a seed', { live: { live: {} } }, "got 'live'"],
    ['a payload that is none', { secrets: { a: 7 } }, 'payload'],
    ['a location without a key', { location: '/tmp/nowhere' }, 'together with a key'],
    ['a key of no known kind', { apiKeys: ['pk_test_1'] }, 'apiKeys'],
    ['no port', { port: 70_000 }, 'port'],
  ])('%s is refused', async (_, options, message) => {
    await expect(startStripeFixture(options as never)).rejects.toThrow(message)
  })

  test('answers a client, by the clock of the test', async () => {
    const fixture = await start()
    const stripe = clientOf(fixture)
    const expires_at = fixture.clock.seconds + 60
    await stripe.apps.secrets.create({ name: 'token', payload: 'example', scope, expires_at })
    fixture.clock.advanceSeconds(58)
    expect(await stripe.apps.secrets.find({ name: 'token', scope })).toMatchObject({ expires_at })
    fixture.clock.advanceSeconds(3)
    await expect(stripe.apps.secrets.find({ name: 'token', scope })).rejects.toMatchObject({ code: 'resource_missing' })
    expect(() => fixture.clock.advanceSeconds(Number.NaN)).toThrow(TypeError)
  })

  test('calls without HTTP see the same secrets', async () => {
    const fixture = await start({ secrets: { token: 'example' } })
    const [over, without] = await Promise.all([
      clientOf(fixture).apps.secrets.find({ name: 'token', scope }),
      fixture.secrets.find({ name: 'token', scope }),
    ])
    expect(without).toEqual({ ...over })
    expect(fixture.requests).toHaveLength(1)
  })

  test('on disk it outlives its process, and keeps its limits in strict mode', async () => {
    const options = { location: await newLocation(), key: rawKey(new Uint8Array(32).fill(1)), strict: true }
    const first = await startStripeFixture({ ...options, secrets: { token: 'example' } })
    await first.close()
    const second = await start(options)
    const { payload } = await clientOf(second).apps.secrets.find({ name: 'token', scope, expand: ['payload'] })
    expect(payload).toBe('example')
    const tooLong = second.secrets.create({ name: 'long', payload: 'x'.repeat(5001), scope })
    await expect(tooLong).rejects.toMatchObject({ param: 'payload' })
  })

  test('on disk it does not answer to keys that everybody knows', async () => {
    const fixture = await start({ location: await newLocation(), key: rawKey(new Uint8Array(32).fill(1)) })
    for (const [key, pattern] of [
      [fixture.apiKey, /^sk_test_[0-9A-Za-z]{24}$/],
      [fixture.liveApiKey, /^sk_live_[0-9A-Za-z]{24}$/],
    ] as const) {
      expect(key).toMatch(pattern)
    }
    const ask = async (key: string): Promise<number> => {
      const url = `${fixture.url}/v1/apps/secrets?scope[type]=account`
      return (await fetch(url, { headers: { authorization: `Bearer ${key}` } })).status
    }
    for (const known of ['sk_test_fixture', 'sk_live_fixture']) expect(await ask(known)).toBe(401)
    for (const own of [fixture.apiKey, fixture.liveApiKey]) expect(await ask(own)).toBe(200)
    const another = await start({ location: await newLocation(), key: rawKey(new Uint8Array(32).fill(1)) })
    expect(another.apiKey).not.toBe(fixture.apiKey)
    expect((await start()).apiKey).toBe('sk_test_fixture')
  })

  test('is closed by await using, with a connection that is kept alive', async () => {
    let url = ''
    {
      await using fixture = await startStripeFixture()
      url = fixture.url
      await fetch(`${url}/v1/apps/secrets`)
    }
    await expect(fetch(url)).rejects.toThrow('fetch failed')
  })

  test('writes down every request, without keys and payloads', async () => {
    const fixture = await start({ apiKeys: [{ key: 'rk_test_verysecret', account: 'acct_1', user: 'usr_1' }] })
    const stripe = clientOf(fixture)
    await stripe.apps.secrets.create({ name: 'token', payload: 'verysecret', scope }, { stripeAccount: 'acct_1' })
    const extension = new Stripe('rk_test_verysecret', { ...fixture.stripeConfig(), maxNetworkRetries: 0 })
    await extension.apps.secrets.find({ name: 'token', scope })
    await expect(
      extension.apps.secrets.find({ name: 'token', scope: { type: 'user', user: 'usr_2' } }),
    ).rejects.toMatchObject({ type: 'StripePermissionError' })
    const key = 'sk_test_****'
    expect(fixture.requests).toMatchObject([
      { method: 'POST', status: 200, key, account: 'acct_1', params: { name: 'token', payload: '[redacted]' } },
      { method: 'GET', path: '/v1/apps/secrets/find', status: 200, key: 'rk_test_****', account: 'acct_1' },
      { status: 403, params: { scope: { type: 'user', user: 'usr_2' } } },
    ])
    expect(JSON.stringify(fixture.requests)).not.toContain('verysecret')
  })
})

describe('faults', () => {
  test('befall as many requests as was asked for, one after the other', async () => {
    const fixture = await start({ secrets: { token: 'example' } })
    const stripe = clientOf(fixture, { maxNetworkRetries: 0 })
    fixture.failNext({ status: 503, times: 2 })
    fixture.failNext({ status: 429 })
    const outcomes: unknown[] = []
    for (let i = 0; i < 4; i++) {
      const call = stripe.apps.secrets.find({ name: 'token', scope })
      outcomes.push(await call.then(() => 'found').catch((error) => error.type))
    }
    expect(outcomes).toEqual(['StripeAPIError', 'StripeAPIError', 'StripeRateLimitError', 'found'])
    expect(fixture.requests.map(({ status, fault }) => [status, fault])).toEqual([
      [503, 'status'],
      [503, 'status'],
      [429, 'status'],
      [200, undefined],
    ])
  })

  test('before the effect nothing has happened, after it everything has', async () => {
    const fixture = await start({ secrets: { one: 'example', two: 'example' } })
    const stripe = clientOf(fixture, { maxNetworkRetries: 0 })
    fixture.failNext({ status: 500 })
    fixture.failNext({ status: 500, afterEffect: true })
    await expect(stripe.apps.secrets.deleteWhere({ name: 'one', scope })).rejects.toThrow('Injected fault')
    await expect(stripe.apps.secrets.deleteWhere({ name: 'two', scope })).rejects.toThrow('Injected fault')
    expect((await fixture.secrets.list({ scope })).data.map(({ name }) => name)).toEqual(['one'])
  })

  test('a dropped connection is one without an answer', async () => {
    const fixture = await start()
    fixture.failNext({ drop: true })
    await expect(fetch(fixture.url)).rejects.toThrow('fetch failed')
    expect(fixture.requests).toMatchObject([{ status: null, fault: 'drop' }])
  })

  test('a delay alone changes no answer, and one of certain requests waits for them', async () => {
    const fixture = await start({ secrets: { token: 'example' } })
    const stripe = clientOf(fixture, { maxNetworkRetries: 0 })
    fixture.failNext({ delayMs: 5 })
    fixture.failNext({ status: 500, when: ({ method }) => method === 'POST' })
    await stripe.apps.secrets.find({ name: 'token', scope })
    await stripe.apps.secrets.find({ name: 'token', scope })
    await expect(stripe.apps.secrets.deleteWhere({ name: 'token', scope })).rejects.toThrow('Injected fault')
    await expect(stripe.apps.secrets.deleteWhere({ name: 'token', scope })).resolves.toMatchObject({ deleted: true })
  })

  test.each([
    [{}, 'got none'],
    [{ status: 200 }, 'status'],
    [{ status: 500, drop: true }, 'got both'],
    [{ status: 500, times: 0 }, 'times'],
    [{ delayMs: -1 }, 'delayMs'],
    [{ status: 500, time: 2 }, "did you mean 'times'"],
  ])('%j is no fault', async (fault, message) => {
    const fixture = await start()
    expect(() => fixture.failNext(fault as never)).toThrow(message)
  })
})

test('a store of one fixture is a SecretStore like any other', async () => {
  const { store } = await start()
  expect(store).toBeInstanceOf(SecretStore)
  expect(await store.verify()).toMatchObject({ ok: true })
})
