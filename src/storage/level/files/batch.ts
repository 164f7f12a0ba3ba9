import { MAX_BACKUP_VALUE_BYTES, MAX_ROW_KEY_BYTES } from '../../../format/constants'
import { Cursor, u32, u64 } from './coding'

/** A write, before it is known of which file. */
export interface Write {
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
  readonly sequence: number | undefined
}

const HEADER_BYTES = 12
const TAG = { deletion: 0, value: 1 } as const

/**
 * The writes of a batch whose checksum is right: sequence of the first, count, then one after the other (LevelDB,
 * db/write_batch.cc).
 *
 * @returns `undefined` if it is none.
 */
export function decodeBatch(batch: Uint8Array): Write[] | undefined {
  const first = batch.length < HEADER_BYTES ? undefined : u64(batch, 0)
  if (first === undefined) return undefined
  const writes: Write[] = []
  const cursor = new Cursor(batch, HEADER_BYTES)
  const count = u32(batch, 8)
  while (cursor.at < batch.length) {
    const tag = batch[cursor.at++]
    const key = cursor.slice()
    const value = tag === TAG.value ? cursor.slice() : undefined
    if (cursor.broken || (tag !== TAG.value && tag !== TAG.deletion)) return undefined
    const sequence = first + writes.length
    writes.push({ key, value, sequence: Number.isSafeInteger(sequence) ? sequence : undefined })
  }
  return writes.length === count ? writes : undefined
}

/** The numbers of the writes of a batch. */
export interface BatchNumbers {
  readonly first: number
  readonly count: number
}

/**
 * The same without the writes, for a batch that LevelDB is to take in: it takes the writes before it counts them, and its
 * own numbers go on from what a batch says.
 *
 * @returns `undefined` if it is none.
 */
export function numbersOfBatch(batch: Uint8Array): BatchNumbers | undefined {
  const first = batch.length < HEADER_BYTES ? undefined : u64(batch, 0)
  if (first === undefined) return undefined
  const cursor = new Cursor(batch, HEADER_BYTES)
  let count = 0
  for (; cursor.at < batch.length; count++) {
    const tag = batch[cursor.at++]
    const isSized = cursor.skip(MAX_ROW_KEY_BYTES) && (tag !== TAG.value || cursor.skip(MAX_BACKUP_VALUE_BYTES))
    if (!isSized || (tag !== TAG.value && tag !== TAG.deletion)) return undefined
  }
  const isWhole = count === u32(batch, 8) && first > 0 && Number.isSafeInteger(first + count)
  return isWhole ? { first, count } : undefined
}
