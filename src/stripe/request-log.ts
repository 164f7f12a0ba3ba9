import type { ParamMap } from './form'
import { shownValue } from './redaction'

/**
 * What may be written down of a request: no key, and no payload. Values are cut after 500 characters, and have `\u{9b}` and
 * the like for control characters and changes of direction. A request without a key that is accepted leaves no values.
 */
export interface RequestLogEntry {
  /** The `req_…` of the reply. */
  readonly requestId: string
  /** Such as `POST`. */
  readonly method: string
  /** Without its query, and with `…` for a part that is no route and for all after the eighth. */
  readonly path: string
  /** The HTTP status of the reply. */
  readonly status: number
  /** Whether it was answered with the reply of an earlier request of the same idempotency key. */
  readonly replayed: boolean
  /** Its kind alone, such as `sk_test_****`. */
  readonly key?: string
  /** The key's mode. */
  readonly livemode?: boolean
  /** The connected account. */
  readonly account?: string
  /** As it was sent. */
  readonly idempotencyKey?: string
  /** As they were sent, with `[redacted]` for every value that could be a secret. */
  readonly params?: LoggedParams
}

/** Parameters by name, nested as they were sent. */
export interface LoggedParams {
  readonly [name: string]: string | LoggedParams
}

/** What says where a secret is, or what was asked of it, and not what it is: by the parameter, and what its value may be. */
const SHOWN: readonly (readonly [param: RegExp, value: RegExp])[] = [
  [/^(?:name|scope\.type|scope\.user|starting_after|ending_before)$/, /^/],
  [/^(?:limit|expires_at)$/, /^-?\d{0,15}$/],
  [/^expand\.\d{1,3}$/, /^(?:data\.)?payload$/],
]
/** Of any other name a payload could be the value, or the name. */
const KNOWN_NAME = /^(?:name|payload|scope|type|user|expand|\d{1,3}|expires_at|limit|starting_after|ending_before)$/

export function redactParams(params: ParamMap): LoggedParams {
  return redact(params, '')
}

function redact(params: ParamMap, prefix: string): LoggedParams {
  const shown = [...params].map(([name, value]): [string, string | LoggedParams] => {
    const param = prefix + name
    const logged = KNOWN_NAME.test(name) ? name : '[unknown]'
    if (typeof value !== 'string') return [logged, redact(value, `${param}.`)]
    const isShown = SHOWN.some(([which, what]) => which.test(param) && what.test(value))
    return [logged, isShown ? shownValue(value) : '[redacted]']
  })
  return Object.fromEntries(shown)
}
