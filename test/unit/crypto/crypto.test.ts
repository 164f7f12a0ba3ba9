import { hkdfSync } from 'node:crypto'
import { argon2id } from '@noble/hashes/argon2.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { scrypt, scryptAsync } from '@noble/hashes/scrypt.js'
import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { concat, utf8 } from '../../../src/base/bytes'
import type { Aead } from '../../../src/crypto/aead/aead'
import { nobleAead } from '../../../src/crypto/aead/noble'
import { createKeyringFile } from '../../../src/crypto/data-keys'
import { derive, mac } from '../../../src/crypto/derive'
import { costProblem, type Kdf, stretch } from '../../../src/crypto/kdf'
import { Keyring, readKeyringFile, sealKeyringFile, verifyKeyringFile } from '../../../src/crypto/keyring'
import { publicRandom, systemRandom } from '../../../src/crypto/random'
import { seal } from '../../../src/crypto/seal'
import { newSlotId, unwrapRootKey, wrapRootKey } from '../../../src/crypto/slot'
import { LABEL } from '../../../src/format/constants'
import { decodeSetHash, EMPTY_HEAD, isSameSum, NO_RECORDS, withElement, withoutElement } from '../../../src/format/head'
import { codeOf } from '../../support/stores'
import { hex, toHex, type Verdict, vectors } from '../../support/vectors'

type HkdfCase = Verdict & Readonly<Record<'ikm' | 'salt' | 'info' | 'okm', string>> & { readonly size: number }

test('HMAC-SHA256 of the platform is that of @noble/hashes, at any lengths', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 150 }), fc.uint8Array({ maxLength: 300 }), (key, bytes) => {
      expect(toHex(mac(key, bytes))).toBe(toHex(hmac(sha256, key, bytes)))
    }),
  )
})

function elementHash(key: Uint8Array, element: Uint8Array): bigint {
  return decodeSetHash(mac(key, element))
}

describe('HKDF-SHA256', () => {
  const file = vectors<HkdfCase>('hkdf_sha256_test.json')

  // `derive` has no salt and ends every label in a zero, which no vector does: they go through what it is made of, and
  // through the platform's HKDF, which it is then held against.
  test.skipIf(file === undefined)('agrees with Project Wycheproof, and so does the platform', () => {
    let cases = 0
    for (const { tests } of file?.testGroups ?? []) {
      for (const { tcId, ikm, salt, info, size, okm, result } of tests) {
        const ours = (): string => toHex(hkdf(sha256, hex(ikm), hex(salt), hex(info), size))
        const platforms = (): string => toHex(new Uint8Array(hkdfSync('sha256', hex(ikm), hex(salt), hex(info), size)))
        for (const expanded of [ours, platforms]) {
          if (result === 'valid') expect([tcId, expanded()]).toEqual([tcId, okm])
          else expect(expanded).toThrow()
        }
        cases++
      }
    }
    expect(cases).toBe(file?.numberOfTests)
    expect(cases).toBe(86)
  })

  test('derive is HKDF-SHA256 without salt over label, a zero and the context', () => {
    const bytes = fc.uint8Array({ maxLength: 100 })
    fc.assert(
      fc.property(bytes, fc.constantFrom(...Object.values(LABEL)), bytes, (key, label, context) => {
        const info = concat(utf8(label), Uint8Array.of(0), context)
        expect(derive(key, label, context)).toEqual(new Uint8Array(hkdfSync('sha256', key, '', info, 32)))
      }),
    )
  })

  test('no label is the beginning of another, or is used twice', () => {
    const labels = Object.values(LABEL)
    for (const label of labels) expect(labels.filter((other) => other.startsWith(label))).toEqual([label])
  })
})

describe('key stretching', () => {
  // RFC 7914 §12; the fourth vector takes 1 GiB and is left to the RFC's other three.
  const scryptVectors = [
    [
      ['', '', 16, 1, 1],
      '77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906',
    ],
    [
      ['password', 'NaCl', 1024, 8, 16],
      'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640',
    ],
    [
      ['pleaseletmein', 'SodiumChloride', 16384, 8, 1],
      '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
    ],
  ] as const

  test.each(scryptVectors)('scrypt gives the vector of RFC 7914 for %j', ([password, salt, N, r, p], expected) => {
    expect(toHex(scrypt(utf8(password), utf8(salt), { N, r, p, dkLen: 64 }))).toBe(expected)
  })

  test('stretch gives the RFC 7914 vector that is within its bounds', async () => {
    const [[password, salt, N, r, p], expected] = scryptVectors[2]
    const cost = { kdf: 'scrypt', N, r, p } as const
    // The derived key ends in PBKDF2 blocks of 32 bytes: the first block is the shorter key.
    expect(toHex(await stretch(utf8(password), utf8(salt), cost))).toBe(expected.slice(0, 64))
  })

  test.each([
    { N: 16_384, r: 8, p: 1 },
    { N: 16_384, r: 9, p: 2 },
    { N: 32_768, r: 8, p: 1 },
  ])('stretch gives what @noble/hashes gives for %j', async (cost) => {
    const password = utf8('pässword')
    const salt = new Uint8Array(16).fill(9)
    const reference = await scryptAsync(password, salt, { ...cost, dkLen: 32 })
    expect(await stretch(password, salt, { kdf: 'scrypt', ...cost })).toEqual(reference)
  })

  test('Argon2id gives the vector of RFC 9106 §5.3', () => {
    const tag = argon2id(new Uint8Array(32).fill(1), new Uint8Array(16).fill(2), {
      t: 3,
      m: 32,
      p: 4,
      dkLen: 32,
      key: new Uint8Array(8).fill(3),
      personalization: new Uint8Array(12).fill(4),
    })
    expect(toHex(tag)).toBe('0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659')
  })

  test('stretch with Argon2id is Argon2id with these parameters and no others', async () => {
    const cost = { m: 19_456, t: 2, p: 1 }
    const password = utf8('password')
    const salt = new Uint8Array(16).fill(2)
    expect(await stretch(password, salt, { kdf: 'argon2id', ...cost })).toEqual(
      argon2id(password, salt, { ...cost, dkLen: 32 }),
    )
  })

  const atBounds: readonly [Kdf, string | undefined][] = [
    [{ kdf: 'scrypt', N: 16_384, r: 8, p: 1 }, undefined],
    [{ kdf: 'scrypt', N: 1_048_576, r: 8, p: 16 }, undefined],
    [{ kdf: 'scrypt', N: 524_288, r: 16, p: 1 }, undefined],
    [{ kdf: 'scrypt', N: 8192, r: 8, p: 1 }, 'scrypt N: expected an integer from 16384 to 1048576, got 8192'],
    [{ kdf: 'scrypt', N: 2_097_152, r: 8, p: 1 }, 'scrypt N: expected an integer from 16384 to 1048576, got 2097152'],
    [{ kdf: 'scrypt', N: 16_385, r: 8, p: 1 }, 'scrypt N: expected a power of two, got 16385'],
    [{ kdf: 'scrypt', N: 1_048_576, r: 9, p: 1 }, 'scrypt N·r: expected at most 1 GiB of memory, got more'],
    [{ kdf: 'scrypt', N: 16_384, r: 7, p: 1 }, 'scrypt r: expected an integer from 8 to 16, got 7'],
    [{ kdf: 'scrypt', N: 16_384, r: 17, p: 1 }, 'scrypt r: expected an integer from 8 to 16, got 17'],
    [{ kdf: 'scrypt', N: 16_384, r: 8, p: 0 }, 'scrypt p: expected an integer from 1 to 16, got 0'],
    [{ kdf: 'scrypt', N: 16_384, r: 8, p: 17 }, 'scrypt p: expected an integer from 1 to 16, got 17'],
    [{ kdf: 'scrypt', N: Number.NaN, r: 8, p: 1 }, 'scrypt N: expected an integer from 16384 to 1048576, got NaN'],
    [{ kdf: 'argon2id', m: 19_456, t: 2, p: 1 }, undefined],
    [{ kdf: 'argon2id', m: 1_048_576, t: 16, p: 1 }, undefined],
    [{ kdf: 'argon2id', m: 19_455, t: 2, p: 1 }, 'argon2id m: expected an integer from 19456 to 1048576, got 19455'],
    [{ kdf: 'argon2id', m: 2 ** 21, t: 2, p: 1 }, 'argon2id m: expected an integer from 19456 to 1048576, got 2097152'],
    [{ kdf: 'argon2id', m: 19_456, t: 1, p: 1 }, 'argon2id t: expected an integer from 2 to 16, got 1'],
    [{ kdf: 'argon2id', m: 19_456, t: 17, p: 1 }, 'argon2id t: expected an integer from 2 to 16, got 17'],
    [{ kdf: 'argon2id', m: 19_456, t: 2, p: 2 }, 'argon2id p: expected an integer from 1 to 1, got 2'],
  ]

  test.each(atBounds)('the cost %j is judged as it should be', async (kdf, problem) => {
    expect(costProblem(kdf)).toBe(problem)
    if (problem !== undefined) {
      await expect(stretch(utf8('p'), new Uint8Array(16), kdf)).rejects.toThrow(problem)
      expect(await codeOf(() => stretch(utf8('p'), new Uint8Array(16), kdf))).toBe('ERR_CORRUPT')
    }
  })
})

describe('set hash', () => {
  const element = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n })

  test('the order of elements does not matter', () => {
    fc.assert(
      fc.property(fc.array(element), fc.array(fc.nat()), (elements, weights) => {
        const shuffled = elements
          .map((value, index) => ({ value, weight: weights[index] ?? -index }))
          .sort((a, b) => a.weight - b.weight)
          .map(({ value }) => value)
        expect(shuffled.reduce(withElement, NO_RECORDS)).toEqual(elements.reduce(withElement, NO_RECORDS))
      }),
    )
  })

  test('removing is the inverse of adding, and the sum stays below 2^256', () => {
    fc.assert(
      fc.property(fc.nat(), element, element, (count, setHash, value) => {
        const sum = { count, setHash }
        const added = withElement(sum, value)
        expect(added).toEqual({ count: count + 1, setHash: (setHash + value) % 2n ** 256n })
        expect(withoutElement(added, value)).toEqual(sum)
        const removed = withoutElement(sum, value)
        expect(removed).toEqual({ count: count - 1, setHash: (setHash - value + 2n ** 256n) % 2n ** 256n })
        expect(withElement(removed, value)).toEqual(sum)
        expect(sum).toEqual({ count, setHash })
      }),
    )
  })

  test('an element twice is not the same as once, or not at all', () => {
    const hash = elementHash(new Uint8Array(32).fill(1), utf8('element'))
    const once = withElement(NO_RECORDS, hash)
    const twice = withElement(once, hash)
    expect(new Set([NO_RECORDS, once, twice].map(({ setHash }) => setHash)).size).toBe(3)
    expect([NO_RECORDS, once, twice].map(({ count }) => count)).toEqual([0, 1, 2])
  })

  test('two sums are the same only if both count and set hash are', () => {
    const sum = { count: 3, setHash: 7n }
    expect(isSameSum(sum, { ...sum })).toBe(true)
    expect(isSameSum(sum, { ...sum, count: 4 })).toBe(false)
    expect(isSameSum(sum, { ...sum, setHash: 8n })).toBe(false)
  })

  test('an element depends on the key and on every byte', () => {
    const key = new Uint8Array(32).fill(1)
    const hashes = [
      elementHash(key, utf8('ab')),
      elementHash(key, utf8('ac')),
      elementHash(key, utf8('bb')),
      elementHash(new Uint8Array(32), utf8('ab')),
    ]
    expect(new Set(hashes).size).toBe(4)
  })
})

const SLOT = { id: new Uint8Array(8), kind: 'raw-key', label: null, created: 0, params: {} }

describe('keyring', () => {
  const rootKey = new Uint8Array(32).fill(1)

  function newKeyring(storeFill = 2): Keyring {
    const fields = { storeId: new Uint8Array(16).fill(storeFill), created: 0, names: 'plain', slots: [] } as const
    return new Keyring(createKeyringFile(rootKey, fields, systemRandom), rootKey, systemRandom)
  }

  test('opening is the inverse of sealing, for the same row alone', async () => {
    const keyring = newKeyring()
    const row = utf8('rt|account|name')
    const value = keyring.sealRow(row, utf8('plaintext'))
    expect(keyring.openRow(row, value)).toEqual(utf8('plaintext'))
    for (const other of ['rt|account|nam', 'rt|account|name\0', 'pt|account|name', '']) {
      expect(await codeOf(() => keyring.openRow(utf8(other), value))).toBe('ERR_CORRUPT')
    }
  })

  test('a row of another store does not open, even under the same keys', async () => {
    const row = utf8('row')
    const fields = { storeId: new Uint8Array(16).fill(2), created: 0, names: 'plain', slots: [] } as const
    const file = createKeyringFile(rootKey, fields, systemRandom)
    const value = new Keyring(file, rootKey, systemRandom).sealRow(row, utf8('p'))
    expect(new Keyring(file, rootKey, systemRandom).openRow(row, value)).toEqual(utf8('p'))
    expect(await codeOf(() => newKeyring(2).openRow(row, value))).toBe('ERR_CORRUPT')
    expect(await codeOf(() => newKeyring(3).openRow(row, value))).toBe('ERR_CORRUPT')
    const moved = { ...file, storeId: new Uint8Array(16).fill(3) }
    expect(await codeOf(() => new Keyring(moved, rootKey, systemRandom))).toBe('ERR_CORRUPT')
    expect(await codeOf(() => new Keyring(file, new Uint8Array(32), systemRandom))).toBe('ERR_CORRUPT')
  })

  test('a data key stays at its own id, and no data key passes for the index key', async () => {
    const fields = { storeId: new Uint8Array(16), created: 0, names: 'plain', slots: [] } as const
    const file = createKeyringFile(rootKey, fields, systemRandom)
    const [key] = file.keys
    if (key === undefined) throw new Error('a new keyring has a data key')
    for (const altered of [
      { ...file, keys: [{ ...key, id: 2 }] },
      { ...file, indexKey: key.wrapped },
      { ...file, keys: [{ ...key, wrapped: file.indexKey }] },
    ]) {
      expect(await codeOf(() => new Keyring(altered, rootKey, systemRandom))).toBe('ERR_CORRUPT')
    }
  })

  test('the key id that an envelope names must be one of the store', async () => {
    const keyring = newKeyring()
    const value = keyring.sealRow(utf8('row'), utf8('p'))
    value[4] = 2
    await expect(async () => keyring.openRow(utf8('row'), value)).rejects.toThrow(
      'envelope: expected a key of this store, got key 2',
    )
  })

  test('what an old data key sealed opens beside a newer one, which seals from then on', () => {
    const fields = { storeId: new Uint8Array(16), created: 0, names: 'plain', slots: [] } as const
    const file = createKeyringFile(rootKey, fields, systemRandom)
    const old = new Keyring(file, rootKey, systemRandom).sealRow(utf8('row'), utf8('old'))
    // A second key, wrapped as the first was: its id is bound into the seal, so it is made under that id.
    const context = concat(Uint8Array.of(1), file.storeId, Uint8Array.of(0, 0, 0, 2))
    const wrapped = seal(derive(rootKey, LABEL.keyWrap, file.storeId), systemRandom(32), context, systemRandom)
    const rotated = { ...file, keys: [...file.keys, { id: 2, created: 0, wrapped }] }
    const keyring = new Keyring(rotated, rootKey, systemRandom)
    expect(keyring.openRow(utf8('row'), old)).toEqual(utf8('old'))
    expect(keyring.sealRow(utf8('row'), utf8('new'))[4]).toBe(2)
  })

  test('a wiped keyring is ERR_CLOSED for everything', async () => {
    const keyring = newKeyring()
    const value = keyring.sealRow(utf8('row'), utf8('p'))
    keyring.wipe()
    for (const work of [
      () => keyring.sealRow(utf8('row'), utf8('p')),
      () => keyring.openRow(utf8('row'), value),
      () => keyring.elementHash(utf8('row'), value),
      () => keyring.checkpointMac(EMPTY_HEAD),
      () => keyring.nameHash(utf8('name')),
    ]) {
      expect(await codeOf(work)).toBe('ERR_CLOSED')
    }
  })

  test('keyring.json is vouched for by the root key alone, in every byte', async () => {
    const fields = { storeId: new Uint8Array(16), created: 0, names: 'plain', slots: [SLOT] } as const
    const file = createKeyringFile(rootKey, fields, systemRandom)
    const unverified = readKeyringFile(sealKeyringFile(file, rootKey))
    expect(verifyKeyringFile(unverified, rootKey)).toEqual(file)
    for (const [altered, key] of [
      [unverified, new Uint8Array(32)],
      [{ ...unverified, macInput: concat(unverified.macInput, Uint8Array.of(0)) }, rootKey],
      [{ ...unverified, mac: unverified.mac.toReversed() }, rootKey],
    ] as const) {
      expect(await codeOf(() => verifyKeyringFile(altered, key))).toBe('ERR_CORRUPT')
    }
  })

  test('rows are sealed and opened by the library it was given, @noble/ciphers if by none', () => {
    const fields = { storeId: new Uint8Array(16), created: 0, names: 'plain', slots: [] } as const
    const file = createKeyringFile(rootKey, fields, systemRandom)
    const calls: string[] = []
    const given: Aead = {
      uses: [],
      encrypt: (...args) => {
        calls.push('seal')
        nobleAead.encrypt(...args)
      },
      decrypt: (...args) => {
        calls.push('open')
        return nobleAead.decrypt(...args)
      },
    }
    const keyring = new Keyring(file, rootKey, systemRandom, given)
    expect(keyring.openRow(utf8('row'), keyring.sealRow(utf8('row'), utf8('p')))).toEqual(utf8('p'))
    expect(calls).toEqual(['seal', 'open'])
    expect(keyring.aead).toBe(given)
    expect(newKeyring().aead).toBe(nobleAead)
  })

  test('the keys are not to be seen on the keyring', () => {
    expect(JSON.stringify(newKeyring())).not.toContain('ey')
    expect(Object.keys(newKeyring())).toEqual(['storeId', 'names'])
  })
})

describe('slot', () => {
  const context = { storeId: new Uint8Array(16), slotId: new Uint8Array(8), kind: 'raw-key' }
  const secret = new Uint8Array(32).fill(1)
  const rootKey = new Uint8Array(32).fill(2)
  const wrapped = wrapRootKey(secret, rootKey, context, systemRandom)

  test('gives the root key to the secret it was made with, and nothing to others', () => {
    expect(unwrapRootKey(secret, wrapped, context)).toEqual(rootKey)
    expect(unwrapRootKey(new Uint8Array(32), wrapped, context)).toBeNull()
  })

  test('moved to another store, id or kind is nobody’s', () => {
    for (const moved of [
      { ...context, storeId: new Uint8Array(16).fill(1) },
      { ...context, slotId: new Uint8Array(8).fill(1) },
      { ...context, kind: 'raw-kez' },
    ]) {
      expect(unwrapRootKey(secret, wrapped, moved)).toBeNull()
    }
  })

  test('that is damaged says so, and where', () => {
    const other = wrapRootKey(new Uint8Array(32), rootKey, context, systemRandom)
    for (const [params, message] of [
      [{ ...wrapped, wrapped: other.wrapped }, 'slot wrapped: expected the root key under the committed key, '],
      [{ ...wrapped, commitment: '' }, 'slot commitment: expected 32 bytes in base64url, '],
      [{ ...wrapped, wrapped: '' }, 'slot wrapped: expected 72 bytes in base64url, '],
      [{}, 'slot commitment: expected 32 bytes in base64url, '],
    ] as const) {
      expect(() => unwrapRootKey(secret, params, context)).toThrow(message)
    }
  })
})

test('the id of a slot never begins with -, and is what was drawn but for that', () => {
  for (let first = 0; first < 256; first += 1) {
    const drawn = new Uint8Array(8).fill(first)
    const id = newSlotId(() => drawn.slice())
    expect(Buffer.from(id).toString('base64url')).not.toMatch(/^-/)
    expect(id.subarray(1)).toEqual(drawn.subarray(1))
    if (!Buffer.from(drawn).toString('base64url').startsWith('-')) expect(id).toEqual(drawn)
  }
})

describe('random bytes that may be known', () => {
  test('are drawn from the platform 4 KiB at a time, and more than that at once', () => {
    const spy = vi.spyOn(crypto, 'getRandomValues')
    const drawn = (): number[] => spy.mock.calls.map(([bytes]) => (bytes as Uint8Array).length)
    for (let time = 0; time < 1000; time++) publicRandom(32)
    expect(drawn().every((length) => length === 4096)).toBe(true)
    expect([7, 8]).toContain(drawn().length)
    spy.mockClear()
    expect(publicRandom(4097)).toHaveLength(4097)
    expect(drawn()).toEqual([4097])
    spy.mockRestore()
  })

  test('are as many as asked for, all different, and shared with nobody', () => {
    const drawn = Array.from({ length: 2000 }, (_, index) => publicRandom(24 + (index % 9)))
    expect(drawn.map(({ length }) => length)).toEqual(drawn.map((_, index) => 24 + (index % 9)))
    expect(new Set(drawn.map((bytes) => toHex(bytes.subarray(0, 24)))).size).toBe(drawn.length)
    for (const bytes of drawn) expect(bytes.buffer.byteLength).toBe(bytes.length)
    expect(publicRandom(10_000).length).toBe(10_000)
    expect(publicRandom(0).length).toBe(0)
  })
})
