import type { ParamMap } from './form'

/** What may be written down of a request: no key, and no payload. */
export interface RequestLogEntry {
  readonly requestId: string
  readonly method: string
  readonly path: string
  readonly status: number
  /** Whether it was answered with the reply of an earlier request of the same idempotency key. */
  readonly replayed: boolean
  /** Its kind alone, such as `sk_test_****`. */
  readonly key?: string
  readonly livemode?: boolean
  /** The connected account. */
  readonly account?: string
  readonly idempotencyKey?: string
  /** As they were sent, with `[redacted]` for every value that could be a secret. */
  readonly params?: LoggedParams
}

export interface LoggedParams {
  readonly [name: string]: string | LoggedParams
}

/** Whose values say where a secret is and not what it is. Of any other one a payload could be the value, or the name. */
const SHOWN = new Set(['expand', 'ending_before', 'expires_at', 'limit', 'name', 'scope', 'starting_after'])

export function redactParams(params: ParamMap): LoggedParams {
  const shown = [...params].map(([name, value]): [string, string | LoggedParams] => {
    if (SHOWN.has(name)) return [name, plain(value)]
    return [name === 'payload' ? name : '[unknown]', '[redacted]']
  })
  return Object.fromEntries(shown)
}

function plain(value: string | ParamMap): string | LoggedParams {
  if (typeof value === 'string') return value
  return Object.fromEntries([...value].map(([name, inner]) => [name, plain(inner)]))
}
