import { ByteReader, ByteWriter } from '../../base/byte-codec'

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
/** Behind the row key. */
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
