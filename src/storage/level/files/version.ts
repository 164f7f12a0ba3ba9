import { equal, fromUtf8 } from '../../../base/bytes'
import { compareInternal, isInternalKey } from './internal-key'
import { type Edit, LEVELS, type TableEntry } from './manifest'

const COMPARATOR = 'leveldb.BytewiseComparator'

/** Which files LevelDB opens, of those of a directory. */
export interface Version {
  /** In order of level, then of key. */
  readonly tables: readonly TableEntry[]
  readonly log: number
  readonly previousLog: number
  readonly nextFile: number
  readonly lastSequence: number
}

/** Puts the edits of a MANIFEST together, as LevelDB does (LevelDB, db/version_set.cc, `Recover` and `Builder`). */
export class VersionBuilder {
  readonly #added: Map<number, TableEntry[]>[] = Array.from({ length: LEVELS }, () => new Map())
  readonly #deleted: Set<number>[] = Array.from({ length: LEVELS }, () => new Set())
  readonly #numbers: { log?: number; previousLog?: number; nextFile?: number; lastSequence?: number } = {}

  /** @returns What is wrong with it. */
  apply({ comparator, numbers, pointers, deleted, added }: Edit): string | undefined {
    if (comparator !== undefined && textOf(comparator) !== COMPARATOR) return 'keys in another order'
    if (!pointers.every(isInternalKey)) return 'a compaction up to what is no key'
    Object.assign(this.#numbers, numbers)
    for (const { level, number } of deleted) this.#deleted[level]?.add(number)
    for (const table of added) {
      const problem = problemOf(table)
      if (problem !== undefined) return problem
      this.#deleted[table.level]?.delete(table.number)
      const same = this.#added[table.level]?.get(table.number) ?? []
      if (same.some(({ smallest }) => equal(smallest, table.smallest))) continue
      this.#added[table.level]?.set(table.number, [...same, copyOf(table)])
    }
    return undefined
  }

  /** @returns The version, or what is wrong with it. */
  build(): Version | string {
    const { log, previousLog = 0, nextFile, lastSequence } = this.#numbers
    if (log === undefined || nextFile === undefined || lastSequence === undefined) return 'one without its numbers'
    if (nextFile < 1) return 'none for its next file'
    if (log >= nextFile || previousLog >= nextFile) return 'a log whose number is still to come'
    const tables: TableEntry[] = []
    const numbers = new Set<number>()
    for (const [level, added] of this.#added.entries()) {
      const live = [...added.values()].flat().filter(({ number }) => !this.#deleted[level]?.has(number))
      live.sort((a, b) => compareInternal(a.smallest, b.smallest) || a.number - b.number)
      for (const [index, table] of live.entries()) {
        if (table.number >= nextFile) return 'a table whose number is still to come'
        if (numbers.has(table.number)) return 'one table in two places'
        numbers.add(table.number)
        const before = level > 0 ? live[index - 1] : undefined
        if (before !== undefined && compareInternal(before.largest, table.smallest) >= 0) return 'tables that overlap'
      }
      tables.push(...live)
    }
    return { tables, log, previousLog, nextFile, lastSequence }
  }
}

function problemOf({ number, smallest, largest }: TableEntry): string | undefined {
  if (number === 0) return 'a table without a number'
  if (!isInternalKey(smallest) || !isInternalKey(largest)) return 'a table between what are no keys'
  return compareInternal(smallest, largest) > 0 ? 'a table whose last key comes before its first' : undefined
}

/** A record is good only while it is read. */
function copyOf(table: TableEntry): TableEntry {
  return { ...table, smallest: table.smallest.slice(), largest: table.largest.slice() }
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return fromUtf8(bytes)
  } catch {
    return undefined
  }
}
