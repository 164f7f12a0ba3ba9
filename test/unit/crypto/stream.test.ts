import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ByteStreamReader } from '../../../src/base/byte-stream'
import { concat, concatAll, utf8 } from '../../../src/base/bytes'
import { ChunkSealer, openChunks } from '../../../src/crypto/stream'
import {
  type BackupEntry,
  type BackupHeader,
  decodeBackupEntries,
  decodeBackupHeader,
  encodeBackupEntry,
  encodeBackupHeader,
} from '../../../src/format/backup'
import { codeOf } from '../../support/stores'

const CHUNK = 65_536
const TAG = 16
const KEY: Uint8Array = Uint8Array.from({ length: 32 }, (_, n) => n)

function bytesOf(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, n) => (n * 31 + (n >> 8) * 7 + seed) & 0xff)
}

/** The same bytes in pieces of the given lengths, over and over. */
function* cut(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let start = 0, n = 0; start < bytes.length; n++) {
    const length = lengths[n % lengths.length] as number
    yield bytes.subarray(start, start + length)
    start += length
  }
}

async function* later<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items
}

function readerOf(bytes: Uint8Array, lengths: readonly number[] = [1 << 30]): ByteStreamReader {
  return new ByteStreamReader(later(cut(bytes, lengths)))
}

function sealed(plaintext: Uint8Array, lengths: readonly number[] = [1 << 30], key = KEY): Uint8Array {
  const sealer = new ChunkSealer(key.slice())
  const out = [...cut(plaintext, lengths)].map((piece) => sealer.push(piece))
  // A call takes only so many arguments.
  return concatAll([...out, sealer.end()])
}

/** STREAM as age's specification has it, in as few words as possible. */
function reference(plaintext: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = []
  const count = Math.max(1, Math.ceil(plaintext.length / CHUNK))
  for (let n = 0; n < count; n++) {
    const nonce = new Uint8Array(12)
    new DataView(nonce.buffer).setUint32(7, n)
    nonce[11] = n === count - 1 ? 1 : 0
    chunks.push(chacha20poly1305(KEY, nonce).encrypt(plaintext.subarray(n * CHUNK, (n + 1) * CHUNK)))
  }
  return concat(...chunks)
}

/** What comes out before the end, or before an error, and which. */
async function opened(bytes: Uint8Array, lengths?: readonly number[], key = KEY): Promise<[Buffer, string]> {
  const pieces: Uint8Array[] = []
  const code = await codeOf(async () => {
    for await (const piece of openChunks(key, readerOf(bytes, lengths))) pieces.push(piece)
  })
  return [Buffer.from(concat(...pieces)), code]
}

/** `toEqual` takes its time over so many bytes. */
async function expectOpened(bytes: Uint8Array, pieces: readonly number[], plaintext: Uint8Array): Promise<void> {
  const [found, code] = await opened(bytes, pieces)
  expect([code, Buffer.compare(found, plaintext)], `pieces of ${pieces}`).toEqual(['no error', 0])
}

const LENGTHS = [0, 1, 2, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073]

describe('STREAM', () => {
  test.each(LENGTHS)('%i bytes are sealed as the specification says, and opened again', async (length) => {
    const plaintext = bytesOf(length)
    const expected = reference(plaintext)
    expect(expected).toHaveLength(length + Math.max(1, Math.ceil(length / CHUNK)) * TAG)
    for (const pushes of [[1 << 30], [4093], [1, 65_535, 7], [0, 65_536, 65_537]]) {
      expect(Buffer.compare(sealed(plaintext, pushes), expected), `pushes of ${pushes}`).toBe(0)
    }
    for (const pieces of [[1 << 30], [65_551, 2], [4093]]) {
      await expectOpened(expected, pieces, plaintext)
    }
  })

  test('one byte at a time, at both ends', async () => {
    const plaintext = bytesOf(CHUNK + 3)
    const expected = reference(plaintext)
    expect(Buffer.compare(sealed(plaintext, [1]), expected)).toBe(0)
    await expectOpened(expected, [1], plaintext)
  })

  test('is the inverse of itself, however it is cut', async () => {
    const lengths = fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 140_000 })), {
      minLength: 1,
      maxLength: 5,
    })
    const length = fc.oneof(
      fc.integer({ min: 0, max: 300 }),
      fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: -2, max: 2 })).map(([n, more]) => n * CHUNK + more),
    )
    await fc.assert(
      fc.asyncProperty(length, lengths, lengths, async (total, pushes, pieces) => {
        const plaintext = bytesOf(total)
        await expectOpened(sealed(plaintext, pushes), pieces, plaintext)
      }),
      { numRuns: 40 },
    )
  })

  test('hands out a chunk as soon as it cannot be the last', () => {
    const sealer = new ChunkSealer(KEY.slice())
    expect(sealer.push(bytesOf(CHUNK))).toHaveLength(0)
    expect(sealer.push(bytesOf(1))).toHaveLength(CHUNK + TAG)
    expect(sealer.push(bytesOf(2 * CHUNK - 1))).toHaveLength(CHUNK + TAG)
    expect(sealer.push(bytesOf(2 * CHUNK))).toHaveLength(2 * (CHUNK + TAG))
    expect(sealer.end()).toHaveLength(CHUNK + TAG)
  })

  test('overwrites its key at the end, and when it is wiped', () => {
    for (const end of ['end', 'wipe'] as const) {
      const key = KEY.slice()
      const sealer = new ChunkSealer(key)
      sealer.push(bytesOf(10))
      sealer[end]()
      expect(key).toEqual(new Uint8Array(32))
    }
  })

  const whole = bytesOf(3 * CHUNK + 100)
  const stream = sealed(whole)
  const chunks = [...cut(stream, [CHUNK + TAG])] as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  const [a, b, c, d] = chunks
  const other = [...cut(sealed(bytesOf(3 * CHUNK + 100, 9)), [CHUNK + TAG])] as typeof chunks
  const foreign = [...cut(sealed(whole, undefined, KEY.slice().fill(1)), [CHUNK + TAG])] as typeof chunks

  test.each<[string, readonly Uint8Array[], number]>([
    ['nothing at all', [], 0],
    ['the first chunk left out', [b, c, d], 0],
    ['one in the middle left out', [a, c, d], 1],
    ['the last left out', [a, b, c], 2],
    ['all but the first left out', [a], 0],
    ['all but the last left out', [d], 0],
    ['the first repeated', [a, a, b, c, d], 1],
    ['one in the middle repeated', [a, b, b, c, d], 2],
    ['the last repeated', [a, b, c, d, d], 3],
    ['two in another order', [a, c, b, d], 1],
    ['the last one first', [d, a, b, c], 0],
    ['the stream twice', [...chunks, ...chunks], 3],
    ['a chunk of another stream under another key', [a, foreign[1], c, d], 1],
    ['the end of another stream under another key', [a, b, c, foreign[3]], 3],
    ['one byte behind the end', [...chunks, Uint8Array.of(0)], 3],
    ['a chunk of zeros behind the end', [...chunks, new Uint8Array(CHUNK + TAG)], 3],
    ['one byte in front', [Uint8Array.of(0), ...chunks], 0],
    ['one byte less at the end', [a, b, c, d.subarray(0, -1)], 3],
    ['one byte less in the middle', [a, b.subarray(0, -1), c, d], 1],
    ['one byte more in the middle', [a, b, Uint8Array.of(7), c, d], 2],
    ['half of the last chunk', [a, b, c, d.subarray(0, d.length / 2)], 3],
    ['the tag of the last chunk alone', [a, b, c, d.subarray(-TAG)], 3],
    ['less than a tag', [a, b, c, d.subarray(0, TAG - 1)], 3],
  ])('%s is refused, after no more than what was right', async (_, altered, rightChunks) => {
    for (const pieces of [[1 << 30], [4093]]) {
      const [plaintext, code] = await opened(concat(...altered), pieces)
      expect(code).toBe('ERR_CORRUPT')
      expect(plaintext.length).toBeLessThanOrEqual(rightChunks * CHUNK)
      expect(Buffer.compare(plaintext, whole.subarray(0, plaintext.length))).toBe(0)
    }
  })

  test('a chunk of another stream under the same key cannot be told: no two streams have the same', async () => {
    expect((await opened(concat(a, other[1], c, d)))[1]).toBe('no error')
  })

  test('every chunk is bound to its number, to its being the last, and to the key', async () => {
    const nonce = (counter: number, last: number): Uint8Array => {
      const bytes = new Uint8Array(12)
      new DataView(bytes.buffer).setUint32(7, counter)
      bytes[11] = last
      return bytes
    }
    const chunk = (counter: number, last: number, plaintext: Uint8Array): Uint8Array =>
      chacha20poly1305(KEY, nonce(counter, last)).encrypt(plaintext)
    const full = bytesOf(CHUNK)
    // Whoever has the key could write these; there is still one encoding of each plaintext.
    const notCanonical: readonly (readonly Uint8Array[])[] = [
      [chunk(0, 0, full), chunk(1, 1, new Uint8Array())],
      [chunk(0, 0, full.subarray(1)), chunk(1, 1, full)],
      [chunk(0, 0, new Uint8Array()), chunk(1, 1, full)],
      [chunk(0, 0, full)],
      [chunk(0, 1, full), chunk(1, 1, full)],
      [chunk(0, 2, full)],
      [chunk(1, 1, full)],
      [chunk(0, 1, bytesOf(CHUNK + 1))],
      [chunk(0, 0, new Uint8Array())],
    ]
    for (const [n, one] of notCanonical.entries()) expect((await opened(concat(...one)))[1], `${n}`).toBe('ERR_CORRUPT')
    expect((await opened(concat(chunk(0, 0, full), chunk(1, 1, full))))[1]).toBe('no error')
    expect((await opened(stream, undefined, KEY.slice().fill(1)))[1]).toBe('ERR_CORRUPT')
  })

  test('every bit changed and every prefix is refused', async () => {
    const short = sealed(bytesOf(40))
    for (let bit = 0; bit < short.length * 8; bit++) {
      const altered = short.slice()
      altered[bit >> 3] = (altered[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(await opened(altered)).toEqual([Buffer.alloc(0), 'ERR_CORRUPT'])
    }
    for (let length = 0; length < short.length; length++) {
      expect(await opened(short.subarray(0, length))).toEqual([Buffer.alloc(0), 'ERR_CORRUPT'])
    }
    for (const place of [0, 1, CHUNK, CHUNK + TAG, 2 * (CHUNK + TAG) - 1, stream.length - TAG - 1, stream.length - 1]) {
      const altered = stream.slice()
      altered[place] = (altered[place] as number) ^ 0x80
      const [plaintext, code] = await opened(altered)
      expect([code, plaintext.length]).toEqual(['ERR_CORRUPT', Math.floor(place / (CHUNK + TAG)) * CHUNK])
    }
  })

  test('damage in the middle is told from what may be a missing end', async () => {
    const work = async (bytes: Uint8Array): Promise<void> => {
      for await (const _ of openChunks(KEY, readerOf(bytes)));
    }
    const altered = stream.slice()
    altered[CHUNK + TAG] = (altered[CHUNK + TAG] as number) ^ 1
    await expect(work(altered)).rejects.toThrow('expected chunk 1 as it was written, got altered bytes')
    const short = stream.subarray(0, stream.length - 1)
    await expect(work(short)).rejects.toThrow('expected chunk 3 as it was written, got one that is altered or cut off')
  })

  test('an error of the source comes through as it is', async () => {
    const failure = new Error('source: lost')
    async function* source(): AsyncGenerator<Uint8Array> {
      yield stream.subarray(0, CHUNK + TAG + 5)
      throw failure
    }
    const pieces: Uint8Array[] = []
    const work = async (): Promise<void> => {
      for await (const piece of openChunks(KEY, new ByteStreamReader(source()))) pieces.push(piece)
    }
    await expect(work()).rejects.toBe(failure)
    expect(pieces).toHaveLength(1)
  })
})

describe('ByteStreamReader', () => {
  test('reads what was asked for, however the stream was cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 20 }),
        fc.array(fc.tuple(fc.constantFrom('read', 'readUpTo', 'atEnd'), fc.nat(20)), { maxLength: 30 }),
        async (pieces, steps) => {
          const all = concat(...pieces)
          const reader = new ByteStreamReader(later(pieces))
          let offset = 0
          for (const [step, length] of steps) {
            const expected = all.subarray(offset, offset + length)
            if (step === 'atEnd') {
              expect(await reader.atEnd()).toBe(offset === all.length)
            } else if (step === 'read' && expected.length < length) {
              await expect(reader.read(length)).rejects.toThrow(
                new RangeError('stream: expected more bytes, got the end'),
              )
              return
            } else {
              expect(Buffer.from(await reader[step as 'read'](length))).toEqual(Buffer.from(expected))
              offset += expected.length
            }
            expect(reader.offset).toBe(offset)
          }
          expect(Buffer.from(await reader.readUpTo(1000))).toEqual(Buffer.from(all.subarray(offset)))
          expect(await reader.atEnd()).toBe(true)
          expect(await reader.readUpTo(1)).toHaveLength(0)
        },
      ),
    )
  })

  test('asks the source for no more than it needs', async () => {
    let asked = 0
    async function* source(): AsyncGenerator<Uint8Array> {
      for (;;) yield bytesOf(10, asked++)
    }
    const reader = new ByteStreamReader(source())
    await reader.read(0)
    expect(asked).toBe(0)
    await reader.read(10)
    expect(asked).toBe(1)
    await reader.read(15)
    expect(asked).toBe(3)
    expect(await reader.atEnd()).toBe(false)
    expect(asked).toBe(3)
  })

  test('pieces that are no bytes are a TypeError', async () => {
    for (const piece of ['text', 7, null, undefined, [1], new ArrayBuffer(4), new Uint16Array(4)]) {
      const reader = new ByteStreamReader(later([piece as unknown as Uint8Array]))
      await expect(reader.read(1)).rejects.toThrow(
        new TypeError('stream: expected pieces of bytes, got something else'),
      )
    }
    expect(await new ByteStreamReader(later([Buffer.from('x')])).read(1)).toEqual(utf8('x').subarray())
  })

  test('lets go of the source, and reads nothing from it afterwards', async () => {
    let ended = 0
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield bytesOf(10)
      } finally {
        ended++
      }
    }
    const reader = new ByteStreamReader(source())
    await reader.read(5)
    await reader.close()
    expect(ended).toBe(1)
    expect(await reader.readUpTo(100)).toHaveLength(5)
    await new ByteStreamReader({
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: 0 }) }),
    }).close()
  })

  const largestKeyring = bytesOf(262_144)
  test.each([1, 2, 3, 1000])('reads as much as keyring.json may have from pieces of %i bytes', async (length) => {
    expect(Buffer.compare(await readerOf(largestKeyring, [length]).read(262_144), largestKeyring)).toBe(0)
  })
})

const header: fc.Arbitrary<BackupHeader> = fc.record({
  keyring: fc.uint8Array({ maxLength: 300 }),
  records: fc.maxSafeNat(),
  nonce: fc.uint8Array({ minLength: 32, maxLength: 32 }),
})
const field = fc.uint8Array({ maxLength: 200 })
const step: fc.Arbitrary<BackupEntry> = fc.oneof(
  fc.record({ type: fc.constant('put' as const), rowKey: field, value: field, payloadValue: field }),
  fc.record({ type: fc.constant('delete' as const), rowKey: field }),
)
const head: fc.Arbitrary<BackupEntry> = fc.record({ type: fc.constant('head' as const), value: field })
const entries: fc.Arbitrary<BackupEntry[]> = fc
  .tuple(fc.array(step, { maxLength: 8 }), head)
  .map(([steps, last]) => [...steps, last])

async function entriesOf(bytes: Uint8Array, lengths?: readonly number[]): Promise<BackupEntry[]> {
  const found: BackupEntry[] = []
  for await (const entry of decodeBackupEntries(readerOf(bytes, lengths))) found.push(entry)
  return found
}

const encodeAll = (all: readonly BackupEntry[]): Uint8Array => concat(...all.map(encodeBackupEntry))

describe('the header of a backup', () => {
  const example = encodeBackupHeader({ keyring: utf8('{"format": …}'), records: 3, nonce: bytesOf(32) })
  const headerCode = (bytes: Uint8Array): Promise<string> => codeOf(() => decodeBackupHeader(readerOf(bytes)))

  test('reading is the inverse of writing, and leaves the rest unread', async () => {
    await fc.assert(
      fc.asyncProperty(header, field, fc.integer({ min: 1, max: 50 }), async (one, rest, length) => {
        const bytes = encodeBackupHeader(one)
        const reader = readerOf(concat(bytes, rest), [length])
        const decoded = await decodeBackupHeader(reader)
        expect(decoded.header).toEqual(one)
        expect(decoded.bytes).toEqual(bytes)
        expect(reader.offset).toBe(bytes.length)
        expect(await reader.readUpTo(1000)).toEqual(rest)
      }),
    )
  })

  test('cut off anywhere is refused', async () => {
    for (let length = 0; length < example.length; length++) {
      expect([length, await headerCode(example.subarray(0, length))]).toEqual([
        length,
        length < 20 ? 'ERR_NOT_A_STORE' : 'ERR_CORRUPT',
      ])
    }
  })

  test('with any bit changed is refused, or another header, which keys the rest', async () => {
    for (let bit = 0; bit < example.length * 8; bit++) {
      const altered = example.slice()
      altered[bit >> 3] = (altered[bit >> 3] as number) ^ (1 << (bit & 7))
      const code = await headerCode(altered)
      if (bit < 20 * 8) expect(code).toBe('ERR_NOT_A_STORE')
      else if (bit < 21 * 8) expect(code).toBe('ERR_UNSUPPORTED_VERSION')
      else if (code === 'no error') {
        const { bytes, header: read } = await decodeBackupHeader(readerOf(altered))
        expect(encodeBackupHeader(read)).toEqual(bytes)
        expect(bytes).not.toEqual(example)
      } else expect(code).toBe('ERR_CORRUPT')
    }
  })

  test('numbers out of bounds are refused before anything is read for them', async () => {
    let given = 0
    async function* source(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
      yield bytes
      for (; given < 1e6; given += 1000) yield new Uint8Array(1000)
    }
    const long = concat(example.subarray(0, 21), Uint8Array.of(0xff, 0xff, 0xff, 0xff))
    expect(await codeOf(() => decodeBackupHeader(new ByteStreamReader(source(long))))).toBe('ERR_CORRUPT')
    expect(given).toBe(0)
    const most = concat(example.subarray(0, 21), Uint8Array.of(0, 4, 0, 1))
    expect(await headerCode(most)).toBe('ERR_CORRUPT')
    const unsafe = encodeBackupHeader({ keyring: new Uint8Array(), records: 0, nonce: bytesOf(32) })
    expect(await headerCode(unsafe.fill(0xff, 25, 33))).toBe('ERR_CORRUPT')
  })

  test('with a keyring.json of the largest size is read', async () => {
    const largest = { keyring: new Uint8Array(262_144).fill(7), records: 0, nonce: bytesOf(32) }
    const { header: read } = await decodeBackupHeader(readerOf(encodeBackupHeader(largest)))
    expect(Buffer.compare(read.keyring, largest.keyring)).toBe(0)
  })

  test('of a later version says so', async () => {
    const later = example.slice()
    later[20] = 2
    await expect(decodeBackupHeader(readerOf(later))).rejects.toThrow('backup: expected version 1, got 2')
  })

  test('anything else is no backup', async () => {
    for (const bytes of [
      new Uint8Array(),
      utf8('secret-store backup'),
      utf8('age-encryption.org/v1\n'),
      bytesOf(500),
    ]) {
      expect(await headerCode(bytes)).toBe('ERR_NOT_A_STORE')
    }
  })
})

describe('the entries of a backup', () => {
  test('reading is the inverse of writing, however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(entries, fc.integer({ min: 1, max: 50 }), async (all, length) => {
        const bytes = encodeAll(all)
        const decoded = await entriesOf(bytes, [length])
        expect(decoded).toEqual(all)
        expect(encodeAll(decoded)).toEqual(bytes)
      }),
    )
  })

  const example: readonly BackupEntry[] = [
    { type: 'put', rowKey: utf8('rt|account|a'), value: bytesOf(20), payloadValue: new Uint8Array() },
    { type: 'delete', rowKey: utf8('rt|account|a') },
    { type: 'put', rowKey: utf8('rt|account|b'), value: bytesOf(5), payloadValue: bytesOf(9) },
    { type: 'head', value: bytesOf(12) },
  ]

  test('cut off anywhere, after entries that are whole, are refused', async () => {
    const bytes = encodeAll(example)
    for (let length = 0; length < bytes.length; length++) {
      const found: BackupEntry[] = []
      const code = await codeOf(async () => {
        for await (const entry of decodeBackupEntries(readerOf(bytes.subarray(0, length)))) found.push(entry)
      })
      expect([length, code]).toEqual([length, 'ERR_CORRUPT'])
      expect(found).toEqual(example.slice(0, found.length))
    }
  })

  test('with any bit changed are refused, or other entries in their one encoding', async () => {
    const bytes = encodeAll(example)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const altered = bytes.slice()
      altered[bit >> 3] = (altered[bit >> 3] as number) ^ (1 << (bit & 7))
      const decoded = await entriesOf(altered).catch((error) => error.code)
      if (decoded !== 'ERR_CORRUPT') expect(encodeAll(decoded)).toEqual(altered)
    }
  })

  test('a type there is none of, an end without a head, and anything after the head are refused', async () => {
    const end = encodeBackupEntry({ type: 'head', value: bytesOf(3) })
    for (const bytes of [
      new Uint8Array(),
      Uint8Array.of(0),
      Uint8Array.of(4, 0, 0, 0, 0),
      encodeBackupEntry({ type: 'delete', rowKey: bytesOf(3) }),
      concat(end, Uint8Array.of(0)),
      concat(end, end),
    ]) {
      expect(await codeOf(() => entriesOf(bytes))).toBe('ERR_CORRUPT')
    }
  })

  test('a length out of bounds is refused before anything is read for it', async () => {
    for (const bytes of [
      Uint8Array.of(1, 0, 1, 0, 1),
      Uint8Array.of(2, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(3, 0x40, 0x10, 0, 1),
      Uint8Array.of(1, 0, 0, 0, 1, 7, 0x80, 0, 0, 0),
    ]) {
      let asked = 0
      async function* source(): AsyncGenerator<Uint8Array> {
        yield bytes
        for (; asked < 1000; asked++) yield new Uint8Array(1000)
      }
      const work = async (): Promise<void> => {
        for await (const _ of decodeBackupEntries(new ByteStreamReader(source())));
      }
      expect(await codeOf(work)).toBe('ERR_CORRUPT')
      expect(asked).toBe(0)
    }
  })

  test('a row key of the greatest length is read', async () => {
    const longest = { type: 'delete', rowKey: new Uint8Array(65_536).fill(7) } as const
    const [found] = await entriesOf(encodeAll([longest, { type: 'head', value: bytesOf(3) }]))
    expect(Buffer.compare((found as typeof longest).rowKey, longest.rowKey)).toBe(0)
  })

  test('a value of the greatest length is asked for, and its absence is the end of the stream', async () => {
    // 1 GiB and 1 MiB: a payload of the greatest size, sealed.
    const failing = entriesOf(Uint8Array.of(3, 0x40, 0x10, 0, 0))
    await expect(failing).rejects.toThrow('backup: expected whole fields, got its end or an integer above 2^53 - 1')
  })

  test('an entry that is kept keeps no more of the stream than its own bytes', async () => {
    for (const entry of await entriesOf(encodeAll(example))) {
      for (const part of Object.values(entry)) {
        if (part instanceof Uint8Array) expect(part.buffer.byteLength).toBe(part.length)
      }
    }
  })

  test('what the reader does with an entry does not change the next', async () => {
    const seen: BackupEntry[] = []
    for await (const entry of decodeBackupEntries(readerOf(encodeAll(example)))) {
      seen.push(structuredClone(entry))
      for (const part of Object.values(entry)) if (part instanceof Uint8Array) part.fill(0xee)
    }
    expect(seen).toEqual(example)
  })
})
