import { describe, expect, test } from 'vitest'
import { concat, equal, utf8 } from '../../../src/base/bytes'
import { decodeCacheEntry, encodeCacheEntry } from '../../../src/cache/entry'
import { createKeyringFile } from '../../../src/crypto/data-keys'
import { Keyring } from '../../../src/crypto/keyring'
import { systemRandom } from '../../../src/crypto/random'
import { formatRecoveryCode, parseRecoveryCode } from '../../../src/crypto/recovery-code'
import { checkpointMacInput, decodeCheckpoint, encodeCheckpoint } from '../../../src/format/checkpoint'
import { decodeEnvelope } from '../../../src/format/envelope'
import { decodeHead, encodeHead } from '../../../src/format/head'
import {
  decodePayload,
  decodeRecord,
  encodePayload,
  encodeRecord,
  isPadded,
  pad,
  padmeLength,
  type StoredRecord,
} from '../../../src/format/record'
import { payloadText } from '../../../src/format/record-shape'
import { decodeKeyringEntry, encodeKeyringEntry } from '../../../src/os-keyring/entry-secret'
import { openHead } from '../../../src/storage/head'
import { HEAD_ROW } from '../../../src/storage/keyspace'
import { openKnown, openPayload, openRecord, sealRecord } from '../../../src/storage/records'
import { campaign, times } from '../../support/campaign'
import { encodeEnvelope } from '../../support/envelope'
import { formerToken } from '../../support/former-checkpoint'
import { tell } from './figures'
import { type Decoder, expectThat, fuzz, isCoded, isUsage, REFUSED } from './fuzz'
import { nextInput } from './inputs'

const FILE = 'campaigns/fuzz/format.test.ts'

function filled(length: number, fill = 1): Uint8Array {
  return new Uint8Array(length).fill(fill)
}

const ADDRESS = { partition: { account: undefined, livemode: false }, scope: { type: 'account' }, name: 'n' } as const
const RECORD = {
  id: 'appsecret_00000000000000000000000a',
  address: ADDRESS,
  created: 1,
  expires_at: null,
  revision: 2,
} as const
const RECORDS: readonly StoredRecord[] = [
  { ...RECORD, payload: { type: 'text', inline: utf8('payload') } },
  { ...RECORD, expires_at: 2 ** 53 - 1, payload: { type: 'bytes', inline: filled(300) } },
  {
    ...RECORD,
    address: {
      partition: { account: 'acct_1', livemode: true },
      scope: { type: 'user', user: 'ключ|\u{10ffff}\ufeff' },
      name: '\ufeffname',
    },
    payload: { type: 'text', lengthBytes: 5000, tag: filled(16) },
  },
  { ...RECORD, payload: { type: 'text', inline: utf8('p') } },
]
const PLAINTEXTS = RECORDS.map((record) => encodeRecord(record).slice())

const HEADS = [
  { sequence: 0, count: 0, superseded: 0, setHash: 0n },
  {
    sequence: 2 ** 53 - 1,
    count: 3,
    superseded: 4,
    setHash: 2n ** 256n - 1n,
    keyring: { generation: 1, mac: filled(32) },
  },
].map(encodeHead)

/** What is read must be what is written: there is one way to say a thing. */
function isCanonical(input: Uint8Array, encoded: Uint8Array): void {
  expectThat(equal(input, encoded), 'expected what it decodes to be encoded as it was, got other bytes')
}

const ENTRIES = [
  { stamp: { fetchedAt: 5, run: filled(8), runMs: 2 ** 53 - 1 }, payload: undefined, expires_at: null },
  {
    stamp: { fetchedAt: 5, run: filled(8), runMs: 0 },
    payload: { type: 'text', bytes: utf8('token') },
    expires_at: 9,
  },
  { stamp: { fetchedAt: 5, run: filled(8), runMs: 0 }, payload: { type: 'bytes', bytes: filled(9) }, expires_at: 9 },
] as const

/** One character a byte, or UTF-8, so that lone surrogates are among it, too. */
function anyText(input: Uint8Array): string {
  const [sort = 0] = input
  if (sort % 4 === 0) return Buffer.from(input.subarray(1)).toString('latin1')
  if (sort % 4 === 1) return Buffer.from(input.subarray(1)).toString('utf16le')
  return Buffer.from(input.subarray(1)).toString('utf8')
}

function textSeed(text: string): Uint8Array {
  return concat(utf8('r'), utf8(text))
}

const PURE: readonly Decoder[] = [
  {
    name: 'envelope',
    seeds: [
      encodeEnvelope({ keyId: 1, sealed: filled(40) }),
      encodeEnvelope({ keyId: 2 ** 32 - 1, sealed: filled(99) }),
    ],
    refuses: (error) => isCoded(error, 'ERR_CORRUPT', 'ERR_UNSUPPORTED_VERSION'),
    decode: (input) => {
      const envelope = decodeEnvelope(input)
      expectThat(envelope.sealed.length >= 40, 'expected room for a nonce and a tag, got less')
      isCanonical(input, encodeEnvelope(envelope))
    },
  },
  {
    name: 'record',
    seeds: PLAINTEXTS,
    // A mutation that leaves the padding wrong reaches nothing: most of them get it right again.
    make: (draws) => pad(nextInput(PLAINTEXTS.map(unpadded), [utf8('n')], draws)),
    refuses: (error) => isCoded(error, 'ERR_CORRUPT'),
    decode: (input) => isCanonical(input, encodeRecord(decodeRecord(input))),
  },
  {
    name: 'payload',
    // Its length stands before it.
    seeds: [0, 1, 300, 1025, 5000].map((length) =>
      concat(Uint8Array.of(length >> 8, length), encodePayload(filled(length))),
    ),
    refuses: (error) => isCoded(error, 'ERR_CORRUPT'),
    decode: (input) => {
      const [high = 0, low = 0] = input
      const length = high * 256 + low
      const payload = decodePayload(input.subarray(2), length)
      expectThat(payload.length === length, `expected ${length} bytes, got ${payload.length}`)
      isCanonical(input.subarray(2), encodePayload(payload))
    },
  },
  {
    name: 'head',
    seeds: HEADS,
    refuses: refusesHead,
    decode: (input) => isHead(input, encodeHead(decodeHead(input))),
  },
  {
    name: 'checkpoint',
    seeds: [0, 2 ** 53 - 1].flatMap((sequence) => {
      const fields = { storeId: filled(16), rootId: filled(32), generation: 1, sequence, state: filled(32) }
      return [
        textSeed(formerToken({ storeId: filled(16), sequence, mac: filled(32) })),
        textSeed(encodeCheckpoint(checkpointMacInput(fields), filled(32))),
      ]
    }),
    words: ['A', '=', '-', '_', '+', '/'].map(utf8),
    decode: (input) => {
      const text = anyText(input)
      const checkpoint = decodeCheckpoint(text)
      if (checkpoint === undefined) return REFUSED
      expectThat(Number.isSafeInteger(checkpoint.sequence), 'expected a number below 2^53, got more')
      const again =
        checkpoint.version === 1
          ? formerToken(checkpoint)
          : encodeCheckpoint(checkpointMacInput(checkpoint), checkpoint.mac)
      return expectThat(again === text, 'expected the token itself, got another')
    },
  },
  {
    name: 'cache entry',
    seeds: ENTRIES.map(encodeCacheEntry),
    refuses: (error) => isCoded(error, 'ERR_CORRUPT', 'ERR_EXISTS', 'ERR_UNSUPPORTED_VERSION'),
    decode: (input) => {
      const entry = decodeCacheEntry(input)
      isCanonical(input, encodeCacheEntry(entry))
      if (entry.payload?.type === 'text') payloadText(entry.payload)
    },
  },
  {
    name: 'entry of the keyring',
    seeds: [encodeKeyringEntry(filled(32)), utf8('secret-store:2:x')],
    words: ['secret-store:', '1:', '2:', '10:', 'A', '=', '-'].map(utf8),
    refuses: (error) => isCoded(error, 'ERR_FOREIGN_KEYRING_ENTRY', 'ERR_UNSUPPORTED_VERSION'),
    decode: (input) => {
      const secret = decodeKeyringEntry(input, 'entry')
      expectThat(secret.length === 32, `expected 32 bytes, got ${secret.length}`)
      isCanonical(input, encodeKeyringEntry(secret))
    },
  },
  {
    name: 'recovery code',
    seeds: [0, 7, 255].map((fill) => textSeed(formatRecoveryCode(filled(21, fill)))),
    words: ['-', ' ', '\u2003', '\u2014', 'o', '1', 'İ', 'ß', '\u212a', 'B', 'q', '\u{1d7d9}'].map(utf8),
    refuses: isUsage,
    decode: (input) => {
      const secret = parseRecoveryCode(anyText(input))
      expectThat(secret.length === 21, `expected 21 bytes, got ${secret.length}`)
      expectThat(equal(parseRecoveryCode(formatRecoveryCode(secret)), secret), 'expected the same code, got another')
    },
  },
]

/** Without its zeros, which are not always padding. */
function unpadded(plaintext: Uint8Array): Uint8Array {
  let end = plaintext.length
  while (end > 0 && plaintext[end - 1] === 0) end--
  return plaintext.subarray(0, end)
}

const ROOT_KEY = filled(32, 7)
const STORE = { storeId: filled(16), created: 1, names: 'plain', slots: [] } as const
const keyring = new Keyring(createKeyringFile(ROOT_KEY, STORE, systemRandom), ROOT_KEY, systemRandom)
const ROW_KEY = utf8('rt|account|n')
const LARGE = sealRecord(keyring, ROW_KEY, RECORD, { type: 'text', bytes: filled(1100, 0x61) })

/** Rows as they come from the disk, and rows that a faulty writer has sealed. */
const SEALED: readonly Decoder[] = [
  {
    name: 'row of a record',
    seeds: [LARGE.value, ...PLAINTEXTS.map((plaintext) => keyring.sealRow(ROW_KEY, plaintext))],
    refuses: (error) => isCoded(error, 'ERR_CORRUPT', 'ERR_UNSUPPORTED_VERSION'),
    decode: (input) => openRecord(keyring, ROW_KEY, input),
  },
  {
    name: 'sealed plaintext of a record',
    seeds: PLAINTEXTS,
    make: (draws) => pad(nextInput(PLAINTEXTS.map(unpadded), [utf8('n')], draws)),
    refuses: (error) => isCoded(error, 'ERR_CORRUPT'),
    decode: (input) => {
      const value = keyring.sealRow(ROW_KEY, input)
      const record = openRecord(keyring, ROW_KEY, value)
      const { payload: _, ...known } = openKnown(keyring, ROW_KEY, value)
      const { payload, ...stored } = record
      expectThat(JSON.stringify(known) === JSON.stringify(stored), 'expected one record, got two')
      if ('inline' in payload && payload.type === 'text') payloadText({ type: 'text', bytes: payload.inline })
    },
  },
  {
    name: 'payload row',
    seeds: [LARGE.payloadValue as Uint8Array],
    refuses: (error) => isCoded(error, 'ERR_CORRUPT', 'ERR_UNSUPPORTED_VERSION'),
    decode: (input) => {
      const { bytes } = openPayload(keyring, ROW_KEY, LARGE.record, input)
      expectThat(bytes.length === 1100, `expected 1100 bytes, got ${bytes.length}`)
    },
  },
  {
    name: 'sealed plaintext of the head',
    seeds: HEADS,
    refuses: refusesHead,
    decode: (input) => isHead(input, encodeHead(openHead(keyring, keyring.sealRow(HEAD_ROW, input)))),
  },
]

function refusesHead(error: unknown): boolean {
  return isCoded(error, 'ERR_CORRUPT') || isCoded(error, 'ERR_UNSUPPORTED_VERSION')
}

/** Fields of a later version may follow. */
function isHead(input: Uint8Array, again: Uint8Array): ReturnType<typeof isCanonical> {
  return isCanonical(input.subarray(0, again.length), again)
}

describe('whatever bytes they are given, they are decoded or refused', () => {
  test.each(PURE)('$name', async (decoder) => {
    const figures = await campaign(FILE, (draws) => fuzz(decoder, draws, times(5000, 1_000_000)))
    tell(decoder.name, figures)
    expect(figures.refused).toBeGreaterThan(0)
  })

  test.each(SEALED)('$name', async (decoder) => {
    const figures = await campaign(FILE, (draws) => fuzz(decoder, draws, times(3000, 300_000)))
    tell(decoder.name, figures)
    expect(figures.refused).toBeGreaterThan(0)
  })
})

test('of every length there is one padding, and it is undone', () => {
  for (let length = 0; length < 3000; length++) {
    const padded = padmeLength(length)
    expect([length, padded >= length, padmeLength(padded)]).toEqual([length, true, padded])
    const bytes = pad(filled(length))
    const fits = [length - 1, length, length + 1, padded].filter((said) => said >= 0 && isPadded(bytes, said))
    // Of bytes that end in no zero, no other length but a longer one that is among the zeros says the same.
    expect(fits.every((said) => said >= length)).toBe(true)
    expect(isPadded(bytes, length)).toBe(true)
  }
})
