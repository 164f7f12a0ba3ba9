import { join } from 'node:path'
import { Level } from 'level'
import { describe, expect, test } from 'vitest'
import { mapKey } from '../../../../../src/base/bytes'
import { dataFiles } from '../../../../../src/platform/data-files'
import type { FoundRow } from '../../../../../src/storage/level/files/found'
import { type ReadFile, readLevelFiles } from '../../../../../src/storage/level/files/read'
import { Draws } from '../../../../support/campaign'
import { temporaryDirectory } from '../../../../support/stores'

async function readAll(directory: string): Promise<{ rows: FoundRow[]; files: ReadFile[] }> {
  const rows: FoundRow[] = []
  const files: ReadFile[] = []
  const take = async (row: FoundRow): Promise<void> => void rows.push(row)
  await readLevelFiles(await dataFiles(directory), { take, onFile: (file) => files.push(file) })
  return { rows, files }
}

/** The last write of each key, by LevelDB's numbers. */
function latest(rows: readonly FoundRow[]): Map<string, Buffer> {
  const last = new Map<string, FoundRow>()
  for (const row of rows) {
    const key = mapKey(row.key)
    if (row.live === true && (row.sequence as number) > (last.get(key)?.sequence ?? 0)) last.set(key, row)
  }
  return new Map([...last].flatMap(([key, { value }]) => (value === undefined ? [] : [[key, Buffer.from(value)]])))
}

/** Puts, deletions, batches, compactions and reopenings. */
async function workload(directory: string, draws: Draws): Promise<Map<string, Buffer>> {
  type Database = Level<string, Uint8Array> & { compactRange(start: string, end: string): Promise<void> }
  let database: Database | undefined
  const open = async (): Promise<Database> => {
    await database?.close()
    const opened = new Level<string, Uint8Array>(directory, {
      keyEncoding: 'utf8',
      valueEncoding: 'view',
      compression: false,
    })
    await opened.open()
    database = opened as Database
    return database
  }
  let db = await open()
  const state = new Map<string, Buffer>()
  const newKey = (): string => `r${'shared-prefix-'.repeat(draws.below(4))}${draws.below(60)}`
  const newValue = (): Buffer => {
    const length = draws.pick([1, 45, 300, 3000, 40_000, 300_000])
    const value = Buffer.alloc(length, draws.below(256))
    value[0] = 1
    return value
  }
  for (let step = 0; step < 60; step++) {
    const sort = draws.below(12)
    if (sort === 0) db = await open()
    else if (sort === 1) await db.compactRange('\0', 'z')
    else {
      const batch = db.batch()
      for (let n = draws.below(8); n >= 0; n--) {
        const key = newKey()
        if (draws.below(3) === 0) {
          batch.del(key)
          state.delete(key)
        } else {
          const value = newValue()
          batch.put(key, value)
          state.set(key, value)
        }
      }
      await batch.write({ sync: false } as never)
    }
  }
  await db.close()
  return state
}

describe('the files of a whole database', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('hold what LevelDB gives, all of it sound (%i)', async (seed) => {
    const directory = join(await temporaryDirectory(), 'db')
    const state = await workload(directory, new Draws(seed))
    const { rows, files } = await readAll(directory)
    expect(files.filter(({ damagedBytes, isMissing }) => damagedBytes > 0 || isMissing)).toEqual([])
    expect(rows.every(({ sound, sequence }) => sound && sequence !== undefined)).toBe(true)
    const found = latest(rows)
    expect([...found.keys()].sort()).toEqual([...state.keys()].sort())
    for (const [key, value] of state) expect(found.get(key)?.equals(value), key).toBe(true)
  })
})
