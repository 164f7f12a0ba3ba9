import { SecretStoreError } from '../../../errors'
import { type DataFile, dataFiles, readDataFile } from '../../../platform/data-files'
import type { FoundRow } from './found'
import { beginsLikeLog, logStretches, withoutHeaders } from './log'
import { decodeManifest, type Manifest } from './manifest'
import { searchWrites } from './search'
import { damaged, type Stretch } from './stretch'
import { beginsLikeTable, isTable, tableStretches } from './table'

/** Also of those that `repair` has put away. */
const NUMBERED = /^(?:lost\/)?0*(\d+)\.(?:log|ldb|sst)$/
const MANIFEST = /^MANIFEST-(\d+)$/
const CURRENT = /^(MANIFEST-\d+)\n$/
const LOG_LINE = /^\d{4}\/\d\d\/\d\d-/
const NONE: Uint8Array = new Uint8Array()

export interface ReadFile {
  /** Its name. */
  readonly file: string
  readonly bytes: number
  readonly damagedBytes: number
  readonly isMissing: boolean
}

/** Told of what was found. */
export interface Finder {
  take(row: FoundRow): Promise<void>
  /** Of one file, when it has been read, and of each that should be there and is not. */
  onFile(file: ReadFile): void
}

/**
 * As `readLevelFiles`, of a database that nobody writes to.
 *
 * @param files - From `dataFiles`.
 * @throws {SecretStoreError} `ERR_LOCKED` if somebody writes to it meanwhile.
 */
export async function readIdleFiles(
  directory: string,
  files: readonly DataFile[],
  finder: Finder,
): Promise<number | undefined> {
  const lastSequence = await readLevelFiles(files, finder)
  if (versionsOf(await dataFiles(directory)) === versionsOf(files)) return lastSequence
  throw new SecretStoreError('ERR_LOCKED', 'data: expected nobody to write to it, got changes while it was read')
}

/** Another text if any of them was written since. */
function versionsOf(files: readonly DataFile[]): string {
  return files.map(({ name, version }) => `${name} ${version}`).join('\n')
}

/**
 * Gives all writes that are found in the files of a database, file by file, whether they are part of it or not, and
 * whatever is damaged in them. The files are only read; LOCK is not touched.
 *
 * @returns The number of a write that there was at least, as MANIFEST has it.
 */
export async function readLevelFiles(files: readonly DataFile[], finder: Finder): Promise<number | undefined> {
  const manifest = await readManifest(files)
  for (const file of files) {
    const bytes = await readDataFile(file)
    if (bytes === undefined || isBookkeeping(file.name, bytes)) continue
    const live = manifest === undefined ? undefined : isLive(file, manifest)
    let damagedBytes = 0
    for (const stretch of stretches(bytes)) {
      damagedBytes += stretch.damagedBytes
      for (const write of stretch.writes) await finder.take({ ...write, sound: true, live, file: file.name })
      if (stretch.damaged === undefined) continue
      for (const write of searchWrites(stretch.damaged)) {
        await finder.take({ ...write, sound: false, live, file: file.name })
      }
    }
    finder.onFile({ file: file.name, bytes: bytes.length, damagedBytes, isMissing: false })
  }
  for (const file of missing(files, manifest)) finder.onFile({ file, bytes: 0, damagedBytes: 0, isMissing: true })
  return manifest?.lastSequence
}

/** By content, since a name may be wrong. What is neither log nor table any more is searched for what is left of both. */
export function* stretches(file: Uint8Array): Generator<Stretch, void> {
  if (isTable(file) || beginsLikeTable(file)) yield* tableStretches(file)
  else if (beginsLikeLog(file)) yield* logStretches(file)
  else {
    yield* tableStretches(file)
    yield damaged(withoutHeaders(file), 0)
  }
}

/** What is no data, and is what its name says. Under a wrong name anything may be data. */
function isBookkeeping(name: string, bytes: Uint8Array): boolean {
  if (MANIFEST.test(name)) return decodeManifest(bytes) !== undefined
  if (name === 'CURRENT') return CURRENT.test(text(bytes))
  return (name === 'LOG' || name === 'LOG.old') && LOG_LINE.test(text(bytes.subarray(0, 64)))
}

/** Where nothing says which one is in use, it is the one with the greatest number. */
async function readManifest(files: readonly DataFile[]): Promise<Manifest | undefined> {
  const current = files.find(({ name }) => name === 'CURRENT')
  const named = current && CURRENT.exec(text((await readDataFile(current)) ?? NONE))?.[1]
  const newest = files
    .filter(({ name }) => MANIFEST.test(name))
    .sort((one, other) => numberOf(other.name, MANIFEST) - numberOf(one.name, MANIFEST))[0]
  const used = files.find(({ name }) => name === named) ?? newest
  const bytes = used && (await readDataFile(used))
  return bytes && decodeManifest(bytes)
}

/** Under a name of another sort it can be any of them, and a MANIFEST that has lost its end says nothing of later tables. */
function isLive({ name }: DataFile, { tables, log, previousLog, nextFile }: Manifest): boolean | undefined {
  const number = numberOf(name, NUMBERED)
  if (number < 0) return undefined
  if (name.includes('/')) return false
  if (name.endsWith('.log')) return number >= log || number === previousLog
  return tables.has(number) || (number >= nextFile ? undefined : false)
}

/** The names of files that should be there. */
function missing(files: readonly DataFile[], manifest: Manifest | undefined): string[] {
  if (manifest === undefined) return []
  const numbers = new Set(files.filter(({ name }) => !name.includes('/')).map(({ name }) => numberOf(name, NUMBERED)))
  const expected = [...manifest.tables].map((number) => ({ number, name: `${padded(number)}.ldb` }))
  return [...expected, { number: manifest.log, name: `${padded(manifest.log)}.log` }]
    .filter(({ number }) => number > 0 && !numbers.has(number))
    .map(({ name }) => name)
}

function padded(number: number): string {
  return String(number).padStart(6, '0')
}

/** @returns -1 for a name of another sort. */
function numberOf(name: string, pattern: RegExp): number {
  return Number(pattern.exec(name)?.[1] ?? -1)
}

function text(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes)
}
