import { once } from 'node:events'
import { connect as openSocket } from 'node:net'
import type Stripe from 'stripe'
import { describe, expect, onTestFinished, test } from 'vitest'
import { rawKey, SecretStore } from '../../../src/index'
import {
  createStripeApp,
  listen,
  type StripeFixture,
  startStripeFixture,
  stripeSecrets,
} from '../../../src/stripe/index'
import { newLocation } from '../../support/stores'
import { beforeSecondRequest, clientClass, connect, errorOf, many, VERSIONS } from './clients'

const scope = { type: 'account' } as const
const userScope = { type: 'user', user: 'usr_1' } as const
const token = { name: 'token', scope }

async function payloadIn(fixture: StripeFixture, target: Stripe.Apps.SecretFindParams = token): Promise<unknown> {
  return (await fixture.secrets.find({ ...target, expand: ['payload'] })).payload
}

function namesOf(secrets: readonly { readonly name: string }[]): string[] {
  return secrets.map(({ name }) => name)
}

// All at once: most of the time that this takes, clients wait before they send something again.
describe.concurrent.each(VERSIONS)('%s', (version) => {
  const { errors, PACKAGE_VERSION } = clientClass(version)

  test('is of the major version that its name says', () => {
    expect(PACKAGE_VERSION.split('.')[0]).toBe(version === 'stripe' ? '23' : version.split('-')[1])
  })

  describe('the four calls', () => {
    test.each([scope, userScope])('in the scope %j', async (where) => {
      await using fixture = await startStripeFixture()
      const { secrets } = connect(version, fixture).apps
      const target = { name: 'token', scope: where }
      const now = fixture.clock.seconds
      const created = await secrets.create({ ...target, payload: 'one' })
      expect(created).toEqual({
        id: expect.stringMatching(/^appsecret_\w+$/),
        object: 'apps.secret',
        created: expect.any(Number),
        expires_at: null,
        livemode: false,
        ...target,
      })
      expect(created.created).toBeGreaterThanOrEqual(now)
      expect(created.created).toBeLessThanOrEqual(fixture.clock.seconds)
      expect('payload' in created).toBe(false)

      const found = await secrets.find(target)
      expect(found).toEqual(created)
      expect('payload' in found).toBe(false)
      expect(await secrets.find({ ...target, expand: ['payload'] })).toEqual({ ...created, payload: 'one' })

      const page = await secrets.list({ scope: where })
      expect(page).toEqual({ object: 'list', url: '/v1/apps/secrets', has_more: false, data: [created] })
      expect(page.data.some((secret) => 'payload' in secret)).toBe(false)
      const expanded = await secrets.list({ scope: where, expand: ['data.payload'] })
      expect(expanded.data).toEqual([{ ...created, payload: 'one' }])

      const replaced = await secrets.create({ ...target, payload: 'two', expand: ['payload'] })
      expect(replaced).toEqual({ ...created, payload: 'two' })
      const deleted = await secrets.deleteWhere(target)
      expect(deleted).toEqual({ ...created, deleted: true })
      expect('payload' in deleted).toBe(false)
      expect((await secrets.list({ scope: where })).data).toEqual([])

      const again = await secrets.create({ ...target, payload: 'three' })
      expect(again.id).not.toBe(created.id)
      const last = await secrets.deleteWhere({ ...target, expand: ['payload'] })
      expect(last).toEqual({ ...again, payload: 'three', deleted: true })
    })

    test('the account, and each user, have a secret of the same name of their own', async () => {
      await using fixture = await startStripeFixture()
      const { secrets } = connect(version, fixture).apps
      const scopes = [scope, userScope, { type: 'user', user: 'usr_2' } as const]
      for (const where of scopes) {
        await secrets.create({ name: 'token', scope: where, payload: JSON.stringify(where) })
      }
      await secrets.deleteWhere({ name: 'token', scope: userScope })
      const left = await Promise.all(scopes.map((where) => secrets.list({ scope: where, expand: ['data.payload'] })))
      expect(left.map(({ data }) => data.map(({ payload }) => payload))).toEqual([
        ['{"type":"account"}'],
        [],
        ['{"type":"user","user":"usr_2"}'],
      ])
    })

    test('replacing keeps id and created, and clears expires_at', async () => {
      await using fixture = await startStripeFixture()
      const { secrets } = connect(version, fixture).apps
      const expires_at = fixture.clock.seconds + 1000
      const first = await secrets.create({ ...token, payload: 'one', expires_at })
      expect(first.expires_at).toBe(expires_at)
      fixture.clock.advanceSeconds(100)
      expect(await secrets.create({ ...token, payload: 'two' })).toEqual({ ...first, expires_at: null })
      fixture.clock.advanceSeconds(10_000)
      expect((await secrets.find({ ...token, expand: ['payload'] })).payload).toBe('two')
    })

    test('what has expired is gone, and its name is free', async () => {
      await using fixture = await startStripeFixture({ secrets: { other: 'example' } })
      const { secrets } = connect(version, fixture).apps
      const first = await secrets.create({ ...token, payload: 'one', expires_at: fixture.clock.seconds + 1000 })
      fixture.clock.advanceSeconds(900)
      expect((await secrets.find(token)).id).toBe(first.id)
      fixture.clock.advanceSeconds(100)
      expect(await errorOf(secrets.find(token))).toMatchObject({ statusCode: 404, code: 'resource_missing' })
      expect(await errorOf(secrets.deleteWhere(token))).toMatchObject({ code: 'resource_missing' })
      expect(namesOf((await secrets.list({ scope })).data)).toEqual(['other'])
      expect((await secrets.create({ ...token, payload: 'two' })).id).not.toBe(first.id)
    })

    test('every answer has a request id of the log, and what was sent for it', async () => {
      await using fixture = await startStripeFixture()
      const { secrets } = connect(version, fixture).apps
      const own = { stripeAccount: 'acct_1', idempotencyKey: 'of the caller' }
      const answers = [
        await secrets.create({ ...token, payload: 'example' }, own),
        await secrets.find(token, { stripeAccount: 'acct_1' }),
        await secrets.list({ scope }),
        await secrets.deleteWhere(token, { stripeAccount: 'acct_1' }),
      ]
      const failure = await errorOf(secrets.find(token))
      const logged = fixture.requests.map(({ requestId }) => requestId)
      expect([...answers.map(({ lastResponse }) => lastResponse.requestId), failure.requestId]).toEqual(logged)
      expect(new Set(logged).size).toBe(5)
      expect(answers[0]?.lastResponse).toMatchObject({ statusCode: 200, ...own })
      expect(fixture.requests).toMatchObject([
        { method: 'POST', path: '/v1/apps/secrets', status: 200, account: 'acct_1', idempotencyKey: 'of the caller' },
        { method: 'GET', path: '/v1/apps/secrets/find', status: 200, account: 'acct_1' },
        { method: 'GET', path: '/v1/apps/secrets', status: 200 },
        { method: 'POST', path: '/v1/apps/secrets/delete', status: 200, account: 'acct_1' },
        { method: 'GET', path: '/v1/apps/secrets/find', status: 404 },
      ])
    })

    test('many at once', async () => {
      await using fixture = await startStripeFixture()
      const { secrets } = connect(version, fixture).apps
      const wanted = Object.entries(many(40))
      await Promise.all(wanted.map(([name, payload]) => secrets.create({ name, payload, scope })))
      const found = await Promise.all(wanted.map(([name]) => secrets.find({ name, scope, expand: ['payload'] })))
      expect(found.map(({ name, payload }) => [name, payload])).toEqual(wanted)

      const same = await Promise.all(wanted.map(([, payload]) => secrets.create({ ...token, payload })))
      expect(new Set(same.map(({ id }) => id)).size).toBe(1)
      const deletions = await Promise.allSettled(wanted.map(() => secrets.deleteWhere(token)))
      const failures = deletions.flatMap((deletion) => (deletion.status === 'rejected' ? [deletion.reason] : []))
      expect(failures).toHaveLength(wanted.length - 1)
      expect(failures.every(({ code }) => code === 'resource_missing')).toBe(true)
      expect(await secrets.list({ scope }).autoPagingToArray({ limit: 100 })).toHaveLength(wanted.length)
    })
  })

  test.each([
    ['JSON with brackets', '{"access_token":"a[1]","list":[1,[2]],"s":"]=[&payload[0]=x"}'],
    ['percent signs', '100%25 %5B %zz % %%'],
    ['what forms are made of', '&a=b+c d#e?f;g&scope[type]=user&&==+ '],
    ['quotes and lines', '"\'`\\ \r\n \n \r \t '],
    ['Unicode', 'ünïcödé ключ 密鑰 🔑👩‍👩‍👧 ﷽ \u0301\u2028\u2029\ufeff\uffff'],
    ['control characters', `${String.fromCharCode(...Array.from({ length: 31 }, (_, i) => i + 1))}\u007f\u0080\u009f`],
    ['only a space', ' '],
    ['5,000 characters', '🔑x['.repeat(1666).concat('é%')],
    ['1 MB', 'x[%]'.repeat(250_000)],
  ])('a payload with %s comes back as it was', async (_, payload) => {
    await using fixture = await startStripeFixture()
    const { secrets } = connect(version, fixture).apps
    // Names and users travel in queries too: the same has to hold there.
    const short = [...payload].slice(0, 40).join('')
    const inUser = { type: 'user', user: short } as const
    const target = { name: short, scope: inUser }
    const created = await secrets.create({ ...target, payload, expand: ['payload'] })
    const found = await secrets.find({ ...target, expand: ['payload'] })
    const { data } = await secrets.list({ scope: inUser, expand: ['data.payload'] })
    const stored = await fixture.store.get(target)
    const deleted = await secrets.deleteWhere({ ...target, expand: ['payload'] })
    expect(found).toMatchObject(target)
    // Compared apart from `expect`, which would print a megabyte.
    const payloads = [created.payload, found.payload, data[0]?.payload, stored, deleted.payload]
    expect(payloads.map((got) => got === payload)).toEqual([true, true, true, true, true])
  })

  describe('paging through hundreds', () => {
    const wanted = many(250)
    const names = Object.keys(wanted)

    test('forward', async () => {
      await using fixture = await startStripeFixture({ secrets: wanted, users: { usr_1: { other: 'example' } } })
      const { secrets } = connect(version, fixture).apps
      const seen: Stripe.Apps.Secret[] = []
      for await (const secret of secrets.list({ scope, limit: 50 })) seen.push(secret)
      expect(namesOf(seen)).toEqual(names)
      expect(seen.some((secret) => 'payload' in secret)).toBe(false)
      // The fifth page is full and the last: nothing asks for a sixth.
      expect(fixture.requests).toHaveLength(5)

      const rest: string[] = []
      const from = { starting_after: seen[99]?.id as string, expand: ['data.payload'] }
      for await (const { name, payload } of secrets.list({ scope, limit: 100, ...from }))
        rest.push(`${name}: ${payload}`)
      expect(rest).toEqual(names.slice(100).map((name) => `${name}: ${wanted[name]}`))
    })

    test('backward', async () => {
      await using fixture = await startStripeFixture({ secrets: wanted, users: { usr_1: { other: 'example' } } })
      const { secrets } = connect(version, fixture).apps
      const cursor = await secrets.find({ name: 'n0249', scope })
      const seen: string[] = []
      for await (const { name } of secrets.list({ scope, limit: 30, ending_before: cursor.id })) seen.push(name)
      expect(seen).toEqual(names.slice(0, -1).reverse())
      expect(fixture.requests).toHaveLength(1 + 9)
    })

    test('autoPagingToArray', async () => {
      await using fixture = await startStripeFixture({ secrets: wanted })
      const { secrets } = connect(version, fixture).apps
      const all = await secrets.list({ scope, expand: ['data.payload'] }).autoPagingToArray({ limit: 10_000 })
      expect(all.map(({ name, payload }) => [name, payload])).toEqual(Object.entries(wanted))
      expect(fixture.requests).toHaveLength(25)
      const some = await secrets.list({ scope, limit: 50 }).autoPagingToArray({ limit: 120 })
      expect(namesOf(some)).toEqual(names.slice(0, 120))
      expect(fixture.requests).toHaveLength(25 + 3)
    })

    test('autoPagingEach', async () => {
      await using fixture = await startStripeFixture({ users: { usr_1: wanted } })
      const { secrets } = connect(version, fixture).apps
      const all: string[] = []
      await secrets.list({ scope: userScope, limit: 100 }).autoPagingEach(async (secret) => {
        all.push((await secrets.find({ name: secret.name, scope: userScope })).name)
      })
      expect(all).toEqual(names)
      const some: string[] = []
      await secrets.list({ scope: userScope, limit: 100 }).autoPagingEach(({ name }) => some.push(name) < 150)
      expect(some).toEqual(names.slice(0, 150))
    })

    test('goes on through faults', async () => {
      await using fixture = await startStripeFixture({ secrets: wanted })
      const { secrets } = connect(version, fixture).apps
      const seen: string[] = []
      for await (const { name } of secrets.list({ scope, limit: 100 })) {
        if (seen.length === 50) fixture.failNext({ status: 500 })
        if (seen.length === 150) fixture.failNext({ drop: true })
        seen.push(name)
      }
      expect(seen).toEqual(names)
      expect(fixture.requests.map(({ status }) => status)).toEqual([200, 500, 200, null, 200])
    })
  })

  describe.each([
    ['an injected 500', { status: 500 }, 500],
    ['a dropped connection', { drop: true }, null],
  ] as const)('after %s', (_, fault, status) => {
    test('a delete that took effect returns what it deleted', async () => {
      await using fixture = await startStripeFixture({ secrets: { token: 'example' } })
      const { id } = await fixture.secrets.find(token)
      fixture.failNext({ ...fault, afterEffect: true })
      const deleted = await connect(version, fixture).apps.secrets.deleteWhere({ ...token, expand: ['payload'] })
      expect(deleted).toMatchObject({ id, payload: 'example', deleted: true })
      expect(fixture.requests).toMatchObject([
        { status, replayed: false, idempotencyKey: expect.stringMatching(/^stripe-node-retry-/) },
        { status: 200, replayed: true, idempotencyKey: fixture.requests[0]?.idempotencyKey },
      ])
      expect(deleted.lastResponse.headers['original-request']).toBe(fixture.requests[0]?.requestId)
    })

    test('a create that took effect does not overwrite what another client has set since', async () => {
      await using fixture = await startStripeFixture()
      const other = connect(version, fixture).apps.secrets
      const httpClient = beforeSecondRequest(version, () => other.create({ ...token, payload: 'newer' }))
      fixture.failNext({ ...fault, afterEffect: true })
      const { secrets } = connect(version, fixture, { httpClient }).apps
      const created = await secrets.create({ ...token, payload: 'older', expand: ['payload'] })
      expect(created).toMatchObject({ ...token, payload: 'older' })
      expect(fixture.requests.map(({ status, replayed }) => [status, replayed])).toEqual([
        [status, false],
        [200, false],
        [200, true],
      ])
      expect(await payloadIn(fixture)).toBe('newer')
    })

    test('a create that took effect does not bring back what another client has deleted since', async () => {
      await using fixture = await startStripeFixture()
      const other = connect(version, fixture).apps.secrets
      const httpClient = beforeSecondRequest(version, () => other.deleteWhere(token))
      fixture.failNext({ ...fault, afterEffect: true })
      const { secrets } = connect(version, fixture, { httpClient }).apps
      expect(await secrets.create({ ...token, payload: 'example' })).toMatchObject(token)
      expect((await other.list({ scope })).data).toEqual([])
    })

    test('a delete that took effect does not delete what another client has set since', async () => {
      await using fixture = await startStripeFixture({ secrets: { token: 'older' } })
      const other = connect(version, fixture).apps.secrets
      const httpClient = beforeSecondRequest(version, () => other.create({ ...token, payload: 'newer' }))
      fixture.failNext({ ...fault, afterEffect: true })
      const { secrets } = connect(version, fixture, { httpClient }).apps
      expect(await secrets.deleteWhere(token)).toMatchObject({ deleted: true })
      expect(await payloadIn(fixture)).toBe('newer')
    })

    test('a create that had no effect is executed', async () => {
      await using fixture = await startStripeFixture({ secrets: { token: 'older' } })
      const looked: unknown[] = []
      const httpClient = beforeSecondRequest(version, async () => looked.push(await payloadIn(fixture)))
      fixture.failNext(fault)
      await connect(version, fixture, { httpClient }).apps.secrets.create({ ...token, payload: 'newer' })
      expect(looked).toEqual(['older'])
      expect(await payloadIn(fixture)).toBe('newer')
      expect(fixture.requests.map(({ status, replayed }) => [status, replayed])).toEqual([
        [status, false],
        [200, false],
      ])
    })
  })

  test('what is sent a third time is replayed twice', async () => {
    await using fixture = await startStripeFixture({ secrets: { token: 'example' } })
    fixture.failNext({ status: 503, afterEffect: true })
    fixture.failNext({ drop: true, afterEffect: true })
    expect(await connect(version, fixture).apps.secrets.deleteWhere(token)).toMatchObject({ deleted: true })
    expect(fixture.requests.map(({ status, replayed }) => [status, replayed])).toEqual([
      [503, false],
      [null, true],
      [200, true],
    ])
  })

  test('without retries a dropped request is sent again all the same: replayed only if it came with a key', async () => {
    await using fixture = await startStripeFixture({ secrets: { token: 'example' } })
    fixture.failNext({ drop: true, afterEffect: true })
    const { secrets } = connect(version, fixture, { maxNetworkRetries: 0 }).apps
    const outcome = await secrets.deleteWhere(token).then(
      () => 'deleted',
      ({ code }) => code,
    )
    // Only the newest sends one without being told to send again.
    const hasKey = version === 'stripe'
    expect(fixture.requests.map(({ idempotencyKey }) => idempotencyKey !== undefined)).toEqual([hasKey, hasKey])
    expect(outcome).toBe(hasKey ? 'deleted' : 'resource_missing')
  })

  describe('an idempotency key of the caller', () => {
    const once = { idempotencyKey: 'of the caller' }

    test('is replayed, and changes nothing', async () => {
      await using fixture = await startStripeFixture()
      const { secrets } = connect(version, fixture).apps
      const first = await secrets.create({ ...token, payload: 'one' }, once)
      await secrets.create({ ...token, payload: 'two' })
      const again = await secrets.create({ ...token, payload: 'one' }, once)
      expect(again).toEqual(first)
      expect(again.lastResponse.headers['idempotent-replayed']).toBe('true')
      expect(first.lastResponse.headers['idempotent-replayed']).toBeUndefined()
      expect(fixture.requests.map(({ replayed }) => replayed)).toEqual([false, false, true])
      expect(await payloadIn(fixture)).toBe('two')
    })

    test('is of one account and one mode', async () => {
      await using fixture = await startStripeFixture()
      const { secrets } = connect(version, fixture).apps
      const live = connect(version, fixture, { apiKey: fixture.liveApiKey }).apps.secrets
      await secrets.create({ ...token, payload: 'own' }, once)
      await secrets.create({ ...token, payload: 'connected' }, { ...once, stripeAccount: 'acct_1' })
      await live.create({ ...token, payload: 'live' }, once)
      expect(fixture.requests.map(({ replayed }) => replayed)).toEqual([false, false, false])
    })

    test('is refused for anything else', async () => {
      await using fixture = await startStripeFixture()
      const { secrets } = connect(version, fixture).apps
      await secrets.create({ ...token, payload: 'one' }, once)
      const others = [
        () => secrets.create({ ...token, payload: 'two' }, once),
        () => secrets.create({ ...token, payload: 'one', scope: userScope }, once),
        () => secrets.create({ ...token, payload: 'one', expires_at: fixture.clock.seconds + 1000 }, once),
        () => secrets.create({ ...token, payload: 'one', expand: ['payload'] }, once),
        () => secrets.deleteWhere(token, once),
      ]
      for (const other of others) {
        const error = await errorOf(other())
        expect(error).toBeInstanceOf(errors.StripeIdempotencyError)
        expect(error).toMatchObject({ statusCode: 400, rawType: 'idempotency_error' })
      }
      expect(await payloadIn(fixture)).toBe('one')
    })

    test('is new again after a day', async () => {
      await using fixture = await startStripeFixture()
      const { secrets } = connect(version, fixture).apps
      const first = await secrets.create({ ...token, payload: 'one' }, once)
      await secrets.deleteWhere(token)
      fixture.clock.advanceSeconds(24 * 60 * 60 - 60)
      expect((await secrets.create({ ...token, payload: 'one' }, once)).id).toBe(first.id)
      fixture.clock.advanceSeconds(60)
      expect((await secrets.create({ ...token, payload: 'two' }, once)).id).not.toBe(first.id)
    })
  })

  describe('failures', () => {
    test('a find of nothing', async () => {
      await using fixture = await startStripeFixture()
      const { secrets } = connect(version, fixture).apps
      for (const call of [secrets.find, secrets.deleteWhere]) {
        const error = await errorOf(call.call(secrets, { name: 'appConfig', scope }))
        expect(error).toBeInstanceOf(errors.StripeInvalidRequestError)
        expect(error).toBeInstanceOf(errors.StripeError)
        expect(error).toMatchObject({
          type: 'StripeInvalidRequestError',
          rawType: 'invalid_request_error',
          statusCode: 404,
          code: 'resource_missing',
          message: "No such secret: 'appConfig'",
          param: 'name',
        })
      }
      // None of them is worth sending again.
      expect(fixture.requests).toHaveLength(2)
    })

    test.each([
      [
        'an empty payload',
        { payload: '' },
        'parameter_invalid_empty',
        'payload',
        /^You passed an empty string for 'pa/,
      ],
      ['no payload', { payload: undefined }, 'parameter_missing', 'payload', /^Missing required param: payload\.$/],
      ['no name', { name: undefined }, 'parameter_missing', 'name', /^Missing required param: name\.$/],
      ['no scope', { scope: undefined }, 'parameter_missing', 'scope', /^Missing required param: scope\.$/],
      ['no user', { scope: { type: 'user' } }, 'parameter_missing', 'scope[user]', /scope\[user\]/],
      ['a user too many', { scope: { type: 'account', user: 'usr_1' } }, undefined, 'scope[user]', /scope\[user\]/],
      ['another scope', { scope: { type: 'planet' } }, undefined, 'scope[type]', /^Invalid scope\[type\]/],
      [
        'an unknown parameter',
        { colour: 'red' },
        'parameter_unknown',
        'colour',
        /^Received unknown parameter: colour$/,
      ],
      ['a time in the past', { expires_at: 2000 }, undefined, 'expires_at', /in the past/],
      ['milliseconds', { expires_at: 2_000_000_000_000 }, undefined, 'expires_at', /100 years/],
      ['no number', { expires_at: 'soon' }, 'parameter_invalid_integer', 'expires_at', /^Invalid integer: soon$/],
      ['the expansion of a list', { expand: ['data.payload'] }, undefined, undefined, /cannot be expanded/],
    ])('%s', async (_, params, code, param, message) => {
      await using fixture = await startStripeFixture()
      const { secrets } = connect(version, fixture).apps
      const given = { ...token, payload: 'example', ...params } as Stripe.Apps.SecretCreateParams
      const error = await errorOf(secrets.create(given))
      expect(error).toBeInstanceOf(errors.StripeInvalidRequestError)
      expect([error.statusCode, error.code, error.param]).toEqual([400, code, param])
      expect(error.message).toMatch(message)
      expect(error.requestId).toBe(fixture.requests[0]?.requestId)
      expect((await secrets.list({ scope })).data).toEqual([])
    })

    test('a cursor that is none rejects the page and the walk', async () => {
      await using fixture = await startStripeFixture({ secrets: many(3) })
      const { secrets } = connect(version, fixture).apps
      for (const cursor of ['starting_after', 'ending_before']) {
        const params = { scope, [cursor]: 'appsecret_none' }
        const expected = { statusCode: 400, code: 'resource_missing', param: cursor }
        expect(await errorOf(secrets.list(params))).toMatchObject(expected)
        expect(await errorOf(secrets.list(params).autoPagingToArray({ limit: 10 }))).toMatchObject(expected)
      }
    })

    test('an unknown key, without repeating it', async () => {
      await using fixture = await startStripeFixture()
      const stranger = connect(version, fixture, { apiKey: 'sk_test_stranger' })
      const error = await errorOf(stranger.apps.secrets.find(token))
      expect(error).toBeInstanceOf(errors.StripeAuthenticationError)
      expect(error.statusCode).toBe(401)
      expect(JSON.stringify([error, error.message, fixture.requests])).not.toContain('stranger')
    })

    test('keys that may not do everything', async () => {
      await using fixture = await startStripeFixture({
        secrets: { token: 'example' },
        apiKeys: [
          { key: 'rk_test_extension', user: 'usr_1' },
          { key: 'rk_test_reader', access: 'read' },
          { key: 'rk_test_connected', account: 'acct_1' },
        ],
      })
      const extension = connect(version, fixture, { apiKey: 'rk_test_extension' }).apps.secrets
      const reader = connect(version, fixture, { apiKey: 'rk_test_reader' }).apps.secrets
      const connected = connect(version, fixture, { apiKey: 'rk_test_connected' }).apps.secrets
      const theirs = { name: 'token', scope: { type: 'user', user: 'usr_2' } } as const
      const refused = [
        () => extension.find(theirs),
        () => extension.list({ scope: theirs.scope }),
        () => extension.create({ ...theirs, payload: 'example' }),
        () => extension.deleteWhere(theirs),
        () => reader.create({ ...token, payload: 'newer' }),
        () => reader.deleteWhere(token),
        () => connected.find(token, { stripeAccount: 'acct_2' }),
      ]
      for (const call of refused) {
        const error = await errorOf(call())
        expect(error).toBeInstanceOf(errors.StripePermissionError)
        expect(error.statusCode).toBe(403)
      }
      await extension.create({ name: 'own', scope: userScope, payload: 'example' })
      expect(namesOf((await extension.list({ scope })).data)).toEqual(['token'])
      expect(namesOf((await reader.list({ scope: userScope })).data)).toEqual(['own'])
      expect((await reader.find({ ...token, expand: ['payload'] })).payload).toBe('example')
      await connected.create({ ...token, payload: 'connected' })
      const found = await connect(version, fixture, { stripeAccount: 'acct_1' }).apps.secrets.find(token)
      expect(found.name).toBe('token')
      expect(await payloadIn(fixture)).toBe('example')
    })

    test.each([
      [429, 'StripeRateLimitError'],
      [409, 'StripeAPIError'],
      [413, 'StripeAPIError'],
      [500, 'StripeAPIError'],
      [503, 'StripeAPIError'],
    ] as const)('an injected %i is a %s', async (status, type) => {
      await using fixture = await startStripeFixture({ secrets: { token: 'example' } })
      const { secrets } = connect(version, fixture, { maxNetworkRetries: 0 }).apps
      fixture.failNext({ status, times: 2 })
      for (const call of [() => secrets.find(token), () => secrets.create({ ...token, payload: 'newer' })]) {
        const error = await errorOf(call())
        expect(error).toBeInstanceOf(errors[type])
        expect(error).toMatchObject({ type, statusCode: status, requestId: fixture.requests.at(-1)?.requestId })
      }
      expect(fixture.requests).toHaveLength(2)
      expect(await payloadIn(fixture)).toBe('example')
    })

    test('a 429 is not sent again', async () => {
      await using fixture = await startStripeFixture({ secrets: { token: 'example' } })
      const { secrets } = connect(version, fixture).apps
      fixture.failNext({ status: 429 })
      expect(await errorOf(secrets.find(token))).toMatchObject({ code: 'rate_limit' })
      expect(fixture.requests).toHaveLength(1)
    })

    test('connections that are dropped every time', async () => {
      await using fixture = await startStripeFixture({ secrets: { token: 'example' } })
      const { secrets } = connect(version, fixture, { maxNetworkRetries: 1 }).apps
      fixture.failNext({ drop: true, times: 2 })
      const error = await secrets.find(token).catch((caught) => caught)
      expect(error).toBeInstanceOf(errors.StripeConnectionError)
      expect(fixture.requests.map(({ fault }) => fault)).toEqual(['drop', 'drop'])
    })

    test('a body of more than is read', async () => {
      await using store = SecretStore.memory()
      const app = createStripeApp(store, { apiKeys: ['sk_test_small'], maxBodyBytes: 1000 })
      await using server = await listen(app)
      const Client = clientClass(version)
      const address = { host: server.host, port: server.port, protocol: 'http' } as const
      const { secrets } = new Client('sk_test_small', { ...address, maxNetworkRetries: 0 }).apps
      const error = await errorOf(secrets.create({ ...token, payload: 'x'.repeat(100_000) }))
      expect(error).toBeInstanceOf(errors.StripeAPIError)
      expect(error.statusCode).toBe(413)
      await secrets.create({ ...token, payload: 'small' })
      expect(await store.get(token)).toBe('small')
    })

    test('more than the hosted service has room for, in strict mode', async () => {
      await using fixture = await startStripeFixture({ strict: true, secrets: many(10), users: { usr_1: many(9) } })
      const { secrets } = connect(version, fixture).apps
      const eleventh = await errorOf(secrets.create({ ...token, payload: 'example' }))
      expect(eleventh).toBeInstanceOf(errors.StripeInvalidRequestError)
      expect(eleventh.statusCode).toBe(400)
      await secrets.create({ name: 'n0003', scope, payload: '🔑'.repeat(5000) })
      const tooLong = await errorOf(secrets.create({ name: 'n0003', scope, payload: `${'🔑'.repeat(5000)}x` }))
      expect(tooLong).toMatchObject({ statusCode: 400, param: 'payload' })
      await secrets.create({ name: 'token', scope: userScope, payload: 'example' })
      await secrets.deleteWhere({ name: 'n0000', scope })
      await secrets.create({ ...token, payload: 'example' })
    })
  })

  test('connected accounts are separate from the platform and from one another', async () => {
    await using fixture = await startStripeFixture({
      secrets: { token: 'own' },
      accounts: { acct_1: { secrets: { token: 'first' } }, acct_2: { secrets: { token: 'second' } } },
    })
    const { secrets } = connect(version, fixture).apps
    const inSecond = connect(version, fixture, { stripeAccount: 'acct_2' }).apps.secrets
    const expanded = { ...token, expand: ['payload'] }
    const found = await Promise.all([
      secrets.find(expanded),
      secrets.find(expanded, { stripeAccount: 'acct_1' }),
      inSecond.find(expanded),
      inSecond.find(expanded, { stripeAccount: 'acct_1' }),
    ])
    expect(found.map(({ payload }) => payload)).toEqual(['own', 'first', 'second', 'first'])
    expect(new Set(found.map(({ id }) => id)).size).toBe(3)
    expect(fixture.requests.map(({ account }) => account).sort()).toEqual(['acct_1', 'acct_1', 'acct_2', undefined])

    const [first] = await secrets.list({ scope }, { stripeAccount: 'acct_1' }).autoPagingToArray({ limit: 10 })
    expect(first?.id).toBe(found[1]?.id)
    // A cursor of one account is none of another.
    const starting_after = found[1]?.id as string
    expect(await errorOf(secrets.list({ scope, starting_after }))).toMatchObject({ code: 'resource_missing' })
    await inSecond.deleteWhere(token)
    expect(await errorOf(inSecond.find(token))).toMatchObject({ code: 'resource_missing' })
    expect((await secrets.find(expanded)).payload).toBe('own')
    expect((await secrets.find(expanded, { stripeAccount: 'acct_1' })).payload).toBe('first')
    expect(await errorOf(secrets.find(token, { stripeAccount: 'nobody' }))).toBeInstanceOf(errors.StripePermissionError)
  })

  test('an account can be walked through', async () => {
    const wanted = many(120)
    await using fixture = await startStripeFixture({ secrets: many(5), accounts: { acct_1: { secrets: wanted } } })
    const { secrets } = connect(version, fixture).apps
    const seen: string[] = []
    for await (const { name } of secrets.list({ scope, limit: 50 }, { stripeAccount: 'acct_1' })) seen.push(name)
    expect(seen).toEqual(Object.keys(wanted))
    expect(fixture.requests.map(({ account }) => account)).toEqual(['acct_1', 'acct_1', 'acct_1'])
  })

  test('live and test keys live side by side', async () => {
    await using fixture = await startStripeFixture({
      secrets: { token: 'test' },
      live: { secrets: { token: 'live' }, accounts: { acct_1: { secrets: { token: 'live first' } } } },
    })
    const inTest = connect(version, fixture).apps.secrets
    const live = connect(version, fixture, { apiKey: fixture.liveApiKey }).apps.secrets
    const expanded = { ...token, expand: ['payload'] }
    const found = await Promise.all([
      inTest.find(expanded),
      inTest.find(expanded, { apiKey: fixture.liveApiKey }),
      live.find(expanded),
      live.find(expanded, { stripeAccount: 'acct_1' }),
    ])
    expect(found.map(({ payload, livemode }) => [payload, livemode])).toEqual([
      ['test', false],
      ['live', true],
      ['live', true],
      ['live first', true],
    ])
    const missing = await errorOf(inTest.find(token, { stripeAccount: 'acct_1' }))
    expect(missing.code).toBe('resource_missing')
    await live.create({ ...token, payload: 'newer' })
    await live.deleteWhere(token)
    expect((await inTest.find(expanded)).payload).toBe('test')
    expect(await errorOf(live.find(token))).toMatchObject({ code: 'resource_missing' })
  })

  test('in process, errors are of its classes, and say what they would over HTTP', async () => {
    await using fixture = await startStripeFixture()
    const overHttp = connect(version, fixture).apps.secrets
    const inProcess = stripeSecrets(fixture.store, { errors })
    const once = { idempotencyKey: 'of the caller' }
    await overHttp.create({ ...token, payload: 'example' }, once)
    const failures = [
      [errors.StripeInvalidRequestError, (secrets) => secrets.find({ name: 'appConfig', scope })],
      [errors.StripeInvalidRequestError, (secrets) => secrets.deleteWhere({ name: 'appConfig', scope })],
      [errors.StripeInvalidRequestError, (secrets) => secrets.create({ ...token, payload: '' })],
      [errors.StripeInvalidRequestError, (secrets) => secrets.list({ scope, limit: 101 })],
      [errors.StripeIdempotencyError, (secrets) => secrets.create({ ...token, payload: 'other' }, once)],
      [errors.StripePermissionError, (secrets) => secrets.find(token, { stripeAccount: 'nobody' })],
      [errors.StripeAuthenticationError, (secrets) => secrets.find(token, { apiKey: 'nonsense' })],
    ] as const satisfies readonly (readonly [unknown, (secrets: Calls) => Promise<unknown>])[]
    for (const [errorClass, call] of failures) {
      const [expected, got] = [await errorOf(call(overHttp)), await errorOf(call(inProcess))]
      expect(expected).toBeInstanceOf(errorClass)
      expect(got).toBeInstanceOf(errorClass)
      const { type, rawType, code, param, doc_url, message, statusCode } = expected
      expect(got).toMatchObject({ type, rawType, code, param, doc_url, message, statusCode })
    }
  })
})

/** What `stripeSecrets` stands for. */
type Calls = Pick<Stripe['apps']['secrets'], 'create' | 'list' | 'find' | 'deleteWhere'>

test('Stripe-Context names the account, for those clients that send it', async () => {
  await using fixture = await startStripeFixture({ accounts: { acct_1: { secrets: { token: 'first' } } } })
  const inContext = connect('stripe', fixture, { stripeContext: 'acct_0/acct_1' }).apps.secrets
  expect((await inContext.find({ ...token, expand: ['payload'] })).payload).toBe('first')
  const { secrets } = connect('stripe', fixture).apps
  expect((await secrets.find(token, { stripeContext: 'acct_1' })).name).toBe('token')
  expect(fixture.requests.map(({ account }) => account)).toEqual(['acct_1', 'acct_1'])
})

describe.each(['stripe', 'stripe-9'] as const)('a restart, seen by %s', (version) => {
  const wanted = many(250)
  const lines = Object.entries(wanted).map(([name, payload]) => `${name}: ${payload}`)

  const apiKey = 'sk_test_restarts'

  /** A fixture on disk, and a way to start it anew on the same port. */
  async function startOnDisk(): Promise<{ readonly running: StripeFixture; restart(): Promise<void> }> {
    // The fixture's own keys are new at each start.
    const options = { location: await newLocation(), key: rawKey(new Uint8Array(32).fill(1)), apiKeys: [apiKey] }
    const place = { running: await startStripeFixture({ ...options, secrets: wanted }), restart }
    onTestFinished(() => place.running.close())
    async function restart(): Promise<void> {
      const { port } = place.running.stripeConfig()
      await place.running.close()
      place.running = await startStripeFixture({ ...options, port })
    }
    return place
  }

  test('between two pages: a walk sees every secret once', async () => {
    const place = await startOnDisk()
    const { secrets } = connect(version, place.running, { apiKey }).apps
    const seen: string[] = []
    for await (const { name, payload } of secrets.list({ scope, limit: 20, expand: ['data.payload'] })) {
      seen.push(`${name}: ${payload}`)
      if (seen.length === 70 || seen.length === 180) await place.restart()
    }
    expect(seen).toEqual(lines)
    // Of the third that was started: what followed on the 180th secret, which a page ended with.
    expect(place.running.requests).toHaveLength(4)
  })

  test('while it goes on asking: it waits for the second to be there', async () => {
    const place = await startOnDisk()
    const { secrets } = connect(version, place.running, { apiKey, maxNetworkRetries: 5 }).apps
    const seen: string[] = []
    let restarted: Promise<void> | undefined
    for await (const { name, payload } of secrets.list({ scope, limit: 20, expand: ['data.payload'] })) {
      if (seen.length === 70) restarted = place.restart()
      seen.push(`${name}: ${payload}`)
    }
    await restarted
    expect(seen).toEqual(lines)
    expect(place.running.requests.length).toBeGreaterThan(0)
  })

  test('between a delete and its second sending: it is told what it has deleted', async () => {
    const place = await startOnDisk()
    const httpClient = beforeSecondRequest(version, () => place.restart())
    const { secrets } = connect(version, place.running, { apiKey, httpClient }).apps
    const target = { name: 'n0007', scope, expand: ['payload'] }
    const { id } = await place.running.secrets.find(target)
    place.running.failNext({ drop: true, afterEffect: true })
    expect(await secrets.deleteWhere(target)).toMatchObject({ id, payload: 'example 7', deleted: true })
    expect(place.running.requests).toMatchObject([{ status: 200, replayed: true }])
  })
})

// Left to Node, the connection is kept for 5 seconds and one more after it has become idle.
test('closing does not wait for a connection that sends the rest of a request after its answer', {
  timeout: 4000,
}, async () => {
  const fixture = await startStripeFixture()
  const { host, port } = fixture.stripeConfig()
  const socket = openSocket(port, host)
  onTestFinished(() => void socket.destroy())
  const head = `POST /v1/apps/secrets HTTP/1.1\r\nhost: ${host}:${port}\r\nauthorization: Bearer sk_test_stranger\r\n`
  socket.write(`${head}content-length: 20\r\n\r\n${'x'.repeat(10)}`)
  expect(String(await once(socket, 'data'))).toMatch(/^HTTP\/1\.1 401 /)
  const closed = fixture.close()
  socket.write('x'.repeat(10))
  await closed
})
