import fc from 'fast-check'
import { expect, test } from 'vitest'
import { utf8 } from '../../../../src/base/bytes'
import { placeOf } from '../../../../src/care/recovery/place'
import type { Address, Scope } from '../../../../src/model'
import { keyspace } from '../../../../src/storage/keyspace'

const plain = keyspace('plain', () => new Uint8Array(32))

const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom('|', '%', '%25', '%7C', '%257C', 'user:', 'account', '\0', 'é'),
    fc.string({ unit: 'binary', maxLength: 2 }).filter((part) => part.isWellFormed()),
  ),
  minLength: 1,
  maxLength: 8,
})
const name = text.filter((given) => given !== '' && given.isWellFormed())
const scope: fc.Arbitrary<Scope> = fc.oneof(
  fc.constant({ type: 'account' as const }),
  name.map((user) => ({ type: 'user' as const, user })),
)
const address: fc.Arbitrary<Address> = fc.record({
  partition: fc.record({ account: fc.option(name, { nil: undefined }), livemode: fc.boolean() }),
  scope,
  name,
})

test('the place of a plain row key is the one it was made of', () => {
  fc.assert(
    fc.property(address, (given) => {
      expect(placeOf(plain.record(given))).toEqual(given)
    }),
    { numRuns: 2000 },
  )
})

test.each([
  '',
  'r',
  'rt',
  'rt|',
  'rt|account',
  'rt|account|',
  'rx|account|a',
  'rt|user:|a',
  'rt|other|a',
  'pt|account|a',
  'r|account|a',
])('that of %j is none', (key) => {
  expect(placeOf(utf8(key))).toBeUndefined()
})

test('that of bytes that are no text is none', () => {
  expect(placeOf(Uint8Array.of(0x72, 0x74, 0x7c, 0xff))).toBeUndefined()
})
