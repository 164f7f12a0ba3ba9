import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Where each write is in the files of a whole database: a reader of its own, that knows no damage and checks nothing, to
 * hold the one of the library against.
 */

/** From the first to below the second. */
export type Span = readonly [number, number]

export interface PlacedWrite {
  readonly file: string
  readonly key: string
  /** `undefined`: a deletion. */
  readonly value: Buffer | undefined
  readonly sequence: number
  /** The bytes that it is made of; in a table also those of the entries back to the one that names its whole key. */
  readonly own: readonly Span[]
  /** The bytes that its checksums are over, and those of the lengths and checksums themselves. */
  readonly vouching: Span
}

export interface Place {
  readonly bytes: Buffer
  readonly writes: readonly PlacedWrite[]
}

export const LOG_BLOCK_BYTES = 32_768
const LOG_HEADER_BYTES = 7
const LAST_OF_RECORD: readonly number[] = [1, 4]
export const FOOTER_BYTES = 48
const TRAILER_BYTES = 5
const TAG_BYTES = 8

/** The logs and tables of a database, by name. */
export function placesIn(directory: string): Map<string, Place> {
  const names = readdirSync(directory).filter((name) => /\.(log|ldb)$/.test(name))
  return new Map(
    names.map((file) => {
      const bytes = readFileSync(join(directory, file))
      return [file, { bytes, writes: file.endsWith('.log') ? inLog(file, bytes) : inTable(file, bytes) }]
    }),
  )
}

class Numbers {
  at: number
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.at = at
  }

  next(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes[this.at++] as number
      value += (byte % 128) * factor
      if (byte < 128) return value
    }
  }

  /** Bytes behind their length. */
  slice(): Buffer {
    const length = this.next()
    this.at += length
    return Buffer.from(this.#bytes.subarray(this.at - length, this.at))
  }
}

function inLog(file: string, bytes: Buffer): PlacedWrite[] {
  const writes: PlacedWrite[] = []
  let pieces: Span[] = []
  for (let at = 0; at + LOG_HEADER_BYTES <= bytes.length; ) {
    const left = LOG_BLOCK_BYTES - (at % LOG_BLOCK_BYTES)
    if (left < LOG_HEADER_BYTES) {
      at += left
      continue
    }
    const start = at + LOG_HEADER_BYTES
    const end = start + bytes.readUInt16LE(at + 4)
    pieces.push([start, end])
    if (LAST_OF_RECORD.includes(bytes[at + 6] as number)) {
      writes.push(...inBatch(file, bytes, pieces))
      pieces = []
    }
    at = end
  }
  return writes
}

function inBatch(file: string, bytes: Buffer, pieces: readonly Span[]): PlacedWrite[] {
  const batch = Buffer.concat(pieces.map(([start, end]) => bytes.subarray(start, end)))
  const [first, last] = [pieces[0] as Span, pieces.at(-1) as Span]
  const vouching: Span = [first[0] - LOG_HEADER_BYTES, last[1]]
  const sequence = Number(batch.readBigUInt64LE(0))
  const writes: PlacedWrite[] = []
  const numbers = new Numbers(batch, 12)
  while (numbers.at < batch.length) {
    const start = numbers.at++
    const key = numbers.slice().toString('latin1')
    const value = batch[start] === 1 ? numbers.slice() : undefined
    const own = spread(pieces, [start, numbers.at])
    writes.push({ file, key, value, sequence: sequence + writes.length, own, vouching })
  }
  return writes
}

/** Where in the file a part of a record is. */
function spread(pieces: readonly Span[], [start, end]: Span): Span[] {
  const spans: Span[] = []
  let before = 0
  for (const [from, to] of pieces) {
    const [low, high] = [Math.max(from, from + start - before), Math.min(to, from + end - before)]
    if (low < high) spans.push([low, high])
    before += to - from
  }
  return spans
}

function inTable(file: string, bytes: Buffer): PlacedWrite[] {
  const footer = new Numbers(bytes, bytes.length - FOOTER_BYTES)
  const [, , offset, size] = [footer.next(), footer.next(), footer.next(), footer.next()]
  return inBlock(bytes, [offset, offset + size]).flatMap(({ value }) => {
    const handle = new Numbers(value, 0)
    const start = handle.next()
    const end = start + handle.next()
    const vouching: Span = [start, end + TRAILER_BYTES]
    return inBlock(bytes, [start, end]).map(({ key, value, own }) => {
      const tag = key.readBigUInt64LE(key.length - TAG_BYTES)
      return {
        file,
        key: key.subarray(0, -TAG_BYTES).toString('latin1'),
        value: (tag & 1n) === 1n ? value : undefined,
        sequence: Number(tag >> 8n),
        own: [own],
        vouching,
      }
    })
  })
}

function inBlock(bytes: Buffer, [start, end]: Span): { key: Buffer; value: Buffer; own: Span }[] {
  const limit = end - 4 * (1 + bytes.readUInt32LE(end - 4))
  const entries: { key: Buffer; value: Buffer; own: Span }[] = []
  let key = Buffer.alloc(0)
  let restart = start
  for (let at = start; at < limit; ) {
    const numbers = new Numbers(bytes, at)
    const [shared, rest, valueBytes] = [numbers.next(), numbers.next(), numbers.next()]
    if (shared === 0) restart = at
    const valueStart = numbers.at + rest
    key = Buffer.concat([key.subarray(0, shared), bytes.subarray(numbers.at, valueStart)])
    at = valueStart + valueBytes
    entries.push({ key, value: Buffer.from(bytes.subarray(valueStart, at)), own: [restart, at] })
  }
  return entries
}
