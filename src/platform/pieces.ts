import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

const PIECE_BYTES: number = 256 * 1024

/** Reads a regular file piece by piece; a link to one is followed, and a FIFO cannot make it hang. */
export async function* readPieces(path: string): AsyncGenerator<Uint8Array, void> {
  const { O_RDONLY, O_NONBLOCK = 0 } = constants
  const file = await open(path, O_RDONLY | O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) {
      throw Object.assign(new Error(`EINVAL: not a regular file, '${path}'`), { code: 'EINVAL', syscall: 'open', path })
    }
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(PIECE_BYTES))
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}
