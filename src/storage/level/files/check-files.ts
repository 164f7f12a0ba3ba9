import { SecretStoreError } from '../../../errors'
import { DATA_DIRECTORY } from '../../../format/constants'
import {
  entries,
  fileGeneration,
  filePieces,
  joinPath,
  NOT_REGULAR,
  readRegularFile,
  unless,
} from '../../../platform/files'
import { RandomAccess } from '../../../platform/random-access'
import { system } from '../../directory/system-errors'
import { numbersOfBatch } from './batch'
import { decodeEdit, type TableEntry } from './manifest'
import { LogReplay } from './replay'
import { Sequences } from './sequences'
import { damagedFile, TableCheck } from './table-check'
import { Damage, layoutOf } from './table-layout'
import { type Version, VersionBuilder } from './version'

/**
 * LevelDB trusts its files: bytes that it did not write end the process (an assertion, an allocation, a read outside of a
 * block). So this looks at all that it is about to rely on, before it opens them (docs/durability.md lists what that is).
 * The files are only read; LOCK is not touched.
 */

const CURRENT = /^(MANIFEST-\d+)\n$/
const MOST_CURRENT_BYTES = 256
const LOG = /^(\d+)\.log$/
const MOST_LOG_BYTES: number = 2 ** 33
const MOST_RECORD_BYTES: number = 2 ** 31
/** Names with a number that LevelDB cannot hold are nothing to it. */
const MOST_NUMBER: bigint = 2n ** 64n - 1n
const ATTEMPTS = 20
const RETRY_PAUSE_MS = 25

/**
 * @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_LOCKED` if somebody writes to them meanwhile, `ERR_IO`.
 */
export async function checkFiles(directory: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const before = await pictureOf(directory)
    try {
      return await system(DATA_DIRECTORY, () => checkOnce(directory))
    } catch (error) {
      // Whoever has them open may just have exchanged some.
      if (!(error instanceof SecretStoreError) || error.code !== 'ERR_CORRUPT') throw error
      if (before === (await pictureOf(directory))) throw error
      if (attempt === ATTEMPTS) {
        const message = 'store: expected to be its only opener, got changes to its files while they were read'
        throw new SecretStoreError('ERR_LOCKED', message, { cause: error })
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS))
    }
  }
}

/** LevelDB's files get other names, or CURRENT is written anew, whenever one of them goes. */
function pictureOf(directory: string): Promise<string> {
  return system(DATA_DIRECTORY, async () => {
    const names = await entries(directory)
    return [fileGeneration(joinPath(directory, 'CURRENT')), ...names.sort()].join('\n')
  })
}

async function checkOnce(directory: string): Promise<void> {
  const names = await entries(directory)
  const version = await readVersion(directory)
  const logged = await checkLogs(directory, names, version)
  const sequences = new Sequences(Math.max(version.lastSequence, logged.last))
  const take = (sequence: number): string | undefined =>
    sequence < logged.first ? sequences.take(sequence) : 'a write that is in a log, too'
  for (const entry of version.tables) {
    await withTable(directory, entry, names, async (table, file) => {
      for (const piece of table.pieces()) table.check(await file.read(piece.start, piece.end), piece, take)
    })
  }
}

async function readVersion(directory: string): Promise<Version> {
  const current = await readRegularFile(joinPath(directory, 'CURRENT'), MOST_CURRENT_BYTES)
  if (current === undefined) throw damagedFile(labelOf('CURRENT'), 'none')
  const name = CURRENT.exec(new TextDecoder('latin1').decode(current))?.[1]
  if (name === undefined) throw damagedFile(labelOf('CURRENT'), 'one that names no MANIFEST')
  const builder = new VersionBuilder()
  let problem: string | undefined
  const replay = new LogReplay(MOST_RECORD_BYTES, {
    onRecord(record) {
      const edit = problem === undefined ? decodeEdit(record) : undefined
      problem ??= edit === undefined ? 'a change that is none' : builder.apply(edit)
    },
    onDrop: () => {
      problem ??= 'a damaged one'
    },
  })
  const bytes = await readThrough(directory, name, replay)
  if (bytes === undefined) throw damagedFile(labelOf(name), 'none')
  const version = problem ?? builder.build()
  if (typeof version === 'string') throw damagedFile(labelOf(name), version)
  return version
}

/** The numbers of the writes that LevelDB takes out of logs. */
interface Logged {
  /** Infinity if there are none. */
  readonly first: number
  readonly last: number
}

async function checkLogs(directory: string, names: readonly string[], version: Version): Promise<Logged> {
  const numbers = names.flatMap((name) => {
    const number = BigInt(LOG.exec(name)?.[1] ?? -1)
    const isUsed = number >= BigInt(version.log) || number === BigInt(version.previousLog)
    if (number < 0n || number > MOST_NUMBER || !isUsed) return []
    // LevelDB opens the file by its number, and writes the next one under a number above it.
    const isNamed = number > 0n && number < BigInt(Number.MAX_SAFE_INTEGER) && name === `${padded(number)}.log`
    if (!isNamed) throw damagedFile(labelOf(name), 'a log under another name')
    return [Number(number)]
  })
  const logged = { first: Number.POSITIVE_INFINITY, last: 0 }
  for (const number of numbers.sort((a, b) => a - b)) await checkLog(directory, `${padded(number)}.log`, logged)
  return logged
}

/** Each write has a number above those before it. LevelDB leaves out damaged records by itself, and says so in LOG. */
async function checkLog(directory: string, name: string, logged: { first: number; last: number }): Promise<void> {
  let problem: string | undefined
  const replay = new LogReplay(MOST_RECORD_BYTES, {
    onRecord(record) {
      if (record.length < 12) return
      const batch = numbersOfBatch(record)
      if (batch === undefined) problem ??= 'writes that are none'
      else if (batch.first <= logged.last) problem ??= 'writes that were there before'
      else {
        logged.first = Math.min(logged.first, batch.first)
        logged.last = batch.first + batch.count - 1
      }
    },
    onDrop() {},
  })
  await readThrough(directory, name, replay)
  if (problem !== undefined) throw damagedFile(labelOf(name), problem)
}

/** @returns Its length; `undefined` if there is none. */
async function readThrough(directory: string, name: string, replay: LogReplay): Promise<number | undefined> {
  const pieces = filePieces(joinPath(directory, name))
  let bytes = 0
  for (;;) {
    const next = await unless(pieces.next(), 'ENOENT', NOT_REGULAR)
    if (next === undefined) return undefined
    if (next.done) break
    bytes += next.value.length
    if (bytes > MOST_LOG_BYTES) throw damagedFile(labelOf(name), 'one that is too long')
    replay.take(next.value)
  }
  replay.end()
  if (replay.isTooLong) throw damagedFile(labelOf(name), 'a record that is too long')
  return bytes
}

async function withTable(
  directory: string,
  entry: TableEntry,
  names: readonly string[],
  work: (table: TableCheck, file: RandomAccess) => Promise<void>,
): Promise<void> {
  const name = ['ldb', 'sst'].map((suffix) => `${padded(entry.number)}.${suffix}`).find((one) => names.includes(one))
  const label = labelOf(name ?? `${padded(entry.number)}.ldb`)
  const file = name && (await unless(RandomAccess.open(joinPath(directory, name)), 'ENOENT', NOT_REGULAR))
  if (!name || !file) throw damagedFile(label, 'none')
  try {
    if (file.bytes < entry.bytes) throw damagedFile(label, 'one that is cut short')
    const asking = layoutOf(entry.bytes)
    let asked = asking.next()
    while (!asked.done) {
      const { start, end } = asked.value
      asked = asking.next(await file.read(start, end))
    }
    if (asked.value instanceof Damage) throw damagedFile(label, asked.value.what)
    await work(new TableCheck(entry, asked.value, name), file)
  } finally {
    await file.close()
  }
}

function labelOf(name: string): string {
  return `${DATA_DIRECTORY}/${name}`
}

function padded(number: number | bigint): string {
  return String(number).padStart(6, '0')
}
