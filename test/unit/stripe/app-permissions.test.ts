import { networkInterfaces } from 'node:os'
import Stripe from 'stripe'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type ApiKey,
  type StripeFixture,
  type StripeFixtureOptions,
  startStripeFixture,
} from '../../../src/stripe/index'

const scope = { type: 'account' } as const
const secret = { scope, name: 'token', payload: 'p' }
const permission = (...names: readonly string[]) =>
  names.map((name) => ({ permission: name, purpose: 'It is needed.' }))

async function start(options: StripeFixtureOptions): Promise<StripeFixture> {
  const fixture = await startStripeFixture(options)
  onTestFinished(() => fixture.close())
  return fixture
}

function client(fixture: StripeFixture, key: string, config: object = {}): Stripe {
  return new Stripe(key, { ...fixture.stripeConfig(), maxNetworkRetries: 0, ...config })
}

async function outcomeOf(work: () => Promise<unknown>): Promise<unknown> {
  return work().then(
    () => 'done',
    (error) => [error.statusCode, error.type, error.code, error.message],
  )
}

describe('a key of an app', () => {
  const apps: readonly ApiKey[] = [
    { key: 'sk_test_both', manifest: { id: 'com.example.a', permissions: permission('secret_read', 'secret_write') } },
    { key: 'sk_test_write', manifest: { permissions: permission('secret_write') } },
    { key: 'sk_test_read', manifest: { permissions: permission('customer_read', 'secret_read') } },
    {
      key: 'sk_test_none',
      manifest: { id: 'com.example.d', version: '1.0.0', permissions: [] } as ApiKey['manifest'] & object,
    },
    { key: 'sk_test_nothing', manifest: {} },
  ]

  test.each([
    ['sk_test_both', [true, true]],
    ['sk_test_write', [true, true]],
    ['sk_test_read', [true, false]],
    ['sk_test_none', [false, false]],
    ['sk_test_nothing', [false, false]],
  ])('%s may do what its manifest grants', async (key, [mayRead, mayWrite]) => {
    const fixture = await start({ apiKeys: apps, accounts: { acct_1: { secrets: { token: 'there' } } } })
    const { secrets } = client(fixture, key, { stripeAccount: 'acct_1' }).apps
    const lacking = (which: string): unknown => [
      403,
      'StripePermissionError',
      'more_permissions_required_for_application',
      `The provided key 'sk_test_****' does not have the required ` +
        `permissions for this endpoint on account 'acct_1'. Having the '${which}' permission would allow this request to continue.`,
    ]
    const [read, write] = [mayRead ? 'done' : lacking('secret_read'), mayWrite ? 'done' : lacking('secret_write')]
    expect(await outcomeOf(() => secrets.find({ scope, name: 'token' }))).toEqual(read)
    expect(await outcomeOf(() => secrets.list({ scope }))).toEqual(read)
    expect(await outcomeOf(() => secrets.create(secret))).toEqual(write)
    expect(await outcomeOf(() => secrets.deleteWhere({ scope, name: 'token' }))).toEqual(write)
  })

  test('that was never published shares its secrets with the others of its developer, and a published one does not', async () => {
    const permissions = permission('secret_write')
    const fixture = await start({
      apiKeys: [
        { key: 'sk_test_one', manifest: { id: 'com.example.one', permissions } },
        { key: 'sk_test_two', manifest: { id: 'com.example.two', permissions } },
        { key: 'sk_test_out', manifest: { id: 'com.example.out', permissions }, published: true },
        { key: 'sk_test_new', manifest: { id: 'com.example.new', permissions }, published: true },
      ],
    })
    const of = (key: string, stripeAccount?: string) =>
      client(fixture, key, stripeAccount ? { stripeAccount } : {}).apps.secrets
    for (const account of [undefined, 'acct_1']) {
      await of('sk_test_one', account).create({ ...secret, payload: 'shared' })
      await of('sk_test_out', account).create({ ...secret, payload: 'own' })
      const find = async (key: string): Promise<unknown> =>
        of(key, account)
          .find({ scope, name: 'token', expand: ['payload'] })
          .then(({ payload }) => payload)
          .catch(({ code }) => code)
      expect(await find('sk_test_two')).toBe('shared')
      expect(await find('sk_test_out')).toBe('own')
      expect(await find('sk_test_new')).toBe('resource_missing')
    }
    // The store has them where docs/stripe.md says.
    const own = fixture.store.view({ account: 'acct_1#com.example.out' })
    expect(await own.get({ scope, name: 'token' })).toBe('own')
    expect(JSON.stringify(fixture.requests)).not.toContain('#com')
  })

  test.each([
    [{ key: 'sk_test_x', access: 'read', manifest: {} }, "either 'access' or 'manifest'"],
    [{ key: 'sk_test_x', access: 'none' }, "expected 'read' or 'write'"],
    [{ key: 'sk_test_x', manifest: { permissions: 'secret_read' } }, 'parsed stripe-app.json'],
    [{ key: 'sk_test_x', manifest: { permissions: ['secret_read'] } }, 'parsed stripe-app.json'],
    [{ key: 'sk_test_x', manifest: null }, 'parsed stripe-app.json'],
    [{ key: 'sk_test_x', manifest: '{}' }, 'parsed stripe-app.json'],
    [{ key: 'sk_test_x', published: true }, 'the id of its app'],
    [{ key: 'sk_test_x', manifest: { id: 'a#b' }, published: true }, 'the id of its app'],
    [{ key: 'sk_test_x', manifest: { id: 'a' }, published: 1 }, 'published: expected'],
  ])('%o is refused', async (key, message) => {
    await expect(startStripeFixture({ apiKeys: [key as unknown as ApiKey] })).rejects.toThrow(message)
  })
})

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))
if (!hasIpv6) console.warn('skipped: the fixture on ::1 (this machine has no IPv6)')

test.skipIf(!hasIpv6)('on an IPv6 address it is reached by both transports of the client', async () => {
  const fixture = await start({ host: '::1' })
  const own = client(fixture, fixture.apiKey)
  await own.apps.secrets.create(secret)
  const byFetch = new Stripe(fixture.apiKey, {
    ...fixture.stripeConfig({ transport: 'fetch' }),
    httpClient: Stripe.createFetchHttpClient(),
    maxNetworkRetries: 0,
  })
  const found = await byFetch.apps.secrets.find({ scope, name: 'token', expand: ['payload'] })
  expect(found.payload).toBe('p')
  expect(() => fixture.stripeConfig({ transport: 'curl' as 'fetch' })).toThrow("transport: expected 'node' or 'fetch'")
})
