import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { utf8 } from '../../../src/base/bytes'
import { Keyring } from '../../../src/crypto/keyring'
import { INLINE_PAYLOAD_BYTES } from '../../../src/format/constants'
import { envelopeTag } from '../../../src/format/envelope'
import { openKnown, openPayload, openRecord } from '../../../src/storage/records'
import { keyring, large, rowKey, seal, text } from '../../support/one-record'
import { codeOf } from '../../support/stores'

describe('a record and its payload', () => {
  test.each([
    [1, false],
    [INLINE_PAYLOAD_BYTES - 1, false],
    [INLINE_PAYLOAD_BYTES, false],
    [INLINE_PAYLOAD_BYTES + 1, true],
  ])('of %i bytes has a row of its own: %s', (length, hasRow) => {
    const payload = new Uint8Array(length).fill(7)
    const { record, value, payloadValue } = seal(1, payload)
    expect(payloadValue !== undefined).toBe(hasRow)
    expect(openRecord(keyring, rowKey, value)).toEqual(record)
    expect(openPayload(keyring, rowKey, record, payloadValue)).toEqual(text(payload))
  })

  test('that is known is what was sealed, without its payload', () => {
    const small = seal()
    const { payload: _, ...rest } = small.record
    expect(openKnown(keyring, rowKey, small.value)).toEqual({ ...rest, payload: { type: 'text' } })
    const { value, payloadValue } = seal(1, large(7))
    expect(openKnown(keyring, rowKey, value)).toMatchObject({
      payload: { type: 'text', lengthBytes: 3000, tag: envelopeTag(payloadValue as Uint8Array) },
    })
  })

  test('leaves no plaintext in memory once it is sealed, or known', () => {
    const secret = 'a payload that is looked for'
    const seen: Uint8Array[] = []
    const { sealRow, openRow } = Keyring.prototype
    const spies = [
      vi.spyOn(keyring, 'sealRow').mockImplementation((row, plaintext) => {
        seen.push(plaintext)
        return sealRow.call(keyring, row, plaintext)
      }),
      vi.spyOn(keyring, 'openRow').mockImplementation((row, value, out) => {
        const plaintext = openRow.call(keyring, row, value, out)
        seen.push(plaintext)
        return plaintext
      }),
    ]
    onTestFinished(() => {
      for (const spy of spies) spy.mockRestore()
    })
    const { value } = seal(1, utf8(secret))
    openKnown(keyring, rowKey, value)
    expect(seen).toHaveLength(2)
    for (const plaintext of seen) {
      expect(plaintext.length).toBeGreaterThan(secret.length)
      expect(plaintext.every((byte) => byte === 0)).toBe(true)
    }
  })

  test('sealed after one that could not be holds nothing of that', () => {
    const fault = vi.spyOn(keyring, 'sealRow').mockImplementationOnce(() => {
      throw new RangeError('no')
    })
    expect(() => seal(1, utf8('x'.repeat(900)))).toThrow(RangeError)
    fault.mockRestore()
    const { record, value } = seal(2)
    expect(openRecord(keyring, rowKey, value)).toEqual(record)
  })

  test('is none in a row of another sort, whatever is sealed there', async () => {
    const other = utf8('pt|account|n')
    const value = keyring.sealRow(other, utf8('whatever'))
    for (const open of [openRecord, openKnown]) {
      await expect(async () => open(keyring, other, value)).rejects.toMatchObject({
        code: 'ERR_CORRUPT',
        message: 'secondary row: expected it to lead to a record, got another row',
      })
    }
  })

  test('goes with no other payload row than its own, which must be there', async () => {
    const [one, other] = [seal(1, large(1)), seal(2, large(2))]
    const open = (value: Uint8Array | undefined) => () => openPayload(keyring, rowKey, one.record, value)
    expect(open(one.payloadValue)().bytes).toEqual(large(1))
    expect(await codeOf(open(undefined))).toBe('ERR_CORRUPT')
    await expect(async () => open(other.payloadValue)()).rejects.toThrow('expected the one its record names')
    const altered = (one.payloadValue as Uint8Array).slice()
    altered[40] = (altered[40] as number) ^ 1
    expect(await codeOf(open(altered))).toBe('ERR_CORRUPT')
  })
})
