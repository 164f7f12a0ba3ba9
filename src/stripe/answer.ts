import { SecretStoreError } from '../errors'
import { warnOf } from '../platform/warn'
import { ApiError, storeFailure } from './api-error'

/** What goes back, whatever has come of a request. */
export interface Answer {
  readonly status: number
  readonly body: object
  /** The request of which this is the reply, if it was an earlier one. */
  readonly originalRequest?: string
}

/** The one place where an error becomes an answer. `onError` is told if it was no mistake of the caller's. */
export function answerOf(error: unknown, onError: (error: unknown) => void): Answer {
  const { status, body } = error instanceof ApiError ? error : failureOf(error)
  if (status >= 500) quietly(onError, error)
  return { status, body: { error: body } }
}

function failureOf(error: unknown): ApiError {
  if (!(error instanceof SecretStoreError)) return storeFailure(500, 'An unknown error occurred.')
  // No message of the store holds a payload or a key.
  return storeFailure(error.code === 'ERR_CLOSED' ? 503 : 500, `${error.code}: ${error.message}`)
}

/** What a listener throws is its own affair. */
export function quietly<T>(listener: (value: T) => void, value: T): void {
  try {
    listener(value)
  } catch (error) {
    warnOf(error)
  }
}

/** As the hosted service writes it: indented, with a line end. */
export function jsonBody(body: object): string {
  return `${JSON.stringify(body, null, 2)}\n`
}
