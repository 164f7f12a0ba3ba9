import { bech32, bech32m } from '@scure/base'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatRecoveryCode, parseRecoveryCode } from '../../../src/crypto/recovery-code'
import { account, generateRecoveryCode, type RecoveryCodeOptions, recoveryCode, SecretStore } from '../../../src/index'
import { codeOf, newLocation, openStore, testKey } from '../../support/stores'

const ALPHABET = 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L'
/** What people type for characters that look like them. */
const LOOKS_LIKE: Readonly<Record<string, string>> = { '0': 'O', L: 'I1', '8': 'B' }
const MISTYPED = new TypeError('recovery code: expected one whose checksum is right, got a mistyped one')
const secret: fc.Arbitrary<Uint8Array> = fc.uint8Array({ minLength: 21, maxLength: 21 })

/** What comes of reading it: the bytes, or what sort of error. Nothing else may be thrown. */
function outcomeOf(code: string): Buffer | 'mistyped' {
  try {
    return Buffer.from(parseRecoveryCode(code))
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError)
    return 'mistyped'
  }
}

function replaced(text: string, place: number, by: string): string {
  return text.slice(0, place) + by + text.slice(place + by.length)
}

describe('bech32m, as the library below has it (BIP 350, "Test vectors for Bech32m")', () => {
  test.each([
    'A1LQFN3A',
    'a1lqfn3a',
    'an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6',
    'abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx',
    `11${'l'.repeat(82)}ludsr8`,
    'split1checkupstagehandshakeupstreamerranterredcaperredlc445v',
    '?1v759aa',
  ])('%s is valid, and is what its data encode to', (text) => {
    const { prefix, words } = bech32m.decode(text as `${string}1${string}`)
    expect(bech32m.encode(prefix, words)).toBe(text.toLowerCase())
    expect(() => bech32.decode(text as `${string}1${string}`)).toThrow()
  })

  test('the values of the vectors are those of the alphabet', () => {
    const { words } = bech32m.decode('abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx')
    expect(words).toEqual(Array.from({ length: 32 }, (_, n) => 31 - n))
    expect(bech32m.decode(`11${'l'.repeat(82)}ludsr8`).words).toEqual(Array.from({ length: 82 }, () => 31))
  })

  test.each([
    ['a prefix character out of range', ' 1xj0phk'],
    ['a prefix character out of range', '\x7f1g6xzxy'],
    ['a prefix character out of range', '\x801vctc34'],
    [
      'more than 90 characters',
      'an84characterslonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11d6pts4',
    ],
    ['no separator', 'qyrz8wqd2c9m'],
    ['an empty prefix', '1qyrz8wqd2c9m'],
    ['an invalid data character', 'y1b0jsk6g'],
    ['an invalid data character', 'lt1igcx5c0'],
    ['too short a checksum', 'in1muywd'],
    ['an invalid character in the checksum', 'mm1crxm3i'],
    ['an invalid character in the checksum', 'au1s5cgom'],
    ['a checksum of the prefix in capitals', 'M1VUXWEZ'],
    ['an empty prefix', '16plkw9'],
    ['an empty prefix', '1p2gdwpf'],
    ['the checksum of bech32 (BIP 173)', 'A12UEL5L'],
    ['the checksum of bech32 (BIP 173)', 'abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw'],
    ['both cases', 'A1lqfn3a'],
  ])('%s: %j is invalid', (_, text) => {
    expect(() => bech32m.decode(text as `${string}1${string}`)).toThrow()
  })
})

describe('a recovery code', () => {
  test('has eight groups of five, of an alphabet without look-alikes', () => {
    for (let time = 0; time < 200; time++) {
      const code = generateRecoveryCode()
      expect(code).toMatch(new RegExp(`^[${ALPHABET}]{5}(-[${ALPHABET}]{5}){7}$`))
      expect(code).not.toMatch(/[OIB1]/)
    }
  })

  test('carries 168 bits, every one of which is sometimes 0 and sometimes 1', () => {
    const codes = Array.from({ length: 100 }, () => parseRecoveryCode(generateRecoveryCode()))
    expect(new Set(codes.map((bytes) => bytes.join())).size).toBe(codes.length)
    for (let bit = 0; bit < 168; bit++) {
      const ones = codes.filter((bytes) => (((bytes[bit >> 3] as number) >> (bit & 7)) & 1) === 1).length
      expect(ones, `bit ${bit}`).toBeGreaterThan(10)
      expect(ones, `bit ${bit}`).toBeLessThan(90)
    }
    for (const bytes of codes) expect(bytes).toHaveLength(21)
  })

  test('is the one in docs/format.md \u00a73.5', () => {
    const code = 'QYQSZ-QGPQY-QSZQG-PQYQS-ZQGPQ-YQSZQ-GPQY8-29QQA'
    expect(formatRecoveryCode(new Uint8Array(21).fill(1))).toBe(code)
    expect(parseRecoveryCode(code)).toEqual(new Uint8Array(21).fill(1))
  })

  test('reading is the inverse of writing', () => {
    fc.assert(
      fc.property(secret, (bytes) => {
        const code = formatRecoveryCode(bytes)
        expect(parseRecoveryCode(code)).toEqual(bytes)
        expect(formatRecoveryCode(parseRecoveryCode(code))).toBe(code)
      }),
    )
  })

  test('is read whatever its case, spaces, dashes, and O, I, 1 and B', () => {
    fc.assert(
      fc.property(secret, fc.infiniteStream(fc.nat()), (bytes, choices) => {
        const choose = <T>(from: ArrayLike<T>): T => from[(choices.next().value as number) % from.length] as T
        const typed = [...formatRecoveryCode(bytes).replaceAll('-', '')]
          .map((character) => choose(`${character}${LOOKS_LIKE[character] ?? ''}`))
          .map((character) => (choose([true, false]) ? character.toLowerCase() : character))
          .map((character) => choose(['', '', '', ' ', '-', '\n', '\t', ' - ', '--', '\u00a0']) + character)
        expect(parseRecoveryCode(typed.join('') + choose(['', ' ', '-', '\r\n']))).toEqual(bytes)
      }),
      { numRuns: 300 },
    )
  })

  test('with any one character changed is mistyped', () => {
    for (let time = 0; time < 3; time++) {
      const code = generateRecoveryCode()
      const bytes = outcomeOf(code)
      let changes = 0
      for (const [place, character] of [...code].entries()) {
        if (character === '-') continue
        for (let unit = 0x21; unit < 0x7f; unit++) {
          const typed = String.fromCharCode(unit)
          if (typed === '-' || typed.toUpperCase() === character) continue
          const changed = replaced(code, place, typed)
          const expected = LOOKS_LIKE[character]?.includes(typed.toUpperCase()) ? bytes : 'mistyped'
          expect([changed, outcomeOf(changed)]).toEqual([changed, expected])
          changes++
        }
      }
      expect(changes).toBeGreaterThan(40 * 90)
    }
  })

  test('with two neighbours changed over is mistyped', () => {
    let swaps = 0
    for (let time = 0; time < 100; time++) {
      const text = generateRecoveryCode().replaceAll('-', '')
      for (let place = 0; place < text.length - 1; place++) {
        const [a, b] = [text[place] as string, text[place + 1] as string]
        if (a === b) continue
        const swapped = replaced(text, place, b + a)
        expect([swapped, outcomeOf(swapped)]).toEqual([swapped, 'mistyped'])
        swaps++
      }
    }
    expect(swaps).toBeGreaterThan(3500)
  })

  test('with up to four characters of the alphabet changed is mistyped, always', () => {
    fc.assert(
      fc.property(
        secret,
        fc.uniqueArray(fc.tuple(fc.nat(39), fc.integer({ min: 1, max: 31 })), {
          minLength: 1,
          maxLength: 4,
          selector: ([place]) => place,
        }),
        (bytes, errors) => {
          let text = formatRecoveryCode(bytes).replaceAll('-', '')
          for (const [place, by] of errors) {
            const value = (ALPHABET.indexOf(text[place] as string) + by) % 32
            text = replaced(text, place, ALPHABET[value] as string)
          }
          expect(outcomeOf(text)).toBe('mistyped')
        },
      ),
      { numRuns: 10_000 },
    )
  })

  test('cut short, or with something more, is mistyped', () => {
    const code = generateRecoveryCode()
    const text = code.replaceAll('-', '')
    for (let length = 0; length < text.length; length++) expect(outcomeOf(text.slice(0, length))).toBe('mistyped')
    for (let place = 0; place <= text.length; place++) {
      for (const more of ALPHABET) expect(outcomeOf(text.slice(0, place) + more + text.slice(place))).toBe('mistyped')
    }
    expect(outcomeOf(code + code)).toBe('mistyped')
    expect(outcomeOf(`secretstore1${text}`)).toBe('mistyped')
  })

  test('under a right checksum, but of another length, padding, prefix or sort of checksum, is none', () => {
    const words = bech32m.toWords(new Uint8Array(21).fill(7))
    const dataOf = (text: string): string => text.slice(text.lastIndexOf('1') + 1)
    expect(outcomeOf(dataOf(bech32m.encode('secretstore', words)))).toEqual(Buffer.alloc(21, 7))
    expect(outcomeOf(dataOf(bech32.encode('secretstore', words)))).toBe('mistyped')
    expect(outcomeOf(dataOf(bech32m.encode('secretstorf', words)))).toBe('mistyped')
    expect(outcomeOf(dataOf(bech32m.encode('secretstore', bech32m.toWords(new Uint8Array(20)))))).toBe('mistyped')
    // The two bits behind the last byte are zeros, or two codes would be the same secret.
    for (const bits of [1, 2, 3]) {
      const padded = [...words.slice(0, -1), (words.at(-1) as number) | bits]
      expect(outcomeOf(dataOf(bech32m.encode('secretstore', padded)))).toBe('mistyped')
    }
  })

  test('says what is wrong, and nothing of what was typed', () => {
    const code = generateRecoveryCode()
    const text = code.replaceAll('-', '')
    const other = (character: string | undefined): string => (character === 'Q' ? 'P' : 'Q')
    const refusals: readonly [unknown, string][] = [
      [undefined, 'recovery code: expected a string, got a undefined'],
      [7, 'recovery code: expected a string, got a number'],
      ['', 'recovery code: expected 40 letters and digits, got 0'],
      [text.slice(1), 'recovery code: expected 40 letters and digits, got 39'],
      [`${code}Q`, 'recovery code: expected 40 letters and digits, got 41'],
      [`\u{e9}${code.slice(1)}`, 'recovery code: expected letters and digits, got something else in group 1'],
      [`${code.slice(0, -1)}\u{1f600}`, 'recovery code: expected letters and digits, got something else in group 8'],
      [replaced(text, 12, '_'), 'recovery code: expected letters and digits, got something else in group 3'],
      [replaced(text, 20, other(text[20])), MISTYPED.message],
    ]
    for (const [typed, message] of refusals) {
      let error: unknown
      try {
        recoveryCode(typed as string)
      } catch (thrown) {
        error = thrown
      }
      expect(error).toEqual(new TypeError(message))
      // Whoever logs the error logs nothing of the code: not its text, not the bytes, not what was caught below.
      const logged = `${(error as Error).message} ${String((error as Error).cause)} ${Object.keys(error as object)}`
      for (const group of code.split('-')) expect(logged.toUpperCase()).not.toContain(group)
      expect((error as Error).cause).toBeUndefined()
    }
  })

  test('options that are wrong are refused', () => {
    const code = generateRecoveryCode()
    const refusals: readonly [unknown, ErrorConstructor][] = [
      [{ label: '' }, TypeError],
      [{ label: 1 }, TypeError],
      [{ label: 'x'.repeat(201) }, RangeError],
      [{ lable: 'x' }, TypeError],
      [null, TypeError],
    ]
    for (const [options, type] of refusals) {
      expect(() => recoveryCode(code, options as RecoveryCodeOptions)).toThrow(type)
    }
    expect(recoveryCode(code, { label: 'drawer' })).toMatchObject({ kind: 'recovery-code', label: 'drawer' })
    expect('label' in recoveryCode(code)).toBe(false)
  })

  test('opens the store it was given to, and another sound one is ERR_WRONG_KEY', async () => {
    const [location, code] = [await newLocation(), generateRecoveryCode()]
    const store = await openStore(location)
    expect(await store.addKey(recoveryCode(code, { label: 'drawer' }))).toMatchObject({
      kind: 'recovery-code',
      label: 'drawer',
    })
    await store.close()
    await (await openStore(location, { key: recoveryCode(code.toLowerCase().replaceAll('-', ' ')) })).close()
    const other = generateRecoveryCode()
    const wrong = await openStore(location, { key: recoveryCode(other) }).catch((error: unknown) => error)
    expect(wrong).toMatchObject({ code: 'ERR_WRONG_KEY' })
    for (const group of other.split('-')) expect((wrong as Error).message).not.toContain(group)
    expect(await codeOf(() => openStore(location))).toBe('no error')
  })

  test('is a key like others: of a store\u2019s own, of a rotation, of a backup', async () => {
    const [location, restored, code] = [await newLocation(), await newLocation(), generateRecoveryCode()]
    const store = await openStore(location, { key: recoveryCode(code) })
    await store.set({ scope: account, name: 'n', payload: 'p' })
    await store.addKey(testKey(2))
    const { dropped } = await store.rotate({ root: true, keys: [recoveryCode(code)] })
    expect(dropped.map(({ kind }) => kind)).toEqual(['raw-key'])
    await store.backup(`${restored}.backup`)
    await store.close()
    await (await openStore(location, { key: recoveryCode(code) })).close()
    expect(await SecretStore.restore(`${restored}.backup`, restored, { key: recoveryCode(code) })).toMatchObject({
      records: 1,
    })
  })
})
