import type { ApiErrorBody } from './api-error'

/** What the official client makes its errors of. */
export interface RawStripeError {
  readonly type: string
  readonly message: string
  readonly code?: string
  readonly param?: string
  readonly doc_url?: string
  readonly statusCode: number
  readonly requestId: string
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
  readonly type: ErrorClass
  readonly rawType: string
  readonly code: string | undefined
  readonly param: string | undefined
  readonly doc_url: string | undefined
  readonly statusCode: number
  readonly requestId: string
  readonly headers: Readonly<Record<string, string>>
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
