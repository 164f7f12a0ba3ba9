const { account, SecretStore } = require('app-secret-store')
const { startStripeFixture } = require('app-secret-store/stripe')
const Stripe = require('stripe')

let fixture
beforeEach(async () => {
  fixture = await startStripeFixture({ secrets: { token: 'example' } })
})
afterEach(() => fixture.close())

test('a client finds what the fixture was seeded with', async () => {
  const stripe = new Stripe(fixture.apiKey, fixture.stripeConfig())
  const scope = { type: 'account' }
  const { payload } = await stripe.apps.secrets.find({ name: 'token', scope, expand: ['payload'] })
  expect(payload).toBe('example')
  await expect(stripe.apps.secrets.find({ name: 'none', scope })).rejects.toMatchObject({ code: 'resource_missing' })
})

test('the store is of the class of the other entry', () => {
  expect(fixture.store).toBeInstanceOf(SecretStore)
})

test('what is loaded when it is first called loads here, too', async () => {
  const store = SecretStore.memory()
  await store.set({ scope: account, name: 'token', payload: 'example' })
  expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
  expect(await store.rotate()).toMatchObject({ dataKey: 2, records: 1 })
  await store.close()
})
