import stripe = require('app-secret-store/stripe')

export const started: Promise<stripe.StripeFixture> = stripe.startStripeFixture()
