import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SecretStore } from '../../src/index'
import { LANES, type Place, sendOne } from '../children/replayer'
import { filesOf, newLocation, openStore, startChild, TestClock, temporaryDirectory, testKey } from '../support'
import {
  appOf,
  create,
  DELETE,
  deleteWhere,
  inAccount,
  LIVE_KEY,
  payloadOf,
  post,
  type Reply,
  SECRETS,
} from './requests'

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

  test('is refused for another route', async () => {
    const app = appOf(memory())
    await create(app, 'token', 'one', 'key')
    const other = await deleteWhere(app, 'token', 'key')
    expect(other.body.error.message).toContain(`for ('${DELETE}' vs '${SECRETS}')`)
    expect(await payloadOf(app, 'token')).toBe('one')
  })

  test('is not kept if its parameters were refused', async () => {
    const app = appOf(memory(), { strict: true })
    for (const [payload, more] of [
      ['', {}],
      ['x'.repeat(5001), {}],
      ['one', { expires_at: '1' }],
      ['one', { colour: 'red' }],
    ] as const) {
      expect((await create(app, 'token', payload, 'key', more)).status).toBe(400)
    }
    expect((await create(app, 'token', 'one', 'key')).headers.get('idempotent-replayed')).toBeNull()
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

  test('takes effect once of fifty at the same time', async () => {
    const app = appOf(memory())
    await create(app, 'token', 'one')
    const replies = await Promise.all(Array.from({ length: 50 }, () => deleteWhere(app, 'token', 'key')))
    expect(replies.map(({ status }) => status)).toEqual(Array(50).fill(200))
    expect(replies.filter(({ headers }) => headers.has('idempotent-replayed'))).toHaveLength(49)
  })

  test('is another one in another account and mode', async () => {
    const app = appOf(memory())
    const params = inAccount('token', { payload: 'one' })
    const headers = { 'idempotency-key': 'key' }
    for (const more of [{}, { 'stripe-account': 'acct_1' }, { authorization: `Bearer ${LIVE_KEY}` }]) {
      const first = await post(app, SECRETS, params, { ...headers, ...more })
      expectReplayOf(first, await post(app, SECRETS, params, { ...headers, ...more }))
    }
  })

  test.each(['x'.repeat(255), '%00|☃'.replace('☃', 'é'), '../../keyring.json', '__proto__'])(
    'may have the key %j',
    async (key) => {
      const app = appOf(memory())
      expectReplayOf(await create(app, 'token', 'one', key), await create(app, 'token', 'one', key))
    },
  )

  test('may not have a key of 256 characters, and one of none is none', async () => {
    const app = appOf(memory())
    expect(await create(app, 'token', 'one', 'x'.repeat(256))).toMatchObject({ status: 400 })
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

  test('is in no list', async () => {
    const store = memory()
    const app = appOf(store)
    await create(app, 'token', 'one', 'key')
    expect((await store.list({ scope: { type: 'account' } })).data.map(({ name }) => name)).toEqual(['token'])
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
    const restored = appOf(await openStore(elsewhere))
    expectReplayOf(first, await create(restored, 'token', 'one', 'key'))
    expect(await payloadOf(restored, 'token')).toBe('resource_missing')
  })

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
    await create(app, 'NAME-marker', 'PAYLOAD-marker', 'KEY-marker', { 'expand[]': 'payload' })
    await deleteWhere(app, 'NAME-marker', 'gone', { 'expand[]': 'payload' })
    await store.close()
    const all = Buffer.concat([...(await filesOf(location)).values()]).toString('latin1')
    const sought = ['PAYLOAD-marker', 'apps.secret', 'idempotency', ...(names === 'sealed' ? ['NAME-', 'KEY-'] : [])]
    for (const text of sought) expect(all.includes(text), text).toBe(false)
    expect(all.includes('KEY-marker')).toBe(names === 'plain')
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
    expect(refused[0]?.body.error).toMatchObject({ type: 'invalid_request_error', param: 'scope' })
    const held = made.find(({ status }) => status === 200)?.body.name
    expect((await create(app, held, 'replaced')).status).toBe(200)
    const user = { 'scope[type]': 'user', 'scope[user]': 'usr_1', name: 'n', payload: 'x' }
    expect((await post(app, SECRETS, user)).status).toBe(200)
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
    expect((await create(app, 'a', '🔑'.repeat(5000))).status).toBe(200)
    const longer = await create(app, 'a', `${'🔑'.repeat(5000)}x`)
    expect(longer).toMatchObject({ status: 400, body: { error: { param: 'payload' } } })
    expect((await create(appOf(memory()), 'a', 'x'.repeat(100_000))).status).toBe(200)
  })
})

describe('kill -9', () => {
  const KILLS = 12

  // Each name is set and then deleted, once each, by requests with keys of their own. Whatever the child had come to, all are
  // sent again: a delete that had taken effect and is executed a second time would be 404, and a set executed a second time
  // would bring back what was deleted.
  test(`in a stream of requests, ${KILLS} times: sent again, each has taken effect once`, async () => {
    const location = await newLocation()
    let acknowledged = 0
    let cutOff = 0
    for (let run = 0; run < KILLS; run++) {
      const child = startChild('replayer.ts', [location, String(run)])
      onTestFinished(() => void child.kill('SIGKILL'))
      const answered: number[] = Array(LANES).fill(0)
      child.on('message', ({ lane, request }: Place) => {
        answered[lane] = request + 1
        if (lane === 0 && request >= 20 + 7 * run) child.kill('SIGKILL')
      })
      await once(child, 'close')
      const store = await openStore(location)
      const app = appOf(store)
      for (const [lane, last] of answered.entries()) {
        acknowledged += last
        for (let request = 0; request < last + (last % 2) + 4; request++) {
          const reply = await sendOne(app, { run, lane, request })
          expect(reply.status, `lane ${lane}, request ${request} of ${last}`).toBe(200)
          const replayed = reply.headers.has('idempotent-replayed')
          if (request < last) expect(replayed, `lane ${lane}, request ${request} of ${last}`).toBe(true)
          else if (replayed) cutOff++
        }
      }
      expect((await store.list({ scope: { type: 'account' } })).data).toEqual([])
      expect(await store.verify()).toMatchObject({ ok: true })
      await store.close()
    }
    console.info(`${KILLS} kills: ${acknowledged} requests were answered, ${cutOff} had taken effect unanswered`)
  })
})
