import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compare, equal, mapKey, utf8 } from '../../../src/base/bytes'
import { mac } from '../../../src/crypto/derive'
import { ROW } from '../../../src/format/constants'
import type { Address, Scope } from '../../../src/model'
import {
  expiryPrefix,
  expiryRow,
  HEAD_ROW,
  idRow,
  keyspace,
  payloadRow,
  prefixRange,
  RowKey,
} from '../../../src/storage/keyspace'
import { addressOf } from '../../../src/storage/keyspace-inverse'

/** Strings of the pieces that row keys are made of, so that one address ends where another one begins. */
const adversarial = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom('|', '%', '\0', 'user:', 'account', '7C', '25', '%7C', '%25', '||') },
      { weight: 4, arbitrary: fc.constantFrom('l', 't', 'r', 'p', 'u', 'a', 'acct_', ':', '/', '../', '\x01', '\x7f') },
      { weight: 1, arbitrary: fc.constantFrom('\u{e9}', 'e\u{301}', '\u{1f600}', '\u{ffff}', '__proto__') },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }).filter((text) => text.isWellFormed()) },
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((pieces) => pieces.join(''))
  .filter((text) => text !== '')

const scope: fc.Arbitrary<Scope> = fc.oneof(
  fc.constant({ type: 'account' as const }),
  adversarial.map((user) => ({ type: 'user' as const, user })),
)
const address: fc.Arbitrary<Address> = fc.record({
  partition: fc.record({ account: fc.option(adversarial, { nil: undefined }), livemode: fc.boolean() }),
  scope,
  name: adversarial,
})

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
const home = ({ partition, scope: of }: Address): unknown => [partition.account ?? null, partition.livemode, of]

/** Every way to cut one string of pieces into account, user and name. */
const recut: fc.Arbitrary<readonly Address[]> = fc
  .array(fc.constantFrom('|', '%7C', '%', 'user:', 'a', '\0', 'account|'), { minLength: 3, maxLength: 7 })
  .map((pieces) => {
    const addresses: Address[] = []
    for (let i = 0; i < pieces.length; i++) {
      for (let j = i; j < pieces.length; j++) {
        const [front, middle, name] = [pieces.slice(0, i), pieces.slice(i, j), pieces.slice(j)].map((part) =>
          part.join(''),
        )
        const partition = { account: front === '' ? undefined : front, livemode: false }
        const of: Scope = middle === '' ? { type: 'account' } : { type: 'user', user: middle as string }
        addresses.push({ partition, scope: of, name: name as string })
      }
    }
    return addresses
  })

describe.each(['plain', 'sealed'] as const)('%s names', (names) => {
  const keys = keyspace({ names, nameHash: (composite) => mac(new Uint8Array(32).fill(1), composite) })

  function rangeHolds(of: Address, rowKey: Uint8Array): boolean {
    const { gte, lt } = prefixRange(keys.scope(of.partition, of.scope))
    return compare(rowKey, gte) >= 0 && compare(rowKey, lt) < 0
  }

  test('two different addresses never share a row', () => {
    fc.assert(
      fc.property(address, address, (a, b) => {
        const differ = !same([home(a), a.name], [home(b), b.name])
        expect(equal(keys.record(a).bytes, keys.record(b).bytes)).toBe(!differ)
      }),
      { numRuns: 5000 },
    )
  })

  test('however one string is cut into account, user and name, every cut has a row of its own', () => {
    fc.assert(
      fc.property(recut, (addresses) => {
        const distinct = new Set(addresses.map((one) => JSON.stringify([home(one), one.name])))
        const rows = new Set(addresses.map((one) => mapKey(keys.record(one).bytes)))
        expect(rows.size).toBe(distinct.size)
      }),
      { numRuns: 500 },
    )
  })

  test('the range of a scope holds exactly its own rows', () => {
    fc.assert(
      fc.property(address, address, (a, b) => {
        expect(rangeHolds(a, keys.record(a).bytes)).toBe(true)
        expect(rangeHolds(a, keys.record({ ...a, name: b.name }).bytes)).toBe(true)
        expect(rangeHolds(a, keys.record(b).bytes)).toBe(same(home(a), home(b)))
      }),
      { numRuns: 5000 },
    )
  })

  test('the range of a scope holds no row of another sort', () => {
    fc.assert(
      fc.property(address, adversarial, fc.nat(), (of, id, time) => {
        for (const row of [HEAD_ROW, payloadRow(keys.record(of).bytes), idRow(id), expiryRow(time, id)]) {
          expect(rangeHolds(of, row)).toBe(false)
        }
      }),
    )
  })

  test('partitions never mix, by account or by mode', () => {
    const of = (account: string | undefined, livemode: boolean): string =>
      mapKey(keys.scope({ account, livemode }, { type: 'account' }))
    const scopes = [undefined, 'a', 'l', 't', 'l|account|', '|', '%7C', '%'].flatMap((account) => [
      of(account, false),
      of(account, true),
    ])
    expect(new Set(scopes).size).toBe(16)
    for (const one of scopes) expect(scopes.filter((other) => other.startsWith(one))).toEqual([one])
  })

  test('a payload row belongs to one record', () => {
    fc.assert(
      fc.property(address, address, (a, b) => {
        const [rowA, rowB] = [keys.record(a).bytes, keys.record(b).bytes]
        expect(equal(payloadRow(rowA), payloadRow(rowB))).toBe(equal(rowA, rowB))
        expect(payloadRow(rowA)[0]).toBe(ROW.payload)
      }),
    )
  })
})

describe('plain names', () => {
  const keys = keyspace({ names: 'plain', nameHash: () => expect.unreachable('plain names are not hashed') })

  test('are in order of their UTF-8 bytes', () => {
    fc.assert(
      fc.property(address, adversarial, (of, name) => {
        const order = Math.sign(compare(keys.record(of).bytes, keys.record({ ...of, name }).bytes))
        expect(order).toBe(Math.sign(Buffer.compare(utf8(of.name), utf8(name))))
      }),
      { numRuns: 2000 },
    )
  })

  test('are written as they are, behind partition and scope', () => {
    const row = (account: string | undefined, livemode: boolean, of: Scope, name: string): string =>
      new TextDecoder().decode(keys.record({ partition: { account, livemode }, scope: of, name }).bytes)
    expect(row(undefined, false, { type: 'account' }, 'a|b')).toBe('rt|account|a|b')
    expect(row('acct_1', true, { type: 'user', user: 'x|y%' }, 'n')).toBe('rlacct_1|user:x%7Cy%25|n')
  })
})

describe('sealed names', () => {
  test('are 65 bytes and show nothing of the address', () => {
    const keys = keyspace({ names: 'sealed', nameHash: (composite) => mac(new Uint8Array(32).fill(1), composite) })
    const row = keys.record({
      partition: { account: 'acct_1', livemode: true },
      scope: { type: 'user', user: 'usr_1' },
      name: 'name'.repeat(1000),
    }).bytes
    expect(row).toHaveLength(65)
    for (const part of ['acct_1', 'usr_1', 'name', 'user:']) expect(mapKey(row)).not.toContain(part)
  })
})

describe('the address of a plain row key', () => {
  const keys = keyspace({ names: 'plain', nameHash: () => new Uint8Array(32) })
  const text = fc.string({
    unit: fc.oneof(
      fc.constantFrom('|', '%', '%25', '%7C', '%257C', 'user:', 'account', '\0', 'é'),
      fc.string({ unit: 'binary', maxLength: 2 }).filter((part) => part.isWellFormed()),
    ),
    minLength: 1,
    maxLength: 8,
  })
  const part = text.filter((given) => given !== '' && given.isWellFormed())
  const given: fc.Arbitrary<Address> = fc.record({
    partition: fc.record({ account: fc.option(part, { nil: undefined }), livemode: fc.boolean() }),
    scope: fc.oneof(
      fc.constant({ type: 'account' as const }),
      part.map((user) => ({ type: 'user' as const, user })),
    ),
    name: part,
  })

  test.each([
    ['pieces of row keys', address],
    ['escapes and other text', given],
  ])('is the one that it was made of, whatever the address has in it: %s', (_, addresses) => {
    fc.assert(
      fc.property(addresses, (one) => {
        expect(addressOf(keys.record(one).bytes)).toEqual(one)
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
  ])('is none for %j', (key) => {
    expect(addressOf(utf8(key))).toBeUndefined()
  })

  test('is none for bytes that are no text', () => {
    expect(addressOf(Uint8Array.of(0x72, 0x74, 0x7c, 0xff))).toBeUndefined()
  })
})

describe('a row key', () => {
  const bytes = fc.uint8Array({ max: 255, maxLength: 20 })

  test('has the same two forms, whichever of them it was made of', () => {
    fc.assert(
      fc.property(bytes, (key) => {
        const made = [RowKey.of(key), RowKey.ofText(mapKey(key))]
        for (const one of made) {
          // Asked for twice, in both orders: what is worked out is kept.
          expect([one.text, one.bytes, one.text]).toEqual([mapKey(key), key, mapKey(key)])
          expect(one.bytes).toBe(one.bytes)
        }
      }),
    )
  })

  test('has texts in the order of its bytes', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const [one, other] = [RowKey.of(a).text, RowKey.of(b).text]
        expect(one < other ? -1 : one > other ? 1 : 0).toBe(Math.sign(compare(a, b)))
      }),
    )
  })
})

describe('expiry rows', () => {
  const time = fc.maxSafeNat()

  test('are in order of time, whatever the id', () => {
    fc.assert(
      fc.property(time, adversarial, time, adversarial, (a, idA, b, idB) => {
        const order = compare(expiryRow(a, idA), expiryRow(b, idB))
        if (a !== b) expect(Math.sign(order)).toBe(Math.sign(a - b))
        else expect(order === 0).toBe(idA === idB)
      }),
    )
  })

  test('up to a second are below the prefix of the next', () => {
    fc.assert(
      fc.property(fc.nat(), adversarial, (seconds, id) => {
        expect(compare(expiryRow(seconds, id), expiryPrefix(seconds + 1))).toBeLessThan(0)
        expect(compare(expiryRow(seconds + 1, id), expiryPrefix(seconds + 1))).toBeGreaterThan(0)
      }),
    )
  })
})

test('a prefix range holds every key with the prefix, and no other', () => {
  const bytes = fc.uint8Array({ maxLength: 6, max: 255 })
  const prefix = fc.uint8Array({ minLength: 1, maxLength: 4 }).filter((value) => value.some((byte) => byte < 255))
  fc.assert(
    fc.property(prefix, bytes, bytes, (start, tail, other) => {
      const { gte, lt } = prefixRange(start)
      const holds = (key: Uint8Array): boolean => compare(key, gte) >= 0 && compare(key, lt) < 0
      expect(holds(Uint8Array.of(...start, ...tail))).toBe(true)
      expect(holds(other)).toBe(equal(other.subarray(0, start.length), start))
    }),
  )
  expect(() => prefixRange(Uint8Array.of(255, 255))).toThrow('prefix: expected a byte below 0xff, got none')
})
