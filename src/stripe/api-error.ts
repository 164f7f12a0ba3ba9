/** The failures of the API, with Stripe's types, codes and texts (docs/stripe.md says which of them are known). */

import { redactKey, shownInteger, shownPath } from './redaction'

export type ApiErrorType = 'invalid_request_error' | 'idempotency_error' | 'api_error'

/** The `error` of a reply. */
export interface ApiErrorBody {
  readonly code?: string
  readonly doc_url?: string
  readonly message: string
  readonly param?: string
  readonly type: ApiErrorType
}

/** A reply that is no success. It goes to the caller as it is: no message holds a payload or a key. */
export class ApiError extends Error {
  readonly status: number
  readonly body: ApiErrorBody

  constructor(status: number, body: ApiErrorBody) {
    super(body.message)
    this.status = status
    const { code, ...rest } = body
    this.body = code === undefined ? rest : { code, doc_url: docUrl(code), ...rest }
  }
}

function docUrl(code: string): string {
  return `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}`
}

function invalidRequest(status: number, message: string, more: { code?: string; param?: string } = {}): ApiError {
  return new ApiError(status, { message, ...more, type: 'invalid_request_error' })
}

export function badRequest(message: string, param?: string, code?: string): ApiError {
  return invalidRequest(400, message, { ...(code && { code }), ...(param && { param }) })
}

export function missingParam(param: string): ApiError {
  return badRequest(`Missing required param: ${param}.`, param, 'parameter_missing')
}

/** @param params - Their names, those that may be repeated; none if there is no such one. */
export function unknownParams(params: readonly string[]): ApiError {
  const which = `parameter${params.length > 1 ? 's' : ''}${params.length === 0 ? '' : `: ${params.join(', ')}`}`
  return badRequest(`Received unknown ${which}`, params[0], 'parameter_unknown')
}

export function emptyParam(param: string): ApiError {
  const message =
    `You passed an empty string for '${param}'. We assume empty values are an attempt to unset a parameter; however ` +
    `'${param}' cannot be unset. You should remove '${param}' from your request or supply a non-empty value.`
  return badRequest(message, param, 'parameter_invalid_empty')
}

/** @param value - Repeated if it can be no more than a mistyped number. */
export function invalidInteger(param: string, value: unknown): ApiError {
  const shown = shownInteger(value)
  return badRequest(`Invalid integer${shown === undefined ? '' : `: ${shown}`}`, param, 'parameter_invalid_integer')
}

export function outOfRange(param: string, message: string): ApiError {
  return badRequest(message, param, 'parameter_invalid_integer')
}

/** 404 for what a request is about, 400 for what one of its parameters refers to. */
export function noSuchSecret(status: 400 | 404, which: string, param: string): ApiError {
  return invalidRequest(status, `No such secret: '${which}'`, { code: 'resource_missing', param })
}

/** @param scheme - The first word of an `Authorization` header in which there was no key. */
export function noApiKey(scheme?: string): ApiError {
  const help =
    ' See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.'
  const message =
    scheme === undefined
      ? 'You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth ' +
        "(e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
      : `You did not provide an API key, though you did set your Authorization header to "${scheme}". Using Bearer auth, ` +
        "your Authorization header should look something like 'Authorization: Bearer YOUR_SECRET_KEY'."
  return invalidRequest(401, message + help)
}

/** @param key - What was sent; no more than its kind is repeated. */
export function wrongApiKey(key: string): ApiError {
  return invalidRequest(401, `Invalid API Key provided: ${redactKey(key)}`)
}

export function forbidden(message: string, code?: string): ApiError {
  return invalidRequest(403, message, { ...(code && { code }) })
}

export function unknownUrl(method: string, path: string): ApiError {
  const slash =
    'If you are trying to list objects, remove the trailing slash. If you are trying to retrieve an object, make sure ' +
    'you passed a valid (non-empty) identifier in your code. '
  return invalidRequest(
    404,
    `Unrecognized request URL (${method}: ${shownPath(path)}). ${path.endsWith('/') ? slash : ''}` +
      'Please see https://stripe.com/docs or we can help at https://support.stripe.com/.',
  )
}

export function keyOfOtherParameters(key: string): ApiError {
  return idempotencyError(
    'Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key ' +
      `other than '${key}' if you meant to execute a different request.`,
  )
}

export function keyOfOtherEndpoint(key: string, path: string, firstPath: string): ApiError {
  return idempotencyError(
    `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${path}' vs ` +
      `'${firstPath}'). Try using a key other than '${key}' if you meant to execute a different request.`,
  )
}

function idempotencyError(message: string): ApiError {
  return new ApiError(400, { message, type: 'idempotency_error' })
}

export function tooLarge(maxBytes: number): ApiError {
  const message = `Request body too large: at most ${maxBytes} bytes are accepted.`
  return new ApiError(413, { message, type: 'api_error' })
}

/** What the store cannot do: 503 if it is only closed for now, so that it may be asked again. */
export function storeFailure(status: 500 | 503, message: string): ApiError {
  return new ApiError(status, { message, type: 'api_error' })
}
