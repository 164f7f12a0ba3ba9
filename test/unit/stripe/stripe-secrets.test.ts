import Stripe from 'stripe'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SecretStore } from '../../../src/index'
import {
  createStripeApp,
  type StripeSecrets,
  StripeSecretsError,
  type StripeSecretsOptions,
  stripeSecrets,
} from '../../../src/stripe/index'
import { TestClock } from '../../support/stores'

const account = { type: 'account' } as const

function memoryStore(clock = new TestClock()): SecretStore {
  const store = SecretStore.memory({ now: clock.now })
  onTestFinished(() => store.close())
  return store
}

function memorySecrets(options?: StripeSecretsOptions): StripeSecrets {
  return stripeSecrets(memoryStore(), options)
}

/** What a call is rejected with. */
async function errorOf(call: Promise<unknown>): Promise<StripeSecretsError> {
  const error = await call.then(
    () => undefined,
    (caught: unknown) => caught,
  )
  if (error instanceof StripeSecretsError) return error
  throw new Error(`expected a StripeSecretsError, got ${error}`)
}

describe('the four calls in process', () => {
  test('set, find, list and delete as over HTTP', async () => {
    const secrets = memorySecrets()
    const created = await secrets.create({ name: 'token', payload: 'example', scope: account })
    expect(created).toEqual({
      id: created.id,
      object: 'apps.secret',
      created: 1_700_000_000,
      expires_at: null,
      livemode: false,
      name: 'token',
      scope: account,
    })
    expect('payload' in (await secrets.find({ name: 'token', scope: account }))).toBe(false)
    const found = await secrets.find({ name: 'token', scope: account, expand: ['payload'] })
    expect(found.payload).toBe('example')
    const page = await secrets.list({ scope: account, expand: ['data.payload'] })
    expect(page).toMatchObject({ object: 'list', url: '/v1/apps/secrets', has_more: false })
    expect(page.data).toEqual([found])
    expect(await secrets.deleteWhere({ name: 'token', scope: account })).toEqual({ ...created, deleted: true })
    const gone = await errorOf(secrets.find({ name: 'token', scope: account }))
    expect(gone).toMatchObject({ type: 'StripeInvalidRequestError', code: 'resource_missing', statusCode: 404 })
  })

  test('an answer has the last response of the official client, out of the way of its fields', async () => {
    const secret = await memorySecrets().create({ name: 'token', payload: 'example', scope: account })
    expect(secret.lastResponse).toMatchObject({ statusCode: 200, requestId: secret.lastResponse.requestId })
    expect(secret.lastResponse.requestId).toMatch(/^req_\w{14}$/)
    expect(Object.keys(secret)).not.toContain('lastResponse')
  })

  test('payloads are kept to the character, whatever they look like in a form', async () => {
    const secrets = memorySecrets()
    for (const payload of ['{"a":[1],"b":"100%25&c=d+e"}', 'ünïcödé 🔑\r\n\t', '%', 'a]=b', ' ']) {
      await secrets.create({ name: 'token', payload, scope: account })
      expect((await secrets.find({ name: 'token', scope: account, expand: ['payload'] })).payload).toBe(payload)
    }
  })

  test('an account, a mode and a key of a call are its own', async () => {
    const store = memoryStore()
    const secrets = stripeSecrets(store, { stripeAccount: 'acct_1' })
    await secrets.create({ name: 'token', payload: 'one', scope: account })
    expect(await store.view({ account: 'acct_1' }).get({ name: 'token', scope: account })).toBe('one')
    await secrets.create({ name: 'token', payload: 'two', scope: account }, { stripeAccount: 'acct_2' })
    await secrets.create({ name: 'token', payload: 'live', scope: account }, { apiKey: 'sk_live_any' })
    const payloads = [
      {},
      { stripeAccount: 'acct_2' },
      { stripeContext: 'acct_2', stripeAccount: '' },
      { apiKey: 'sk_live_x' },
    ]
    const found = await Promise.all(
      payloads.map((more) => secrets.find({ name: 'token', scope: account, expand: ['payload'] }, more)),
    )
    expect(found.map(({ payload, livemode }) => [payload, livemode])).toEqual([
      ['one', false],
      ['two', false],
      ['two', false],
      ['live', true],
    ])
    expect(await errorOf(secrets.find({ name: 'token', scope: account }, { apiKey: 'nonsense' }))).toMatchObject({
      type: 'StripeAuthenticationError',
      message: 'Invalid API Key provided: ****',
    })
    expect(await errorOf(secrets.find({ name: 'token', scope: account }, { stripeAccount: 'nobody' }))).toMatchObject({
      type: 'StripePermissionError',
      code: 'account_invalid',
    })
  })

  test('a key of a request makes it happen once', async () => {
    const secrets = memorySecrets()
    const once = { idempotencyKey: 'one' }
    await secrets.create({ name: 'token', payload: 'first', scope: account }, once)
    await secrets.create({ name: 'token', payload: 'second', scope: account })
    const again = await secrets.create({ name: 'token', payload: 'first', scope: account }, once)
    expect((await secrets.find({ name: 'token', scope: account, expand: ['payload'] })).payload).toBe('second')
    expect(again.created).toBe(1_700_000_000)
    const other = await errorOf(secrets.create({ name: 'token', payload: 'third', scope: account }, once))
    expect(other).toMatchObject({ type: 'StripeIdempotencyError', statusCode: 400, rawType: 'idempotency_error' })
  })

  test('a failure of the store is an API error with its cause', async () => {
    const store = memoryStore()
    const secrets = stripeSecrets(store)
    await store.close()
    const error = await errorOf(secrets.find({ name: 'token', scope: account }))
    expect(error).toMatchObject({ type: 'StripeAPIError', statusCode: 503, cause: { code: 'ERR_CLOSED' } })
  })

  test('with its classes, errors are instances of the official client', async () => {
    const secrets = memorySecrets({ errors: Stripe.errors })
    const error = await secrets.find({ name: 'token', scope: account }).catch((caught) => caught)
    expect(error).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError)
    expect(error).toMatchObject({ code: 'resource_missing', message: "No such secret: 'token'", statusCode: 404 })
  })

  test.each([
    ['no parameters', undefined, 'parameter_missing'],
    ['a lone surrogate', { name: 'a', scope: account, payload: '\ud800' }, undefined],
    ['bytes', { name: 'a', scope: account, payload: Uint8Array.of(1) }, undefined],
    ['a function', { name: 'a', scope: account, payload: () => 'a' }, undefined],
    ['null', { name: 'a', scope: account, payload: null }, 'parameter_invalid_empty'],
    ['a circle', { name: 'a', scope: circle(), payload: 'a' }, undefined],
  ])('%s is a bad request', async (_, params, code) => {
    expect(await errorOf(memorySecrets().create(params as never))).toMatchObject({ statusCode: 400, code })
  })

  test('a Date is its whole seconds, and null is no expiry', async () => {
    const secrets = memorySecrets()
    const expires_at = new Date(1_700_000_100_999) as never
    const target = { name: 'token', payload: 'example', scope: account }
    expect((await secrets.create({ ...target, expires_at })).expires_at).toBe(1_700_000_100)
    expect((await secrets.create({ ...target, expires_at: null as never })).expires_at).toBeNull()
  })

  test('a store of another copy of the library is refused', () => {
    const foreign = Object.create(SecretStore.prototype)
    expect(() => stripeSecrets(foreign)).toThrow('store: expected a SecretStore of this copy of the library')
    expect(() => createStripeApp(foreign, { apiKeys: ['sk_test_a'] })).toThrow(TypeError)
  })
})

describe('paging in process', () => {
  async function filled(count: number): Promise<StripeSecrets> {
    const secrets = memorySecrets()
    for (let i = 0; i < count; i++) {
      await secrets.create({ name: `n${String(i).padStart(4, '0')}`, payload: 'example', scope: account })
    }
    return secrets
  }

  test('for await walks all pages, forward and backward', async () => {
    const secrets = await filled(35)
    const forward: string[] = []
    for await (const { name } of secrets.list({ scope: account, limit: 7 })) forward.push(name)
    expect(forward).toHaveLength(35)
    expect(forward).toEqual([...forward].sort())
    const last = await secrets.find({ name: 'n0034', scope: account })
    const backward: string[] = []
    for await (const { name } of secrets.list({ scope: account, limit: 7, ending_before: last.id })) backward.push(name)
    expect(backward).toEqual(forward.slice(0, -1).reverse())
  })

  test('autoPagingEach ends at false, autoPagingToArray at its limit', async () => {
    const secrets = await filled(12)
    const visited: string[] = []
    await secrets.list({ scope: account, limit: 5 }).autoPagingEach(({ name }) => visited.push(name) < 8)
    expect(visited).toHaveLength(8)
    expect(await secrets.list({ scope: account }).autoPagingToArray({ limit: 11 })).toHaveLength(11)
    expect(await secrets.list({ scope: account }).autoPagingToArray({ limit: 1000 })).toHaveLength(12)
    await expect(secrets.list({ scope: account }).autoPagingToArray({ limit: 10_001 })).rejects.toThrow(RangeError)
  })

  test('asks for no page behind the last', async () => {
    const store = memoryStore()
    const secrets = stripeSecrets(store)
    await secrets.create({ name: 'token', payload: 'example', scope: account })
    // From here on a read would fail.
    for await (const _ of secrets.list({ scope: account })) await store.close()
  })

  test('a page of nothing has no more', async () => {
    expect(await memorySecrets().list({ scope: account })).toMatchObject({ data: [], has_more: false })
  })

  test('a bad cursor is refused, awaited or walked', async () => {
    const secrets = memorySecrets()
    const params = { scope: account, starting_after: 'appsecret_none' }
    expect(await errorOf(secrets.list(params))).toMatchObject({ statusCode: 400, param: 'starting_after' })
    await expect(secrets.list(params).next()).rejects.toMatchObject({ code: 'resource_missing' })
  })
})

function circle(): object {
  const around: { self?: object } = {}
  around.self = around
  return around
}
