import { concatAll } from '../../bytes'
import { hasChecksum } from './checksum'

const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7
const TYPE = { full: 1, first: 2, middle: 3, last: 4 } as const
/** How many bytes are put under a checksum to find the next piece in a damaged block. */
const SEARCH_BYTES: number = 32 * BLOCK_BYTES

/** One record of a log, put together of its pieces. */
export interface LogRecord {
  readonly bytes: Uint8Array
  /** Whether all its checksums are right and no piece is missing. If not, it may be any bytes. */
  readonly sound: boolean
  /** How many bytes of the file were damaged in it. */
  readonly damagedBytes: number
}

/** `type` is `undefined` where the checksum is wrong. */
interface Piece {
  readonly type: number | undefined
  readonly start: number
  readonly end: number
}

/** The records of a log file, and what is left of damaged ones (LevelDB, doc/log_format.md). */
export function* logRecords(file: Uint8Array): Generator<LogRecord, void> {
  let open: Piece[] = []
  const close = (): LogRecord => {
    const record = recordOf(file, open)
    open = []
    return record
  }
  for (const piece of pieces(file)) {
    if ((piece.type === TYPE.full || piece.type === TYPE.first) && open.length > 0) yield close()
    open.push(piece)
    if (piece.type === TYPE.full || piece.type === TYPE.last) yield close()
  }
  if (open.length > 0) yield close()
}

function recordOf(file: Uint8Array, parts: readonly Piece[]): LogRecord {
  const bytes = concatAll(parts.map(({ start, end }) => file.subarray(Math.min(start + HEADER_BYTES, end), end)))
  const damaged = parts.filter(({ type }) => type === undefined)
  const damagedBytes = damaged.reduce((sum, { start, end }) => sum + end - start, 0)
  return { bytes, sound: isWhole(parts.map(({ type }) => type)), damagedBytes }
}

function isWhole(types: readonly (number | undefined)[]): boolean {
  const [first] = types
  if (types.length === 1) return first === TYPE.full
  return first === TYPE.first && types.at(-1) === TYPE.last && types.slice(1, -1).every((type) => type === TYPE.middle)
}

function* pieces(file: Uint8Array): Generator<Piece, void> {
  for (let block = 0; block < file.length; block += BLOCK_BYTES) {
    const end = Math.min(block + BLOCK_BYTES, file.length)
    const budget = { bytes: SEARCH_BYTES }
    for (let at = block; at < end && !isPadding(file, at, end); ) {
      const piece = soundPiece(file, at, end) ?? damagedPiece(file, at, end, budget)
      yield piece
      at = piece.end
    }
  }
}

/** The rest of a block that is too short for a piece, or was never written, is zeros. */
function isPadding(file: Uint8Array, start: number, end: number): boolean {
  return file.subarray(start, end).every((byte) => byte === 0)
}

function soundPiece(file: Uint8Array, start: number, end: number): Piece | undefined {
  const type = file[start + 6]
  const next = endOf(file, start)
  if (next === undefined || next > end || !hasChecksum(file, start, start + 6, next)) return undefined
  return { type, start, end: next }
}

/** By its length; `undefined` if nothing can begin here. */
function endOf(file: Uint8Array, start: number): number | undefined {
  const type = file[start + 6] ?? 0
  if (type < TYPE.full || type > TYPE.last) return undefined
  return start + HEADER_BYTES + (file[start + 4] as number) + (file[start + 5] as number) * 256
}

/** What is between here and the next sound piece: where its own length leads, or wherever there is one. */
function damagedPiece(file: Uint8Array, start: number, end: number, budget: { bytes: number }): Piece {
  const named = endOf(file, start)
  if (named !== undefined && (named === end || (named < end && soundPiece(file, named, end) !== undefined))) {
    return { type: undefined, start, end: named }
  }
  for (let at = start + 1; at + HEADER_BYTES <= end && budget.bytes > 0; at++) {
    const next = endOf(file, at)
    if (next === undefined || next > end) continue
    budget.bytes -= next - at
    if (hasChecksum(file, at, at + 6, next)) return { type: undefined, start, end: at }
  }
  return { type: undefined, start, end }
}
