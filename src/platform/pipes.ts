import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { codeOf } from '../base/thrown'
import { filePieces } from './files'

const PIECE_BYTES: number = 64 * 1024
const PAUSE_MS = 5
/** Whoever serves a FIFO begins as soon as it is opened. */
const PATIENCE_MS = 10_000

/**
 * Reads what the user names, through links: a regular file, or a FIFO, such as `/dev/stdin` and what password managers
 * serve. A FIFO to which nobody writes within ten seconds is empty.
 *
 * @throws Node's errors, and one with the code `NOT_REGULAR` for anything else.
 */
export async function* namedPieces(path: string): AsyncGenerator<Uint8Array, void> {
  if ((await stat(path)).isFIFO()) yield* pipePieces(path)
  else yield* filePieces(path)
}

/** Without waiting in the system: that would take a thread, for as long as nobody writes. */
async function* pipePieces(path: string): AsyncGenerator<Uint8Array, void> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    const end = performance.now() + PATIENCE_MS
    for (let isBegun = false; ; ) {
      const piece = await nextPiece(file)
      isBegun ||= piece === 'later' || piece.length > 0
      if (piece !== 'later' && piece.length > 0) yield piece
      else if (piece !== 'later' && (isBegun || performance.now() > end)) return
      else await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  } finally {
    await file.close()
  }
}

/** No bytes where nobody has the other end open; `'later'` where somebody has it open, and has written nothing yet. */
async function nextPiece(file: FileHandle): Promise<Uint8Array | 'later'> {
  try {
    const buffer = new Uint8Array(PIECE_BYTES)
    const { bytesRead } = await file.read(buffer, 0, buffer.length)
    return buffer.subarray(0, bytesRead)
  } catch (error) {
    if (codeOf(error) === 'EAGAIN') return 'later'
    throw error
  }
}
