import { Cursor } from './coding'
import { logParts } from './log'

/** Which files make up a database. */
export interface Manifest {
  readonly tables: ReadonlySet<number>
  /** The log that is written to. */
  readonly log: number
  /** One before it, that is not yet in a table. */
  readonly previousLog: number
  /** The number of the last write, when it was written. */
  readonly lastSequence: number
  /** Files from this number on are later than what it says. */
  readonly nextFile: number
}

/** A table, as MANIFEST has it. */
export interface TableEntry {
  readonly level: number
  readonly number: number
  readonly bytes: number
  /** Its first key, with its tag. */
  readonly smallest: Uint8Array
  readonly largest: Uint8Array
}

/** One record of a MANIFEST: what changed. */
export interface Edit {
  readonly comparator?: Uint8Array
  readonly numbers: Partial<Numbers>
  /** For a level, the key up to which it was compacted last. */
  readonly pointers: readonly Uint8Array[]
  readonly deleted: readonly { readonly level: number; readonly number: number }[]
  readonly added: readonly TableEntry[]
}

type Numbers = { -readonly [name in Exclude<keyof Manifest, 'tables'>]: number }

export const LEVELS = 7

const TAG = {
  comparator: 1,
  log: 2,
  nextFile: 3,
  sequence: 4,
  pointer: 5,
  deleted: 6,
  added: 7,
  previousLog: 9,
} as const

/**
 * What a MANIFEST file comes to (LevelDB, db/version_edit.cc).
 *
 * @returns `undefined` if anything in it is damaged.
 */
export function decodeManifest(file: Uint8Array): Manifest | undefined {
  const tables = new Set<number>()
  const numbers: Numbers = { log: 0, previousLog: 0, lastSequence: 0, nextFile: 0 }
  let edits = 0
  for (const part of logParts(file)) {
    const edit = 'damaged' in part ? undefined : decodeEdit(part.record)
    if (edit === undefined) return undefined
    for (const { number } of edit.deleted) tables.delete(number)
    for (const { number } of edit.added) tables.add(number)
    Object.assign(numbers, edit.numbers)
    edits++
  }
  return edits === 0 ? undefined : { tables, ...numbers }
}

/** @returns `undefined` if it is none. The keys are views of the record. */
export function decodeEdit(record: Uint8Array): Edit | undefined {
  const cursor = new Cursor(record)
  const edit = {
    numbers: {} as Partial<Numbers>,
    pointers: [] as Uint8Array[],
    deleted: [] as { level: number; number: number }[],
    added: [] as TableEntry[],
  }
  let comparator: Uint8Array | undefined
  while (cursor.at < cursor.end && !cursor.broken) {
    switch (cursor.varint()) {
      case TAG.comparator:
        comparator = cursor.slice()
        break
      case TAG.log:
        edit.numbers.log = cursor.varint()
        break
      case TAG.previousLog:
        edit.numbers.previousLog = cursor.varint()
        break
      case TAG.nextFile:
        edit.numbers.nextFile = cursor.varint()
        break
      case TAG.sequence:
        edit.numbers.lastSequence = cursor.varint()
        break
      case TAG.pointer:
        level(cursor)
        edit.pointers.push(cursor.slice())
        break
      case TAG.deleted:
        edit.deleted.push({ level: level(cursor), number: cursor.varint() })
        break
      case TAG.added: {
        const place = { level: level(cursor), number: cursor.varint(), bytes: cursor.varint() }
        edit.added.push({ ...place, smallest: cursor.slice(), largest: cursor.slice() })
        break
      }
      default:
        return undefined
    }
  }
  if (cursor.broken) return undefined
  return comparator === undefined ? edit : { ...edit, comparator }
}

function level(cursor: Cursor): number {
  const value = cursor.varint()
  if (value >= LEVELS) cursor.broken = true
  return value
}
