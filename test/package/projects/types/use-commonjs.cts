import stripe = require('secret-store/stripe')

export const started: Promise<stripe.StripeFixture> = stripe.startStripeFixture()
