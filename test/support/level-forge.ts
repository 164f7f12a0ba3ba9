import crc32c from 'crc-32/crc32c.js'
import { concat } from '../../src/base/bytes'
import type { Edit } from '../../src/storage/level/files/manifest'

/** Makes files of LevelDB out of their parts, with checksums that are right whatever the parts say. */

const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7
const MAGIC = Uint8Array.of(0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb)

function maskedSum(bytes: Uint8Array): Uint8Array {
  const crc = crc32c.buf(bytes) >>> 0
  return fixed(BigInt((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0), 4)
}

/** Least significant byte first. */
export function fixed(value: bigint | number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => Number((BigInt(value) >> BigInt(8 * index)) & 255n))
}

export function varint(value: bigint | number): Uint8Array {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Uint8Array.from([...bytes, Number(rest)])
}

export function slice(bytes: Uint8Array): Uint8Array {
  return concat(varint(bytes.length), bytes)
}

/** Records in their frames. */
export function forgeLog(records: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = []
  let at = 0
  const add = (part: Uint8Array): void => {
    parts.push(part)
    at += part.length
  }
  for (const record of records) {
    for (let done = 0, isFirst = true; isFirst || done < record.length; isFirst = false) {
      const left = BLOCK_BYTES - (at % BLOCK_BYTES)
      if (left < HEADER_BYTES) add(new Uint8Array(left))
      const room = BLOCK_BYTES - (at % BLOCK_BYTES) - HEADER_BYTES
      const piece = record.subarray(done, done + room)
      done += piece.length
      const isLast = done === record.length
      const type = isFirst ? (isLast ? 1 : 2) : isLast ? 4 : 3
      const typed = concat(Uint8Array.of(type), piece)
      add(concat(maskedSum(typed), fixed(piece.length, 2), typed))
    }
  }
  return concat(...parts)
}

/** The records of a sound log. */
export function recordsOf(log: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = []
  let parts: Uint8Array[] = []
  for (let at = 0; at + HEADER_BYTES <= log.length; ) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (left < HEADER_BYTES) {
      at += left
      continue
    }
    const end = at + HEADER_BYTES + (log[at + 4] as number) + (log[at + 5] as number) * 256
    parts.push(log.subarray(at + HEADER_BYTES, end))
    if (log[at + 6] === 1 || log[at + 6] === 4) {
      records.push(concat(...parts))
      parts = []
    }
    at = end
  }
  return records
}

export interface ForgedEntry {
  readonly key: Uint8Array
  readonly value: Uint8Array
  /** As LevelDB would write them, unless given. */
  readonly shared?: bigint | number
  readonly rest?: bigint | number
  readonly valueBytes?: bigint | number
}

export interface ForgedBlock {
  readonly entries: readonly ForgedEntry[]
  /** @defaultValue every sixteenth entry */
  readonly restarts?: readonly number[]
  /** @defaultValue `restarts.length` */
  readonly restartCount?: number
  /** @defaultValue 0 */
  readonly type?: number
}

/** A block without its trailer. @param interval - Between entries that name their whole key. */
export function forgeBlock({ entries, restarts, restartCount }: ForgedBlock, interval = 16): Uint8Array {
  const parts: Uint8Array[] = []
  const found: number[] = []
  let at = 0
  let before: Uint8Array = new Uint8Array()
  for (const [index, { key, value, ...lengths }] of entries.entries()) {
    if (index % interval === 0) found.push(at)
    let shared = 0
    while (index % interval > 0 && shared < Math.min(before.length, key.length) && before[shared] === key[shared]) {
      shared++
    }
    const part = concat(
      varint(lengths.shared ?? shared),
      varint(lengths.rest ?? key.length - shared),
      varint(lengths.valueBytes ?? value.length),
      key.subarray(shared),
      value,
    )
    parts.push(part)
    at += part.length
    before = key
  }
  const list = restarts ?? (found.length > 0 ? found : [0])
  return concat(...parts, ...list.map((one) => fixed(one, 4)), fixed(restartCount ?? list.length, 4))
}

export interface ForgedTable {
  readonly blocks: readonly ForgedBlock[]
  /** The content of the filter. */
  readonly filter?: Uint8Array
  /** Changes what is written where it is written. */
  readonly index?: (entries: ForgedEntry[]) => ForgedBlock
  readonly meta?: (entries: ForgedEntry[]) => ForgedBlock
  readonly footer?: (handles: bigint[]) => bigint[]
}

export function forgeTable({ blocks, filter, index, meta, footer }: ForgedTable): Uint8Array {
  const parts: Uint8Array[] = []
  let at = 0
  const add = (content: Uint8Array, type = 0): Uint8Array => {
    const typed = concat(content, Uint8Array.of(type))
    const handle = concat(varint(at), varint(content.length))
    handles.push(BigInt(at), BigInt(content.length))
    parts.push(typed, maskedSum(typed))
    at += typed.length + 4
    return handle
  }
  const handles: bigint[] = []
  const indexed = blocks.map((block): ForgedEntry => {
    const value = add(forgeBlock(block), block.type)
    return { key: block.entries.at(-1)?.key ?? new Uint8Array(8), value }
  })
  const metas: ForgedEntry[] = []
  if (filter) metas.push({ key: new TextEncoder().encode('filter.leveldb.BuiltinBloomFilter2'), value: add(filter) })
  const metaBlock = meta?.(metas) ?? { entries: metas }
  add(forgeBlock(metaBlock), metaBlock.type)
  const indexBlock = index?.(indexed) ?? { entries: indexed }
  add(forgeBlock(indexBlock, 1), indexBlock.type)
  const last = handles.slice(-4)
  const numbers = footer?.(last) ?? last
  const padded = new Uint8Array(40)
  padded.set(concat(...numbers.map(varint)).subarray(0, 40))
  return concat(...parts, padded, MAGIC)
}

/** The blocks of a sound table, and its filter. */
export function blocksOf(table: Uint8Array): { blocks: ForgedBlock[]; filter: Uint8Array | undefined } {
  const footer = numbersIn(table.subarray(table.length - 48), 4)
  const [metaStart, metaBytes, indexStart, indexBytes] = footer as [number, number, number, number]
  const content = (start: number, bytes: number): Uint8Array => table.subarray(start, start + bytes)
  const blockAt = (handle: Uint8Array): Uint8Array => {
    const [start, bytes] = numbersIn(handle, 2) as [number, number]
    return content(start, bytes)
  }
  const blocks = entriesOf(content(indexStart, indexBytes)).map(({ value }) => ({ entries: entriesOf(blockAt(value)) }))
  const [filter] = entriesOf(content(metaStart, metaBytes))
  return { blocks, filter: filter && blockAt(filter.value) }
}

/** So many varints, and behind them how many bytes they take. */
function numbersIn(bytes: Uint8Array, count: number): number[] {
  const numbers: number[] = []
  let at = 0
  while (numbers.length < count) {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]
      if (byte === undefined) throw new RangeError('forge: expected a number, got the end')
      value += (byte % 128) * factor
      if (byte < 128) break
    }
    numbers.push(value)
  }
  return [...numbers, at]
}

export function entriesOf(block: Uint8Array): { key: Uint8Array; value: Uint8Array }[] {
  const limit = block.length - 4 * (1 + new DataView(block.buffer, block.byteOffset).getUint32(block.length - 4, true))
  const entries: { key: Uint8Array; value: Uint8Array }[] = []
  let key: Uint8Array = new Uint8Array()
  for (let at = 0; at < limit; ) {
    const [shared, rest, valueBytes, length] = numbersIn(block.subarray(at), 3) as [number, number, number, number]
    const keyStart = at + length
    key = concat(key.subarray(0, shared), block.subarray(keyStart, keyStart + rest))
    at = keyStart + rest + valueBytes
    if (at > limit) throw new RangeError('forge: expected an entry within its block, got the end')
    entries.push({ key, value: block.subarray(keyStart + rest, at) })
  }
  return entries
}

/** A change of a MANIFEST. */
export interface ForgedEdit {
  readonly comparator?: string
  /** By tag: log 2, next file 3, last write 4, log before 9. */
  readonly numbers?: readonly (readonly [tag: number, value: bigint | number])[]
  readonly pointers?: readonly (readonly [level: number, key: Uint8Array])[]
  readonly deleted?: readonly (readonly [level: number, number: bigint | number])[]
  readonly added?: readonly ForgedAddition[]
}

export interface ForgedAddition {
  readonly level: number
  readonly number: bigint | number
  readonly bytes: bigint | number
  readonly smallest: Uint8Array
  readonly largest: Uint8Array
}

/** One that was read, to be made again. The level of a compaction is of no account. */
export function forgedOf(edit: Edit): ForgedEdit {
  const tags = { log: 2, nextFile: 3, lastSequence: 4, previousLog: 9 } as const
  return {
    ...(edit.comparator ? { comparator: new TextDecoder().decode(edit.comparator) } : {}),
    numbers: Object.entries(edit.numbers).map(([name, value]) => [tags[name as keyof typeof tags], value as number]),
    pointers: edit.pointers.map((key) => [2, key]),
    deleted: edit.deleted.map(({ level, number: one }) => [level, one]),
    added: edit.added,
  }
}

export function forgeEdit({ comparator, numbers, pointers, deleted, added }: ForgedEdit): Uint8Array {
  return concat(
    comparator === undefined ? new Uint8Array() : concat(varint(1), slice(new TextEncoder().encode(comparator))),
    ...(numbers ?? []).map(([tag, value]) => concat(varint(tag), varint(value))),
    ...(pointers ?? []).map(([level, key]) => concat(varint(5), varint(level), slice(key))),
    ...(deleted ?? []).map(([level, number]) => concat(varint(6), varint(level), varint(number))),
    ...(added ?? []).map(({ level, number, bytes, smallest, largest }) =>
      concat(varint(7), varint(level), varint(number), varint(bytes), slice(smallest), slice(largest)),
    ),
  )
}

/** A key with its tag. */
export function internalKey(key: Uint8Array | string, sequence: bigint | number, sort = 1): Uint8Array {
  const row = typeof key === 'string' ? new TextEncoder().encode(key) : key
  return concat(row, fixed((BigInt(sequence) << 8n) | BigInt(sort), 8))
}

/** A batch of puts and, where there is no value, deletions. */
export function forgeBatch(
  sequence: bigint | number,
  writes: readonly (readonly [key: Uint8Array, value: Uint8Array | undefined])[],
  count: bigint | number = writes.length,
): Uint8Array {
  const parts = writes.map(([key, value]) =>
    concat(
      Uint8Array.of(value === undefined ? 0 : 1),
      slice(key),
      value === undefined ? new Uint8Array() : slice(value),
    ),
  )
  return concat(fixed(sequence, 8), fixed(count, 4), ...parts)
}
