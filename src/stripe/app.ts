import { concatAll, fromUtf8 } from '../base/bytes'
import { checkBoolean, checkFunction, checkInteger, optionsOf } from '../base/checks'
import { warnOf } from '../platform/warn'
import type { SecretStore } from '../store'
import { type Answer, answerOf, jsonBody, quietly } from './answer'
import { ApiError, badRequest, tooLarge, unknownUrl } from './api-error'
import { type ApiKey, accountOf, authenticator, type Caller } from './api-keys'
import { decodeForm, type ParamMap } from './form'
import { shownPath, shownValue } from './redaction'
import { newRequestId } from './request-id'
import { type RequestLogEntry, redactParams } from './request-log'
import { type Call, checkStore, PATHS, SecretsApi } from './secrets-api'

/** Options of `createStripeApp`. */
export interface StripeAppOptions {
  /**
   * The keys that are accepted: `sk_test_…` and the like, or an object for one that may do less. Make them up: a key of
   * the hosted service has no place here.
   */
  readonly apiKeys: readonly (string | ApiKey)[]
  /** Keeps to the hosted service's limits: 10 secrets in a scope, payloads of 5,000 characters. @defaultValue `false` */
  readonly strict?: boolean
  /** The largest body that is read. @defaultValue room for the largest payload with every byte percent-encoded */
  readonly maxBodyBytes?: number
  /** Told of every request that was answered, without keys and payloads. @defaultValue none */
  readonly onRequest?: (entry: RequestLogEntry) => void
  /** Told of what became a reply of status 500 or 503. @defaultValue a process warning */
  readonly onError?: (error: unknown) => void
}

/** A request → its reply. It never rejects. */
export type StripeApp = (request: Request) => Promise<Response>

type CallName = keyof typeof PATHS

const ROUTES: ReadonlyMap<string, CallName> = new Map([
  [`POST ${PATHS.create}`, 'create'],
  [`GET ${PATHS.list}`, 'list'],
  [`GET ${PATHS.find}`, 'find'],
  [`POST ${PATHS.deleteWhere}`, 'deleteWhere'],
])
const OPTIONS = ['apiKeys', 'strict', 'maxBodyBytes', 'onRequest', 'onError'] as const
/** Names, ids and separators beside the payload, percent-encoded. */
const OTHER_PARAMS_BYTES: number = 256 * 1024

/**
 * The four calls of Stripe's Apps Secret Store over a store: a function of requests, without a socket. `listen` gives
 * it one.
 *
 * @throws {TypeError | RangeError} On bad options.
 */
export function createStripeApp(store: SecretStore, options: StripeAppOptions): StripeApp {
  const context = checkStore(store)
  const given = optionsOf<StripeAppOptions>(options, 'options', OPTIONS)
  const authenticate = authenticator(given.apiKeys)
  const api = new SecretsApi(context, checkBoolean(given.strict ?? false, 'strict'))
  const defaultBytes = 3 * context.maxPayloadBytes + OTHER_PARAMS_BYTES
  const maxBodyBytes = checkInteger(given.maxBodyBytes ?? defaultBytes, 'maxBodyBytes', 1, Number.MAX_SAFE_INTEGER)
  const onRequest = checkFunction(given.onRequest ?? (() => {}), 'onRequest')
  const onError = checkFunction(given.onError ?? warnOf, 'onError')

  return async (request) => {
    const requestId = newRequestId(context.publicRandom)
    const { pathname: path, search } = new URL(request.url)
    const idempotencyKey = request.headers.get('idempotency-key') || undefined
    let caller: Caller | undefined
    let params: ParamMap | undefined
    const answer = async (): Promise<Answer> => {
      caller = authenticate(request.headers)
      const name = ROUTES.get(`${request.method} ${path}`)
      if (name === undefined) throw unknownUrl(request.method, path)
      const body = request.method === 'POST' ? await readForm(request, maxBodyBytes) : ''
      params = decodeForm(search.slice(1), body)
      const call: Call = { caller, params, requestId, idempotencyKey }
      return api[name](call)
    }
    const reply = await answer().catch((error) => answerOf(error, onError))
    const { method } = request
    const { status, originalRequest } = reply
    quietly(onRequest, {
      requestId,
      method,
      path: shownPath(path),
      status,
      ...logged(caller, params, idempotencyKey, originalRequest),
    })
    return new Response(jsonBody(reply.body), {
      status,
      headers: headersOf(request, requestId, reply),
    })
  }
}

async function readForm(request: Request, maxBytes: number): Promise<string> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type && type !== 'application/x-www-form-urlencoded') {
    throw badRequest(
      'Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any ' +
        'questions, we can help at https://support.stripe.com/.',
    )
  }
  const bytes = await readBody(request, maxBytes).catch((error) => {
    throw error instanceof ApiError ? error : badRequest('Invalid request: the body ended early.')
  })
  try {
    return fromUtf8(bytes)
  } catch {
    throw badRequest('Invalid form encoding: the body is not UTF-8.')
  }
}

/** @throws {ApiError} 413, before more than `maxBytes` are held. */
async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  const announced = request.headers.get('content-length')
  if (announced !== null && Number(announced) > maxBytes) throw tooLarge(maxBytes)
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of request.body ?? []) {
    bytes += part.length
    if (bytes > maxBytes) throw tooLarge(maxBytes)
    parts.push(part)
  }
  return concatAll(parts)
}

function headersOf(request: Request, requestId: string, reply: Answer): Record<string, string> {
  const headers: Record<string, string> = {
    'cache-control': 'no-cache, no-store',
    'content-type': 'application/json',
    'request-id': requestId,
  }
  for (const name of ['idempotency-key', 'stripe-account', 'stripe-version']) {
    const value = request.headers.get(name)
    if (value) headers[name] = value
  }
  if (reply.status === 401) headers['www-authenticate'] = 'Bearer realm="Stripe"'
  // Sent again, it would only fail again; but a store that is closed may be open by then.
  if (reply.status >= 400 && reply.status !== 503) headers['stripe-should-retry'] = 'false'
  if (reply.originalRequest !== undefined) {
    headers['idempotent-replayed'] = 'true'
    headers['original-request'] = reply.originalRequest
  }
  return headers
}

function logged(
  caller: Caller | undefined,
  params: ParamMap | undefined,
  idempotencyKey: string | undefined,
  originalRequest: string | undefined,
): Omit<RequestLogEntry, 'requestId' | 'method' | 'path' | 'status'> {
  const account = caller && accountOf(caller)
  return {
    replayed: originalRequest !== undefined,
    ...(caller && { key: caller.redactedKey, livemode: caller.partition.livemode }),
    ...(account !== undefined && { account }),
    ...(params && { params: redactParams(params) }),
    ...(caller && idempotencyKey !== undefined && { idempotencyKey: shownValue(idempotencyKey) }),
  }
}
