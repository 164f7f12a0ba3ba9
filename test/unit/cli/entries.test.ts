import { randomBytes, randomInt } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Entry } from '../../../src/cli/entries'
import { Failure } from '../../../src/cli/failure'
import { decodeEntries, encodeEntries } from '../../support/encoded-entries'
import { atLength } from '../../support/lengths'

const decode = (text: string, format: 'dotenv' | 'json' = 'dotenv'): Promise<Entry[]> =>
  decodeEntries(Buffer.from(text), format)

/** What is awkward in dotenv, in shells and in JSON. */
const PIECES = [
  ...[
    'a',
    'Z',
    '0',
    ' ',
    '  ',
    '\n',
    '\r',
    '\r\n',
    '\t',
    '"',
    "'",
    '`',
    '\\',
    '\\n',
    '$',
    '$HOME',
    '$(id)',
    '#',
    ' # ',
    '=',
  ],
  ...[
    ':',
    '; ',
    'A=1',
    '\nB=2\n',
    '\u0000',
    'é',
    '😀',
    '\ufeff',
    '\u2028',
    'export X=1',
    '-----BEGIN KEY-----\n',
    '\u001b[31m',
  ],
]

function randomPayload(): string {
  return Array.from({ length: randomInt(1, 12) }, () => PIECES[randomInt(PIECES.length)]).join('')
}

function randomEntries(): Entry[] {
  const names = new Set(
    Array.from({ length: randomInt(1, 6) }, () => `${['n', '_', 'A', 'a_b', 'B0_'][randomInt(5)]}${randomInt(100)}`),
  )
  return [...names].map((name) => ({ name, payload: randomPayload(), expires_at: null }))
}

describe('an export', () => {
  test('in dotenv is refused, or read back to the letter (random ones)', async () => {
    let written = 0
    for (let n = 0; n < atLength(2000, 20_000); n++) {
      const entries = randomEntries()
      let text: string
      try {
        text = await encodeEntries(entries, 'dotenv')
      } catch (error) {
        expect(error).toBeInstanceOf(Failure)
        continue
      }
      written++
      expect(sorted(await decode(text))).toEqual(sorted(entries))
    }
    expect(written).toBeGreaterThan(atLength(50, 500))
  })

  test('in dotenv keeps its quotes closed, whatever stands behind', async () => {
    const entries = [
      { name: 'A', payload: 'ends in a backslash\\', expires_at: null },
      { name: 'B', payload: "a quote ' and another", expires_at: null },
    ]
    await expect(encodeEntries(entries, 'dotenv')).rejects.toThrow("'A' cannot be written as dotenv")
    expect(await encodeEntries(entries.slice(1), 'dotenv')).toBe('B="a quote \' and another"\n')
  })

  test('in JSON is read back to the letter (2,000 random ones, with bytes)', async () => {
    for (let n = 0; n < 2_000; n++) {
      const entries: Entry[] = [
        ...randomEntries(),
        {
          name: `b/${randomPayload()}`,
          payload: Uint8Array.from([0xff, ...randomBytes(randomInt(40))]),
          expires_at: 1956528000,
        },
      ]
      expect(await decode(await encodeEntries(entries, 'json'), 'json')).toEqual(entries)
    }
  })
})

describe('an import of dotenv', () => {
  test.each([
    ['a name with a space', 'A=1\nMY KEY=x\n', 2],
    ['a name with a slash', 'a/b=x', 1],
    ['no name', '=x', 1],
    ['no assignment', 'A=1\r\n\r\nnonsense\r\nB=2', 3],
    ['what no object can hold', 'A=1\n__proto__=x', 2],
    ['what no object can hold, exported', 'export __proto__ = x', 1],
    ['a quote that is never closed', 'A="one\ntwo\nB=3', 2],
    ['what stands behind a payload of several lines', 'A="one\ntwo"\nthree\n', 3],
  ])('refuses %s, by its line, and repeats nothing of it', async (_, text, line) => {
    await expect(decode(text)).rejects.toThrow(new RegExp(`^line ${line}: `))
    await expect(decode(text)).rejects.not.toThrow(/KEY|nonsense|three/)
  })

  test('takes comments, empty lines, and payloads of several lines with anything in them', async () => {
    const text =
      '\ufeff# a comment\n\n  # another\nA="one\nMY KEY = x\n__proto__=y\n# not a comment\n\nend"\nexport B = 2 # two\nC: 3\nD=\'x\ny\'\n'
    expect((await decode(text)).map(({ name, payload }) => [name, payload])).toEqual([
      ['A', 'one\nMY KEY = x\n__proto__=y\n# not a comment\n\nend'],
      ['B', '2'],
      ['C', '3'],
      ['D', 'x\ny'],
    ])
  })

  test('of ten thousand keys of several lines is no work of its square', async () => {
    const text = Array.from({ length: 10_000 }, (_, n) => `K${n}="-----BEGIN-----\nabc/def\n-----END-----"\n`).join('')
    expect(await decode(text)).toHaveLength(10_000)
  })
})

function sorted(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => (a.name < b.name ? -1 : 1))
}
