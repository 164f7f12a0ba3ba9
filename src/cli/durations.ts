const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Each spelling of a unit: how long it is, or how many calendar months. */
const UNITS: Readonly<Record<string, { readonly ms: number } | { readonly months: number }>> = Object.fromEntries(
  (
    [
      ['s sec secs second seconds', { ms: SECOND_MS }],
      ['m min mins minute minutes', { ms: MINUTE_MS }],
      ['h hr hrs hour hours', { ms: HOUR_MS }],
      ['d day days', { ms: DAY_MS }],
      ['w week weeks', { ms: 7 * DAY_MS }],
      ['mo mon mons month months', { months: 1 }],
      ['y yr yrs year years', { months: 12 }],
    ] as const
  ).flatMap(([names, unit]) => names.split(' ').map((name) => [name, unit])),
)

/** ISO 8601: `P1Y2M10DT2H30M`. */
const ISO =
  /^P(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?$/
const ISO_UNITS = ['y', 'mo', 'w', 'd', 'h', 'm', 's']

/** Of a number and a unit. */
const PART = /^ ?(\d{1,9})(?:\.(\d{1,3}))? ?([a-z]{1,7})/i

const MOST_PARTS = 7

/**
 * When a duration ends that begins now: `90d`, `1h30m`, `2 weeks`, `P90D`. A month and a year are those of the calendar:
 * a month after 31 January is the last day of February.
 *
 * @returns Milliseconds since the Unix epoch; `undefined` if it is no duration.
 */
export function durationEnd(text: string, nowMs: number): number | undefined {
  const parts = isoParts(text) ?? wordParts(text)
  if (parts === undefined) return undefined
  let months = 0
  let lengthMs = 0
  for (const { count, unit } of parts) {
    if ('ms' in unit) lengthMs += count * unit.ms
    else if (Number.isInteger(count * unit.months)) months += count * unit.months
    else return undefined
  }
  return plusMonths(nowMs, months) + Math.round(lengthMs)
}

interface Part {
  readonly count: number
  readonly unit: { readonly ms: number } | { readonly months: number }
}

function isoParts(text: string): Part[] | undefined {
  const match = ISO.exec(text)
  if (match === null || text.endsWith('T')) return undefined
  const parts = ISO_UNITS.flatMap((name, index) => {
    const count = match[index + 1]
    const unit = UNITS[name]
    return count === undefined || unit === undefined ? [] : [{ count: Number(count), unit }]
  })
  return parts.length === 0 ? undefined : parts
}

function wordParts(text: string): Part[] | undefined {
  const parts: Part[] = []
  for (let rest = text; rest !== ''; ) {
    const [whole, count, fraction = '0', name = ''] = PART.exec(rest) ?? []
    const unit = name === 'M' ? undefined : UNITS[name.toLowerCase()]
    if (whole === undefined || unit === undefined || parts.length === MOST_PARTS) return undefined
    parts.push({ count: Number(`${count}.${fraction}`), unit })
    rest = rest.slice(whole.length)
  }
  return parts.length === 0 ? undefined : parts
}

/** The same day and time so many months later, or the last day of that month if it is shorter. `NaN` if too far. */
function plusMonths(nowMs: number, months: number): number {
  if (months === 0) return nowMs
  const now = new Date(nowMs)
  const day = now.getUTCDate()
  const then = new Date(nowMs)
  then.setUTCDate(1)
  then.setUTCMonth(then.getUTCMonth() + months)
  const last = new Date(Date.UTC(then.getUTCFullYear(), then.getUTCMonth() + 1, 0)).getUTCDate()
  then.setUTCDate(Math.min(day, last))
  return then.getTime()
}
