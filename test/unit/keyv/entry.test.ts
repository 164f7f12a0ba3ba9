import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { endOfExpires, endOfTtl } from '../../../src/keyv/end'
import { decodeEntry, encodeEntry } from '../../../src/keyv/entry'

const START = fc.constantFrom('', ':', '::', ':end:', ':end:1:', ':bytes:', ':end:1700000000000::bytes:', 'x')
const VALUE = fc.oneof(
  fc.tuple(START, fc.string({ unit: 'grapheme' })).map(([start, rest]) => start + rest),
  fc.uint8Array({ maxLength: 50 }),
)
const END = fc.option(fc.integer({ min: 0, max: 10 ** 15 }), { nil: undefined })

describe('an entry', () => {
  test('comes back as it went in, and is never empty', () => {
    fc.assert(
      fc.property(VALUE, END, (value, endMs) => {
        const payload = encodeEntry({ value, endMs })
        expect(payload.length).toBeGreaterThan(0)
        expect(decodeEntry(payload)).toEqual({ value, endMs })
      }),
      { numRuns: 2000 },
    )
  })

  test.each<[Parameters<typeof encodeEntry>[0], string]>([
    [{ value: '{"value":1}', endMs: undefined }, '{"value":1}'],
    [{ value: '{"value":1}', endMs: 1_700_000_000_123 }, ':end:1700000000123:{"value":1}'],
    [{ value: '', endMs: undefined }, ':'],
    [{ value: ':end:1:x', endMs: undefined }, '::end:1:x'],
    [{ value: ':x', endMs: 5 }, ':end:5:::x'],
    [{ value: Uint8Array.of(0, 255, 62), endMs: undefined }, ':bytes:AP8-'],
  ])('%j is kept as %s', (entry, payload) => {
    expect(encodeEntry(entry)).toBe(payload)
  })

  test.each([':x', ':end:x', ':end:12', ':end:12:', ':end:12345678901234567:x', ':bytes:=', ':bytes:A', ':bytes:AB'])(
    '%s was written by no adapter',
    (payload) => {
      expect(() => decodeEntry(payload)).toThrow(
        new TypeError("entry: expected one of an adapter's, got another secret in its scope"),
      )
    },
  )
})

describe('an end', () => {
  const NOW_MS = 1_700_000_000_500

  test('is never after the time that was given', () => {
    expect(endOfTtl(100, NOW_MS)).toBe(NOW_MS + 100)
    expect(endOfTtl(0.9, NOW_MS)).toBe(NOW_MS)
    expect(endOfTtl(-1, NOW_MS)).toBe(NOW_MS - 1)
    expect(endOfTtl(1.5, NOW_MS + 0.4)).toBe(NOW_MS + 1)
    expect(endOfExpires(NOW_MS + 0.9)).toBe(NOW_MS)
  })

  test.each([undefined, null, Number.POSITIVE_INFINITY])('%s is none', (value) => {
    expect([endOfTtl(value, NOW_MS), endOfExpires(value)]).toEqual([undefined, undefined])
  })

  test.each(['60', true, {}, 5n, new Date()])('%s is no number', (value) => {
    expect(() => endOfTtl(value, NOW_MS)).toThrow(/^ttl: expected a number, got /)
    expect(() => endOfExpires(value)).toThrow(/^expires: expected a number, got /)
  })

  test('that is no number of milliseconds, or one of the other major version, is refused', () => {
    expect(() => endOfTtl(Number.NaN, NOW_MS)).toThrow(new RangeError('ttl: expected milliseconds, got NaN'))
    expect(() => endOfTtl(NOW_MS, NOW_MS)).toThrow(RangeError)
    expect(() => endOfExpires(60_000)).toThrow(RangeError)
    expect(() => endOfExpires(Number.NEGATIVE_INFINITY)).toThrow(RangeError)
    expect(endOfTtl(10 ** 12 - 1, NOW_MS)).toBe(NOW_MS + 10 ** 12 - 1)
    expect(endOfExpires(10 ** 12)).toBe(10 ** 12)
  })
})
