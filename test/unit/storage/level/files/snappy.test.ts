import { describe, expect, test } from 'vitest'
import { utf8 } from '../../../../../src/base/bytes'
import { decompress } from '../../../../../src/storage/level/files/snappy'
import { Draws } from '../../../../support/campaign'

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes)
const of = (...parts: readonly (string | number)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...utf8(part)] : [part])))

describe('what Snappy has compressed', () => {
  test.each([
    ['nothing', of(0), ''],
    ['a literal', of(3, 2 << 2, 'abc'), 'abc'],
    ['a literal whose length takes a byte', of(61, 60 << 2, 60, 'x'.repeat(61)), 'x'.repeat(61)],
    ['a copy of one byte of offset', of(11, 2 << 2, 'abc', (4 << 2) | 1, 3), 'abcabcabcab'],
    ['a copy of two bytes of offset', of(6, 2 << 2, 'abc', (2 << 2) | 2, 3, 0), 'abcabc'],
    ['a copy of four bytes of offset', of(6, 2 << 2, 'abc', (2 << 2) | 3, 3, 0, 0, 0), 'abcabc'],
  ])('%s stands for what it was', (_, bytes, expected) => {
    expect(text(decompress(bytes))).toBe(expected)
  })

  test.each([
    ['no length', of()],
    ['more than it says', of(2, 2 << 2, 'abc')],
    ['less than it says', of(4, 2 << 2, 'abc')],
    ['a literal beyond its end', of(3, 2 << 2, 'ab')],
    ['a copy of what is before the beginning', of(6, 2 << 2, 'abc', (2 << 2) | 2, 4, 0)],
    ['a copy of itself', of(6, 2 << 2, 'abc', (2 << 2) | 2, 0, 0)],
    ['half a copy', of(6, 2 << 2, 'abc', (2 << 2) | 2, 3)],
    ['a length that it cannot have', of(255, 255, 255, 255, 15, 0)],
  ])('%s stands for nothing', (_, bytes) => {
    expect(decompress(bytes)).toBeUndefined()
  })

  test('any bytes stand for something or nothing', () => {
    const draws = new Draws(3)
    for (let n = 0; n < 5000; n++) {
      const bytes = Uint8Array.from({ length: draws.below(40) }, () => draws.below(256))
      bytes[0] = draws.below(60)
      expect(decompress(bytes)?.length ?? bytes[0] ?? 0).toBe(bytes[0] ?? 0)
    }
  })
})
