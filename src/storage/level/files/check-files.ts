import { codeOf } from '../../../base/thrown'
import { SecretStoreError } from '../../../errors'
import { DATA_DIRECTORY } from '../../../format/constants'
import { entries, fileGeneration, filePieces, joinPath, readRegularFile, unless } from '../../../platform/files'
import { readPartSync } from '../../../platform/random-access'
import { system } from '../../directory/system-errors'
import type { Engine } from '../../engine'
import { numbersOfBatch } from './batch'
import { CheckedEngine } from './checked-engine'
import { decodeEdit, type TableEntry } from './manifest'
import { LogReplay } from './replay'
import { damagedFile, TableCheck } from './table-check'
import { TableChecks } from './table-checks'
import { Damage, decodeFooter, FOOTER_BYTES } from './table-layout'
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
/** That of a thousand secrets; opening a store is not to wait for more. */
const MOST_BYTES_AT_ONCE: number = 4 * 1024 * 1024
/** So little is read in less time than a thread hop takes. */
const SMALL_BYTES: number = 64 * 1024
const ATTEMPTS = 20
const RETRY_PAUSE_MS = 25
/** LevelDB makes a table of what is in memory when that takes 4 MiB, and what it keeps beside a row. */
const MEMORY_BYTES: number = 4 * 1024 * 1024
const ROW_BYTES = 64
/** Of so many tables in the topmost level, or so many bytes in those below it, it compacts some. */
const COMPACTED_TABLES = 4
const COMPACTED_BYTES: readonly number[] = [1, 10, 100, 1000, 10_000].map((factor) => factor * 10 * 1024 * 1024)

/**
 * Looks at the files of a database that LevelDB is about to open: at all of CURRENT, MANIFEST, the logs, and the indexes of
 * tables. Of longer tables, the blocks of data are looked at later.
 *
 * @param mostBytesAtOnce - Of longer tables.
 * @returns Gives an engine over these files, which has that done before LevelDB reads them.
 * @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_LOCKED` if somebody writes to them meanwhile, `ERR_IO`.
 */
export async function checkFiles(
  directory: string,
  mostBytesAtOnce: number = MOST_BYTES_AT_ONCE,
): Promise<(engine: Engine) => Engine> {
  for (let attempt = 1; ; attempt++) {
    const before = await pictureOf(directory)
    try {
      return await system(DATA_DIRECTORY, () => checkOnce(directory, mostBytesAtOnce))
    } catch (error) {
      // Whoever has them open may just have exchanged some.
      if (!mayBeAnothersDoing(error)) throw error
      if (before === (await pictureOf(directory))) throw error
      if (attempt === ATTEMPTS) {
        const message = 'store: expected to be its only opener, got changes to its files while they were read'
        throw new SecretStoreError('ERR_LOCKED', message, { cause: error })
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS))
    }
  }
}

/** Contents that are none, or a file that was there a moment ago. */
function mayBeAnothersDoing(error: unknown): boolean {
  if (!(error instanceof SecretStoreError)) return false
  return error.code === 'ERR_CORRUPT' || (error.code === 'ERR_IO' && codeOf(error.cause) === 'ENOENT')
}

/** LevelDB's files get other names, or CURRENT is written anew, whenever one of them goes. */
function pictureOf(directory: string): Promise<string> {
  return system(DATA_DIRECTORY, async () => {
    const names = await entries(directory)
    return [fileGeneration(joinPath(directory, 'CURRENT')), ...names.sort()].join('\n')
  })
}

async function checkOnce(directory: string, mostBytesAtOnce: number): Promise<(engine: Engine) => Engine> {
  const names = await entries(directory)
  const version = await readVersion(directory)
  const logged = await checkLogs(directory, names, version)
  const limits = { last: Math.max(version.lastSequence, logged.last), logged: logged.first }
  const tables = version.tables.map((entry) => openTable(directory, entry, names, limits.last))
  const checks = new TableChecks(directory, tables, limits)
  const bytes = tables.reduce((sum, { entry }) => sum + entry.bytes, 0)
  if (bytes > mostBytesAtOnce && !compactsAtOnce(version, logged.tables)) {
    return (engine) => new CheckedEngine(engine, checks)
  }
  if (bytes > SMALL_BYTES) await checks.complete()
  else checks.completeSync()
  return (engine) => engine
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
  first: number
  last: number
  /** At most so many tables will be made of them. */
  tables: number
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
  const logged: Logged = { first: Number.POSITIVE_INFINITY, last: 0, tables: 0 }
  for (const number of numbers.sort((a, b) => a - b)) await checkLog(directory, `${padded(number)}.log`, logged)
  return logged
}

/** Each write has a number above those before it. LevelDB leaves out damaged records by itself, and says so in LOG. */
async function checkLog(directory: string, name: string, logged: Logged): Promise<void> {
  let memoryBytes = 0
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
        memoryBytes += 2 * record.length + batch.count * ROW_BYTES
      }
    },
    onDrop() {},
  })
  await readThrough(directory, name, replay)
  if (memoryBytes > 0) logged.tables += 1 + Math.floor(memoryBytes / MEMORY_BYTES)
  if (problem !== undefined) throw damagedFile(labelOf(name), problem)
}

/** @returns Its length; `undefined` if there is none. */
async function readThrough(directory: string, name: string, replay: LogReplay): Promise<number | undefined> {
  const path = joinPath(directory, name)
  const small = readPartSync(path, 0, SMALL_BYTES + 1)
  // An empty one may be none, or no file.
  const pieces = small.length > 0 && small.length <= SMALL_BYTES ? oneOf(small) : filePieces(path)
  let bytes = 0
  for (;;) {
    const next = await unless(pieces.next(), 'ENOENT')
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

async function* oneOf(piece: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield piece
}

/** Its length and its footer; the rest is looked at when LevelDB is about to. */
function openTable(directory: string, entry: TableEntry, names: readonly string[], last: number): TableCheck {
  const name = ['ldb', 'sst'].map((suffix) => `${padded(entry.number)}.${suffix}`).find((one) => names.includes(one))
  if (name === undefined) throw damagedFile(labelOf(`${padded(entry.number)}.ldb`), 'none')
  const path = joinPath(directory, name)
  const start = entry.bytes - FOOTER_BYTES
  const bytes = start < 0 ? undefined : readPartSync(path, start, entry.bytes)
  if (bytes?.length !== FOOTER_BYTES) throw damagedFile(labelOf(name), 'one that is cut short')
  const footer = decodeFooter(bytes, start)
  if (footer instanceof Damage) throw damagedFile(labelOf(name), footer.what)
  return new TableCheck(entry, name, footer, last, (span) => readPartSync(path, span.start, span.end))
}

/** Whether LevelDB compacts as soon as it is open, which reads whole tables (LevelDB, db/version_set.cc, `Finalize`). */
function compactsAtOnce({ tables }: Version, fromLogs: number): boolean {
  const topmost = tables.filter(({ level }) => level === 0).length
  if (topmost + fromLogs >= COMPACTED_TABLES) return true
  return COMPACTED_BYTES.some((most, index) => {
    const level = tables.filter((table) => table.level === index + 1)
    return level.reduce((sum, { bytes }) => sum + bytes, 0) >= most
  })
}

function labelOf(name: string): string {
  return `${DATA_DIRECTORY}/${name}`
}

function padded(number: number | bigint): string {
  return String(number).padStart(6, '0')
}
