import { concat } from '../../../base/bytes'
import { MAX_ROW_KEY_BYTES } from '../../../format/constants'
import type { Write } from './batch'
import { Cursor, u32 } from './coding'

/** Behind each key: one byte of sort, seven of the number of the write. */
export const KEY_TAG_BYTES = 8
export const SORT = { deletion: 0, value: 1 } as const
const RESTART_BYTES = 4
/** How much longer than a block all keys in it may be: every sixteenth is written in full. */
const MOST_KEYS_FACTOR = 16

export interface Entry {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Where the parts of an entry are. */
export interface EntryPlace {
  /** How much of the key before it its own begins with. */
  readonly shared: number
  /** Of the rest of its key. */
  readonly keyStart: number
  readonly valueStart: number
  readonly end: number
}

/** @returns `undefined` if it would not end before `limit`, or has a key of a length that no row's has. */
export function placeEntry(bytes: Uint8Array, at: number, limit: number): EntryPlace | undefined {
  const cursor = new Cursor(bytes, at, limit)
  const shared = cursor.varint()
  const rest = cursor.varint()
  const valueBytes = cursor.varint()
  const keyStart = cursor.at
  const end = keyStart + rest + valueBytes
  if (cursor.broken || end > limit || shared + rest > MAX_ROW_KEY_BYTES + KEY_TAG_BYTES) return undefined
  return { shared, keyStart, valueStart: keyStart + rest, end }
}

export function keyOf(bytes: Uint8Array, { shared, keyStart, valueStart }: EntryPlace, before: Uint8Array): Uint8Array {
  const rest = bytes.subarray(keyStart, valueStart)
  return shared === 0 ? rest : concat(before.subarray(0, shared), rest)
}

/**
 * The entries of a block whose checksum is right, without the trailer (LevelDB, doc/table_format.md, table/block.cc).
 *
 * @returns `undefined` if it is none.
 */
export function decodeBlock(block: Uint8Array): Entry[] | undefined {
  const restarts = block.length < RESTART_BYTES ? 0 : u32(block, block.length - RESTART_BYTES)
  const limit = block.length - RESTART_BYTES * (restarts + 1)
  if (restarts === 0 || limit < 0) return undefined
  const entries: Entry[] = []
  let key: Uint8Array = NO_BYTES
  let keyBytesLeft = MOST_KEYS_FACTOR * block.length
  for (let at = 0; at < limit; ) {
    const place = placeEntry(block, at, limit)
    if (place === undefined || place.shared > key.length) return undefined
    key = keyOf(block, place, key)
    keyBytesLeft -= key.length
    if (keyBytesLeft < 0) return undefined
    entries.push({ key, value: block.subarray(place.valueStart, place.end) })
    at = place.end
  }
  return entries
}

/** @returns `undefined` if some are no writes. */
export function writesOf(entries: readonly Entry[]): Write[] | undefined {
  const writes: Write[] = []
  for (const { key, value } of entries) {
    const end = key.length - KEY_TAG_BYTES
    const sort = key[end]
    if (end < 0 || (sort !== SORT.deletion && sort !== SORT.value)) return undefined
    writes.push({
      key: key.subarray(0, end),
      value: sort === SORT.value ? value : undefined,
      sequence: sequenceOf(key),
    })
  }
  return writes
}

/** @returns `undefined` above 2^53 - 1. */
function sequenceOf(key: Uint8Array): number | undefined {
  const tag = key.length - KEY_TAG_BYTES
  const sequence = u32(key, tag + 4) * 0x100_0000 + (u32(key, tag) >>> 8)
  return Number.isSafeInteger(sequence) ? sequence : undefined
}

const NO_BYTES: Uint8Array = new Uint8Array()
