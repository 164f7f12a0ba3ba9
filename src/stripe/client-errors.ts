import type { ApiErrorBody } from './api-error'

/** What the official client makes its errors of. */
export interface RawStripeError {
  /** As the API has it, such as `invalid_request_error`. */
  readonly type: string
  /** For people. It holds no payload and no key. */
  readonly message: string
  /** Such as `resource_missing`. */
  readonly code?: string
  /** The parameter that is wrong. */
  readonly param?: string
  /** Stripe's page about `code`. */
  readonly doc_url?: string
  /** The HTTP status. */
  readonly statusCode: number
  /** The `req_…` of the reply. */
  readonly requestId: string
  /** Of the reply: `request-id`. */
  readonly headers: Readonly<Record<string, string>>
}

/** @inline */
type ErrorClass =
  | 'StripeAPIError'
  | 'StripeAuthenticationError'
  | 'StripeIdempotencyError'
  | 'StripeInvalidRequestError'
  | 'StripePermissionError'

/** The official client's own classes, `Stripe.errors`, so that `instanceof` holds. */
export type StripeErrorClasses = Readonly<Record<ErrorClass, new (raw: never) => Error>>

/** An error of the same shape as the official client's; its `type` is the name of the class it would be there. */
export class StripeSecretsError extends Error {
  /** The name of the official client's class. */
  readonly type: ErrorClass
  /** As the API has it, such as `invalid_request_error`. */
  readonly rawType: string
  /** Such as `resource_missing`. */
  readonly code: string | undefined
  /** The parameter that is wrong. */
  readonly param: string | undefined
  /** Stripe's page about `code`. */
  readonly doc_url: string | undefined
  /** The HTTP status. */
  readonly statusCode: number
  /** The `req_…` of the reply. */
  readonly requestId: string
  /** Of the reply: `request-id`. */
  readonly headers: Readonly<Record<string, string>>
  /** All of it, as the API has it. */
  readonly raw: RawStripeError

  /** @internal */
  constructor(type: ErrorClass, raw: RawStripeError, options?: ErrorOptions) {
    super(raw.message, options)
    this.type = type
    this.rawType = raw.type
    this.code = raw.code
    this.param = raw.param
    this.doc_url = raw.doc_url
    this.statusCode = raw.statusCode
    this.requestId = raw.requestId
    this.headers = raw.headers
    this.raw = raw
  }
}

/** @param cause - What went wrong below, if it was no mistake of the caller's. */
export function toClientError(
  status: number,
  body: ApiErrorBody,
  requestId: string,
  classes: StripeErrorClasses | undefined,
  cause?: unknown,
): Error {
  const raw = { ...body, statusCode: status, requestId, headers: { 'request-id': requestId } }
  const name = classOf(status, body)
  if (classes === undefined) return new StripeSecretsError(name, raw, { cause })
  return Object.assign(new classes[name](raw as never), { cause })
}

/** As the official client chooses. */
function classOf(status: number, { type }: ApiErrorBody): ErrorClass {
  if (type === 'idempotency_error') return 'StripeIdempotencyError'
  if (status === 400 || status === 404) return 'StripeInvalidRequestError'
  if (status === 401) return 'StripeAuthenticationError'
  if (status === 403) return 'StripePermissionError'
  return 'StripeAPIError'
}
