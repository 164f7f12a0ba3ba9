import { parse } from 'dotenv'
import { describe, expect, test } from 'vitest'
import { utf8 } from '../../../src/base/bytes'
import { Failure } from '../../../src/cli/failure'
import { moment, parseExpiry } from '../../../src/cli/times'
import { decodeDotenv, encodeDotenv } from '../../../src/migrate/dotenv'
import { campaign, type Draws, times } from '../../support/campaign'
import { decodeEntries, encodeEntries } from '../../support/encoded-entries'
import { tell } from './figures'
import { type Decoder, expectThat, fuzz, isUsage } from './fuzz'
import { buried, changedJson, JSON_WORDS, textOf } from './inputs'

const FILE = 'campaigns/fuzz/text.test.ts'

const DOTENV = [
  'A=b\nB="c d" # e\n',
  "export NAME = 'it''s'\n# a comment\n\nX: y\r\nZ=`a\nb`\n",
  'A="\\n\\r\\"" \nB=\\"\n__proto__.a=1',
  'A=\nB= # none\nC=#none\nD="unclosed\nE=\'also',
]

const ENTRIES = [
  '{"A": "b", "C": "d"}',
  '{"object": "list", "data": [{"name": "a", "payload": "b", "expires_at": null}]}',
  '{"data": [{"name": "a", "payload_base64": "AAE=", "expires_at": 1956528000}, {"name": "b", "payload": "c"}]}',
]

const NOW_MS = 1_700_000_000_000
const TIMES = [
  '90d',
  '1h30m',
  'P1Y2M10DT2H30M',
  '2027-01-31',
  '2027-01-31T09:00:00Z',
  '20270131T090000,5+0100',
  '2027-W04-7',
  '2027-031',
  '1956528000',
  '1.5 years',
  '2027-01-31 09:00+14:00',
]

const isFailure = (error: unknown): boolean => error instanceof Failure && error.exitCode > 0

function changedEntries(draws: Draws): Uint8Array {
  const text = JSON.stringify(changedJson(JSON.parse(draws.pick(ENTRIES)), draws)) ?? ''
  return utf8(draws.below(20) === 0 ? buried(text.replace(':', ': '), draws) : text)
}

const DECODERS: readonly Decoder[] = [
  {
    name: 'dotenv text',
    seeds: DOTENV.map(utf8),
    words: ['=', ':', '"', "'", '`', '\\', '#', '\n', '\r', ' ', 'export ', 'A', '.', '-', '__proto__', '\u2028', '\t']
      .concat(['\u2028"x', "='", '="\\"', '\u00a0', '\ufeff', '\v', 'A=', '\\"', '\\n'])
      .map(utf8),
    refuses: isUsage,
    decode: (input) => {
      const text = textOf(input)
      const entries = decodeDotenv(text)
      const read = Object.fromEntries(entries.map(({ name, payload }) => [name, payload]))
      expectThat(JSON.stringify(read) === JSON.stringify(parse(text)), 'expected what dotenv reads, got something else')
      expectThat(entries.every(isWrittenWell), 'expected what is written to be read as it was, got something else')
    },
  },
  {
    name: 'entries in JSON',
    seeds: ENTRIES.map(utf8),
    words: JSON_WORDS,
    make: changedEntries,
    refuses: isFailure,
    decode: async (input) => {
      const entries = await decodeEntries(input, 'json')
      for (const { name, payload, expires_at } of entries) {
        expectThat(typeof name === 'string' && payload.length > 0, 'expected a name and a payload, got others')
        expectThat(expires_at === null || typeof expires_at === 'number', 'expected a number or null, got another')
      }
      const written = await encodeEntries(entries, 'json')
      const again = await encodeEntries(await decodeEntries(utf8(written), 'json'), 'json')
      expectThat(again === written, 'expected it to be read as it was written, got something else')
    },
  },
  {
    name: 'entries in dotenv',
    seeds: DOTENV.map(utf8),
    words: ['=', '"', "'", '`', '\\', '#', '\n', ' ', 'A', '__proto__'].map(utf8),
    refuses: isFailure,
    decode: async (input) => {
      const entries = await decodeEntries(input, 'dotenv')
      expectThat(
        entries.every(({ payload }) => payload.length > 0),
        'expected a payload of each, got none',
      )
    },
  },
  {
    name: 'times of the command line',
    seeds: TIMES.map(utf8),
    words: '9 99999999 0 - : T Z + . d y mo P W weeks 24:00 e ٣'.split(' ').concat(' ').map(utf8),
    refuses: isFailure,
    decode: (input) => {
      const seconds = parseExpiry(textOf(input), NOW_MS)
      expectThat(Number.isInteger(seconds) && seconds * 1000 > NOW_MS, `expected a time to come, got ${seconds}`)
      expectThat(moment(seconds, NOW_MS).includes('Z ('), 'expected a time, got none')
    },
  },
]

/** What dotenv cannot say is refused; what is written is read as it was. */
function isWrittenWell(entry: { readonly name: string; readonly payload: string }): boolean {
  let written: string
  try {
    written = encodeDotenv([entry])
  } catch (error) {
    if (isUsage(error)) return true
    throw error
  }
  // Between others, so that it must not reach into them.
  const [before, read, after, ...more] = decodeDotenv(`a.b='1'\n${written}c.d="2"\n`)
  if (entry.name === 'a.b' || entry.name === 'c.d') return true
  return (
    more.length === 0 &&
    read?.name === entry.name &&
    read.payload === entry.payload &&
    before?.payload === '1' &&
    after?.payload === '2'
  )
}

describe('whatever text it is, it is read or refused', () => {
  test.each(DECODERS)('$name', async (decoder) => {
    const figures = await campaign(FILE, (draws) => fuzz(decoder, draws, times(5000, 500_000)))
    tell(decoder.name, figures)
    expect(figures.accepted).toBeGreaterThan(0)
    expect(figures.refused).toBeGreaterThan(0)
  })
})

/** Work that grows with the square of the text would be many seconds for these, where milliseconds are enough. */
describe('long texts are read in work that goes with their length', () => {
  const REPEATS = 30_000
  const MOST_CPU_MS = 1500

  function readRepeated(piece: string): void {
    for (const start of ['', "A='", 'A="', 'A=x']) {
      const before = process.cpuUsage()
      try {
        decodeDotenv(start + piece.repeat(REPEATS))
      } catch (error) {
        expect(isUsage(error)).toBe(true)
      }
      expect(process.cpuUsage(before).user / 1000).toBeLessThan(MOST_CPU_MS)
    }
  }

  test.each([
    ...[
      "A='",
      'A="\\"',
      'A=`\n',
      'export ',
      'export\n',
      'A',
      ' ',
      '\n',
      '#',
      '"',
      '\\"',
      "A='x' y\n",
      'A=" \\" ',
      'A.',
      '\t',
    ],
  ])('%j, over and over', readRepeated)

  test.each(['\u2028"x', "\u2029'x"])('%j, over and over', readRepeated)
})
