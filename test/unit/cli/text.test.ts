import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { decodeText, isUtf16, passphraseText, textOf } from '../../../src/cli/text'

const little = (text: string): Buffer => Buffer.from(text, 'utf16le')
const big = (text: string): Buffer => little(text).swap16()

describe('UTF-16', () => {
  test.each(['radish', 'café', 'a', 'NAME=value\r\n', '{"a": "b"}'])('%j is known by its zero bytes', (text) => {
    for (const bytes of [little(text), big(text)]) {
      expect(isUtf16(bytes)).toBe(true)
      expect(() => decodeText(bytes, 'import')).toThrow('import: expected UTF-8, got UTF-16')
    }
    expect(isUtf16(Buffer.from(text))).toBe(false)
  })

  test('of any letters is known by its mark', () => {
    for (const bytes of [little('\ufeff日本語'), big('\ufeff日本語')]) expect(isUtf16(bytes)).toBe(true)
    expect(isUtf16(Buffer.from('日本語!'))).toBe(false)
  })

  test('is no random bytes without its mark, nor zeros alone, nor nothing', () => {
    for (let n = 0; n < 20_000; n++) {
      const bytes = randomBytes(32)
      if (![0xfffe, 0xfeff].includes(bytes.readUInt16BE())) expect(isUtf16(bytes)).toBe(false)
    }
    for (const length of [0, 1, 2, 32]) expect(isUtf16(new Uint8Array(length))).toBe(false)
  })
})

describe('text', () => {
  test('has no byte order mark at its start, and keeps all others', () => {
    expect(decodeText(Buffer.from('\ufeffa\ufeff\n'), 'import')).toBe('a\ufeff\n')
    expect(textOf(Buffer.from('\ufeffa'))).toBe('\ufeffa')
  })

  test('that is not UTF-8 is refused, and none of it is told', () => {
    expect(() => decodeText(Buffer.from('s3cret \xe9', 'latin1'), 'import')).toThrow(
      /^import: expected UTF-8, got other bytes$/,
    )
    expect(textOf(Uint8Array.of(0xed, 0xa0, 0x80))).toBeUndefined()
  })
})

test.each([
  ['radish', 'radish'],
  ['radish\n', 'radish'],
  ['radish\r\n', 'radish'],
  ['radish\n\n', 'radish\n'],
  ['radish\r', 'radish\r'],
  [' radish ', ' radish '],
  ['\ufeffradish\n', 'radish'],
  ['\ufeff\ufeffradish', '\ufeffradish'],
  ['\n', ''],
])('the passphrase of %j is %j', (text, expected) => {
  expect(passphraseText(text)).toBe(expected)
})
