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
  const numbers = { log: 0, previousLog: 0, lastSequence: 0, nextFile: 0 }
  let edits = 0
  for (const part of logParts(file)) {
    if ('damaged' in part || !apply(new Cursor(part.record), tables, numbers)) return undefined
    edits++
  }
  return edits === 0 ? undefined : { tables, ...numbers }
}

type Numbers = { -readonly [name in Exclude<keyof Manifest, 'tables'>]: number }

function apply(cursor: Cursor, tables: Set<number>, numbers: Numbers): boolean {
  while (cursor.at < cursor.end && !cursor.broken) {
    switch (cursor.varint()) {
      case TAG.comparator:
        cursor.slice()
        break
      case TAG.log:
        numbers.log = cursor.varint()
        break
      case TAG.previousLog:
        numbers.previousLog = cursor.varint()
        break
      case TAG.nextFile:
        numbers.nextFile = cursor.varint()
        break
      case TAG.sequence:
        numbers.lastSequence = cursor.varint()
        break
      case TAG.pointer:
        cursor.varint()
        cursor.slice()
        break
      case TAG.deleted:
        cursor.varint()
        tables.delete(cursor.varint())
        break
      case TAG.added:
        cursor.varint()
        tables.add(cursor.varint())
        cursor.varint()
        cursor.slice()
        cursor.slice()
        break
      default:
        return false
    }
  }
  return !cursor.broken
}
