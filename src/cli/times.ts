import { durationEnd } from './durations'
import { usage } from './failure'
import { parseIso, type TimeFault } from './iso-times'

const FORMS =
  'expected a duration (90d, 12h), a date (2027-01-31), a time (2027-01-31T09:00:00Z) or Unix seconds (1956528000)'

const FAULT_HINTS: Readonly<Record<TimeFault, string>> = {
  'no such day': 'the calendar has no such day, or the day no such time',
  'no zone': 'say the zone: Z at the end for UTC, or +01:00 and the like',
  'no day': 'say the day, too: its first moment in UTC counts',
}

/** Expiry as people say it → Unix seconds. A date is its first moment in UTC. @throws {Failure} Usage. */
export function parseExpiry(text: string, nowMs: number): number {
  const seconds = secondsOf(text, nowMs)
  if (seconds * 1000 <= nowMs) {
    const hint = /^\d{1,5}$/.test(text) ? `for days say ${text}d` : undefined
    throw usage(`--expires: expected a time to come, got '${text}', which is ${moment(seconds, nowMs)}`, hint)
  }
  // `NaN` is beyond the calendar.
  if (seconds <= nowMs / 1000 + HUNDRED_YEARS) return seconds
  throw usage(`--expires: expected at most 100 years ahead, got '${shortened(text)}'`)
}

/** @throws {Failure} Usage. */
function secondsOf(text: string, nowMs: number): number {
  const wrong = (hint?: string) => usage(`--expires: ${FORMS}, got '${shortened(text)}'`, hint)
  if (/^\d+$/.test(text) && !/^\d{8}$/.test(text)) {
    const hint = /^\d{13}$/.test(text) ? `milliseconds? The seconds are ${text.slice(0, -3)}` : undefined
    if (text.length > 12) throw wrong(hint)
    return Number(text)
  }
  const { seconds, fault } = parseIso(text)
  if (seconds !== undefined) return seconds
  if (fault !== undefined) throw wrong(FAULT_HINTS[fault])
  const [, ambiguous] = /^(\d{1,9})M$/.exec(text) ?? []
  if (ambiguous !== undefined) throw wrong(`say ${ambiguous}mo for months, ${ambiguous}min for minutes`)
  const end = durationEnd(text, nowMs)
  if (end === undefined) throw wrong()
  // No earlier than was said.
  return Math.ceil(end / 1000)
}

function shortened(text: string): string {
  return text.length <= 50 ? text : `${text.slice(0, 50)}…`
}

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** No store takes more. */
const HUNDRED_YEARS = 100 * 365.25 * DAY

/** Largest first. From two of a unit on it is the one that is said, and for one of it, give or take the slack. */
const UNITS = [
  { unit: 'year', length: 365.25 * DAY, slack: DAY },
  { unit: 'day', length: DAY, slack: HOUR / 2 },
  { unit: 'hour', length: HOUR, slack: MINUTE / 2 },
  { unit: 'minute', length: MINUTE, slack: 0.5 },
] as const
const SECOND = { unit: 'second', length: 1 } as const

/** `2027-01-31 00:00:00Z (in 68 days)`. */
export function moment(seconds: number, nowMs: number): string {
  return `${timeText(seconds)} (${awayText(seconds, nowMs)})`
}

/** `2027-01-31 00:00:00Z`. */
function timeText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('T', ' ').replace('.000', '')
}

/** `2027-01-31`, in UTC. */
export function dayText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/T.*/, '')
}

/**
 * `in 68 days`, `1 hour ago`: rounded, so that what was said as `1h` a moment ago is an hour. In numbers of the next
 * smaller unit up to two of a unit, because `1 day` for 36 hours would be far off.
 *
 * Without `Intl`: its language data takes longer to load than most commands.
 */
export function awayText(seconds: number, nowMs: number): string {
  const away = seconds - nowMs / 1000
  const length = Math.abs(away)
  if (length < 0.5) return 'now'
  const { unit, length: one } =
    UNITS.find(({ length: one, slack }) => length >= 2 * one - slack || Math.abs(length - one) <= slack) ?? SECOND
  const number = Math.max(1, Math.round(length / one))
  const text = `${number} ${unit}${number === 1 ? '' : 's'}`
  return away > 0 ? `in ${text}` : `${text} ago`
}
