import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import crc32c from 'crc-32/crc32c.js'
import { Level } from 'level'
import { expect, test, vi } from 'vitest'
import { concat, utf8 } from '../../../src/base/bytes'
import { type DataFile, dataFiles } from '../../../src/platform/data-files'
import type { FoundRow } from '../../../src/storage/level/files/found'
import { decodeManifest } from '../../../src/storage/level/files/manifest'
import { readLevelFiles } from '../../../src/storage/level/files/read'
import { campaign, type Draws, times } from '../../support/campaign'
import { temporaryDirectory } from '../../support/stores'
import { tell } from './figures'
import { type Decoder, expectThat, fuzz } from './fuzz'
import { nextInput } from './inputs'

const FILE = 'campaigns/fuzz/level-files.test.ts'

/** Files that are nowhere but in memory, by path. */
const inMemory = new Map<string, Uint8Array>()

vi.mock('../../../src/platform/data-files', async (original) => ({
  ...(await original<typeof import('../../../src/platform/data-files')>()),
  readDataFile: async ({ path }: DataFile) => inMemory.get(path),
}))

const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7

function envelope(length: number): Uint8Array {
  return concat(Uint8Array.of(1, 0, 0, 0, 1), new Uint8Array(40 + length).fill(length))
}

/** The files of a database with rows as a store has them: in tables, in a log, replaced and deleted. */
async function databaseFiles(rows: number, longestBytes: number): Promise<Map<string, Uint8Array>> {
  const directory = join(await temporaryDirectory(), 'db')
  const open = async (): Promise<Level<string, Uint8Array>> => {
    const database = new Level<string, Uint8Array>(directory, { valueEncoding: 'view', compression: false })
    await database.open()
    return database
  }
  const fill = async (database: Level<string, Uint8Array>, label: string): Promise<void> => {
    for (let n = 0; n < rows; n++) {
      const batch = database.batch()
      batch.put(`rt|account|${label}${n % 7}`, envelope((n * 37) % longestBytes)).put(`iappsecret_${n}`, utf8('rt|a|b'))
      if (n % 3 === 2) batch.del(`rt|account|${label}${n % 5}`)
      await batch.put('h', envelope(56)).write()
    }
  }
  let database = await open()
  await fill(database, 'early')
  await database.close()
  database = await open()
  await fill(database, 'late')
  await database.close()
  const found = await dataFiles(directory)
  return new Map(await Promise.all(found.map(async ({ name, path }) => [name, await bytesOf(path)] as const)))
}

async function bytesOf(path: string): Promise<Uint8Array> {
  return Uint8Array.from(await readFile(path))
}

/** As LevelDB stores it. */
function checksum(bytes: Uint8Array): Uint8Array {
  const crc = crc32c.buf(bytes) >>> 0
  const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
  return Uint8Array.of(masked, masked >>> 8, masked >>> 16, masked >>> 24)
}

/** The same log with the checksum of each piece made right, as far as its lengths lead. */
function resummedLog(log: Uint8Array): Uint8Array {
  const bytes = log.slice()
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const blockEnd = Math.min((Math.floor(at / BLOCK_BYTES) + 1) * BLOCK_BYTES, bytes.length)
    const end = at + HEADER_BYTES + (bytes[at + 4] as number) + (bytes[at + 5] as number) * 256
    if (end > blockEnd) return bytes
    bytes.set(checksum(bytes.subarray(at + 6, end)), at)
    at = blockEnd - end < HEADER_BYTES ? blockEnd : end
  }
  return bytes
}

/** What is in the frames of a sound log of one block. */
function contents(log: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = []
  for (let at = 0; at + HEADER_BYTES <= log.length; ) {
    const end = at + HEADER_BYTES + (log[at + 4] as number) + (log[at + 5] as number) * 256
    found.push(log.subarray(at + HEADER_BYTES, end))
    at = end
  }
  return found
}

/** One record that fits into a block, in its frame. */
function logOf(record: Uint8Array): Uint8Array {
  const payload = record.subarray(0, BLOCK_BYTES - HEADER_BYTES)
  return resummedLog(concat(Uint8Array.of(0, 0, 0, 0, payload.length, payload.length >> 8, 1), payload))
}

/** Its first block made right, which ends where that of `original` did, however long it has become. */
function resummedTable(table: Uint8Array, original: Uint8Array): Uint8Array {
  const bytes = table.slice()
  const tail = original.length - firstBlockEnd(original)
  const end = bytes.length - tail
  if (end < 5) return bytes
  bytes.set(checksum(bytes.subarray(0, end - 4)), end - 4)
  return bytes
}

/** Behind the first trailer whose checksum is right. */
function firstBlockEnd(table: Uint8Array): number {
  for (let end = 5; end <= table.length; end++) {
    const sum = checksum(table.subarray(0, end - 4))
    if (sum.every((byte, index) => byte === table[end - 4 + index])) return end
  }
  return table.length
}

const NAMES = ['000003.log', '000005.ldb', 'MANIFEST-000004', 'CURRENT', 'LOG', 'lost/000007.ldb', 'other'] as const

/** An input is a file, behind one byte that says under which name it stands among the files of a whole database. */
function asInput(name: string, bytes: Uint8Array): Uint8Array {
  const index = NAMES.findIndex((one) => one.replace(/\d+/, '') === name.replace(/\d+/, ''))
  return concat(Uint8Array.of(Math.max(index, 0)), bytes)
}

const MOST_FACTOR = 64

async function readAmong(whole: ReadonlyMap<string, Uint8Array>, input: Uint8Array): Promise<void> {
  const name = NAMES[(input[0] ?? 0) % NAMES.length] as string
  const bytes = input.subarray(1)
  inMemory.clear()
  for (const [other, content] of whole) inMemory.set(other, content)
  inMemory.set(name, bytes)
  const files = [...inMemory].map(([path, { length }]) => ({ name: path, path, bytes: length, version: '1' }))
  let rows = 0
  let rowBytes = 0
  const take = async (row: FoundRow): Promise<void> => {
    rows++
    rowBytes += row.key.length + (row.value?.length ?? 0)
    const { sequence, sound, live } = row
    const isNumber = sequence === undefined || (Number.isSafeInteger(sequence) && sequence >= 0)
    expectThat(isNumber, `expected the number of a write to be below 2^53, got ${sequence}`)
    expectThat(sound || sequence === undefined, 'expected no number of what is damaged, got one')
    expectThat(live === true || live === false || live === undefined, 'expected to know whether it is live')
  }
  const all = files.reduce((sum, file) => sum + file.bytes, 0)
  const last = await readLevelFiles(files, {
    take,
    onFile: (file) => {
      const { damagedBytes } = file
      const isPossible = damagedBytes >= 0 && damagedBytes <= file.bytes
      expectThat(
        isPossible,
        `expected at most the ${file.bytes} bytes of ${file.file} to be damaged, got ${damagedBytes}`,
      )
    },
  })
  expectThat(last === undefined || Number.isSafeInteger(last), `expected the last write below 2^53, got ${last}`)
  expectThat(rows <= all, `expected no more rows than the ${all} bytes of all files, got ${rows}`)
  // A key that shares its beginning with the one before it is made longer than it stands in the file.
  expectThat(
    rowBytes <= MOST_FACTOR * all + 2 ** 20,
    `expected rows not much longer than ${all} bytes, got ${rowBytes}`,
  )
}

const MANIFEST_TAGS = [1, 2, 3, 4, 5, 6, 7, 8, 9]
const WORDS = [
  ...[[0x80], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ...[
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0],
    [1, 0],
    [0xc0, 0x9a, 0x0c],
    [0, 9, 0],
    [2, 0, 0, 0, 4],
  ],
  ...MANIFEST_TAGS.map((tag) => [tag, 5]),
  ...[
    [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb],
    [1, 1, 0x68],
    [0, 0, 0, 0, 0, 0, 0],
  ],
].map((bytes) => Uint8Array.from(bytes))

/** The seed of a batch: number of the first write, count, and two writes. */
const BATCH = concat(
  Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0),
  Uint8Array.of(1, 3),
  utf8('rtn'),
  Uint8Array.of(45),
  envelope(0),
  Uint8Array.of(0, 3),
  utf8('rtn'),
)

test('whatever the files of a database hold, they are read, and nothing in them is taken for more than it is', async () => {
  const small = await databaseFiles(6, 100)
  const large = await databaseFiles(40, 4000)
  const seeds = [...small, ...large].map(([name, bytes]) => asInput(name, bytes))
  // All edits of a MANIFEST in one record mean the same.
  const edits = [...small, ...large].flatMap(([name, bytes]) =>
    name.startsWith('MANIFEST') ? [concat(...contents(bytes))] : [],
  )
  const logs = [...small].flatMap(([name, bytes]) => (name.endsWith('.log') ? [bytes] : []))
  const tables = [...small].flatMap(([name, bytes]) => (name.endsWith('.ldb') ? [bytes] : []))
  expect([edits.length, logs.length > 0, tables.length > 0]).toEqual([2, true, true])
  for (const edit of edits) expect(decodeManifest(logOf(edit))).toBeDefined()
  const makes: readonly ((draws: Draws) => Uint8Array)[] = [
    (draws) => asInput('000003.log', logOf(nextInput([BATCH], WORDS, draws))),
    (draws) => asInput('000003.log', resummedLog(nextInput(logs, WORDS, draws))),
    (draws) => asInput('MANIFEST-000004', logOf(nextInput(edits, WORDS, draws))),
    (draws) => {
      const table = draws.pick(tables)
      return asInput('000005.ldb', resummedTable(nextInput([table], WORDS, draws), table))
    },
  ]
  const decoder: Decoder = {
    name: 'files of a database',
    seeds,
    words: WORDS,
    make: (draws) => draws.pick(makes)(draws),
    refuses: () => false,
    decode: (input) => readAmong(small, input),
  }
  const figures = await campaign(FILE, (draws) => fuzz(decoder, draws, times(2000, 150_000)))
  tell(decoder.name, figures)
  expect(figures.refused).toBe(0)
})

/** A number of a write that a table or a log can hold, and that JavaScript cannot tell from the next. */
const UNSAFE_VARINT = Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f)

test.each([
  [
    'batch that passes 2^53 - 1',
    '000003.log',
    concat(Uint8Array.of(255, 255, 255, 255, 255, 255, 31), BATCH.subarray(7)),
  ],
  ['MANIFEST whose last write is above it', 'MANIFEST-000004', concat(Uint8Array.of(4), UNSAFE_VARINT)],
])('a %s gives no number that is none', async (_, name, record) => {
  await readAmong(await databaseFiles(6, 100), asInput(name, logOf(record)))
})
