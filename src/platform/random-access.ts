import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { codeOf } from '../base/thrown'
import { openRegular } from './files'

/** A regular file, of which parts are read. No link leads to it. */
export class RandomAccess {
  readonly #file: FileHandle

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /** @throws Node's errors, and one with the code `NOT_REGULAR`. */
  static async open(path: string): Promise<RandomAccess> {
    return new RandomAccess(await openRegular(path, { follow: false }))
  }

  /**
   * The bytes from one place to below another; fewer where the file ends before that.
   *
   * @param into - Where they are put if they fit: a view of it is returned.
   */
  async read(start: number, end: number, into: Uint8Array): Promise<Uint8Array> {
    const bytes = end - start > into.length ? new Uint8Array(end - start) : into.subarray(0, end - start)
    let length = 0
    while (length < bytes.length) {
      const { bytesRead } = await this.#file.read(bytes, length, bytes.length - length, start + length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return bytes.subarray(0, length)
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}

/**
 * The same bytes without a promise. What is no file, or is not there any more, has none.
 *
 * @throws Node's errors.
 */
export function readPartSync(path: string, start: number, end: number): Uint8Array {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants
  let file: number
  try {
    file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return new Uint8Array()
    throw error
  }
  try {
    const found = fstatSync(file)
    const bytes = new Uint8Array(found.isFile() ? Math.max(0, Math.min(found.size, end) - start) : 0)
    let length = 0
    while (length < bytes.length) {
      const bytesRead = readSync(file, bytes, length, bytes.length - length, start + length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return bytes.subarray(0, length)
  } finally {
    closeSync(file)
  }
}
