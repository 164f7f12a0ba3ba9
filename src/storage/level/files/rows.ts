import { compare, fromMapKey, mapKey } from '../../../base/bytes'
import { corrupt } from '../../../errors'
import { DATA_DIRECTORY } from '../../../format/constants'
import { type DataFile, dataFiles, readDataFile } from '../../../platform/data-files'
import { system } from '../../directory/system-errors'
import type { Row } from '../../engine'
import { numbersOfBatch } from './batch'
import type { FoundRow } from './found'
import { type ReadFile, readIdleFiles } from './read'
import { LogReplay } from './replay'

/** What a database holds, as its files say. */
export interface RowsInFiles {
  /** In the order of their keys. */
  readonly rows: readonly Row[]
  /** Of files that make up the database: what could not be read. */
  readonly damagedBytes: number
}

interface Newest {
  readonly value: Uint8Array | undefined
  readonly sequence: number
}

/**
 * The rows of a database that is not opened: of each the newest write, in memory. The files are only read; LOCK is not
 * touched.
 *
 * @throws {SecretStoreError} `ERR_CORRUPT` if a file is missing, `ERR_LOCKED` if somebody writes meanwhile, `ERR_IO`.
 */
export async function rowsInFiles(directory: string): Promise<RowsInFiles> {
  const newest = new Map<string, Newest>()
  /** Of each file. */
  const lastSequences = new Map<string, number>()
  const damaged: ReadFile[] = []
  let damagedBytes = 0
  await system(DATA_DIRECTORY, async () => {
    const files = await dataFiles(directory)
    const missing: string[] = []
    await readIdleFiles(directory, files, {
      async take(row) {
        take(newest, row)
        lastSequences.set(row.file, Math.max(row.sequence ?? 0, lastSequences.get(row.file) ?? 0))
      },
      onFile(found) {
        if (found.isMissing) missing.push(found.file)
        if (found.damagedBytes > 0) damaged.push(found)
      },
    })
    for (const { file, damagedBytes: bytes } of damaged) {
      const found = files.find(({ name }) => name === file)
      if (!(await endsInAWrite(found, lastSequences.get(file) ?? 0))) damagedBytes += bytes
    }
    if (missing.length > 0) throw corrupt(`${DATA_DIRECTORY}/${missing[0]}: expected a file, got none`)
  })
  const rows: Row[] = []
  for (const [key, { value }] of newest) {
    // A copy, so that the files it was found in are let go.
    if (value !== undefined) rows.push({ key: fromMapKey(key), value: value.slice() })
  }
  return { rows: rows.sort((one, other) => compare(one.key, other.key)), damagedBytes }
}

function take(newest: Map<string, Newest>, { key, value, sequence, sound, live }: FoundRow): void {
  if (!sound || live !== true || sequence === undefined) return
  const text = mapKey(key)
  const known = newest.get(text)
  if (known === undefined || known.sequence < sequence) newest.set(text, { value, sequence })
}

/**
 * Whether all that is wrong with a file is that a log ends in the middle of a write, as a killed process leaves it: LevelDB
 * ends there, too, and has nothing to say.
 *
 * @param lastSequence - The number of the last write that was found in it.
 */
async function endsInAWrite(file: DataFile | undefined, lastSequence: number): Promise<boolean> {
  const bytes = file?.name.endsWith('.log') ? await readDataFile(file) : undefined
  if (bytes === undefined) return false
  let drops = 0
  let last = 0
  const replay = new LogReplay(bytes.length, {
    onRecord(record) {
      const batch = numbersOfBatch(record)
      if (batch !== undefined) last = Math.max(last, batch.first + batch.count - 1)
    },
    onDrop: () => drops++,
  })
  replay.take(bytes)
  replay.end()
  return drops === 0 && last >= lastSequence
}
