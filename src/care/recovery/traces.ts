import { ByteReader, ByteWriter } from '../../base/byte-codec'
import { decodeSetHash } from '../../format/head'

/** Where something was found: in a file that belongs to the database, in another one, or nobody can say. */
export type Origin = 'live' | 'unknown' | 'abandoned'

/** A version of a record that is authentic. */
export interface Version {
  readonly revision: number
  readonly origin: Origin
  /** LevelDB's number of the write; `undefined` where the bytes around it are damaged. */
  readonly sequence: number | undefined
}

/** The first byte of a key: what belongs to a record row comes first, by row key. */
export const PART = { row: 0x01, payload: 0x02, deletedId: 0x03 } as const
/** After the row key. */
export const KIND = { version: 1, deletion: 2, unreadable: 3, hint: 4 } as const
export const ORIGINS: readonly Origin[] = ['abandoned', 'unknown', 'live']
export const NO_BYTES: Uint8Array = new Uint8Array()

export const NUL: Uint8Array = Uint8Array.of(0)
export const NUMBER_BYTES = 8
/** A time that nobody can say: LevelDB's numbers begin with 1. */
export const UNDATED = 0

export function originOf(live: boolean | undefined): Origin {
  if (live === undefined) return 'unknown'
  return live ? 'live' : 'abandoned'
}

export function number(value: number): Uint8Array {
  return new ByteWriter().u64(value).bytes()
}

export function versionSuffix({ revision, origin, sequence }: Version): Uint8Array {
  return new ByteWriter()
    .u64(revision)
    .u8(ORIGINS.indexOf(origin))
    .u64(sequence ?? UNDATED)
    .bytes()
}

export function rowPart(rowKey: Uint8Array, kind: number, suffix: Uint8Array): Uint8Array {
  return new ByteWriter().u8(PART.row).u32(rowKey.length).raw(rowKey).u8(kind).raw(suffix).bytes()
}

export function payloadPart(rowKey: Uint8Array, tag: Uint8Array): Uint8Array {
  return new ByteWriter().u8(PART.payload).u32(rowKey.length).raw(rowKey).raw(tag).bytes()
}

export function decodeKey(key: Uint8Array): { rowKey: Uint8Array; kind: number; rest: Uint8Array } {
  const reader = new ByteReader(key)
  reader.u8()
  const rowKey = reader.raw(reader.u32()).slice()
  const kind = reader.u8()
  return { rowKey, kind, rest: key.subarray(1 + 4 + rowKey.length + 1) }
}

/** What was found of one record row. */
export interface Traces {
  readonly rowKey: Uint8Array
  /** The newest first. */
  readonly versions: readonly Version[]
  /** The last deletion of it that is beyond doubt. */
  readonly deletedAt: number | undefined
  /** Whether it was deleted at a time that nobody can say. */
  readonly hasUndatedDeletion: boolean
  /** The last write of it of which nothing can be opened, and that is beyond doubt. */
  readonly unreadableAt: number | undefined
  /** Whether something that does not open bears its key, at a time that nobody can say. */
  readonly hasUndatedTrace: boolean
  /** What those that do not open would be in the set hash, if they are the ones that were written. */
  readonly unreadableElements: readonly bigint[]
  /** Ids that lead to it, as their hints say. */
  readonly ids: readonly string[]
  /** When the last of those hints was written, as far as that is beyond doubt of any of them. */
  readonly hintedAt: number | undefined
}

export interface Grouped {
  readonly rowKey: Uint8Array
  readonly versions: Version[]
  readonly hints: { readonly id: Uint8Array; readonly sequence: number }[]
  deletedAt: number | undefined
  unreadableAt: number | undefined
  hasUndatedTrace: boolean
  hasUndatedDeletion: boolean
  readonly unreadable: Set<bigint>
}

export function newGroup(rowKey: Uint8Array): Grouped {
  return {
    rowKey,
    versions: [],
    hints: [],
    deletedAt: undefined,
    unreadableAt: undefined,
    hasUndatedTrace: false,
    hasUndatedDeletion: false,
    unreadable: new Set(),
  }
}

export function addTrace(group: Grouped, kind: number, rest: Uint8Array): void {
  const reader = new ByteReader(rest)
  if (kind === KIND.version) {
    const revision = reader.u64()
    const origin = ORIGINS[reader.u8()] as Origin
    const sequence = reader.u64()
    group.versions.push({ revision, origin, sequence: sequence === UNDATED ? undefined : sequence })
    return
  }
  // In the order of the keys: the last one is the greatest.
  const sequence = reader.u64()
  if (kind === KIND.hint) {
    group.hints.push({ sequence, id: rest.slice(NUMBER_BYTES) })
  } else if (kind === KIND.deletion) {
    if (sequence === UNDATED) group.hasUndatedDeletion = true
    else group.deletedAt = sequence
  } else {
    group.unreadable.add(decodeSetHash(reader.rest()))
    if (sequence === UNDATED) group.hasUndatedTrace = true
    else group.unreadableAt = sequence
  }
}

/** The newest first; of one revision, what is surest. */
export function compareVersions(one: Version, other: Version): number {
  return (
    other.revision - one.revision ||
    ORIGINS.indexOf(other.origin) - ORIGINS.indexOf(one.origin) ||
    (other.sequence ?? 0) - (one.sequence ?? 0)
  )
}
