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
