import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import crc32c from 'crc-32/crc32c.js'
import { describe, expect, test } from 'vitest'
import { dataFiles } from '../../../../../src/platform/data-files'
import type { FoundRow } from '../../../../../src/storage/level/files/found'
import { type ReadFile, readLevelFiles, stretches } from '../../../../../src/storage/level/files/read'
import { searchWrites } from '../../../../../src/storage/level/files/search'
import { campaign, conclude, type Draws, progressOf } from '../../../../support/campaign'
import { atLength } from '../../../../support/lengths'
import { temporaryDirectory } from '../../../../support/stores'

const FILE = 'unit/storage/level/files/hostile.test.ts'
const LARGE_BYTES: number = atLength(128 * 1024, 512 * 1024, 4 * 1024 * 1024)
const MAGIC: Buffer = Buffer.from('57fb808b247547db', 'hex')
const ENVELOPE: Buffer = Buffer.concat([Buffer.of(1, 0, 0, 0, 1), Buffer.alloc(40, 0xaa)])

interface Found {
  readonly rows: number
  readonly keyBytes: number
  readonly valueBytes: number
  readonly damagedBytes: number
  readonly isSound: boolean
}

/** Reads the bytes of a file without one. */
function find(file: Uint8Array): Found {
  const found = { rows: 0, keyBytes: 0, valueBytes: 0, damagedBytes: 0, isSound: false }
  const count = ({ key, value }: { readonly key: Uint8Array; readonly value: Uint8Array | undefined }): void => {
    found.rows++
    found.keyBytes += key.length
    found.valueBytes += value?.length ?? 0
  }
  for (const { writes, damaged, damagedBytes } of stretches(file)) {
    for (const write of writes) {
      count(write)
      found.isSound = true
    }
    found.damagedBytes += damagedBytes
    if (damaged !== undefined) for (const write of searchWrites(damaged)) count(write)
  }
  return found
}

function masked(bytes: Uint8Array): Buffer {
  const crc = crc32c.buf(bytes) >>> 0
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0)
  return checksum
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128)
  return Buffer.of(...bytes, value)
}

function slice(bytes: Buffer): Buffer {
  return Buffer.concat([varint(bytes.length), bytes])
}

function tag(sequence: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE((BigInt(sequence) << 8n) | 1n)
  return bytes
}

function entry(shared: number, key: Buffer, value: Buffer): Buffer {
  return Buffer.concat([varint(shared), varint(key.length), varint(value.length), key, value])
}

/** A table of one block, which its index names so many times. */
function table(entries: readonly Buffer[], { type = 0, times = 1 } = {}): Buffer {
  const block = withTrailer(Buffer.concat([...entries, Buffer.of(0, 0, 0, 0, 1, 0, 0, 0)]), type)
  const handle = Buffer.concat([varint(0), varint(block.length - 5)])
  const named = Array.from({ length: times }, () => entry(0, Buffer.alloc(9, 'z'), handle))
  const meta = withTrailer(Buffer.of(0, 0, 0, 0, 1, 0, 0, 0))
  const index = withTrailer(Buffer.concat([...named, Buffer.of(0, 0, 0, 0, 1, 0, 0, 0)]))
  const indexStart = block.length + meta.length
  const handles = [block.length, meta.length - 5, indexStart, index.length - 5].map(varint)
  const footer = Buffer.concat([...handles, Buffer.alloc(40)]).subarray(0, 40)
  return Buffer.concat([block, meta, index, footer, MAGIC])
}

function withTrailer(block: Buffer, type = 0): Buffer {
  const typed = Buffer.concat([block, Buffer.of(type)])
  return Buffer.concat([typed, masked(typed)])
}

/** A log of one record. */
function log(batch: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.of(1), batch])
  const length = Buffer.alloc(2)
  length.writeUInt16LE(batch.length)
  return Buffer.concat([masked(typed), length, typed])
}

function batch(sequence: number, ...writes: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(12)
  header.writeBigUInt64LE(BigInt(sequence))
  header.writeUInt32LE(writes.length, 8)
  return Buffer.concat([header, ...writes])
}

function put(key: string, value: Buffer = ENVELOPE): Buffer {
  return Buffer.concat([Buffer.of(1), slice(Buffer.from(key)), slice(value)])
}

/** So often that it fills a large file. */
function filled(pattern: Buffer): Buffer {
  return Buffer.alloc(LARGE_BYTES, pattern)
}

/** One key as long as any, and as many entries that begin with it as there is room for. */
function entriesOfOneKey(bytes: number): Buffer[] {
  const long = Buffer.concat([Buffer.alloc(65_000, 'r'), tag(1)])
  const next = entry(65_000, tag(1), Buffer.alloc(0))
  const row = entry(65_000, tag(1), ENVELOPE)
  const each = Buffer.concat([next, row])
  return [entry(0, long, ENVELOPE), Buffer.alloc(bytes - (bytes % each.length), each)]
}

const HOSTILE: readonly (readonly [string, () => Buffer])[] = [
  ...[0x72, 0x01, 0x00, 0xff, 0x04].map((byte) => [`of bytes ${byte}`, () => Buffer.alloc(LARGE_BYTES, byte)] as const),
  [
    'of puts that reach to its end',
    () => filled(Buffer.concat([Buffer.of(1, 1, 0x68), varint(LARGE_BYTES / 2), Buffer.of(1)])),
  ],
  ['of rows as short as can be', () => filled(put('h'))],
  ['of entries as short as can be', () => filled(entry(0, Buffer.concat([Buffer.from('h'), tag(1)]), ENVELOPE))],
  ['of entries that go on from one long key', () => Buffer.concat(entriesOfOneKey(LARGE_BYTES))],
  ['of a sound block that goes on from one long key', () => table(entriesOfOneKey(LARGE_BYTES))],
  ['of records that might begin anywhere', () => filled(Buffer.of(0, 0, 0, 0, 0, 0x40, 1, 0, 0, 0, 0, 0))],
  [
    'of what might be blocks',
    () => filled(Buffer.of(0, 9, 0, 0x72, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0)),
  ],
  [
    'of a block that its index names often',
    () =>
      table([entry(0, Buffer.concat([Buffer.from('h'), tag(1)]), Buffer.alloc(2 ** 20, ENVELOPE))], { times: 100_000 }),
  ],
]

describe('a hostile file', () => {
  test.each(HOSTILE)('%s gives no more than some times what is in it', (_, make) => {
    const file = make()
    const { keyBytes, valueBytes, damagedBytes } = find(file)
    expect(valueBytes).toBeLessThanOrEqual(33 * file.length)
    expect(keyBytes).toBeLessThanOrEqual(100 * file.length)
    expect(damagedBytes).toBeLessThanOrEqual(file.length)
  })

  test('of random bytes gives nothing', async () => {
    await campaign(FILE, async (draws) => {
      const file = Uint8Array.from({ length: LARGE_BYTES }, () => draws.below(256))
      expect(find(file)).toMatchObject({ damagedBytes: file.length, isSound: false })
    })
  })

  test('small as it may be makes no exception', async () => {
    await campaign(FILE, async (draws) => {
      const rounds = atLength(5000, 40_000, 400_000)
      const progress = progressOf('small files')
      const figures = { files: rounds, 'with rows': 0, 'with sound rows': 0 }
      for (let round = 0; round < rounds; round++) {
        progress(round, rounds)
        const file = smallFile(draws)
        const { rows, isSound } = find(file)
        if (rows > 0) figures['with rows']++
        if (isSound) figures['with sound rows']++
      }
      expect(figures['with sound rows']).toBeGreaterThan(0)
      conclude('level-files-small', figures)
    })
  })
})

/** Pieces of what may be in such a file, in any order, and some of it damaged. */
function smallFile(draws: Draws): Buffer {
  const pieces = Array.from({ length: draws.below(5) }, () => draws.pick(PIECES)(draws))
  const file = Buffer.concat(draws.below(4) === 0 ? [...pieces, MAGIC] : pieces)
  for (let flips = draws.below(3); flips > 0 && file.length > 0; flips--) {
    file[draws.below(file.length)] = draws.pick([0, 1, 0x72, 0x7f, 0x80, 0xff, draws.below(256)])
  }
  return file.subarray(0, draws.below(3) === 0 ? draws.below(file.length + 1) : file.length)
}

const PIECES: readonly ((draws: Draws) => Buffer)[] = [
  (draws) => Buffer.from(Array.from({ length: draws.below(60) }, () => draws.below(256))),
  (draws) => Buffer.alloc(draws.below(60), draws.pick([0, 1, 0x72, 0xff])),
  (draws) => log(batch(draws.below(1000), put('rt|account|a'), put('h'))),
  (draws) => table([entry(0, Buffer.concat([Buffer.from('rt|account|a'), tag(draws.below(1000))]), ENVELOPE)]),
  (draws) => entry(draws.below(20), Buffer.concat([Buffer.from('h'), tag(draws.below(1000))]), ENVELOPE),
  () => MAGIC,
]

/** Reads files that are made for it. */
async function readFiles(files: Readonly<Record<string, Buffer>>): Promise<{ rows: FoundRow[]; files: ReadFile[] }> {
  const directory = await temporaryDirectory()
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(directory, name), bytes)
  const rows: FoundRow[] = []
  const read: ReadFile[] = []
  await readLevelFiles(await dataFiles(directory), {
    take: async (row) => void rows.push(row),
    onFile: (file) => read.push(file),
  })
  return { rows, files: read }
}

describe('what a file is', () => {
  const asLog = log(batch(7, put('rt|account|a')))
  const asTable = table([entry(0, Buffer.concat([Buffer.from('rt|account|a'), tag(7)]), ENVELOPE)])
  const row = { key: Buffer.from('rt|account|a'), value: ENVELOPE, sequence: 7, sound: true, live: undefined }

  test.each(['000001.log', '000001.ldb', 'MANIFEST-000001', 'CURRENT', 'LOG', 'any'])(
    'is not for its name %s to say',
    async (name) => {
      for (const bytes of [asLog, asTable]) {
        const { rows } = await readFiles({ [name]: bytes })
        expect(
          rows.map((found) => ({ ...found, key: Buffer.from(found.key), value: Buffer.from(found.value ?? []) })),
        ).toEqual([{ ...row, file: name }])
      }
    },
  )

  test('is not looked into if it is LOCK', async () => {
    expect(await readFiles({ LOCK: asLog })).toEqual({ rows: [], files: [] })
  })

  test('and a block that claims to be compressed is damage, of which only the search speaks', async () => {
    const compressed = table([entry(0, Buffer.concat([Buffer.from('rt|account|a'), tag(7)]), ENVELOPE)], { type: 1 })
    const { rows, files } = await readFiles({ '000001.ldb': compressed })
    expect(rows.every(({ sound, sequence }) => !sound && sequence === undefined)).toBe(true)
    expect(files[0]?.damagedBytes).toBeGreaterThan(0)
  })

  test('and a batch that counts wrong is damage', async () => {
    const wrong = batch(7, put('rt|account|a'))
    wrong[8] = 2
    const { rows } = await readFiles({ '000001.log': log(wrong) })
    expect(rows).toMatchObject([{ sound: false, sequence: undefined }])
  })
})

describe('what is left of a block', () => {
  const key = (name: string): Buffer => Buffer.concat([Buffer.from(name), tag(7)])
  const shared = 'rt|account|the same '.length
  const block = [
    entry(0, key('rt|account|the same a'), ENVELOPE),
    entry(shared, key('b'), ENVELOPE),
    entry(shared, key('c'), ENVELOPE),
    entry(shared, key('d'), ENVELOPE),
  ] as const

  test.each([
    ['its lengths', 0],
    ['its key', 4],
    ['its value', 20],
  ])('behind an entry that has lost %s', async (_, from) => {
    const file = table(block)
    const start = block[0].length
    file.fill(0, start + from, start + block[1].length)
    const { rows } = await readFiles({ '000001.ldb': file })
    const names = rows.map((found) => Buffer.from(found.key).toString())
    for (const name of ['a', 'c', 'd']) expect(names).toContain(`rt|account|the same ${name}`)
  })

  test('and a deletion that has a value is none', async () => {
    const none = Buffer.concat([Buffer.from('rt|account|z'), Buffer.alloc(8)])
    const file = table([block[0], entry(0, none, ENVELOPE)])
    file[block[0].length - 1] = 9
    const { rows } = await readFiles({ '000001.ldb': file })
    expect(rows.map(({ key }) => Buffer.from(key).toString().at(-1))).toEqual(['a'])
  })

  test('and a deletion in it is of no certain time', async () => {
    const deletion = entry(shared, Buffer.concat([Buffer.from('b'), Buffer.alloc(8)]), Buffer.alloc(0))
    const file = table([block[0], deletion, block[2]])
    file[1 + file.indexOf(block[2]) + block[2].length] = 9
    const { rows } = await readFiles({ '000001.ldb': file })
    expect(rows.map(({ key, sound }) => [Buffer.from(key).toString().at(-1), sound])).toEqual([
      ['a', false],
      ['b', false],
      ['c', false],
    ])
  })
})

test('MANIFEST says which files make up the database, and nothing of those that came later', async () => {
  const number = (name: number, value: number): Buffer => Buffer.concat([varint(name), varint(value)])
  const added = (file: number): Buffer =>
    Buffer.concat([number(7, 0), varint(file), varint(100), slice(tag(1)), slice(tag(1))])
  const first = [Buffer.concat([varint(1), slice(Buffer.from('leveldb.BytewiseComparator'))]), number(2, 4)]
  const edits = [
    Buffer.concat([...first, number(9, 0), number(3, 5), number(4, 10), added(2), added(3)]),
    Buffer.concat([number(2, 6), number(3, 8), Buffer.concat([number(6, 0), varint(2)]), added(7), added(1)]),
  ]
  const asTable = table([entry(0, Buffer.concat([Buffer.from('rt|account|a'), tag(7)]), ENVELOPE)])
  const names = [
    '000002.ldb',
    '000003.ldb',
    '000007.sst',
    '000008.ldb',
    '000005.log',
    '000006.log',
    '000009.log',
    'other',
  ]
  const { rows, files } = await readFiles({
    'MANIFEST-000001': Buffer.concat(edits.map(log)),
    CURRENT: Buffer.from('MANIFEST-000001\n'),
    ...Object.fromEntries(names.map((name) => [name, asTable])),
  })
  expect(Object.fromEntries(rows.map(({ file, live }) => [file, live]))).toEqual({
    '000002.ldb': false,
    '000003.ldb': true,
    '000007.sst': true,
    '000008.ldb': undefined,
    '000005.log': false,
    '000006.log': true,
    '000009.log': true,
    other: undefined,
  })
  expect(files.filter(({ isMissing }) => isMissing).map(({ file }) => file)).toEqual(['000001.ldb'])
})
