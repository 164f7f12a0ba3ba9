import type { FileHandle } from 'node:fs/promises'
import { openRegular } from './files'

/** A regular file, of which parts are read. No link leads to it. */
export class RandomAccess {
  readonly #file: FileHandle
  readonly bytes: number

  private constructor(file: FileHandle, bytes: number) {
    this.#file = file
    this.bytes = bytes
  }

  /** @throws Node's errors, and one with the code `NOT_REGULAR`. */
  static async open(path: string): Promise<RandomAccess> {
    const file = await openRegular(path, { follow: false })
    try {
      return new RandomAccess(file, (await file.stat()).size)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** The bytes from one place to below another; fewer where the file ends before that. */
  async read(start: number, end: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(end - start)
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
