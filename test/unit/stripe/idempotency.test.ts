import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { account, SecretStore, user } from '../../../src/index'
import { listen, type StripeApp } from '../../../src/stripe/index'
import { atLength } from '../../support/lengths'
import { startChild } from '../../support/programs'
import { LANES, type Place, sendOne } from '../../support/programs/replayer'
import { filesOf, newLocation, openStore, TestClock, temporaryDirectory, testKey } from '../../support/stores'
import {
  appOf,
  create,
  DELETE,
  deleteWhere,
  FIND,
  get,
  inAccount,
  LIVE_KEY,
  type Params,
  payloadOf,
  post,
  type Reply,
  SECRETS,
  send,
  TEST_KEY,
} from '../../support/stripe-requests'

const REPLIES = 'secret-store/stripe/replies'

function memory(clock = new TestClock()): SecretStore {
  const store = SecretStore.memory({ now: clock.now, sweepIntervalMs: 0 })
  onTestFinished(() => store.close())
  return store
}

function expectReplayOf(first: Reply, again: Reply): void {
  expect(again.body).toEqual(first.body)
  expect(again.status).toBe(first.status)
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  expect(again.headers.get('original-request')).toBe(first.headers.get('request-id'))
  expect(again.headers.get('request-id')).not.toBe(first.headers.get('request-id'))
  expect(first.headers.get('idempotent-replayed')).toBeNull()
}

/** Everything that is kept of replies, as it is kept. */
async function keptReplies(store: SecretStore): Promise<string[]> {
  const kept: string[] = []
  for (const livemode of [false, true]) {
    const view = store.view({ account: REPLIES, livemode })
    for (const scope of [account, user('acct_1')]) {
      for await (const { payload } of view.list({ scope, expand: ['data.payload'] })) kept.push(payload as string)
    }
  }
  return kept
}

describe('a request with a key', () => {
  test('is answered as the first time, whatever has happened since', async () => {
    const app = appOf(memory())
    const first = await create(app, 'token', 'one', 'key')
    await create(app, 'token', 'two')
    expectReplayOf(first, await create(app, 'token', 'one', 'key'))
    expect(await payloadOf(app, 'token')).toBe('two')
    await deleteWhere(app, 'token')
    expectReplayOf(first, await create(app, 'token', 'one', 'key'))
    expect(await payloadOf(app, 'token')).toBe('resource_missing')
  })

  test('is answered with an expanded payload as the first time', async () => {
    const app = appOf(memory())
    const first = await create(app, 'token', 'one', 'key', { 'expand[]': 'payload' })
    expect(first.body.payload).toBe('one')
    expectReplayOf(first, await create(app, 'token', 'one', 'key', { 'expand[0]': 'payload' }))
    const gone = await deleteWhere(app, 'token', 'gone', { 'expand[]': 'payload' })
    expect(gone.body).toMatchObject({ payload: 'one', deleted: true })
    expectReplayOf(gone, await deleteWhere(app, 'token', 'gone', { 'expand[]': 'payload' }))
  })

  test('is answered with a large payload as the first time', async () => {
    const app = appOf(memory())
    await create(app, 'token', 'x'.repeat(5000))
    const gone = await deleteWhere(app, 'token', 'gone', { 'expand[]': 'payload' })
    expect(gone.body.payload).toHaveLength(5000)
    expectReplayOf(gone, await deleteWhere(app, 'token', 'gone', { 'expand[]': 'payload' }))
  })

  test('that found nothing to delete finds nothing when it is sent again', async () => {
    const app = appOf(memory())
    const first = await deleteWhere(app, 'token', 'key')
    expect(first).toMatchObject({ status: 404, body: { error: { code: 'resource_missing' } } })
    await create(app, 'token', 'one')
    expectReplayOf(first, await deleteWhere(app, 'token', 'key'))
    expect(await payloadOf(app, 'token')).toBe('one')
  })

  test.each([
    ['payload', 'token', 'two', {}],
    ['name', 'other', 'one', {}],
    ['expiry', 'token', 'one', { expires_at: '1700000100' }],
    ['expand', 'token', 'one', { 'expand[]': 'payload' }],
  ])('is refused with another %s, and changes nothing', async (_, name, payload, more) => {
    const app = appOf(memory())
    await create(app, 'token', 'one', 'key')
    const other = await create(app, name, payload, 'key', more)
    expect(other.status).toBe(400)
    expect(other.body.error).toEqual({
      message:
        'Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a ' +
        "key other than 'key' if you meant to execute a different request.",
      type: 'idempotency_error',
    })
    expect(await payloadOf(app, 'token')).toBe('one')
    expect(await payloadOf(app, 'other')).toBe('resource_missing')
  })

  test('to delete is refused with another name, scope or expand, and changes nothing', async () => {
    const app = appOf(memory())
    await create(app, 'token', 'one')
    await create(app, 'other', 'two')
    const first = await deleteWhere(app, 'token', 'key')
    await create(app, 'token', 'three')
    const ofUser = { name: 'token', 'scope[type]': 'user', 'scope[user]': 'u' }
    for (const other of [
      await deleteWhere(app, 'other', 'key'),
      await deleteWhere(app, 'token', 'key', { 'expand[]': 'payload' }),
      await post(app, DELETE, ofUser, { 'idempotency-key': 'key' }),
    ]) {
      expect(other).toMatchObject({ status: 400, body: { error: { type: 'idempotency_error' } } })
    }
    expect([await payloadOf(app, 'token'), await payloadOf(app, 'other')]).toEqual(['three', 'two'])
    expectReplayOf(first, await deleteWhere(app, 'token', 'key'))
  })

  test('is refused for another route', async () => {
    const app = appOf(memory())
    await create(app, 'token', 'one', 'key')
    const other = await deleteWhere(app, 'token', 'key')
    expect(other.status).toBe(400)
    expect(other.body.error).toEqual({
      message:
        `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${DELETE}' vs ` +
        `'${SECRETS}'). Try using a key other than 'key' if you meant to execute a different request.`,
      type: 'idempotency_error',
    })
    expect(await payloadOf(app, 'token')).toBe('one')
    const gone = await deleteWhere(app, 'token', 'other key')
    expect((await create(app, 'token', 'one', 'other key')).body.error.type).toBe('idempotency_error')
    expectReplayOf(gone, await deleteWhere(app, 'token', 'other key'))
    expect(await payloadOf(app, 'token')).toBe('resource_missing')
  })

  test('is the same one in every encoding, by every key of the account', async () => {
    const store = memory()
    const app = appOf(store, { apiKeys: [TEST_KEY, 'rk_test_other', { key: 'rk_test_installed', account: 'acct_1' }] })
    const FORM = { 'content-type': 'application/x-www-form-urlencoded', 'idempotency-key': 'key' }
    const ask = (query: string, body: string, headers: Params = {}): Promise<Reply> =>
      send(app, 'POST', SECRETS + query, { body, headers: { ...FORM, 'stripe-account': 'acct_1', ...headers } })
    const first = await ask('', 'name=a b&scope[type]=user&scope[user]=ü&payload={"a":[1]}&expand[]=payload')
    expect(first.body).toMatchObject({ name: 'a b', payload: '{"a":[1]}' })
    const parts = ['scope%5Buser%5D=%C3%BC', 'payload=%7B%22a%22%3a%5b1%5d%7d', 'name=a+b', 'scope[type]=user']
    const whole = [...parts, 'expand[0]=payload'].join('&')
    for (const again of [
      await ask('', whole),
      await ask(`?${whole}`, ''),
      await ask(`?${parts.join('&')}`, 'expand%5B7%5D=payload'),
      await ask('', `&${whole}&expires_at=`),
      await ask('', `${whole}&expand[]=payload`),
      await ask('', whole, { authorization: `Basic ${btoa(`${TEST_KEY}:`)}` }),
      await ask('', whole, { authorization: 'Bearer rk_test_other' }),
      await ask('', whole, { authorization: 'Bearer rk_test_installed', 'stripe-account': '' }),
      await ask('', whole, { 'stripe-account': '', 'stripe-context': 'org_1/acct_1' }),
      await ask('', whole, { 'stripe-version': '2026-01-28', 'idempotency-key': ' key ' }),
    ]) {
      expectReplayOf(first, again)
    }
    expect(await keptReplies(store)).toHaveLength(1)
    expect((await ask('', `${whole}&expires_at=1800000000`)).body.error.type).toBe('idempotency_error')
    expect((await ask('', parts.join('&'))).body.error.type).toBe('idempotency_error')
  })

  test('is not kept if it was refused, for whatever reason', async () => {
    const store = memory()
    const app = appOf(store, {
      strict: true,
      maxBodyBytes: 200_000,
      apiKeys: [TEST_KEY, { key: 'rk_test_reader', access: 'read' }, { key: 'rk_test_user', user: 'usr_1' }],
    })
    const idempotent = { 'idempotency-key': 'key', 'content-type': 'application/x-www-form-urlencoded' }
    const ask = (path: string, body: string, headers: Params = {}): Promise<Reply> =>
      send(app, 'POST', path, { body, headers: { ...idempotent, ...headers } })
    const target = 'name=token&scope[type]=account'
    const one = `${target}&payload=one`
    const refused = [
      await ask(SECRETS, target),
      await ask(SECRETS, `${target}&payload=`),
      await ask(SECRETS, `${target}&payload=${'x'.repeat(5001)}`),
      await ask(SECRETS, `${one}&expires_at=1`),
      await ask(SECRETS, `${one}&expires_at=1700000000`),
      await ask(SECRETS, `${one}&expires_at=soon`),
      await ask(SECRETS, `${one}&colour=red`),
      await ask(SECRETS, `${one}&payload=two`),
      await ask(SECRETS, `${one}%`),
      await ask(SECRETS, 'x'.repeat(200_001)),
      await ask(SECRETS, one, { 'content-type': 'application/json' }),
      await ask(SECRETS, one, { authorization: 'Bearer sk_test_unknown' }),
      await ask(SECRETS, one, { authorization: 'Bearer rk_test_reader' }),
      await ask(SECRETS, 'name=token&scope[type]=user&scope[user]=usr_2&payload=one', {
        authorization: 'Bearer rk_test_user',
      }),
      await ask(SECRETS, one, { 'stripe-account': 'nobody' }),
      await ask(`${SECRETS}/`, one),
      await ask(DELETE, 'name=token'),
      await ask(DELETE, target, { authorization: 'Bearer rk_test_reader' }),
    ]
    const statuses = [400, 400, 400, 400, 400, 400, 400, 400, 400, 413, 400, 401, 403, 403, 403, 404, 400, 403]
    expect(refused.map(({ status }) => status)).toEqual(statuses)
    expect((await store.status()).records).toBe(0)
    const first = await ask(SECRETS, one)
    expect([first.status, first.headers.has('idempotent-replayed')]).toEqual([200, false])
    expectReplayOf(first, await ask(SECRETS, one))
  })

  test('has no effect on what only reads', async () => {
    const store = memory()
    const app = appOf(store)
    await create(app, 'token', 'one', 'key')
    for (const [path, params] of [
      [FIND, inAccount('token')],
      [SECRETS, { 'scope[type]': 'account' }],
      [FIND, inAccount('nothing')],
    ] as const) {
      const { headers } = await get(app, path, params, { 'idempotency-key': 'key' })
      expect(headers.has('idempotent-replayed')).toBe(false)
    }
    expect(await keptReplies(store)).toHaveLength(1)
  })

  test('is answered as the first time when the secret has expired meanwhile', async () => {
    const clock = new TestClock()
    const app = appOf(memory(clock))
    const more = { expires_at: String(clock.seconds + 10) }
    const first = await create(app, 'token', 'one', 'key', more)
    clock.advanceSeconds(100)
    expectReplayOf(first, await create(app, 'token', 'one', 'key', more))
    expect(await payloadOf(app, 'token')).toBe('resource_missing')
  })

  describe.each([
    ['in memory', async () => memory()],
    ['on disk', async () => openStore(await newLocation())],
  ] as const)('%s', (_, open) => {
    test.each([2, 50])('takes effect once of %i at the same time, to delete', async (count) => {
      const app = appOf(await open())
      await create(app, 'token', 'one')
      const all = Array.from({ length: count }, () => deleteWhere(app, 'token', 'key', { 'expand[]': 'payload' }))
      const replies = await Promise.all(all)
      // A second one would have found nothing.
      expect(replies.map(({ status }) => status)).toEqual(Array(count).fill(200))
      const [first, ...others] = replies.sort((a) => (a.headers.has('idempotent-replayed') ? 1 : -1)) as [Reply]
      for (const again of others as Reply[]) expectReplayOf(first, again)
    })

    test.each([2, 50])('takes effect once of %i at the same time, to create', async (count) => {
      const store = await open()
      const app = appOf(store)
      const all = (): Promise<Reply[]> =>
        Promise.all(Array.from({ length: count }, () => create(app, 'token', 'first', 'key')))
      const replies = await all()
      expect(replies.filter(({ headers }) => headers.has('idempotent-replayed'))).toHaveLength(count - 1)
      // A later effect would show over what is set now, and in another id after it is deleted.
      await create(app, 'token', 'second')
      replies.push(...(await all()))
      expect(await payloadOf(app, 'token')).toBe('second')
      await deleteWhere(app, 'token')
      replies.push(...(await all()))
      expect(await payloadOf(app, 'token')).toBe('resource_missing')
      expect(new Set(replies.map(({ body }) => JSON.stringify(body))).size).toBe(1)
      expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
    })

    test('is refused for all but one of those that differ, at the same time', async () => {
      const app = appOf(await open())
      const replies = await Promise.all(Array.from({ length: 20 }, (_, i) => create(app, `n${i}`, 'x', 'key')))
      const made = replies.filter(({ status }) => status === 200)
      expect(made).toHaveLength(1)
      for (const { status, body } of replies) if (status !== 200) expect(body.error.type).toBe('idempotency_error')
      const { body } = await get(app, SECRETS, { 'scope[type]': 'account' })
      expect(body.data).toEqual(made.map((reply) => reply.body))
    })
  })

  test('takes effect once, whichever server of the store it comes to', async () => {
    const store = memory()
    const servers = await Promise.all([listen(appOf(store)), listen(appOf(store))])
    onTestFinished(() => Promise.all(servers.map((server) => server.close())).then(() => {}))
    await create(appOf(store), 'token', 'one')
    const statuses = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const reply = await fetch((servers[i % 2]?.url ?? '') + DELETE, {
          method: 'POST',
          headers: { authorization: `Bearer ${TEST_KEY}`, 'idempotency-key': 'key' },
          body: new URLSearchParams(inAccount('token')),
        })
        return [reply.status, reply.headers.has('idempotent-replayed')]
      }),
    )
    expect(statuses.filter(([status]) => status === 200)).toHaveLength(50)
    expect(statuses.filter(([, replayed]) => replayed)).toHaveLength(49)
  })

  test('is another one in another account and mode', async () => {
    const app = appOf(memory())
    const params = inAccount('token', { payload: 'one' })
    const headers = { 'idempotency-key': 'key' }
    const ids = new Set<string>()
    for (const more of [
      {},
      { 'stripe-account': 'acct_1' },
      { 'stripe-account': 'acct_2' },
      { authorization: `Bearer ${LIVE_KEY}` },
      { authorization: `Bearer ${LIVE_KEY}`, 'stripe-account': 'acct_1' },
    ]) {
      const first = await post(app, SECRETS, params, { ...headers, ...more })
      expectReplayOf(first, await post(app, SECRETS, params, { ...headers, ...more }))
      ids.add(first.body.id)
      // Nor does it matter what it was used for elsewhere.
      expect((await post(app, DELETE, inAccount('token'), { 'idempotency-key': 'delete', ...more })).status).toBe(200)
    }
    expect(ids.size).toBe(5)
  })

  test.each([
    ...['x'.repeat(255), 'ÿ'.repeat(255), '%00|é', '../../keyring.json', '__proto__', 'constructor'],
    ...['a b\tc', "it's", '"', '\\', '{}', '[]=&?#;,', '-', '0', '\u0080', 'null', 'stripe-node-retry-7c9e6679-7425'],
  ])('may have the key %j, which is no other', async (key) => {
    const store = memory()
    const app = appOf(store)
    const first = await create(app, 'token', 'one', key)
    expect(first.status).toBe(200)
    expectReplayOf(first, await create(app, 'token', 'one', key))
    const other = await create(app, 'token', 'two', key)
    expect(other.body.error.message).toContain(`a key other than '${key}'`)
    const near = key.length < 255 ? `${key}x` : key.slice(1)
    expect((await create(app, 'token', 'two', near)).headers.has('idempotent-replayed')).toBe(false)
    expect(await store.verify()).toMatchObject({ ok: true })
  })

  test('may not have a key of 256 characters, and one of none is none', async () => {
    const app = appOf(memory())
    for (const key of ['x'.repeat(256), 'ÿ'.repeat(256), 'x'.repeat(10_000)]) {
      for (const { status, body } of [await create(app, 'token', 'one', key), await deleteWhere(app, 'token', key)]) {
        expect([status, body]).toEqual([
          400,
          { error: { type: 'invalid_request_error', message: 'Idempotency keys can be at most 255 characters long.' } },
        ])
      }
    }
    expect(await payloadOf(app, 'token')).toBe('resource_missing')
    await create(app, 'token', 'one', '')
    expect((await create(app, 'token', 'two', '')).status).toBe(200)
  })
})

describe('a kept reply', () => {
  test('is dropped after 24 hours, and swept', async () => {
    const clock = new TestClock()
    const store = memory(clock)
    const app = appOf(store)
    await create(app, 'token', 'one', 'key')
    clock.advanceSeconds(24 * 60 * 60 - 1)
    expect((await create(app, 'token', 'one', 'key')).headers.get('idempotent-replayed')).toBe('true')
    expect(await store.sweep()).toBe(0)
    clock.advanceSeconds(1)
    expect((await create(app, 'token', 'two', 'key')).headers.get('idempotent-replayed')).toBeNull()
    expect(await payloadOf(app, 'token')).toBe('two')
    clock.advanceSeconds(24 * 60 * 60)
    expect(await store.sweep()).toBe(1)
    expect(await store.status()).toMatchObject({ records: 1 })
  })

  test('is swept away with its bytes, and one of another request stays', async () => {
    const clock = new TestClock()
    const location = await newLocation()
    const store = await openStore(location, { now: clock.now })
    const app = appOf(store)
    await create(app, 'token', 'one', 'OLD-KEY')
    clock.advanceSeconds(60)
    const later = await create(app, 'token', 'two', 'NEW-KEY')
    clock.advanceSeconds(24 * 60 * 60 - 60)
    expect(await store.sweep()).toBe(1)
    expect(await keptReplies(store)).toHaveLength(1)
    expectReplayOf(later, await create(app, 'token', 'two', 'NEW-KEY'))
    await store.compact()
    await store.close()
    const all = Buffer.concat([...(await filesOf(location)).values()]).toString('latin1')
    // Names are in the clear here, so that both could be found.
    expect([all.includes('OLD-KEY'), all.includes('NEW-KEY')]).toEqual([false, true])
  })

  test('is in no list, and under no account that can be named', async () => {
    const store = memory()
    const app = appOf(store)
    await create(app, 'token', 'one', 'key')
    await post(app, SECRETS, inAccount('token', { payload: 'two' }), {
      'idempotency-key': 'key',
      'stripe-account': 'acct_1',
    })
    expect((await store.list({ scope: account })).data.map(({ name }) => name)).toEqual(['token'])
    for (const headers of [{}, { 'stripe-account': 'acct_1' }] as Params[]) {
      const { body } = await get(app, SECRETS, { 'scope[type]': 'account', limit: '100' }, headers)
      expect(body.data.map(({ name }: { name: string }) => name)).toEqual(['token'])
      const ofUser = { 'scope[type]': 'user', 'scope[user]': 'acct_1' }
      expect((await get(app, SECRETS, ofUser, headers)).body.data).toEqual([])
    }
    for (const header of ['stripe-account', 'stripe-context']) {
      const { status } = await get(app, SECRETS, { 'scope[type]': 'account' }, { [header]: REPLIES })
      expect(status).toBe(403)
    }
    expect(await keptReplies(store)).toHaveLength(2)
  })

  test('outlives a reopening, a rotation, and a restored backup', async () => {
    const location = await newLocation()
    let store = await openStore(location)
    const first = await create(appOf(store), 'token', 'one', 'key')
    const gone = await deleteWhere(appOf(store), 'token', 'gone')
    await store.close()
    store = await openStore(location)
    expectReplayOf(first, await create(appOf(store), 'token', 'one', 'key'))
    await store.rotate()
    expectReplayOf(gone, await deleteWhere(appOf(store), 'token', 'gone'))
    const backup = join(await temporaryDirectory(), 'backup')
    await store.rotate({ root: true, keys: [testKey()] })
    await store.backup(backup)
    const elsewhere = await newLocation()
    await SecretStore.restore(backup, elsewhere, { key: testKey() })
    const found = await openStore(elsewhere)
    const restored = appOf(found)
    expectReplayOf(first, await create(restored, 'token', 'one', 'key'))
    expect(await payloadOf(restored, 'token')).toBe('resource_missing')
    expect((await create(restored, 'token', 'two', 'key')).body.error.type).toBe('idempotency_error')
    expect(await found.verify()).toMatchObject({ ok: true })
  })

  test.each(['plain', 'sealed'] as const)(
    'is found while keys change and files are rewritten (names: %s)',
    async (names) => {
      const store = await openStore(await newLocation(), { names })
      const app = appOf(store)
      let isOver = false
      const lanes = Array.from({ length: 4 }, async (_, lane) => {
        const replies: Reply[] = []
        // Each creates over the one before: a second effect of any but the last would show.
        for (let i = 0; !isOver; i++) replies.push(await create(app, `n${lane}`, `payload ${i}`, `${lane} ${i}`))
        return replies
      })
      for (const root of [false, true, false]) {
        await store.rotate(root ? { root: true, keys: [testKey()] } : {})
        await store.compact()
      }
      isOver = true
      for (const [lane, replies] of (await Promise.all(lanes)).entries()) {
        expect(replies.length).toBeGreaterThan(1)
        for (const [i, first] of replies.entries()) {
          expectReplayOf(first, await create(app, `n${lane}`, `payload ${i}`, `${lane} ${i}`))
        }
        expect(await payloadOf(app, `n${lane}`)).toBe(`payload ${replies.length - 1}`)
      }
      expect(await store.verify()).toMatchObject({ ok: true })
    },
  )

  test('holds neither the payload nor the parameters of what was set', async () => {
    const store = memory()
    const app = appOf(store)
    await create(app, 'token', 'PAYLOAD', 'key', { 'expand[]': 'payload' })
    const kept = await store.view({ account: REPLIES }).get({ scope: { type: 'account' }, name: 'key' })
    const { request, requestId, body, ...rest } = JSON.parse(kept as string)
    expect(rest).toEqual({ status: 200, path: SECRETS })
    expect(body).toMatchObject({ object: 'apps.secret', name: 'token' })
    expect(request).toMatch(/^[\w-]{43}$/)
    expect(kept).not.toContain('PAYLOAD')
    // Keyed: another store has another hash of the same request.
    const other = memory()
    await create(appOf(other), 'token', 'PAYLOAD', 'key', { 'expand[]': 'payload' })
    const twin = await other.view({ account: REPLIES }).get({ scope: { type: 'account' }, name: 'key' })
    expect(JSON.parse(twin as string).request).not.toBe(request)
    expect(requestId).toMatch(/^req_/)
  })

  test.each(['plain', 'sealed'] as const)('is in no file in the clear (names: %s)', async (names) => {
    const location = await newLocation()
    const store = await openStore(location, { names })
    const app = appOf(store)
    const filesSay = async (): Promise<string> => {
      const files = await filesOf(location)
      return Buffer.concat([...files].flatMap(([path, bytes]) => [Buffer.from(path), bytes])).toString('latin1')
    }
    const more = { 'expand[]': 'payload', expires_at: '1999999999' }
    await create(app, 'NAME-marker', 'PAYLOAD-marker', 'KEY-marker', more)
    await create(app, 'STAYS-marker', 'PAYLOAD-marker', 'KEY-stays', more)
    await deleteWhere(app, 'NAME-marker', 'GONE-marker', { 'expand[]': 'payload' })
    await deleteWhere(app, 'MISSING-marker', 'KEY-missing')
    // In the log of the database first, and then in its tables.
    for (const inTables of [false, true]) {
      if (inTables) await store.compact()
      const all = await filesSay()
      const sought = ['PAYLOAD-', 'MISSING-', 'apps.secret', 'resource_missing', '1999999999', '/v1/apps', 'req_']
      for (const text of sought) expect(all.includes(text), text).toBe(false)
      // With plain names those of secrets and of requests are in the clear, as long as they are there.
      expect(all.includes('STAYS-'), 'STAYS-').toBe(names === 'plain')
      expect(all.includes('KEY-'), 'KEY-').toBe(names === 'plain')
      if (inTables || names === 'sealed') expect(all.includes('NAME-'), 'NAME-').toBe(false)
    }
    await store.close()
  })

  test('holds no payload of a secret that was deleted', async () => {
    const store = await openStore(await newLocation())
    const app = appOf(store)
    for (const headers of [{}, { 'stripe-account': 'acct_1' }, { authorization: `Bearer ${LIVE_KEY}` }] as Params[]) {
      const params = inAccount('token', { payload: 'PAYLOAD-marker', 'expand[]': 'payload' })
      await post(app, SECRETS, params, { 'idempotency-key': 'set', ...headers })
      await post(app, SECRETS, params, { 'idempotency-key': 'set again', ...headers })
      await post(app, DELETE, inAccount('token'), { 'idempotency-key': 'delete', ...headers })
    }
    await store.compact()
    const kept = await keptReplies(store)
    expect(kept).toHaveLength(9)
    for (const reply of kept) expect(reply).not.toContain('PAYLOAD')
  })

  test('holds the payload if that is what a delete was asked for, until it is dropped', async () => {
    const clock = new TestClock()
    const store = memory(clock)
    const app = appOf(store)
    await create(app, 'token', 'PAYLOAD-marker')
    await deleteWhere(app, 'token', 'key', { 'expand[]': 'payload' })
    expect(await keptReplies(store)).toEqual([expect.stringContaining('PAYLOAD-marker')])
    clock.advanceSeconds(24 * 60 * 60)
    expect(await keptReplies(store)).toEqual([])
    await store.sweep()
    expect((await store.status()).records).toBe(0)
  })
})

describe('strict mode', () => {
  test('holds ten secrets in a scope, however many are made at once', async () => {
    const store = memory()
    const [app, other] = [appOf(store, { strict: true }), appOf(store, { strict: true })]
    const made = await Promise.all(
      Array.from({ length: 30 }, (_, i) => create(i % 2 ? app : other, `n${i}`, 'x', `key ${i}`)),
    )
    const refused = made.filter(({ status }) => status === 400)
    expect(refused).toHaveLength(20)
    for (const { body } of refused) {
      const message = 'This scope already has 10 secrets, which is the most a scope can hold.'
      expect(body.error).toEqual({ type: 'invalid_request_error', message, param: 'scope' })
    }
    const { body } = await get(app, SECRETS, { 'scope[type]': 'account', limit: '100' })
    expect([body.data.length, body.has_more]).toEqual([10, false])
    const held = made.find(({ status }) => status === 200)?.body.name
    expect((await create(app, held, 'replaced')).status).toBe(200)
    const ofUser = { 'scope[type]': 'user', 'scope[user]': 'usr_1', name: 'n', payload: 'x' }
    expect((await post(app, SECRETS, ofUser)).status).toBe(200)
    const inAnother = inAccount('eleventh', { payload: 'x' })
    expect((await post(app, SECRETS, inAnother, { 'stripe-account': 'acct_1' })).status).toBe(200)
    expect((await post(app, SECRETS, inAnother, { authorization: `Bearer ${LIVE_KEY}` })).status).toBe(200)
    expect((await post(app, SECRETS, inAnother)).status).toBe(400)
    expect((await post(appOf(store), SECRETS, inAnother)).status).toBe(200)
  })

  test.each([
    ['in memory', async () => memory()],
    ['on disk', async () => openStore(await newLocation())],
  ] as const)('holds ten in a scope, whichever of several servers makes them (%s)', async (_, open) => {
    const store = await open()
    const apps = Array.from({ length: 5 }, () => appOf(store, { strict: true }))
    // Each scope is a chance of its own for two that are the last to meet.
    for (let who = 0; who < 10; who++) {
      const scope = { 'scope[type]': 'user', 'scope[user]': `usr_${who}` }
      const made = await Promise.all(
        Array.from({ length: 30 }, (_, i) =>
          post(apps[i % apps.length] as StripeApp, SECRETS, { ...scope, name: `n${i}`, payload: 'x' }),
        ),
      )
      expect(made.filter(({ status }) => status === 200)).toHaveLength(10)
    }
    expect((await store.status()).records).toBe(100)
  })

  test('of many that replace and delete at the same time there are never more than ten', async () => {
    const store = memory()
    const app = appOf(store, { strict: true })
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        Array.from({ length: 60 }, (_, i) => {
          const name = `n${(i * 7 + round) % 15}`
          return i % 3 === 0 ? deleteWhere(app, name) : create(app, name, `${round} ${i}`)
        }),
      )
      const { body } = await get(app, SECRETS, { 'scope[type]': 'account', limit: '100' })
      expect(body.data.length).toBeLessThanOrEqual(10)
    }
    expect(await store.verify()).toMatchObject({ ok: true })
  })

  test('does not keep the refusal of the eleventh', async () => {
    const app = appOf(memory(), { strict: true })
    for (let i = 0; i < 10; i++) await create(app, `n${i}`, 'x')
    expect((await create(app, 'eleventh', 'x', 'key')).status).toBe(400)
    await deleteWhere(app, 'n0')
    const made = await create(app, 'eleventh', 'x', 'key')
    expect([made.status, made.headers.has('idempotent-replayed')]).toEqual([200, false])
    expectReplayOf(made, await create(app, 'eleventh', 'x', 'key'))
  })

  test('replays the tenth, forgets the expired, and makes room by deleting', async () => {
    const clock = new TestClock()
    const app = appOf(memory(clock), { strict: true })
    for (let i = 0; i < 9; i++) await create(app, `n${i}`, 'x')
    const more = { expires_at: String(clock.seconds + 10) }
    const tenth = await create(app, 'tenth', 'x', 'key', more)
    expectReplayOf(tenth, await create(app, 'tenth', 'x', 'key', more))
    expect((await create(app, 'eleventh', 'x')).status).toBe(400)
    clock.advanceSeconds(10)
    expect((await create(app, 'eleventh', 'x')).status).toBe(200)
    expect((await create(app, 'twelfth', 'x')).status).toBe(400)
    await deleteWhere(app, 'n0')
    expect((await create(app, 'twelfth', 'x')).status).toBe(200)
  })

  test('counts characters, not bytes', async () => {
    const app = appOf(memory(), { strict: true })
    for (const payload of ['x'.repeat(5000), 'ü'.repeat(5000), '🔑'.repeat(5000), '\0'.repeat(5000)]) {
      expect((await create(app, 'a', payload)).status).toBe(200)
      expect(await payloadOf(app, 'a')).toBe(payload)
    }
    const longer = await create(app, 'a', `${'🔑'.repeat(5000)}x`)
    const message = 'Invalid string: must be at most 5000 characters'
    expect(longer.status).toBe(400)
    expect(longer.body).toEqual({ error: { type: 'invalid_request_error', message, param: 'payload' } })
    expect((await create(appOf(memory()), 'a', 'x'.repeat(100_000))).status).toBe(200)
  })
})

describe('kill -9', () => {
  const KILLS: number = atLength(2, 8)
  const STORES = 2
  const MOST_ANSWERS = 250
  /** About as long as three commits take. */
  const MOST_LATER_MS = 12

  /** Lets a child send requests until it is killed, and returns how many of each lane were answered. */
  async function liveAndDie(location: string, run: number): Promise<number[]> {
    const child = startChild('replayer', ['replay', location, String(run)])
    onTestFinished(() => void child.kill('SIGKILL'))
    const answered: number[] = Array(LANES).fill(0)
    let killAfter = randomInt(MOST_ANSWERS)
    child.on('message', ({ lane, request }: Place) => {
      answered[lane] = request + 1
      // Answers come in bursts, one per commit: these few milliseconds later may be anywhere in one of the next.
      if (killAfter-- === 0) setTimeout(() => child.kill('SIGKILL'), randomInt(MOST_LATER_MS))
    })
    const [, signal] = await once(child, 'close')
    expect(signal).toBe('SIGKILL')
    return answered
  }

  // Each name is set and then deleted, once each, by requests with keys of their own. Whatever the child had come to, all are
  // sent again: a delete that had taken effect and is executed a second time would be 404, and a set executed a second time
  // would bring back what was deleted. The one of each lane that was cut off shows in the store whether it took effect: its
  // reply must be there just then.
  test(`in a stream of requests, ${KILLS} times: sent again, each has taken effect once`, async () => {
    let acknowledged = 0
    let cutOff = 0
    const histories = Array.from({ length: STORES }, async () => {
      const location = await newLocation()
      let sent = 0
      for (let run = 0; run < KILLS / STORES; run++) {
        const answered = await liveAndDie(location, run)
        const store = await openStore(location)
        const app = appOf(store)
        const found = new Set<string>()
        for await (const { name } of store.list({ scope: account })) found.add(name)
        await Promise.all(
          answered.map(async (last, lane) => {
            const isThere = found.has(`n-${run}-${lane}-${last >> 1}`)
            const tookEffect = last % 2 === 0 ? isThere : !isThere
            const end = last + (last % 2) + 2
            for (let request = 0; request < end; request++) {
              const reply = await sendOne(app, { run, lane, request })
              const which = `lane ${lane}, request ${request} of ${last}`
              expect(reply.status, which).toBe(200)
              const isReplay = request < last || (request === last && tookEffect)
              expect(reply.headers.has('idempotent-replayed'), which).toBe(isReplay)
            }
            acknowledged += last
            if (tookEffect) cutOff++
            sent += end
          }),
        )
        expect((await store.list({ scope: account })).data).toEqual([])
        // Every secret is gone, and there is one reply of each request.
        expect(await store.verify()).toMatchObject({ ok: true, records: sent })
        await store.close()
      }
    })
    await Promise.all(histories)
    console.info(`${KILLS} kills: ${acknowledged} requests were answered, ${cutOff} had taken effect unanswered`)
    expect(acknowledged).toBeGreaterThan(KILLS)
  })
})
