import { describe, expect, test } from 'vitest'
import { utf8 } from '../../src/base/bytes'
import { BytesPayloadError, payloadText } from '../../src/format/record-shape'
import { text } from '../support/one-record'

describe('a payload as text', () => {
  test.each([
    ['short', 'pässword'],
    ['just short', 'x'.repeat(8191)],
    ['long', 'x'.repeat(8192)],
    ['long, and not ASCII', `${'x'.repeat(9000)}é`],
  ])('that is %s is read', (_, payload) => {
    expect(payloadText(text(utf8(payload)))).toBe(payload)
  })

  test('of other bytes is ERR_CORRUPT, and one of bytes a mistake', async () => {
    for (const bytes of [Uint8Array.of(0xff), new Uint8Array(9000).fill(0xff)]) {
      await expect(async () => payloadText(text(bytes))).rejects.toMatchObject({ code: 'ERR_CORRUPT' })
      expect(() => payloadText({ type: 'bytes', bytes })).toThrow(BytesPayloadError)
    }
  })
})
