import { checkBoolean, optionsOf } from '../base/checks'
import type { Secret, SecretList } from '../model'
import type { SecretStore } from '../store'
import { type Answer, answerOf } from './answer'
import { type ApiErrorBody, wrongApiKey } from './api-error'
import { callerOf, type KnownKey, parseKey } from './api-keys'
import { type AutoPaging, autoPaging } from './auto-paging'
import { type StripeErrorClasses, toClientError } from './client-errors'
import { encodeObject } from './form'
import { newRequestId } from './request-id'
import { checkStore, SecretsApi } from './secrets-api'

/** Options of `stripeSecrets`. */
export interface StripeSecretsOptions {
  /** The mode of calls that bring no key of their own. @defaultValue `false` */
  readonly livemode?: boolean
  /** The connected account of calls that name none. @defaultValue none */
  readonly stripeAccount?: string
  /** Keeps to the hosted service's limits, as in `createStripeApp`. @defaultValue `false` */
  readonly strict?: boolean
  /** `Stripe.errors`: what is thrown is then of the official client's own classes. @defaultValue errors of the same shape */
  readonly errors?: StripeErrorClasses
}

/** Of one call. What else the official client takes is for its connection, and has no effect here. */
export interface StripeCallOptions {
  /** The connected account, `acct_…`. */
  readonly stripeAccount?: string
  /** As `Stripe-Context`: the account after those it belongs to, with slashes between. */
  readonly stripeContext?: string | { toString(): string }
  /** A call with the same key is done once, and answered the same again. At most 255 characters. */
  readonly idempotencyKey?: string
  /** Only its mode counts: there is nobody to keep out in one's own process. */
  readonly apiKey?: string
}

/** Parameters as the official client takes them; the calls say what is wrong with others. */
export interface StripeFindParams {
  /** The name within the scope. */
  readonly name: string
  /** `account`, or `user` with the id of the user. */
  readonly scope: { readonly type: string; readonly user?: string }
  /** `['payload']` adds the payload to the answer. */
  readonly expand?: readonly string[]
}

/** Parameters of `create`. */
export interface StripeCreateParams extends StripeFindParams {
  /** The secret itself: text, not empty. */
  readonly payload: string
  /** Unix seconds. */
  readonly expires_at?: number
}

/** Parameters of `list`. */
export interface StripeListParams extends Omit<StripeFindParams, 'name'> {
  /** The most on a page, 1 to 100. @defaultValue `10` */
  readonly limit?: number
  /** An id: the page begins after it. */
  readonly starting_after?: string
  /** An id: the page ends before it. */
  readonly ending_before?: string
}

/** With what the official client adds to each answer; not among the fields that are listed or written as JSON. */
export type StripeAnswer<T> = T & {
  /** The reply that the answer would have come in. */
  readonly lastResponse: {
    /** The headers of the reply, of which only `request-id` is there. */
    readonly headers: Record<string, string>
    /** The id of the request, `req_…`. */
    readonly requestId: string
    /** The HTTP status of the reply. */
    readonly statusCode: number
  }
}

/** The four calls, to stand where `stripe.apps.secrets` stands. */
export interface StripeSecrets {
  /** Creates a secret, or replaces the one of the same name and scope. */
  create(params: StripeCreateParams, options?: StripeCallOptions): Promise<StripeAnswer<Secret>>
  /** One page; awaited in a loop, all of them. */
  list(params: StripeListParams, options?: StripeCallOptions): AutoPaging<StripeAnswer<SecretList>>
  /** The secret of a name; an error of status 404 if there is none. */
  find(params: StripeFindParams, options?: StripeCallOptions): Promise<StripeAnswer<Secret>>
  /** Deletes the secret of a name; an error of status 404 if there is none. */
  deleteWhere(params: StripeFindParams, options?: StripeCallOptions): Promise<StripeAnswer<Secret>>
}

const OPTIONS = ['livemode', 'stripeAccount', 'strict', 'errors'] as const
const KEYS = { test: parseKey('sk_test_in_process'), live: parseKey('sk_live_in_process') }

/**
 * The same as `createStripeApp` without requests: each call does, answers and throws what it would over HTTP.
 *
 * @throws {TypeError} On bad options.
 */
export function stripeSecrets(store: SecretStore, options: StripeSecretsOptions = {}): StripeSecrets {
  const context = checkStore(store)
  const given = optionsOf<StripeSecretsOptions>(options, 'options', OPTIONS)
  const livemode = checkBoolean(given.livemode ?? false, 'livemode')
  const api = new SecretsApi(context, checkBoolean(given.strict ?? false, 'strict'))
  const { errors } = given

  async function call<T extends object>(
    name: keyof SecretsApi,
    params: object,
    { stripeAccount = given.stripeAccount ?? '', stripeContext = '', idempotencyKey, apiKey }: StripeCallOptions = {},
  ): Promise<StripeAnswer<T>> {
    const requestId = newRequestId(context.publicRandom)
    const run = async (): Promise<Answer> => {
      const caller = callerOf(keyFor(apiKey, livemode), stripeAccount, String(stripeContext))
      const encoded = encodeObject(params ?? {})
      return api[name]({ caller, params: encoded, requestId, idempotencyKey: idempotencyKey || undefined })
    }
    let cause: unknown
    const keepCause = (failure: unknown): void => {
      cause = failure
    }
    const { status, body } = await run().catch((error) => answerOf(error, keepCause))
    if ('error' in body) throw toClientError(status, body.error as ApiErrorBody, requestId, errors, cause)
    const lastResponse = { headers: { 'request-id': requestId }, requestId, statusCode: status }
    return Object.defineProperty(body, 'lastResponse', { value: lastResponse }) as StripeAnswer<T>
  }

  return {
    create: (params, more) => call('create', params, more),
    find: (params, more) => call('find', params, more),
    deleteWhere: (params, more) => call('deleteWhere', params, more),
    list: (params, more) =>
      autoPaging(params?.ending_before !== undefined, (cursor) => call('list', { ...params, ...cursor }, more)),
  }
}

function keyFor(apiKey: string | undefined, livemode: boolean): KnownKey {
  if (apiKey === undefined) return livemode ? KEYS.live : KEYS.test
  const mode = /^[a-z]{2}_(test|live)_/.exec(apiKey)?.[1]
  if (mode === undefined) throw wrongApiKey(apiKey)
  return mode === 'live' ? KEYS.live : KEYS.test
}
