import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { startStripeFixture } from 'app-secret-store/stripe'
import Stripe from 'stripe'
import { Backend, NotConnected } from './backend.js'
import { startTokenServer } from './token-server.js'

let fixture
let thirdParty
let backend

beforeEach(async () => {
  fixture = await startStripeFixture()
  thirdParty = await startTokenServer()
  backend = new Backend({
    stripe: new Stripe(fixture.apiKey, fixture.stripeConfig()),
    tokenUrl: thirdParty.url,
    nowSeconds: () => fixture.clock.seconds,
  })
})

afterEach(async () => {
  await fixture.close()
  await thirdParty.close()
})

test('an account that never connected is not connected', async () => {
  await assert.rejects(backend.accessToken('acct_1'), NotConnected)
})

test('connects, keeps the tokens, and forgets them', async () => {
  await backend.connect('acct_1', 'good-code')
  assert.equal(await backend.accessToken('acct_1'), 'access-1')
  await backend.disconnect('acct_1')
  await backend.disconnect('acct_1')
  await assert.rejects(backend.accessToken('acct_1'), NotConnected)
})

test('accounts do not see one another', async () => {
  await backend.connect('acct_1', 'good-code')
  await assert.rejects(backend.accessToken('acct_2'), NotConnected)
})

test('refreshes a token that is due, once for all who ask', async () => {
  await backend.connect('acct_1', 'good-code')
  fixture.clock.advanceSeconds(3600)
  const tokens = await Promise.all([1, 2, 3].map(() => backend.accessToken('acct_1')))
  assert.deepEqual(tokens, ['access-2', 'access-2', 'access-2'])
  assert.equal(thirdParty.issued, 2)
  // And again, with the refresh token that came with it.
  fixture.clock.advanceSeconds(3600)
  assert.equal(await backend.accessToken('acct_1'), 'access-3')
})

test('a refreshed token is not lost with the answer to its saving', async () => {
  await backend.connect('acct_1', 'good-code')
  fixture.clock.advanceSeconds(3600)
  const when = ({ method }) => method === 'POST'
  fixture.failNext({ drop: true, afterEffect: true, when })
  fixture.failNext({ status: 503, when })
  assert.equal(await backend.accessToken('acct_1'), 'access-2')
  assert.equal(await backend.accessToken('acct_1'), 'access-2')
  const saves = fixture.requests.filter(when).slice(1)
  assert.deepEqual(
    saves.map(({ status, replayed }) => [status, replayed]),
    [
      [null, false],
      [503, false],
      [200, true],
    ],
  )
})

test('an outage is an error, and not a missing connection', async () => {
  await backend.connect('acct_1', 'good-code')
  fixture.failNext({ status: 503, times: 3 })
  await assert.rejects(backend.accessToken('acct_1'), { type: 'StripeAPIError' })
  assert.equal(await backend.accessToken('acct_1'), 'access-1')
})

test('a payload is there only if it is asked for', async () => {
  const { secrets } = fixture
  await backend.connect('acct_1', 'good-code')
  const target = { name: 'oauth', scope: { type: 'account' } }
  assert.equal((await secrets.find(target, { stripeAccount: 'acct_1' })).payload, undefined)
})

test('nothing secret is in the log of requests', async () => {
  await backend.connect('acct_1', 'good-code')
  await backend.accessToken('acct_1')
  assert.equal(fixture.requests.length, 2)
  assert.doesNotMatch(JSON.stringify(fixture.requests), /access-|refresh-|sk_test_fixture/)
})
