import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../../src/cli/failure'
import { awayText, moment, parseExpiry } from '../../../src/cli/times'

const NOW_MS = Date.UTC(2026, 10, 24, 12, 0, 0)
const NOW = NOW_MS / 1000

const parsed = (text: string, nowMs = NOW_MS): number => parseExpiry(text, nowMs)
const iso = (text: string): string => new Date(parsed(text) * 1000).toISOString().replace('.000', '')

/** What is said of a text that is refused. */
function refusal(text: string): string {
  try {
    parsed(text)
  } catch (error) {
    if (error instanceof Failure && error.exitCode === 2) return `${error.message}; ${error.hint ?? 'no hint'}`
    throw error
  }
  throw new Error(`expected '${text.slice(0, 50)}' to be refused, got a time`)
}

describe('forms of ISO 8601', () => {
  test.each([
    ['2027-01-31', '2027-01-31T00:00:00Z'],
    ['20270131', '2027-01-31T00:00:00Z'],
    ['2027-01-31T09:00:00Z', '2027-01-31T09:00:00Z'],
    ['2027-01-31T09:00:00.000Z', '2027-01-31T09:00:00Z'],
    ['2027-01-31T09:00:00.999999999Z', '2027-01-31T09:00:00Z'],
    ['2027-01-31T09:00:00,5Z', '2027-01-31T09:00:00Z'],
    ['2027-01-31t09:00z', '2027-01-31T09:00:00Z'],
    ['2027-01-31 09:00:00Z', '2027-01-31T09:00:00Z'],
    ['2027-01-31T09Z', '2027-01-31T09:00:00Z'],
    ['2027-01-31T09:00:00+0100', '2027-01-31T08:00:00Z'],
    ['2027-01-31T09:00:00+01:00', '2027-01-31T08:00:00Z'],
    ['2027-01-31T09:00:00+01', '2027-01-31T08:00:00Z'],
    ['2027-01-31T09:00:00-05:30', '2027-01-31T14:30:00Z'],
    ['2027-01-31T09:00:00\u221205:30', '2027-01-31T14:30:00Z'],
    ['2027-01-31T09:00:00-00:00', '2027-01-31T09:00:00Z'],
    ['2027-01-01T00:30:00+14:00', '2026-12-31T10:30:00Z'],
    ['20270131T090000Z', '2027-01-31T09:00:00Z'],
    ['20270131T0900+0100', '2027-01-31T08:00:00Z'],
    ['20270131T090000.25Z', '2027-01-31T09:00:00Z'],
    ['2027-01-31T24:00:00Z', '2027-02-01T00:00:00Z'],
    ['2026-12-31T24:00Z', '2027-01-01T00:00:00Z'],
    ['2027-06-30T23:59:60Z', '2027-07-01T00:00:00Z'],
    ['2027-07-01T01:59:60+02:00', '2027-07-01T00:00:00Z'],
    ['2028-02-29', '2028-02-29T00:00:00Z'],
    ['2027-031', '2027-01-31T00:00:00Z'],
    ['2028-366', '2028-12-31T00:00:00Z'],
    ['2027031T0900Z', '2027-01-31T09:00:00Z'],
    ['2027-W04-7', '2027-01-31T00:00:00Z'],
    ['2027W047', '2027-01-31T00:00:00Z'],
    ['2027-W04-7T09:00Z', '2027-01-31T09:00:00Z'],
    // A year's first week may begin in the year before, and its last one end in the year after.
    ['2027-W01-1', '2027-01-04T00:00:00Z'],
    ['2030-W01-1', '2029-12-31T00:00:00Z'],
    ['2026-W53-7', '2027-01-03T00:00:00Z'],
  ])('%s', (text, expected) => {
    expect(iso(text)).toBe(expected)
  })

  test.each([
    ['2027-02-29', 'no such day'],
    ['2027-02-31', 'no such day'],
    ['2027-04-31T00:00:00Z', 'no such day'],
    ['2027-13-01', 'no such day'],
    ['2027-00-01', 'no such day'],
    ['20271301', 'no such day'],
    ['2027-366', 'no such day'],
    ['2027-000', 'no such day'],
    ['2027-W53-1', 'no such day'],
    ['2027-W00-1', 'no such day'],
    ['2027-W04-0', 'no such day'],
    ['2027-W04-8', 'no such day'],
    ['2027-01-31T24:00:01Z', 'no such time'],
    ['2027-01-31T24:00:00.1Z', 'no such time'],
    ['2027-01-31T25:00Z', 'no such time'],
    ['2027-01-31T09:60Z', 'no such time'],
    ['2027-01-31T09:00:60Z', 'no such time'],
    ['2027-01-31T23:59:60+01:00', 'no such time'],
    ['2027-01-31T09:00+25:00', 'no such time'],
    ['2027-01-31T09:00', 'say the zone: Z'],
    ['2027-01-31 09:00:00', 'say the zone: Z'],
    ['20270131T090000', 'say the zone: Z'],
    ['2027-01', 'say the day'],
    ['2027-W04', 'say the day'],
    ['2027-1-31', 'expected a duration'],
    ['2027-01-31T', 'expected a duration'],
    ['2027-01-31Z', 'expected a duration'],
    ['2027-01-31T09:00:00Z ', 'expected a duration'],
    ['2027-01-31T09:00:00Z[Europe/Berlin]', 'expected a duration'],
    ['31.01.2027', 'expected a duration'],
    ['01/31/2027', 'expected a duration'],
    ['tomorrow', 'expected a duration'],
    ['', 'expected a duration'],
    ['٢٠٢٧-٠١-٣١', 'expected a duration'],
  ])("'%s' is refused", (text, said) => {
    expect(refusal(text)).toContain(said)
  })

  test('every time of the next hundred years, in each form', () => {
    const seconds = fc.integer({ min: NOW + 1, max: NOW + 3_155_000_000 })
    const offset = fc.integer({ min: -14 * 60, max: 14 * 60 })
    fc.assert(
      fc.property(seconds, offset, (at, minutes) => {
        const local = new Date((at + minutes * 60) * 1000).toISOString().slice(0, 19)
        const [h, m] = [Math.abs(minutes / 60) | 0, Math.abs(minutes % 60)].map((n) => String(n).padStart(2, '0'))
        const zone = `${minutes < 0 ? '-' : '+'}${h}:${m}`
        const basic = (text: string): string => text.replaceAll(/[-:](?=\d)/g, '')
        const year = local.slice(0, 4)
        const ordinal = String((Date.parse(`${local.slice(0, 10)}Z`) - Date.parse(`${year}-01-01Z`)) / 86_400_000 + 1)
        const forms = [
          `${local}${zone}`,
          `${local}.5${zone.replace(':', '')}`,
          `${basic(local)}${zone}`,
          `${year}-${ordinal.padStart(3, '0')}${local.slice(10)}${zone}`,
          `${year}${ordinal.padStart(3, '0')}${basic(local.slice(10))}${zone}`,
          String(at),
        ]
        for (const form of forms) expect(parsed(form)).toBe(at)
      }),
    )
  })
})

describe('durations', () => {
  test.each([
    ['90d', 90 * 86_400],
    ['12h', 12 * 3600],
    ['30m', 30 * 60],
    ['30min', 30 * 60],
    ['45s', 45],
    ['2w', 14 * 86_400],
    ['1.5h', 5400],
    ['1h30m', 5400],
    ['1d 12h', 36 * 3600],
    ['90 days', 90 * 86_400],
    ['2 Weeks', 14 * 86_400],
    ['90D', 90 * 86_400],
    ['P90D', 90 * 86_400],
    ['PT12H30M', 45_000],
    ['P2W', 14 * 86_400],
  ])('%s', (text, length) => {
    expect(parsed(text) - NOW).toBe(length)
  })

  test.each([
    ['1mo', '2026-12-24T12:00:00Z'],
    ['1 month', '2026-12-24T12:00:00Z'],
    ['P1M', '2026-12-24T12:00:00Z'],
    ['1y', '2027-11-24T12:00:00Z'],
    ['1.5y', '2028-05-24T12:00:00Z'],
    ['P1Y2M10DT2H30M', '2028-02-03T14:30:00Z'],
  ])('%s is of the calendar', (text, expected) => {
    expect(iso(text)).toBe(expected)
  })

  test('a month after the last day of a month is the last day of the next', () => {
    const endOfJanuary = Date.UTC(2027, 0, 31, 9)
    expect(parsed('1mo', endOfJanuary)).toBe(Date.UTC(2027, 1, 28, 9) / 1000)
    expect(parsed('13mo', endOfJanuary)).toBe(Date.UTC(2028, 1, 29, 9) / 1000)
  })

  test('ends no earlier than it says, within a second', () => {
    expect(parsed('1h', NOW_MS + 1)).toBe(NOW + 3601)
    expect(parsed('1h', NOW_MS)).toBe(NOW + 3600)
  })

  test('1M is a month or a minute: which one is to be said', () => {
    expect(refusal('1M')).toContain('say 1mo for months, 1min for minutes')
    expect(refusal('1h30M')).toContain('expected a duration')
  })

  test.each([
    '1.3mo',
    '1 fortnight',
    '500ms',
    '-1d',
    '1e3d',
    'P',
    'PT',
    'P1YT',
    'd',
    '1',
    '1d2',
    'Infinity',
    '1h'.repeat(8),
  ])("'%s' is refused", (text) => {
    expect(refusal(text)).toContain('--expires: expected')
  })
})

describe('numbers', () => {
  test.each([
    ['0', 'a time to come'],
    ['90', 'for days say 90d'],
    ['1700000000', 'a time to come'],
    ['1956528000000', 'milliseconds? The seconds are 1956528000'],
    ['9'.repeat(16), 'expected a duration'],
    ['9'.repeat(100_000), 'expected a duration'],
    ['999999999y', 'at most 100 years ahead'],
    ['999999999d999999999d', 'at most 100 years ahead'],
    ['101y', "at most 100 years ahead, got '101y'"],
    ['999999999999', 'at most 100 years ahead'],
    ['9999-12-31', 'at most 100 years ahead'],
  ])("'%s' is refused", (text, said) => {
    expect(refusal(text)).toContain(said)
    expect(refusal(text).length).toBeLessThan(400)
  })

  test('100 years are the most, as a store has it', () => {
    expect(parsed(String(NOW + 3_155_760_000))).toBe(NOW + 3_155_760_000)
    expect(refusal(String(NOW + 3_155_760_001))).toContain('at most 100 years ahead')
    expect(moment(8.64e12, NOW_MS)).toContain('+275760-09-13')
  })
})

test('work does not grow with the square of the text', () => {
  const before = process.cpuUsage()
  for (const piece of ['1', '1d', ' ', '2027-', 'T', '-', '1 ', 'P1D', '1.']) {
    for (const start of ['', '2027-01-31T09:00:00.', '2027-01-31T09:00', 'P']) {
      expect(refusal(start + piece.repeat(100_000))).toContain('expected')
    }
  }
  const { user, system } = process.cpuUsage(before)
  expect((user + system) / 1000).toBeLessThan(3000)
})

describe('how far away', () => {
  test.each([
    [0, 'now'],
    [1, 'in 1 second'],
    [59, 'in 59 seconds'],
    [60, 'in 1 minute'],
    [61, 'in 61 seconds'],
    [3599, 'in 1 hour'],
    [3600, 'in 1 hour'],
    [90 * 60, 'in 90 minutes'],
    [7199, 'in 2 hours'],
    [86_399, 'in 1 day'],
    [36 * 3600, 'in 36 hours'],
    [90 * 86_400 - 1, 'in 90 days'],
    [365 * 86_400, 'in 1 year'],
    [366 * 86_400, 'in 1 year'],
    [400 * 86_400, 'in 400 days'],
    [730 * 86_400, 'in 2 years'],
    [-90, '90 seconds ago'],
    [-3600, '1 hour ago'],
  ])('%d seconds: %s', (seconds, expected) => {
    expect(awayText(NOW + seconds, NOW_MS)).toBe(expected)
  })

  test('what was said a moment ago is what is shown', () => {
    for (const [said, shown] of [
      ['1h', 'in 1 hour'],
      ['12h', 'in 12 hours'],
      ['90d', 'in 90 days'],
      ['30m', 'in 30 minutes'],
      ['1y', 'in 1 year'],
      ['2y', 'in 2 years'],
    ] as const) {
      for (const late of [0, 1, 400, 999]) expect(awayText(parsed(said), NOW_MS + late)).toBe(shown)
    }
  })

  test('is never off by more than half a unit, nor by more than a day for a year', () => {
    const lengths = { second: 1, minute: 60, hour: 3600, day: 86_400, year: 365.25 * 86_400 }
    fc.assert(
      fc.property(fc.integer({ min: -4e9, max: 4e9 }), fc.integer({ min: 0, max: 999 }), (away, ms) => {
        const text = awayText(NOW + away, NOW_MS + ms)
        if (text === 'now') {
          expect(Math.abs(away - ms / 1000)).toBeLessThanOrEqual(0.5)
          return
        }
        const [, number = '', unit = ''] = /(\d+) (\w+?)s?(?: ago)?$/.exec(text) ?? []
        const length = lengths[unit as keyof typeof lengths]
        const off = Math.abs(Number(number) * length - Math.abs(away - ms / 1000))
        // Half a second is not the same number at every size.
        expect(off).toBeLessThanOrEqual((number === '1' && unit === 'year' ? 86_400 : length / 2) + 1e-5)
        expect(text.startsWith('in ')).toBe(away - ms / 1000 > 0)
      }),
    )
  })
})
