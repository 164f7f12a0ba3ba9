import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { describe, expect, test, vi } from 'vitest'
import { ByteWriter } from '../../src/base/byte-codec'
import { ByteStreamReader } from '../../src/base/byte-stream'
import { concat, utf8 } from '../../src/base/bytes'
import { readKeyringFile, streamKey } from '../../src/crypto/keyring'
import { ChunkSealer, openChunks } from '../../src/crypto/stream'
import {
  type BackupEntry,
  decodeBackupEntries,
  decodeBackupHeader,
  encodeBackupEntry,
  encodeBackupHeader,
} from '../../src/format/backup'
import { CHUNK_BYTES, TAG_BYTES } from '../../src/format/constants'
import { account, passphrase, SecretStore, user } from '../../src/index'
import { nativeScrypt } from '../../src/platform/scrypt'
import { everyFew } from '../support/lengths'
import { codeOf, directoryDigest, newLocation, openStore, temporaryDirectory, testKey } from '../support/stores'
import {
  flipped,
  forEachOf,
  keyringPath,
  leakyKey,
  outcomeOf,
  PAYLOAD,
  range,
  readJson,
  resummed,
  SECRET,
  type SlotJson,
  signed,
} from '../support/tamper'
import { newGate, turnOfLoop } from '../support/waiting'

vi.mock('../../src/platform/scrypt', { spy: true })

/** Before the keyring.json, and behind it, of a header. */
const BEFORE_KEYRING = 25
const BEHIND_KEYRING = 40

async function backupOf(store: SecretStore): Promise<Uint8Array> {
  const path = join(await temporaryDirectory(), 'backup')
  await store.backup(path)
  return Uint8Array.from(await readFile(path))
}

/** A few secrets, one of them in a row of its own. */
async function fillSmall(store: SecretStore): Promise<void> {
  await store.set({ ...SECRET, payload: PAYLOAD })
  await store.set({ scope: user('usr_1'), name: 'large', payload: 'x'.repeat(1025) })
}

/** More than three chunks. */
async function fillLarge(store: SecretStore): Promise<void> {
  await store.set({ ...SECRET, payload: PAYLOAD })
  for (const n of range(4)) {
    await store.set({ scope: account, name: `n${n}`, payload: new Uint8Array(60_000).fill(n) })
  }
}

async function newBackup(fill: (store: SecretStore) => Promise<void>, key = testKey()): Promise<Uint8Array> {
  const store = await openStore(await newLocation(), { key })
  await fill(store)
  const bytes = await backupOf(store)
  await store.close()
  return bytes
}

function headerLength(backup: Uint8Array): number {
  const keyringLength = new DataView(backup.buffer, backup.byteOffset).getUint32(21)
  return BEFORE_KEYRING + keyringLength + BEHIND_KEYRING
}

/** The header, and the chunks as they are in the file. */
function parts(backup: Uint8Array): { header: Uint8Array; chunks: Uint8Array[] } {
  const start = headerLength(backup)
  const size = CHUNK_BYTES + TAG_BYTES
  const count = Math.ceil((backup.length - start) / size)
  const chunks = range(count).map((n) => backup.subarray(start + n * size, start + (n + 1) * size))
  return { header: backup.subarray(0, start), chunks }
}

/** One piece, as long as it is. */
async function* streamOf(...pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void> {
  yield* pieces
}

/** Restores beside nothing else. @returns The code it is refused with; that nothing was left behind is seen to. */
async function refusal(directory: string, backup: Uint8Array, key = testKey()): Promise<string> {
  const code = await codeOf(() => SecretStore.restore(streamOf(backup), join(directory, 'restored'), { key }))
  const left = await readdir(directory)
  return left.length === 0 ? code : `${code}, and left ${left}`
}

/** The backup itself is a good one: what was refused was refused for what was done to it. */
async function expectRestores(backup: Uint8Array, key = testKey()): Promise<void> {
  const location = await newLocation()
  await SecretStore.restore(streamOf(backup), location, { key })
  const store = await openStore(location, { key })
  expect(await store.get(SECRET)).toBe(PAYLOAD)
  expect((await store.verify()).problems).toEqual([])
  await store.close()
  expect(await readdir(dirname(location))).toEqual(['secrets'])
}

/** Four directories to work in at once. */
async function lanes(): Promise<string[]> {
  return Promise.all(range(4).map(() => temporaryDirectory()))
}

async function expectEach(
  items: readonly number[],
  codeFor: (item: number) => string,
  attempt: (item: number, directory: string) => Promise<string>,
): Promise<void> {
  const directories = await lanes()
  const wrong: unknown[] = []
  await forEachOf(items, directories.length, async (item, lane) => {
    const code = await attempt(item, directories[lane] as string)
    if (code !== codeFor(item)) wrong.push([item, code])
  })
  expect(wrong).toEqual([])
}

describe('bit by bit', () => {
  /** The magic is another file\u2019s, the version another version\u2019s; everything else is damage. */
  function codeOfByte(byte: number): string {
    if (byte < 20) return 'ERR_NOT_A_STORE'
    return byte === 20 ? 'ERR_UNSUPPORTED_VERSION' : 'ERR_CORRUPT'
  }

  test('any bit flipped in the header is refused, and leaves nothing behind', async () => {
    const backup = await newBackup(fillSmall)
    // The last 40 bytes get as far as the first chunk: one bit of each here, the others below.
    const length = headerLength(backup)
    const bits = range(length * 8).filter((bit) => bit < (length - BEHIND_KEYRING) * 8 || (bit >> 3) % 8 === bit % 8)
    await expectEach(
      everyFew(bits, 13),
      (bit) => codeOfByte(bit >> 3),
      (bit, directory) => refusal(directory, flipped(backup, bit)),
    )
    await expectRestores(backup)
  })

  test('one bit of each byte behind the header flipped is refused, and leaves nothing behind', async () => {
    const backup = await newBackup(fillSmall)
    const bytes = range(backup.length).slice(headerLength(backup))
    await expectEach(
      everyFew(bytes, 13),
      () => 'ERR_CORRUPT',
      (byte, directory) => refusal(directory, flipped(backup, byte * 8 + ((byte * 5) % 8))),
    )
    await expectRestores(backup)
  })

  test('any bit flipped in what is sealed, or in what it is bound to, is found before a byte of it is given out', async () => {
    const key = leakyKey(7)
    const backup = await newBackup(fillSmall, key)
    const length = headerLength(backup)
    const given: unknown[] = []
    const read = async (bytes: Uint8Array): Promise<void> => {
      const stream = new ByteStreamReader(streamOf(bytes))
      const header = await decodeBackupHeader(stream)
      const sealKey = streamKey(key.rootKeys[0] as Uint8Array, header.bytes)
      for await (const piece of openChunks(sealKey, stream)) given.push(piece)
    }
    await read(backup)
    expect(given.length).toBe(1)
    for (const bit of everyFew(range((backup.length - length + BEHIND_KEYRING) * 8), 13)) {
      const code = await codeOf(() => read(flipped(backup, (length - BEHIND_KEYRING) * 8 + bit)))
      if (code !== 'ERR_CORRUPT') expect.unreachable(`bit ${bit}: ${code}`)
    }
    expect(given.length).toBe(1)
  })
})

describe('cut off', () => {
  test('at any length, a small one is refused and leaves nothing behind', async () => {
    const backup = await newBackup(fillSmall)
    await expectEach(
      everyFew(range(backup.length), 13),
      (length) => (length < 20 ? 'ERR_NOT_A_STORE' : 'ERR_CORRUPT'),
      (length, directory) => refusal(directory, backup.subarray(0, length)),
    )
    await expectRestores(backup)
  })

  test('at and about the bounds of its chunks, and at lengths between, a large one is', async () => {
    const backup = await newBackup(fillLarge)
    const { header, chunks } = parts(backup)
    expect(chunks.length).toBeGreaterThan(3)
    const bounds = range(chunks.length).map((n) => header.length + n * (CHUNK_BYTES + TAG_BYTES))
    const near = bounds.flatMap((bound) => [-17, -16, -15, -1, 0, 1, 15, 16, 17].map((by) => bound + by))
    const between = range(150).map((n) => header.length + Math.floor((n * (backup.length - header.length)) / 150) + 3)
    await expectEach(
      [...near, ...between, backup.length - 1].filter((length) => length < backup.length),
      () => 'ERR_CORRUPT',
      (length, directory) => refusal(directory, backup.subarray(0, length)),
    )
    await expectRestores(backup)
  })

  test('with anything behind its end it is refused', async () => {
    for (const backup of [await newBackup(fillSmall), await newBackup(fillLarge)]) {
      const { header, chunks } = parts(backup)
      const last = chunks.at(-1) as Uint8Array
      const more = [
        Uint8Array.of(0),
        utf8('\n'),
        new Uint8Array(TAG_BYTES),
        last,
        chunks[0] as Uint8Array,
        header,
        backup,
        new Uint8Array(200_000),
      ]
      const directory = await temporaryDirectory()
      for (const tail of more) expect(await refusal(directory, concat(backup, tail))).toBe('ERR_CORRUPT')
    }
  })
})

describe('chunks', () => {
  test('swapped, repeated, dropped, appended or exchanged between two backups of one store, they are refused', async () => {
    const key = leakyKey(7)
    const store = await openStore(await newLocation(), { key })
    await fillLarge(store)
    const [one, two] = [await backupOf(store), await backupOf(store)]
    await store.close()
    const [mine, theirs] = [parts(one), parts(two)]
    const count = mine.chunks.length
    expect(theirs.chunks).toHaveLength(count)
    expect(theirs.header).not.toEqual(mine.header)
    const built: [string, Uint8Array[]][] = []
    for (const i of range(count)) {
      built.push([`without ${i}`, mine.chunks.filter((_, n) => n !== i)])
      built.push([`${i} twice`, mine.chunks.flatMap((chunk, n) => (n === i ? [chunk, chunk] : [chunk]))])
      built.push([
        `${i} from the other`,
        mine.chunks.map((chunk, n) => (n === i ? (theirs.chunks[n] ?? chunk) : chunk)),
      ])
      built.push([`the other from ${i} on`, [...mine.chunks.slice(0, i), ...theirs.chunks.slice(i)]])
      built.push([`no more than ${i}`, mine.chunks.slice(0, i)])
      built.push([`${i} alone`, mine.chunks.slice(i, i + 1)])
      for (const j of range(i)) {
        const swapped = [...mine.chunks]
        ;[swapped[i], swapped[j]] = [swapped[j] as Uint8Array, swapped[i] as Uint8Array]
        built.push([`${i} and ${j} swapped`, swapped])
      }
    }
    built.push(['all twice', [...mine.chunks, ...mine.chunks]], ['backwards', [...mine.chunks].reverse()])
    built.push(['all of the other', theirs.chunks], ['the other behind', [...mine.chunks, ...theirs.chunks]])
    const directory = await temporaryDirectory()
    const sealKey = streamKey(key.rootKeys[0] as Uint8Array, mine.header)
    const plain: Uint8Array[] = []
    for await (const piece of openChunks(sealKey, new ByteStreamReader(streamOf(...mine.chunks)))) plain.push(piece)
    expect(plain).toHaveLength(count)
    for (const [what, chunks] of built) {
      // No more is given out than what stands where it was written, and that is never all.
      const given: Uint8Array[] = []
      const code = await codeOf(async () => {
        for await (const piece of openChunks(sealKey, new ByteStreamReader(streamOf(...chunks)))) given.push(piece)
      })
      expect([what, code]).toEqual([what, 'ERR_CORRUPT'])
      expect(given.length).toBeLessThan(count)
      for (const [n, piece] of given.entries()) expect(Buffer.compare(piece, plain[n] as Uint8Array)).toBe(0)
      expect([what, await refusal(directory, concat(mine.header, ...chunks))]).toEqual([what, 'ERR_CORRUPT'])
    }
    for (const whole of [one, two]) await expectRestores(whole)
  })

  test('the header of one backup does not go with the body of another, of this store or of its past', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    await fillSmall(store)
    const before = await backupOf(store)
    await store.addKey(testKey(8))
    const after = await backupOf(store)
    await store.rotate({ root: true, keys: [testKey()] })
    const rotated = await backupOf(store)
    await store.close()
    const other = await newBackup(fillSmall)
    const all = [before, after, rotated, other].map(parts)
    const directory = await temporaryDirectory()
    for (const { header } of all) {
      for (const { header: own, chunks } of all) {
        if (own === header) continue
        expect(await refusal(directory, concat(header, ...chunks))).toBe('ERR_CORRUPT')
      }
    }
    // With the keyring.json of one in the header of another.
    for (const { header: own, chunks } of all) {
      for (const { header } of all) {
        if (own === header) continue
        const keyring = header.subarray(BEFORE_KEYRING, header.length - BEHIND_KEYRING)
        const nonce = own.subarray(own.length - 32)
        const mixed = encodeBackupHeader({ keyring, records: 2, nonce })
        expect(await refusal(directory, concat(mixed, ...chunks))).toBe('ERR_CORRUPT')
      }
    }
    for (const whole of [before, after, rotated, other]) await expectRestores(whole)
  })

  /** Makes a backup as the holder of the root key could, cut into chunks at will. */
  function forge(header: Uint8Array, rootKey: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const sealer = new ChunkSealer(streamKey(rootKey, header))
    return concat(header, sealer.push(plaintext), sealer.end())
  }

  async function opened(): Promise<{ header: Uint8Array; rootKey: Uint8Array; entries: BackupEntry[] }> {
    const key = leakyKey(7)
    const backup = await newBackup(async (store) => {
      await fillSmall(store)
      await store.addKey(testKey(8))
    }, key)
    const rootKey = key.rootKeys[0] as Uint8Array
    const stream = new ByteStreamReader(streamOf(backup))
    const { bytes: header } = await decodeBackupHeader(stream)
    const entries: BackupEntry[] = []
    const chunks = new ByteStreamReader(openChunks(streamKey(rootKey, header), stream))
    for await (const entry of decodeBackupEntries(chunks)) entries.push(entry)
    return { header, rootKey, entries }
  }

  test('even sealed with the right key, what does not make the store of its head is refused', async () => {
    const { header, rootKey, entries } = await opened()
    const [first, second, head] = entries as [BackupEntry, BackupEntry, BackupEntry]
    expect(entries.map(({ type }) => type)).toEqual(['put', 'put', 'head'])
    const put = (entry: BackupEntry) => entry as BackupEntry & { readonly type: 'put' }
    const large = [first, second].find((entry) => put(entry).payloadValue.length > 0) as BackupEntry
    const small = large === first ? second : first
    const all = (...list: BackupEntry[]): Uint8Array => concat(...list.map(encodeBackupEntry))
    const lie = (length: number): Uint8Array => new ByteWriter().u8(1).u32(length).bytes()
    const plaintexts: readonly [string, Uint8Array][] = [
      ['nothing', new Uint8Array()],
      ['no head', all(first, second)],
      ['the head alone', all(head)],
      ['a record less', all(first, head)],
      ['the head first', all(head, first, second)],
      ['the head twice', all(first, second, head, head)],
      ['something behind the head', concat(all(first, second, head), Uint8Array.of(0))],
      ['a record deleted', all(first, second, { type: 'delete', rowKey: put(first).rowKey }, head)],
      ['a record in the place of another', all(first, { ...put(second), rowKey: put(first).rowKey }, head)],
      ['a record at another row', all(first, { ...put(second), rowKey: utf8('rt|account|other') }, head)],
      ['a record at a row of another sort', all(first, { ...put(second), rowKey: utf8('h') }, head)],
      ['an id row', all(first, second, { ...put(second), rowKey: utf8('iappsecret_x') }, head)],
      ['a row without a key', all(first, second, { ...put(second), rowKey: new Uint8Array() }, head)],
      ['a payload gone', all(small, { ...put(large), payloadValue: new Uint8Array() }, head)],
      ['another payload', all(small, { ...put(large), payloadValue: put(large).value }, head)],
      [
        'a payload cut short',
        all(small, { ...put(large), payloadValue: put(large).payloadValue.subarray(0, -1) }, head),
      ],
      ['an entry of no type', concat(Uint8Array.of(4), all(first, second, head))],
      ['an entry of type 0', concat(all(first, second), Uint8Array.of(0), all(head))],
      ['a row key of 4 GiB', concat(lie(2 ** 32 - 1), all(first, second, head))],
      ['a row key longer than there is', concat(lie(65_536), all(first, second, head))],
      ['a head that is a record', all(first, second, { type: 'head', value: put(first).value })],
      ['a head of nothing', all(first, second, { type: 'head', value: new Uint8Array() })],
    ]
    const directory = await temporaryDirectory()
    for (const [what, plaintext] of plaintexts) {
      expect([what, await refusal(directory, forge(header, rootKey, plaintext))]).toEqual([what, 'ERR_CORRUPT'])
    }
    // The forger\u2019s tools are good: this is what the store itself would have made, and what it could have.
    await expectRestores(forge(header, rootKey, all(first, second, head)))
    await expectRestores(forge(header, rootKey, all(second, second, first, head)))
  })

  test('a payload beside a record that has none is not taken in', async () => {
    const { header, rootKey, entries } = await opened()
    const [first, second, head] = entries as [BackupEntry, BackupEntry, BackupEntry]
    const [small, large] = [first, second].sort(
      (a, b) => ('payloadValue' in a ? a.payloadValue.length : 0) - ('payloadValue' in b ? b.payloadValue.length : 0),
    ) as [BackupEntry & { type: 'put' }, BackupEntry & { type: 'put' }]
    const stray = { ...small, payloadValue: large.payloadValue }
    const forged = forge(header, rootKey, concat(...[stray, large, head].map(encodeBackupEntry)))
    const location = await newLocation()
    if ((await codeOf(() => SecretStore.restore(streamOf(forged), location, { key: testKey() }))) === 'ERR_CORRUPT')
      return
    const store = await openStore(location)
    expect((await store.verify()).problems).toEqual([])
  })

  test('an empty chunk at the end, and a last chunk that is not said to be, are refused', async () => {
    const { header, rootKey, entries } = await opened()
    const plaintext = concat(...entries.map(encodeBackupEntry))
    const directory = await temporaryDirectory()
    const key = (): Uint8Array => streamKey(rootKey, header)
    // More than a chunk, and its last chunk dropped: what remains was never said to be the last.
    const long = new ChunkSealer(key())
    const full = long.push(new Uint8Array(CHUNK_BYTES + 1))
    expect(full.length).toBe(CHUNK_BYTES + TAG_BYTES)
    expect(await refusal(directory, concat(header, full))).toBe('ERR_CORRUPT')
    // The last chunk of one stream behind the first of another under the same key.
    const short = new ChunkSealer(key())
    short.push(plaintext)
    expect(await refusal(directory, concat(header, full, short.end()))).toBe('ERR_CORRUPT')
    const empty = new ChunkSealer(key()).end()
    expect(await refusal(directory, concat(header, empty))).toBe('ERR_CORRUPT')
    expect(await refusal(directory, concat(header, full, empty))).toBe('ERR_CORRUPT')
    // In its right place, and said to be the last: a second way to write what is written without it.
    const nonce = new Uint8Array(12)
    nonce.set([1, 1], 10)
    const emptyLast = chacha20poly1305(key(), nonce).encrypt(new Uint8Array())
    const pieces = openChunks(key(), new ByteStreamReader(streamOf(full, emptyLast)))
    expect((await pieces.next()).value).toHaveLength(CHUNK_BYTES)
    await expect(pieces.next()).rejects.toThrow('expected bytes in its last chunk, got none')
    await expectRestores(forge(header, rootKey, plaintext))
  })
})

describe('the header', () => {
  test('a version to come is ERR_UNSUPPORTED_VERSION, and so is one of its keyring.json', async () => {
    const backup = await newBackup(fillSmall)
    const directory = await temporaryDirectory()
    for (const version of [0, 2, 4, 255]) {
      const raised = Uint8Array.from(backup)
      raised[20] = version
      expect([version, await refusal(directory, raised)]).toEqual([version, 'ERR_UNSUPPORTED_VERSION'])
    }
    const { header, chunks } = parts(backup)
    const keyring = header.subarray(BEFORE_KEYRING, header.length - BEHIND_KEYRING)
    const nonce = header.subarray(header.length - 32)
    const later = encodeBackupHeader({
      keyring: resummed(keyring, (json) => Object.assign(json, { version: 4 })),
      records: 2,
      nonce,
    })
    expect(await refusal(directory, concat(later, ...chunks))).toBe('ERR_UNSUPPORTED_VERSION')
  })

  test('the length of its keyring.json can be no more than there is, and nothing is read for it', async () => {
    const backup = await newBackup(fillSmall)
    const directory = await temporaryDirectory()
    for (const length of [0, 1, 891, 262_144, 262_145, 2 ** 31, 2 ** 32 - 1]) {
      const lied = Uint8Array.from(backup)
      new DataView(lied.buffer).setUint32(21, length)
      expect([length, await refusal(directory, lied)]).toEqual([length, 'ERR_CORRUPT'])
    }
    // Of more than it may be, no more is asked of the source than it takes to see that.
    let asked = 0
    const endless = async function* (): AsyncGenerator<Uint8Array, void> {
      const start = backup.slice(0, 25)
      new DataView(start.buffer).setUint32(21, 2 ** 32 - 1)
      yield start
      for (; asked < 1000; asked++) yield new Uint8Array(65_536)
    }
    const location = join(directory, 'restored')
    expect(await codeOf(() => SecretStore.restore(endless(), location, { key: testKey() }))).toBe('ERR_CORRUPT')
    expect(asked).toBeLessThan(3)
  })

  test('a source without end is given up at the first chunk', async () => {
    const backup = await newBackup(fillSmall)
    let given = 0
    const endless = async function* (): AsyncGenerator<Uint8Array, void> {
      yield backup
      for (; given < 1000; given++) yield new Uint8Array(65_536)
    }
    const location = join(await temporaryDirectory(), 'restored')
    expect(await codeOf(() => SecretStore.restore(endless(), location, { key: testKey() }))).toBe('ERR_CORRUPT')
    expect(given).toBeLessThan(5)
    expect(await readdir(dirname(location))).toEqual([])
  })

  test('another store\u2019s key is ERR_WRONG_KEY, and leaves nothing behind', async () => {
    const backup = await newBackup(fillSmall)
    const directory = await temporaryDirectory()
    for (const key of [testKey(8), passphrase('none', { N: 16_384 }), leakyKey(9)]) {
      expect(await refusal(directory, backup, key)).toBe('ERR_WRONG_KEY')
    }
    await expectRestores(backup)
  })

  test('its keyring.json altered is refused by checksum, by MAC or by slot, and costs out of bounds before any work', async () => {
    const key = leakyKey(7)
    const backup = await newBackup(async (store) => {
      await fillSmall(store)
      await store.addKey(passphrase('pass', { N: 16_384 }))
    }, key)
    const { header, chunks } = parts(backup)
    const keyring = header.subarray(BEFORE_KEYRING, header.length - BEHIND_KEYRING)
    const nonce = header.subarray(header.length - 32)
    const around = (keyring: Uint8Array): Uint8Array =>
      concat(encodeBackupHeader({ keyring, records: 2, nonce }), ...chunks)
    expect(around(keyring)).toEqual(backup)
    const directory = await temporaryDirectory()
    const dropped = resummed(keyring, ({ slots }) => void slots.pop())
    expect(await refusal(directory, around(dropped))).toBe('ERR_CORRUPT')
    const kind = resummed(keyring, ({ slots }) => Object.assign(slots[0] as SlotJson, { kind: 'recovery-code' }))
    expect(await refusal(directory, around(kind))).toBe('ERR_WRONG_KEY')
    vi.mocked(nativeScrypt).mockClear()
    for (const cost of [{ N: 8192 }, { N: 2 ** 21 }, { r: 1000 }, { p: 1000 }, { N: 2 ** 20, r: 16 }]) {
      const costly = resummed(keyring, ({ slots }) => Object.assign(slots[1]?.params ?? {}, cost))
      expect(await refusal(directory, around(costly), passphrase('pass'))).toBe('ERR_CORRUPT')
    }
    expect(nativeScrypt).not.toHaveBeenCalled()
    // Signed by the root key, it is still not the one that this body was sealed with.
    const rootKey = key.rootKeys[0] as Uint8Array
    const genuine = signed(keyring, (json) => Object.assign(json, { created: 1 }), rootKey)
    expect(await refusal(directory, around(genuine))).toBe('ERR_CORRUPT')
    expect(readKeyringFile(genuine).file.created).toBe(1)
    await expectRestores(backup)
  })

  test('sealed anew beside another keyring.json, the head does not go with it', async () => {
    const key = leakyKey(7)
    const store = await openStore(await newLocation(), { key })
    await fillSmall(store)
    const first = await backupOf(store)
    await store.addKey(testKey(8))
    const second = await backupOf(store)
    await store.close()
    const rootKey = key.rootKeys[0] as Uint8Array
    const body = async (backup: Uint8Array): Promise<Uint8Array> => {
      const stream = new ByteStreamReader(streamOf(backup))
      const { bytes } = await decodeBackupHeader(stream)
      const pieces: Uint8Array[] = []
      for await (const piece of openChunks(streamKey(rootKey, bytes), stream)) pieces.push(piece)
      return concat(...pieces)
    }
    const directory = await temporaryDirectory()
    for (const [one, other] of [
      [first, second],
      [second, first],
    ] as const) {
      const { header } = parts(one)
      const sealer = new ChunkSealer(streamKey(rootKey, header))
      const plaintext = await body(other)
      const mixed = concat(header, sealer.push(plaintext), sealer.end())
      expect(await refusal(directory, mixed)).toMatch(/^ERR_(CORRUPT|ROLLBACK)$/)
    }
  })
})

describe('what is no backup', () => {
  test('a foreign file, an empty one and a keyring.json are ERR_NOT_A_STORE', async () => {
    const location = await newLocation()
    await (await openStore(location)).close()
    const directory = await temporaryDirectory()
    const foreign = [
      new Uint8Array(),
      utf8('secret-store'),
      utf8('secret-store backup'),
      utf8('SECRET-STORE BACKUP\n'),
      utf8('not a backup at all, but long enough to be one'.repeat(100)),
      new Uint8Array(100_000),
      Uint8Array.from(await readFile(keyringPath(location))),
    ]
    for (const bytes of foreign) {
      expect(await refusal(directory, bytes)).toBe('ERR_NOT_A_STORE')
      const path = join(await temporaryDirectory(), 'foreign')
      await writeFile(path, bytes)
      expect(await codeOf(() => SecretStore.restore(path, join(directory, 'x'), { key: testKey() }))).toBe(
        'ERR_NOT_A_STORE',
      )
    }
    // Its beginning and nothing more is one that was cut off.
    expect(await refusal(directory, utf8('secret-store backup\n'))).toBe('ERR_CORRUPT')
  })

  test.skipIf(process.platform === 'win32')(
    'a directory and a file that is not there are ERR_IO, and a FIFO that nobody writes to can be given up',
    async () => {
      const sources = await temporaryDirectory()
      const directory = await temporaryDirectory()
      const path = (name: string): string => join(sources, name)
      await mkdir(path('directory'))
      execFileSync('mkfifo', [path('fifo')])
      await symlink(path('nothing'), path('dangling'))
      for (const name of ['directory', 'missing', 'dangling', 'directory/missing']) {
        const restoring = SecretStore.restore(path(name), join(directory, 'restored'), { key: testKey() })
        expect([name, await outcomeOf(restoring)]).toEqual([name, 'ERR_IO'])
        expect(await readdir(directory)).toEqual([])
      }
      const given = new AbortController()
      const restoring = SecretStore.restore(path('fifo'), join(directory, 'restored'), {
        key: testKey(),
        signal: given.signal,
      })
      setTimeout(() => given.abort(new Error('given up')), 20)
      await expect(restoring).rejects.toThrow('given up')
      expect(await readdir(directory)).toEqual([])
    },
  )

  test('the directory of a store, or a file of one, is no backup', async () => {
    const location = await newLocation()
    await (await openStore(location)).close()
    const directory = await temporaryDirectory()
    const to = join(directory, 'restored')
    expect(await codeOf(() => SecretStore.restore(location, to, { key: testKey() }))).toBe('ERR_IO')
    expect(await codeOf(() => SecretStore.restore(keyringPath(location), to, { key: testKey() }))).toBe(
      'ERR_NOT_A_STORE',
    )
    expect(await readdir(directory)).toEqual([])
  })
})

describe('where it goes', () => {
  test('a location at which there is something is refused, and what is there is not touched', async () => {
    const backup = await newBackup(fillSmall)
    const store = await newLocation()
    await (await openStore(store, { key: testKey(9) })).close()
    const file = await newLocation()
    await writeFile(file, 'somebody\u2019s')
    const full = await newLocation()
    await mkdir(full, { mode: 0o700 })
    await writeFile(join(full, 'a file'), 'somebody\u2019s')
    const half = await newLocation()
    await mkdir(join(half, 'data'), { recursive: true, mode: 0o700 })
    const link = await newLocation()
    await symlink(store, link)
    const dangling = await newLocation()
    await symlink(join(dirname(dangling), 'nothing'), dangling)
    const expected: readonly [string, string][] = [
      [store, 'ERR_EXISTS'],
      [file, 'ERR_NOT_A_STORE'],
      [full, 'ERR_NOT_A_STORE'],
      [half, 'ERR_CORRUPT'],
      [link, 'ERR_UNSAFE_LOCATION'],
      [dangling, 'ERR_UNSAFE_LOCATION'],
      [join(file, 'below'), 'ERR_IO'],
    ]
    for (const [location, code] of expected) {
      const around = dirname(location === join(file, 'below') ? file : location)
      const before = [await directoryDigest(around), await readdir(around)]
      const source = streamOf(backup)
      const next = vi.spyOn(source, 'next')
      const restoring = SecretStore.restore(source, location, { key: testKey() })
      expect([location, await codeOf(() => restoring)]).toEqual([location, code])
      expect(next).not.toHaveBeenCalled()
      expect([await directoryDigest(around), await readdir(around)]).toEqual(before)
    }
  })

  test('two that restore to one location: one of them has it, whole, and the other ERR_EXISTS', async () => {
    const [one, two] = [await newBackup(fillSmall), await newBackup(fillSmall)]
    const location = await newLocation()
    const codes = await Promise.all(
      [one, two, one].map((backup) =>
        codeOf(() => SecretStore.restore(streamOf(backup), location, { key: testKey() })),
      ),
    )
    expect(codes.sort()).toEqual(['ERR_EXISTS', 'ERR_EXISTS', 'no error'])
    expect(await readdir(dirname(location))).toEqual(['secrets'])
    const store = await openStore(location)
    expect((await store.verify()).ok).toBe(true)
  })

  test('a store created meanwhile is not written over', async () => {
    const backup = await newBackup(fillSmall)
    const location = await newLocation()
    const source = async function* (): AsyncGenerator<Uint8Array, void> {
      yield backup.subarray(0, backup.length - 1)
      await (await openStore(location, { key: testKey(9) })).close()
      yield backup.subarray(backup.length - 1)
    }
    expect(await codeOf(() => SecretStore.restore(source(), location, { key: testKey() }))).toBe('ERR_EXISTS')
    expect(await readdir(dirname(location))).toEqual(['secrets'])
    await openStore(location, { key: testKey(9) })
  })

  test('a backup to a path at which there is something is ERR_EXISTS, and what is there is not touched', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    await fillSmall(store)
    const directory = await temporaryDirectory()
    const path = (name: string): string => join(directory, name)
    await writeFile(path('file'), 'somebody\u2019s')
    await mkdir(path('directory'))
    await symlink(path('file'), path('link'))
    await symlink(path('nothing'), path('dangling'))
    const before = [await directoryDigest(directory), await readdir(directory)]
    for (const name of ['file', 'directory', 'link', 'dangling']) {
      expect([name, await codeOf(() => store.backup(path(name)))]).toEqual([name, 'ERR_EXISTS'])
    }
    expect(await codeOf(() => store.backup(keyringPath(location)))).toBe('ERR_EXISTS')
    for (const name of ['missing/file', 'file/below']) {
      expect([name, await codeOf(() => store.backup(path(name)))]).toEqual([name, 'ERR_IO'])
    }
    expect([await directoryDigest(directory), await readdir(directory)]).toEqual(before)
  })

  test('a file that comes to its path meanwhile is not written over', async () => {
    const store = await openStore(await newLocation())
    await fillSmall(store)
    const path = join(await temporaryDirectory(), 'backup')
    const onProgress = (): void => writeFileSync(path, 'somebody\u2019s')
    expect(await codeOf(() => store.backup(path, { onProgress }))).toBe('ERR_EXISTS')
    expect(await readFile(path, 'utf8')).toBe('somebody\u2019s')
    expect(await readdir(dirname(path))).toEqual(['backup'])
  })

  test.skipIf(process.platform === 'win32')(
    'the file and the store made of it are the owner\u2019s alone',
    async () => {
      const store = await openStore(await newLocation())
      await fillSmall(store)
      const path = join(await temporaryDirectory(), 'backup')
      await store.backup(path)
      expect((await stat(path)).mode & 0o777).toBe(0o600)
      const location = await newLocation()
      await SecretStore.restore(path, location, { key: testKey() })
      expect((await stat(location)).mode & 0o777).toBe(0o700)
      expect((await stat(keyringPath(location))).mode & 0o077).toBe(0)
    },
  )
})

describe('what can be read of it', () => {
  test.each(['plain', 'sealed'] as const)('no name, user, account, id or payload, with %s names', async (names) => {
    const store = await openStore(await newLocation(), { names })
    const view = store.view({ account: 'acct_needle', livemode: true })
    const made = [
      await store.set({ scope: account, name: 'needle_of_a_name', payload: 'needle_of_a_payload' }),
      await store.set({ scope: user('usr_needle'), name: 'needle_of_another', payload: 'needle_in_bulk'.repeat(200) }),
      await view.set({ scope: user('usr_needle'), name: 'needle_in_live', payload: Buffer.from('needle_bytes') }),
    ]
    const gone = await store.set({ scope: account, name: 'needle_gone', payload: 'needle_that_went' })
    await store.delete({ scope: account, name: 'needle_gone' })
    const backup = Buffer.from(await backupOf(store))
    const needles = [
      'needle',
      'usr_',
      'acct_',
      'appsecret_',
      'account',
      'user:',
      ...[...made, gone].map(({ id }) => id),
    ]
    for (const needle of needles) {
      for (const encoding of ['utf8', 'utf16le', 'hex', 'base64url'] as const) {
        const bytes = Buffer.from(
          encoding === 'hex' || encoding === 'base64url' ? Buffer.from(needle).toString(encoding) : needle,
          encoding === 'utf16le' ? 'utf16le' : 'utf8',
        )
        if (bytes.length < 8 && encoding !== 'utf8') continue
        expect([needle, encoding, backup.indexOf(bytes)]).toEqual([needle, encoding, -1])
      }
    }
    // And what is in the clear is in the header alone.
    const { header } = parts(backup)
    expect(Object.keys(readJson(header.subarray(BEFORE_KEYRING, header.length - BEHIND_KEYRING)))).toContain('slots')
    // Two of the same state have nothing in common behind the header.
    const again = await backupOf(store)
    expect(
      Buffer.from(again.subarray(header.length, header.length + 16)).equals(
        backup.subarray(header.length, header.length + 16),
      ),
    ).toBe(false)
  })
})

describe('keys of before and after', () => {
  test('a backup opens with the keys of its time: one removed since is in it, one added since is not', async () => {
    const store = await openStore(await newLocation(), { key: testKey(1) })
    await store.set({ ...SECRET, payload: PAYLOAD })
    await store.addKey(testKey(2))
    const before = await backupOf(store)
    await store.removeKey(store.keys()[1]?.id as string)
    await store.addKey(testKey(3))
    const after = await backupOf(store)
    await store.rotate({ root: true, keys: [testKey(3)] })
    const rotated = await backupOf(store)
    await store.close()
    const directory = await temporaryDirectory()
    const refused: readonly [Uint8Array, number[], number[]][] = [
      [before, [1, 2], [3]],
      [after, [1, 3], [2]],
      [rotated, [3], [1, 2]],
    ]
    for (const [backup, good, bad] of refused) {
      for (const fill of bad) expect(await refusal(directory, backup, testKey(fill))).toBe('ERR_WRONG_KEY')
      for (const fill of good) await expectRestores(backup, testKey(fill))
    }
  })

  test('the root key of before a rotation of it opens nothing of a backup made after', async () => {
    const [kept, thief] = [leakyKey(1), leakyKey(2)]
    const store = await openStore(await newLocation(), { key: kept })
    await store.set({ ...SECRET, payload: PAYLOAD })
    await store.addKey(thief)
    await store.rotate({ root: true, keys: [kept] })
    const backup = await backupOf(store)
    await store.close()
    const { header, chunks } = parts(backup)
    for (const rootKey of thief.rootKeys) {
      const stream = new ByteStreamReader(streamOf(...chunks))
      const pieces = openChunks(streamKey(rootKey, header), stream)
      expect(await codeOf(() => pieces.next())).toBe('ERR_CORRUPT')
    }
    expect(await refusal(await temporaryDirectory(), backup, thief)).toBe('ERR_WRONG_KEY')
    await expectRestores(backup, kept)
  })

  test('restored and then put back in the place of a newer store, it does not pass a checkpoint', async () => {
    const store = await openStore(await newLocation())
    await store.set({ ...SECRET, payload: PAYLOAD })
    const backup = await backupOf(store)
    await store.set({ ...SECRET, payload: 'newer' })
    const minimum = await store.checkpoint()
    await store.close()
    const location = await newLocation()
    await SecretStore.restore(streamOf(backup), location, { key: testKey() })
    expect(await codeOf(() => openStore(location, { minimum }))).toBe('ERR_ROLLBACK')
  })

  test('a backup of a store in memory opens with a key that it was given, or is not made', async () => {
    const store = SecretStore.memory({ sweepIntervalMs: 0, compactIntervalMs: 0 })
    await store.set({ ...SECRET, payload: PAYLOAD })
    await store.addKey(testKey(2))
    await expectRestores(await backupOf(store), testKey(2))
    await store.close()
  })
})

describe('streams, signals and races', () => {
  async function smallStore(): Promise<SecretStore> {
    const store = await openStore(await newLocation())
    await fillSmall(store)
    return store
  }

  /** Afterwards keys can be changed and the store be closed: nothing holds it up. */
  async function expectFree(store: SecretStore): Promise<void> {
    expect(await outcomeOf(store.addKey(testKey(8)))).toBe('no error')
    expect(await outcomeOf(store.close())).toBe('no error')
  }

  test('a signal that was aborted before is met before anything is touched', async () => {
    const store = await smallStore()
    const directory = await temporaryDirectory()
    const reason = new Error('stopped before')
    const signal = AbortSignal.abort(reason)
    await expect(store.backup(join(directory, 'backup'), { signal })).rejects.toBe(reason)
    const read = vi.fn(() => ({ done: true, value: undefined }) as const)
    const source = { [Symbol.asyncIterator]: () => ({ next: async () => read() }) }
    await expect(SecretStore.restore(source, join(directory, 'restored'), { key: testKey(), signal })).rejects.toBe(
      reason,
    )
    expect(read).not.toHaveBeenCalled()
    expect(await readdir(directory)).toEqual([])
    await expectFree(store)
  })

  test('a progress callback that throws ends a backup and a restoration, and leaves nothing behind', async () => {
    const store = await smallStore()
    const directory = await temporaryDirectory()
    const backup = await backupOf(store)
    const reason = new Error('no more of that')
    const fail = (): never => {
      throw reason
    }
    await expect(store.backup(join(directory, 'backup'), { onProgress: fail })).rejects.toBe(reason)
    const restoring = SecretStore.restore(streamOf(backup), join(directory, 'x'), { key: testKey(), onProgress: fail })
    await expect(restoring).rejects.toBe(reason)
    expect(await readdir(directory)).toEqual([])
    await expectFree(store)
  })

  test('a signal aborted by the last progress callback still ends the backup', async () => {
    const store = await smallStore()
    const directory = await temporaryDirectory()
    const reason = new Error('no more of that')
    const stopped = new AbortController()
    const onProgress = (): void => stopped.abort(reason)
    await expect(store.backup(join(directory, 'backup'), { onProgress, signal: stopped.signal })).rejects.toBe(reason)
    expect(await readdir(directory)).toEqual([])
  })

  test('a stream that fails at any piece ends the backup with its own error', async () => {
    const store = await smallStore()
    const reason = new Error('disk on fire')
    for (const failing of [0, 1]) {
      let pieces = 0
      const stream = new Writable({
        write: (_chunk, _encoding, done) => done(pieces++ === failing ? reason : null),
      })
      await expect(store.backup(stream)).rejects.toBe(reason)
      expect(stream.destroyed).toBe(true)
      let written = 0
      const web = new WritableStream<Uint8Array>({
        write() {
          if (written++ === failing) throw reason
        },
      })
      await expect(store.backup(web)).rejects.toBe(reason)
    }
    const atEnd = new Writable({ write: (_c, _e, done) => done(), final: (done) => done(reason) })
    await expect(store.backup(atEnd)).rejects.toBe(reason)
    const closing = new WritableStream<Uint8Array>({
      close() {
        throw reason
      },
    })
    await expect(store.backup(closing)).rejects.toBe(reason)
    await expectFree(store)
  })

  test('a stream that was destroyed, ended or locked before is an error at once', async () => {
    const store = await smallStore()
    const destroyed = new PassThrough()
    destroyed.destroy()
    const ended = new PassThrough()
    ended.end()
    ended.resume()
    const locked = new WritableStream<Uint8Array>()
    locked.getWriter()
    const closed = new WritableStream<Uint8Array>()
    await closed.close()
    for (const stream of [destroyed, ended, locked, closed]) {
      expect(await outcomeOf(store.backup(stream))).not.toMatch(/no error|still waiting/)
    }
    await expectFree(store)
  })

  test('a stream that is destroyed half way, with an error or without one, ends the backup', async () => {
    for (const error of [new Error('cut'), undefined]) {
      const store = await smallStore()
      // It takes a piece and never says that it has.
      const stream = new Writable({ write: () => void setImmediate(() => stream.destroy(error)) })
      const outcome = await outcomeOf(store.backup(stream))
      await store.close()
      expect([error?.message, outcome]).not.toEqual([error?.message, 'still waiting'])
      expect(outcome).not.toBe('no error')
    }
  })

  test('a signal ends a backup whose stream stalls', async () => {
    const store = await smallStore()
    const reason = new Error('waited long enough')
    const outcomes: string[] = []
    for (const stalled of [
      new Writable({ write: () => {} }),
      new WritableStream<Uint8Array>({ write: () => new Promise(() => {}) }),
    ]) {
      const stopped = new AbortController()
      const backing = store.backup(stalled, { signal: stopped.signal })
      setImmediate(() => stopped.abort(reason))
      outcomes.push(await outcomeOf(backing))
      if (outcomes.at(-1) === 'still waiting') break
    }
    await store.close()
    expect(outcomes).toEqual(['Error: waited long enough', 'Error: waited long enough'])
  })

  test('the end of the store ends a backup whose stream stalls, and a change of keys behind it', async () => {
    for (const stalled of [
      new Writable({ write: () => {} }),
      new WritableStream<Uint8Array>({ write: () => new Promise(() => {}) }),
      new Writable({ write: (_c, _e, done) => done(), final: () => {} }),
    ]) {
      const store = await smallStore()
      const backing = codeOf(() => store.backup(stalled))
      const adding = codeOf(() => store.addKey(testKey(8)))
      await turnOfLoop()
      expect(await outcomeOf(store.close())).toBe('no error')
      expect(await Promise.all([backing, adding])).toEqual(['ERR_CLOSED', 'ERR_CLOSED'])
    }
  })

  test('a source that fails, is destroyed or ends half way leaves nothing behind', async () => {
    const store = await smallStore()
    const backup = await backupOf(store)
    const directory = await temporaryDirectory()
    const location = join(directory, 'restored')
    const reason = new Error('the network')
    for (const length of [0, 10, 500, headerLength(backup), headerLength(backup) + 100, backup.length - 1]) {
      const start = backup.subarray(0, length)
      const failing = async function* (): AsyncGenerator<Uint8Array, void> {
        yield start
        throw reason
      }
      await expect(SecretStore.restore(failing(), location, { key: testKey() })).rejects.toBe(reason)
      const destroyed: Readable = new Readable({ read: () => {} })
      destroyed.push(start)
      setImmediate(() => destroyed.destroy())
      const code = await outcomeOf(SecretStore.restore(destroyed, location, { key: testKey() }))
      expect([length, code]).toEqual([length, 'ERR_STREAM_PREMATURE_CLOSE'])
      const web = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(start)
        },
        pull(controller) {
          controller.error(reason)
        },
      })
      await expect(SecretStore.restore(web as AsyncIterable<Uint8Array>, location, { key: testKey() })).rejects.toBe(
        reason,
      )
      expect(await readdir(directory)).toEqual([])
    }
    await expectRestores(backup)
  })

  test('a source is let go of when it is refused', async () => {
    const backup = await newBackup(fillLarge)
    for (const bytes of [utf8('no backup'.repeat(10)), flipped(backup, 500 * 8), flipped(backup, backup.length * 4)]) {
      const source = Readable.from([bytes.subarray(0, 10), bytes.subarray(10), new Uint8Array(1000)])
      const location = await newLocation()
      expect(await codeOf(() => SecretStore.restore(source, location, { key: testKey() }))).toMatch(/^ERR_/)
      expect(source.destroyed).toBe(true)
    }
  })

  test('a signal ends a restoration whose source stalls, and leaves nothing behind', async () => {
    const backup = await newBackup(fillSmall)
    const outcomes: unknown[] = []
    for (const length of [10, backup.length - 1]) {
      const directory = await temporaryDirectory()
      const stopped = new AbortController()
      const [stalled, gate] = [newGate(), newGate()]
      const source = async function* (): AsyncGenerator<Uint8Array, void> {
        yield backup.subarray(0, length)
        stalled.open()
        await gate.opened
      }
      const plan = { key: testKey(), signal: stopped.signal }
      const restoring = SecretStore.restore(source(), join(directory, 'restored'), plan)
      void stalled.opened.then(() => stopped.abort(new Error('waited long enough')))
      outcomes.push([await outcomeOf(restoring), await readdir(directory)])
      gate.open()
      await codeOf(() => restoring)
    }
    expect(outcomes).toEqual([
      ['Error: waited long enough', []],
      ['Error: waited long enough', []],
    ])
  })

  test('pieces of any length make the same store, and what are no bytes is refused', async () => {
    const backup = await newBackup(fillSmall)
    for (const size of [1, 7, 64, 1000]) {
      const pieces = range(Math.ceil(backup.length / size)).map((n) => backup.subarray(n * size, (n + 1) * size))
      const location = await newLocation()
      const report = await SecretStore.restore(streamOf(...pieces), location, { key: testKey() })
      expect(report).toEqual({ records: 2, bytes: backup.length })
    }
    const directory = await temporaryDirectory()
    for (const piece of ['text', 7, null, [1, 2], new Uint16Array(4), {}]) {
      const source = streamOf(backup.subarray(0, 100), piece as unknown as Uint8Array)
      const restoring = SecretStore.restore(source, join(directory, 'restored'), { key: testKey() })
      await expect(restoring).rejects.toThrow(TypeError)
      expect(await readdir(directory)).toEqual([])
    }
  })

  test('a backup, changes of keys, rotations, writes and the end of the store at once: what is made is whole', async () => {
    for (const turns of [0, 2, 5, 10, 25, 60]) {
      const directory = await temporaryDirectory()
      const path = join(directory, 'backup')
      const store = await openStore(await newLocation())
      await fillSmall(store)
      for (const n of range(80)) await store.set({ scope: account, name: `n${n}`, payload: `p${n}` })
      await store.addKey(testKey(2))
      const second = store.keys()[1]?.id as string
      const work = [
        codeOf(() => store.backup(path)),
        codeOf(() => store.removeKey(second)),
        codeOf(() => store.rotate()),
        ...range(20).map((n) => codeOf(() => store.delete({ scope: account, name: `n${n}` }))),
        codeOf(() => store.rotate({ root: true, keys: [testKey()] })),
      ]
      for (let turn = 0; turn < turns; turn++) await turnOfLoop()
      await store.close()
      const codes = await Promise.all(work)
      for (const code of codes) expect(['no error', 'ERR_CLOSED']).toContain(code)
      expect(await readdir(directory)).toEqual(codes[0] === 'no error' ? ['backup'] : [])
      if (codes[0] === 'no error') await expectRestores(Uint8Array.from(await readFile(path)), testKey(2))
    }
  })

  test('a backup made while everything is rotated is whole, and two at once are', async () => {
    const store = await openStore(await newLocation())
    await fillSmall(store)
    for (const n of range(200)) await store.set({ scope: account, name: `n${n}`, payload: `p${n}` })
    const rotating = store.rotate({ root: true, keys: [testKey()] })
    const backups = await Promise.all([backupOf(store), backupOf(store)])
    const rotated = await rotating
    expect(rotated.records).toBe(202)
    backups.push(await backupOf(store))
    await store.close()
    for (const backup of backups) await expectRestores(backup)
  })
})
