import type { SecretStore } from '../../src/index'
import { createStripeApp, type StripeApp, type StripeAppOptions } from '../../src/stripe/index'

export const TEST_KEY = 'sk_test_tests'
export const LIVE_KEY = 'sk_live_tests'
const ORIGIN = 'http://localhost'

export type Params = Readonly<Record<string, string>>

/** What came back, with its JSON read. */
export interface Reply {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: whatever the reply holds is what the tests look at
  readonly body: any
}

export function appOf(store: SecretStore, options: Partial<StripeAppOptions> = {}): StripeApp {
  return createStripeApp(store, { apiKeys: [TEST_KEY, LIVE_KEY], ...options })
}

/** Any request, with the key of test mode unless `headers` has another. */
export async function send(app: StripeApp, method: string, path: string, init: RequestInit = {}): Promise<Reply> {
  const headers = new Headers(init.headers)
  if (!headers.has('authorization')) headers.set('authorization', `Bearer ${TEST_KEY}`)
  const reply = await app(new Request(`${ORIGIN}${path}`, { ...init, method, headers }))
  return { status: reply.status, headers: reply.headers, body: JSON.parse(await reply.text()) }
}

export function get(app: StripeApp, path: string, params: Params, headers: Params = {}): Promise<Reply> {
  return send(app, 'GET', `${path}?${new URLSearchParams(params)}`, { headers })
}

export function post(app: StripeApp, path: string, params: Params, headers: Params = {}): Promise<Reply> {
  return send(app, 'POST', path, { headers, body: new URLSearchParams(params) })
}

/** The parameters of a secret in the account scope. */
export function inAccount(name: string, more: Params = {}): Params {
  return { 'scope[type]': 'account', name, ...more }
}

export const SECRETS = '/v1/apps/secrets'
export const FIND: string = `${SECRETS}/find`
export const DELETE: string = `${SECRETS}/delete`

export async function create(
  app: StripeApp,
  name: string,
  payload: string,
  key?: string,
  more: Params = {},
): Promise<Reply> {
  return post(app, SECRETS, inAccount(name, { payload, ...more }), keyed(key))
}

export async function deleteWhere(app: StripeApp, name: string, key?: string, more: Params = {}): Promise<Reply> {
  return post(app, DELETE, inAccount(name, more), keyed(key))
}

/** The payload, or the code of the error. */
export async function payloadOf(app: StripeApp, name: string, headers: Params = {}): Promise<string> {
  const { body } = await get(app, FIND, inAccount(name, { 'expand[]': 'payload' }), headers)
  return body.payload ?? body.error.code
}

function keyed(key: string | undefined): Params {
  return key === undefined ? {} : { 'idempotency-key': key }
}
