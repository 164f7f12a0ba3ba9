/** What is wrong with a text that is meant as a date or a time. */
export type TimeFault = 'no such day' | 'no zone' | 'no day'

const DATE_FORMS = [
  /^(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)/,
  /^(?<year>\d{4})(?<month>\d\d)(?<day>\d\d)(?!\d)/,
  /^(?<year>\d{4})-?[Ww](?<week>\d\d)-?(?<weekday>\d)/,
  /^(?<year>\d{4})-(?<ordinal>\d{3})(?!\d)/,
  // Without a time it would be a number.
  /^(?<year>\d{4})(?<ordinal>\d{3})(?=[Tt])/,
]

/** A month or a week without its day. */
const NO_DAY = /^\d{4}-(?:\d\d?|[Ww]\d\d)$|^\d{4}[Ww]\d\d$/

const TIME =
  /^(?:[Tt]| )(?<hour>\d\d)(?::?(?<minute>\d\d)(?::?(?<second>\d\d)(?:[.,](?<fraction>\d{1,30}))?)?)?(?<zone>.{0,6})$/s
const ZONE = /^(?:[Zz]|(?<sign>[+\-\u2212])(?<hours>\d\d)(?::?(?<minutes>\d\d))?)$/

const DAY_SECONDS = 86_400

/**
 * A date or a time of ISO 8601: extended (`2027-01-31T09:00:00.000Z`) or basic (`20270131T090000Z`), a day of the year
 * (`2027-031`) or of a week (`2027-W04-7`), with a zone (`Z`, `+01:00`, `+0100`, `+01`). A date is its first moment in UTC.
 *
 * @returns Unix seconds, of a fraction the second in which it lies; or what is wrong; neither if it is something else.
 */
export function parseIso(text: string): { readonly seconds?: number; readonly fault?: TimeFault } {
  if (NO_DAY.test(text)) return { fault: 'no day' }
  const date = DATE_FORMS.map((form) => form.exec(text)).find((match) => match !== null)
  if (!date) return {}
  const rest = text.slice(date[0].length)
  const time = rest === '' ? undefined : TIME.exec(rest)?.groups
  if (rest !== '' && time === undefined) return {}
  const midnight = dayOf(date.groups ?? {})
  if (time === undefined) return midnight === undefined ? { fault: 'no such day' } : { seconds: midnight }
  const zone = ZONE.exec(time['zone'] ?? '')
  if (zone === null && time['zone'] !== '') return {}
  const offset = zone === null ? 0 : offsetOf(zone.groups ?? {})
  if (midnight === undefined || offset === undefined) return { fault: 'no such day' }
  const seconds = timeOf(midnight, offset, time)
  if (seconds === undefined) return { fault: 'no such day' }
  return zone === null ? { fault: 'no zone' } : { seconds }
}

type Groups = Readonly<Record<string, string | undefined>>

/** The first moment of a day in UTC; `undefined` if the calendar has no such day. */
function dayOf({ year = '', month, day, week, weekday, ordinal }: Groups): number | undefined {
  const y = Number(year)
  if (week !== undefined) return dayOfWeek(y, Number(week), Number(weekday))
  const at = ordinal === undefined ? utcDay(y, Number(month), Number(day)) : utcDay(y, 1, Number(ordinal))
  const found = new Date(at * 1000)
  const exists =
    ordinal === undefined
      ? found.getUTCMonth() + 1 === Number(month) && found.getUTCDate() === Number(day)
      : found.getUTCFullYear() === y && Number(ordinal) >= 1
  return exists ? at : undefined
}

/** Week 1 has the year's first Thursday; a week begins with Monday, which is day 1. */
function dayOfWeek(year: number, week: number, weekday: number): number | undefined {
  const monday = (y: number): number => {
    const fourth = utcDay(y, 1, 4)
    return fourth - ((new Date(fourth * 1000).getUTCDay() + 6) % 7) * DAY_SECONDS
  }
  const start = monday(year) + (week - 1) * 7 * DAY_SECONDS
  if (week < 1 || start >= monday(year + 1) || weekday < 1 || weekday > 7) return undefined
  return start + (weekday - 1) * DAY_SECONDS
}

/** `Date.UTC` takes years before 100 for others. */
function utcDay(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month - 1, day) / 1000
}

/** Seconds east of UTC. */
function offsetOf({ sign, hours = '0', minutes = '0' }: Groups): number | undefined {
  const [h, m] = [Number(hours), Number(minutes)]
  if (h > 23 || m > 59) return undefined
  return (sign === '+' || sign === undefined ? 1 : -1) * (h * 3600 + m * 60)
}

/** 24:00 is the end of a day; second 60 is a leap second, which Unix time counts as the next one. */
function timeOf(midnight: number, offset: number, groups: Groups): number | undefined {
  const { hour, minute = '0', second = '0', fraction = '0' } = groups
  const [h, m, s] = [Number(hour), Number(minute), Number(second)]
  if (m > 59 || s > 60 || h > 24) return undefined
  if (h === 24 && (m > 0 || s > 0 || Number(fraction) > 0)) return undefined
  const seconds = midnight + h * 3600 + m * 60 + s - offset
  if (s < 60) return seconds
  return seconds % DAY_SECONDS === 0 ? seconds : undefined
}
