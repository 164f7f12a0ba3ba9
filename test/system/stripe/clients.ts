import { createRequire } from 'node:module'
import type Stripe from 'stripe'
import type { StripeFixture } from '../../../src/stripe/index'

/** The official client in its newest major version and in older ones, by their names in package.json. */
export const VERSIONS = ['stripe', 'stripe-20', 'stripe-17', 'stripe-14', 'stripe-12', 'stripe-9'] as const
export type Version = (typeof VERSIONS)[number]

const require = createRequire(import.meta.url)

/** With the types of the newest, whose four calls are those of 9.16. */
export function clientClass(version: Version): typeof Stripe & { readonly PACKAGE_VERSION: string } {
  return require(version)
}

/** A client that sends again up to twice; the oldest ones do not, unless they are told to. */
export function connect(
  version: Version,
  fixture: StripeFixture,
  { apiKey = fixture.apiKey, ...config }: Stripe.StripeConfig & { readonly apiKey?: string } = {},
): Stripe {
  const Client = clientClass(version)
  return new Client(apiKey, { ...fixture.stripeConfig(), maxNetworkRetries: 2, ...config })
}

/** For a client that is to wait for `work` before it sends anything for the second time. */
export function beforeSecondRequest(version: Version, work: () => Promise<unknown>): Stripe.HttpClient {
  const client: Stripe.HttpClient = clientClass(version).createNodeHttpClient()
  const makeRequest = client.makeRequest.bind(client)
  let requests = 0
  client.makeRequest = async (...request) => {
    requests++
    if (requests === 2) await work()
    return makeRequest(...request)
  }
  return client
}

/** What a call is rejected with. */
export async function errorOf(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  const answer = await call.then(
    () => 'an answer',
    (error: unknown) => error,
  )
  if (answer instanceof Error && 'rawType' in answer) return answer as Stripe.errors.StripeError
  throw new Error(`expected an error of the API, got ${answer}`)
}

/** Secrets by name, in the order in which they are listed. */
export function many(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${String(i).padStart(4, '0')}`, `example ${i}`]))
}
