import { concatAll, isBytes } from './bytes'
import { orAborted } from './waiting'

/** Reads given numbers of bytes from a stream, however it was cut into pieces. */
export class ByteStreamReader {
  readonly #pieces: AsyncIterator<Uint8Array>
  #waiting: Uint8Array = new Uint8Array()
  #ended = false
  #offset = 0
  /** Set while the source is being asked for more. */
  #asking = false
  readonly #signal: AbortSignal | undefined

  /** @param signal - Ends the waiting for a source that gives nothing. */
  constructor(source: AsyncIterable<Uint8Array>, signal?: AbortSignal) {
    this.#pieces = source[Symbol.asyncIterator]()
    this.#signal = signal
  }

  /** How many bytes have been read. */
  get offset(): number {
    return this.#offset
  }

  /** @throws {RangeError} If the stream ends before. */
  async read(length: number): Promise<Uint8Array> {
    const bytes = await this.readUpTo(length)
    if (bytes.length < length) throw new RangeError('stream: expected more bytes, got the end')
    return bytes
  }

  /** Fewer than `length` bytes only at the end of the stream. */
  async readUpTo(length: number): Promise<Uint8Array> {
    const bytes = await this.#fill(length)
    const taken = bytes.subarray(0, length)
    this.#waiting = bytes.subarray(length)
    this.#offset += taken.length
    return taken
  }

  async atEnd(): Promise<boolean> {
    this.#waiting = await this.#fill(1)
    return this.#waiting.length === 0
  }

  /** Lets go of the source. */
  async close(): Promise<void> {
    this.#ended = true
    const left = Promise.resolve(this.#pieces.return?.())
    // A source that has not answered yet may never do so.
    if (this.#asking) left.catch(() => {})
    else await left
  }

  async #fill(length: number): Promise<Uint8Array> {
    if (this.#waiting.length >= length) return this.#waiting
    const parts = [this.#waiting]
    let total = this.#waiting.length
    while (total < length && !this.#ended) {
      this.#asking = true
      const { value, done } = await orAborted(this.#signal, this.#pieces.next())
      this.#asking = false
      if (done === true) {
        this.#ended = true
      } else {
        if (!isBytes(value)) throw new TypeError('stream: expected pieces of bytes, got something else')
        parts.push(value)
        total += value.length
      }
    }
    return concatAll(parts)
  }
}
