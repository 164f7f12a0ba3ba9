import { concatAll } from '../../../base/bytes'
import { decodeBatch } from './batch'
import { hasChecksum } from './checksum'
import { BLOCK_BYTES, HEADER_BYTES, TYPE } from './log-format'
import { damaged, type Stretch, sound } from './stretch'

/** How many bytes of a damaged block are put under checksums to find out where the next record begins. */
const MOST_CHECKED_BYTES: number = 32 * BLOCK_BYTES
const BATCH_HEADER_BYTES = 12

/** A record, or a part of one, whose checksum is right. */
interface Piece {
  readonly type: number
  readonly start: number
  readonly end: number
}

/** Part of a log: one record that is whole, or what lies between two of those. */
export type LogPart = { readonly record: Uint8Array } | { readonly damaged: Uint8Array; readonly bytes: number }

/** The writes of a log of batches, and what is left of damaged ones. */
export function* logStretches(file: Uint8Array): Generator<Stretch, void> {
  for (const part of logParts(file)) {
    if ('damaged' in part) {
      yield damaged(part.damaged, part.bytes)
      continue
    }
    const writes = decodeBatch(part.record)
    yield writes === undefined ? damaged(part.record) : sound(writes)
  }
}

/** All of a log file (LevelDB, doc/log_format.md). */
export function* logParts(file: Uint8Array): Generator<LogPart, void> {
  let done = 0
  /** The pieces of a record that is whole so far; each but the first begins where the one before it ends. */
  let chain: Piece[] = []
  for (const piece of pieces(file)) {
    const isBeginning = piece.type === TYPE.full || piece.type === TYPE.first
    const goesOn = !isBeginning && chain.at(-1)?.end === piece.start
    if (!goesOn) chain = []
    if (isBeginning || goesOn) chain.push(piece)
    const [first] = chain
    if (first === undefined || piece.type === TYPE.first || piece.type === TYPE.middle) continue
    yield* gap(file, done, first.start)
    yield { record: concatAll(chain.map(({ start, end }) => file.subarray(start + HEADER_BYTES, end))) }
    done = piece.end
    chain = []
  }
  yield* gap(file, done, file.length)
}

export function beginsLikeLog(file: Uint8Array): boolean {
  return pieces(file).next().done !== true
}

/**
 * Bytes without the header at the beginning of each block. Since a record is only ever parted there, every write is in
 * one piece then, whatever has become of the headers.
 */
export function withoutHeaders(file: Uint8Array, start = 0, end: number = file.length): Uint8Array {
  const parts: Uint8Array[] = []
  for (let block = start - (start % BLOCK_BYTES); block < end; block += BLOCK_BYTES) {
    const from = Math.max(start, block + HEADER_BYTES)
    parts.push(file.subarray(from, Math.max(from, Math.min(end, block + BLOCK_BYTES))))
  }
  return concatAll(parts)
}

function* gap(file: Uint8Array, start: number, end: number): Generator<LogPart, void> {
  if (start < end && !isPadding(file, start, end)) {
    yield { damaged: withoutHeaders(file, start, end), bytes: end - start }
  }
}

/** The end of a block that has no room for a header is zeros. */
function isPadding(file: Uint8Array, start: number, end: number): boolean {
  return end - start < HEADER_BYTES && end % BLOCK_BYTES === 0 && file.subarray(start, end).every((byte) => byte === 0)
}

function* pieces(file: Uint8Array): Generator<Piece, void> {
  for (let block = 0; block < file.length; block += BLOCK_BYTES) {
    const end = Math.min(block + BLOCK_BYTES, file.length)
    const budget = { bytes: MOST_CHECKED_BYTES }
    for (let at = block; end - at >= HEADER_BYTES; ) {
      const piece = pieceAt(file, at, end) ?? nextBeginning(file, at + 1, end, budget)
      if (piece === undefined) break
      yield piece
      at = piece.end
    }
  }
}

function pieceAt(file: Uint8Array, start: number, blockEnd: number): Piece | undefined {
  const type = file[start + 6] as number
  const end = endOf(file, start)
  if (type < TYPE.full || type > TYPE.last || end > blockEnd) return undefined
  return hasChecksum(file, start, start + 6, end) ? { type, start, end } : undefined
}

function endOf(file: Uint8Array, start: number): number {
  return start + HEADER_BYTES + (file[start + 4] as number) + (file[start + 5] as number) * 256
}

/** The next record that begins in a damaged block. Further pieces of one begin blocks, and need not be looked for. */
function nextBeginning(file: Uint8Array, from: number, blockEnd: number, budget: { bytes: number }): Piece | undefined {
  for (let at = from; blockEnd - at >= HEADER_BYTES && budget.bytes > 0; at++) {
    const type = file[at + 6]
    const end = endOf(file, at)
    const fits = type === TYPE.full ? end <= blockEnd : type === TYPE.first && end === blockEnd
    if (!fits || !canBeBatch(file, at + HEADER_BYTES, end)) continue
    budget.bytes -= end - at
    const piece = pieceAt(file, at, blockEnd)
    if (piece !== undefined) return piece
  }
  return undefined
}

/** By the first bytes, as many as there are: a sequence number has never more than 53 bits. */
function canBeBatch(file: Uint8Array, start: number, end: number): boolean {
  return end - start < BATCH_HEADER_BYTES || (file[start + 7] === 0 && (file[start + 6] as number) < 0x20)
}
