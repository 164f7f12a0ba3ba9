import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { describe, expect, test } from 'vitest'
import { ByteWriter } from '../../../src/base/byte-codec'
import { ByteStreamReader } from '../../../src/base/byte-stream'
import { concat, equal, utf8 } from '../../../src/base/bytes'
import { readKeyringFile, streamKey } from '../../../src/crypto/keyring'
import { ChunkSealer, openChunks } from '../../../src/crypto/stream'
import {
  type BackupEntry,
  decodeBackupEntries,
  decodeBackupHeader,
  encodeBackupEntry,
  encodeBackupHeader,
} from '../../../src/format/backup'
import { account, SecretStore, user } from '../../../src/index'
import { unlock } from '../../../src/keys/unlock'
import { campaign, type Draws, times } from '../../support/campaign'
import { newLocation, openStore, temporaryDirectory, testKey } from '../../support/stores'
import { tell } from './figures'
import { type Decoder, expectThat, fuzz, isCoded } from './fuzz'
import { nextInput, spliced } from './inputs'

const FILE = 'campaigns/fuzz/backup.test.ts'

/** In pieces of changing lengths, as a stream gives it. */
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  let length = 1
  for (let at = 0; at < bytes.length; at += length) {
    length = (length * 7) % 8191
    yield bytes.subarray(at, at + length)
  }
}

function readerOf(bytes: Uint8Array): ByteStreamReader {
  return new ByteStreamReader(pieces(bytes))
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

const HEADERS = [0, 400].map((length) =>
  encodeBackupHeader({
    keyring: new Uint8Array(length).fill(65),
    records: 2 ** 53 - 1,
    nonce: new Uint8Array(32).fill(9),
  }).slice(),
)

const ENTRIES: readonly BackupEntry[] = [
  { type: 'put', rowKey: utf8('rt|account|a'), value: new Uint8Array(60).fill(1), payloadValue: new Uint8Array() },
  { type: 'put', rowKey: utf8('r'), value: new Uint8Array(), payloadValue: new Uint8Array(90).fill(2) },
  { type: 'delete', rowKey: utf8('rt|account|a') },
  { type: 'head', value: new Uint8Array(101).fill(3) },
]
const PLAINTEXTS = [ENTRIES, ENTRIES.slice(3), [...ENTRIES.slice(0, 3), ...ENTRIES]].map((entries) =>
  concat(...entries.map((entry) => encodeBackupEntry(entry).slice())),
)
const LENGTHS = [
  [1, 0, 0, 0, 0],
  [2, 0, 0, 0, 1, 114],
  [3, 0, 0, 0, 0],
  [1, 0xff, 0xff, 0xff, 0xff],
  [0, 1, 0, 1],
]
const WORDS = [...LENGTHS, [0x40, 0x10, 0, 0], [0x40, 0x10, 0, 1], [0, 4, 0, 0], [0, 4, 0, 1]].map((bytes) =>
  Uint8Array.from(bytes),
)

const KEY = new Uint8Array(32).fill(4)

function sealed(plaintext: Uint8Array): Uint8Array {
  const sealer = new ChunkSealer(KEY.slice())
  return concat(sealer.push(plaintext), sealer.end())
}

const STREAMS = [1, 300, 65_536, 65_537].map((length) => sealed(new Uint8Array(length).fill(length)))

const PARTS: readonly Decoder[] = [
  {
    name: 'header of a backup',
    seeds: HEADERS,
    words: [...WORDS, utf8('secret-store backup\n')],
    refuses: (error) => isCoded(error, 'ERR_CORRUPT', 'ERR_NOT_A_STORE', 'ERR_UNSUPPORTED_VERSION'),
    decode: async (input) => {
      const reader = readerOf(input)
      const { header, bytes } = await decodeBackupHeader(reader)
      expectThat(reader.offset === bytes.length, `expected ${bytes.length} bytes to be read, got ${reader.offset}`)
      expectThat(equal(bytes, input.subarray(0, bytes.length)), 'expected the header as it is, got other bytes')
      expectThat(equal(encodeBackupHeader(header), bytes), 'expected it to be written as it was, got other bytes')
    },
  },
  {
    name: 'entries of a backup',
    seeds: PLAINTEXTS,
    words: WORDS,
    refuses: (error) => isCoded(error, 'ERR_CORRUPT'),
    decode: async (input) => {
      const entries = await all(decodeBackupEntries(readerOf(input)))
      const again = concat(...entries.map((entry) => encodeBackupEntry(entry).slice()))
      expectThat(equal(again, input), 'expected the entries to be written as they were, got other bytes')
      expectThat(entries.at(-1)?.type === 'head', 'expected a head at the end, got none')
    },
  },
  {
    name: 'chunks of a backup',
    seeds: STREAMS,
    refuses: (error) => isCoded(error, 'ERR_CORRUPT'),
    decode: async (input) => {
      const plaintext = concat(...(await all(openChunks(KEY, readerOf(input)))))
      expectThat(equal(sealed(plaintext), input), 'expected what was sealed, got something else')
    },
  },
]

describe('whatever a backup holds, it is decoded or refused', () => {
  test.each(PARTS)('$name', async (decoder) => {
    const [short, long] = decoder.name.startsWith('chunks') ? [300, 10_000] : [3000, 300_000]
    const figures = await campaign(FILE, (draws) => fuzz(decoder, draws, times(short, long)))
    tell(decoder.name, figures)
    expect(figures.accepted).toBeGreaterThan(0)
    expect(figures.refused).toBeGreaterThan(0)
  })
})

interface Whole {
  readonly bytes: Uint8Array
  readonly headerBytes: number
  readonly plaintext: Uint8Array
  readonly rootKey: Uint8Array
}

/** A backup of a store with records of every sort, opened with its own key. */
async function wholeBackup(changeKeys: boolean): Promise<Whole> {
  const store = await openStore(await newLocation())
  await store.set({ scope: account, name: 'inline', payload: 'one', expires_at: 3_000_000_000 })
  await store.set({ scope: user('usr_1'), name: 'large', payload: 'x'.repeat(1100) })
  if (changeKeys) await store.rotate()
  const path = join(await temporaryDirectory(), 'backup')
  await store.backup(path)
  await store.close()
  const bytes = Uint8Array.from(await readFile(path))
  const reader = readerOf(bytes)
  const { header, bytes: headerBytes } = await decodeBackupHeader(reader)
  const { rootKey } = await unlock(readKeyringFile(header.keyring), testKey())
  const plaintext = concat(...(await all(openChunks(streamKey(rootKey, headerBytes), reader))))
  return { bytes, headerBytes: headerBytes.length, plaintext, rootKey }
}

/** What the holder of the key can make: the entries changed, and all of it sealed again. One chunk is enough for them. */
function sealedAgain({ bytes, headerBytes, plaintext, rootKey }: Whole, draws: Draws): Uint8Array {
  const header = bytes.subarray(0, headerBytes)
  const nonce = new ByteWriter().raw(new Uint8Array(11)).u8(1).bytes()
  const changed = reordered(draws, plaintext) ?? nextInput([plaintext], WORDS, draws)
  return concat(header, chacha20poly1305(streamKey(rootKey, header), nonce).encrypt(changed.subarray(0, 65_536)))
}

/** Whole entries left out, twice, or in another order. */
function reordered(draws: Draws, plaintext: Uint8Array): Uint8Array | undefined {
  if (draws.below(3) > 0) return undefined
  const starts = entryStarts(plaintext)
  const [from, to] = [draws.pick(starts), draws.pick(starts)]
  const entry = plaintext.subarray(
    from,
    [...starts, plaintext.length].find((start) => start > from),
  )
  return draws.below(2) === 0
    ? spliced(plaintext, to, to, entry)
    : spliced(plaintext, from, from + entry.length, KEY.subarray(32))
}

function entryStarts(plaintext: Uint8Array): number[] {
  const starts: number[] = []
  for (let at = 0; at < plaintext.length; ) {
    starts.push(at)
    const fields = [0, 3, 1, 1][plaintext[at] as number] as number
    at++
    for (let field = 0; field < fields; field++)
      at += 4 + new DataView(plaintext.buffer, plaintext.byteOffset).getUint32(at)
  }
  return starts
}

test('whatever a whole backup is, a store is made of it that is whole, or nothing', async () => {
  const wholes = [await wholeBackup(false), await wholeBackup(true)]
  const directory = await temporaryDirectory()
  const location = join(directory, 'restored')
  const decoder: Decoder = {
    name: 'whole backup',
    seeds: wholes.map(({ bytes }) => bytes),
    make: (draws) => sealedAgain(draws.pick(wholes), draws),
    decode: async (input) => {
      try {
        await SecretStore.restore(pieces(input), location, { key: testKey() })
      } catch (error) {
        expectThat((await readdir(directory)).length === 0, 'expected nothing to be left behind, got something')
        throw error
      }
      await expectWhole(location)
    },
  }
  const figures = await campaign(FILE, (draws) => fuzz(decoder, draws, times(120, 4000)))
  tell(decoder.name, figures)
  expect(figures.accepted).toBeGreaterThan(0)
  expect(figures.refused).toBeGreaterThan(0)
})

async function expectWhole(location: string): Promise<void> {
  const store = await SecretStore.open(location, { key: testKey(), sweepIntervalMs: 0, compactIntervalMs: 0 })
  try {
    expectThat((await store.verify()).ok, 'expected a whole store, got one with problems')
    expectThat((await store.get({ scope: account, name: 'inline' })) === 'one', 'expected its secret, got another')
  } finally {
    await store.close()
    await rm(location, { recursive: true })
  }
}
