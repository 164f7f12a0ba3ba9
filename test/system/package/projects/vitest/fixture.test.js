import { SecretStore } from 'app-secret-store'
import { startStripeFixture } from 'app-secret-store/stripe'
import Stripe from 'stripe'
import { afterEach, beforeEach, expect, test } from 'vitest'

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
})

test('the store is of the class of the other entry', () => {
  expect(fixture.store).toBeInstanceOf(SecretStore)
})
