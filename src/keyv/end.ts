import { kindOf } from '../base/checks'

/** About 31 years. As long a time to live is taken for a time of Keyv 6, and so early a time for one to live of Keyv 5. */
const LEAST_TIME_MS: number = 10 ** 12

/** @returns Unix milliseconds, or `undefined` for never. @throws {TypeError | RangeError} If it is no time to live. */
export function endOfTtl(ttl: unknown, nowMs: number): number | undefined {
  const ms = millisecondsOf(ttl, 'ttl')
  if (ms === undefined) return undefined
  if (ms < LEAST_TIME_MS) return Math.floor(nowMs + ms)
  throw new RangeError(
    'ttl: expected milliseconds from now on, less than 10^12, got more (a time, as Keyv 6 gives it?)',
  )
}

/** @returns Unix milliseconds, or `undefined` for never. @throws {TypeError | RangeError} If it is no time. */
export function endOfExpires(expires: unknown): number | undefined {
  const ms = millisecondsOf(expires, 'expires')
  if (ms === undefined || ms >= LEAST_TIME_MS) return ms && Math.floor(ms)
  throw new RangeError('expires: expected Unix milliseconds, 10^12 or more, got less (a ttl, as Keyv 5 gives it?)')
}

function millisecondsOf(value: unknown, label: string): number | undefined {
  if (value === undefined || value === null || value === Number.POSITIVE_INFINITY) return undefined
  if (typeof value !== 'number') throw new TypeError(`${label}: expected a number, got ${kindOf(value)}`)
  if (Number.isNaN(value)) throw new RangeError(`${label}: expected milliseconds, got NaN`)
  return value
}
