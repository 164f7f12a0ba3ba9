import ms from 'ms'
import { usage } from './failure'

const FORMS =
  'expected a duration (90d, 12h), a date (2027-01-31), a time (2027-01-31T09:00:00Z) or Unix seconds (1956528000)'

/** Expiry as people say it → Unix seconds. A date is its first moment in UTC. @throws {Failure} Usage. */
export function parseExpiry(text: string, nowMs: number): number {
  const seconds = /^\d{1,15}$/.test(text) ? Number(text) : Math.floor(momentOf(text, nowMs) / 1000)
  if (!Number.isFinite(seconds)) throw usage(`--expires: ${FORMS}, got '${text}'`)
  if (seconds * 1000 > nowMs) return seconds
  const hint = /^\d{1,5}$/.test(text) ? `for days say ${text}d` : undefined
  throw usage(`--expires: expected a time to come, got '${text}', which is ${moment(seconds, nowMs)}`, hint)
}

/** Milliseconds, or `NaN`. */
function momentOf(text: string, nowMs: number): number {
  const [, date] = /^(\d{4}-\d{2}-\d{2})(?:[Tt ]\d{2}:\d{2}(?::\d{2})?(?:[Zz]|[+-]\d{2}:\d{2}))?$/.exec(text) ?? []
  if (date !== undefined) {
    // 31 February is no other day's name.
    const day = new Date(`${date}T00:00:00Z`)
    const exists = !Number.isNaN(day.getTime()) && day.toISOString().startsWith(date)
    return exists ? Date.parse(text.replace(' ', 'T').toUpperCase()) : Number.NaN
  }
  const duration = /^\d+(?:\.\d+)? ?[a-z]+$/i.test(text) && text.length <= 100 ? ms(text as ms.StringValue) : undefined
  return duration === undefined ? Number.NaN : nowMs + duration
}

const UNITS = [
  ['year', 365.25 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const

/** `2027-01-31 00:00:00Z (in 3 months)`. */
export function moment(seconds: number, nowMs: number): string {
  const absolute = new Date(seconds * 1000).toISOString().replace('T', ' ').replace('.000', '')
  const away = seconds - Math.floor(nowMs / 1000)
  if (away === 0) return `${absolute} (now)`
  const [unit, length] = UNITS.find(([, length]) => Math.abs(away) >= length) ?? ['second', 1]
  // Made when it is needed: the language data of the system takes longer to load than most commands.
  const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always' })
  return `${absolute} (${relative.format(Math.trunc(away / length), unit)})`
}
