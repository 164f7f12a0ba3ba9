/** The reader and the writer that the formats on disk are made with. */

import { fromUtf8, MOST_UTF8_BYTES } from './bytes'

const encoder = new TextEncoder()

/** Writes big-endian integers and length-prefixed strings one after another. */
export class ByteWriter {
  #buffer: Uint8Array
  #length = 0

  /** @param expectedBytes - Room to begin with; it grows. */
  constructor(expectedBytes = 64) {
    this.#buffer = new Uint8Array(expectedBytes)
  }

  u8(value: number): this {
    const start = this.#advance(1)
    this.#buffer[start] = value
    return this
  }

  u16(value: number): this {
    const start = this.#advance(2)
    this.#buffer[start] = value >>> 8
    this.#buffer[start + 1] = value
    return this
  }

  u32(value: number): this {
    const start = this.#advance(4)
    setU32(this.#buffer, start, value)
    return this
  }

  /** A non-negative safe integer in 8 bytes. */
  u64(value: number): this {
    return this.u32(Math.floor(value / 0x1_0000_0000)).u32(value % 0x1_0000_0000)
  }

  raw(bytes: Uint8Array): this {
    const start = this.#advance(bytes.length)
    this.#buffer.set(bytes, start)
    return this
  }

  /** UTF-8 after its length in 2 bytes. */
  text16(text: string): this {
    const start = this.#advance(2 + MOST_UTF8_BYTES * text.length)
    const { written } = encoder.encodeInto(text, this.#buffer.subarray(start + 2))
    this.#length = start
    this.u16(written)
    this.#length += written
    return this
  }

  /** Zeros up to a length. */
  zerosUpTo(length: number): this {
    const start = this.#advance(Math.max(0, length - this.#length))
    this.#buffer.fill(0, start, this.#length)
    return this
  }

  get length(): number {
    return this.#length
  }

  /** Overwrites what was written, and begins anew. */
  wipe(): void {
    this.#buffer.fill(0, 0, this.#length)
    this.#length = 0
  }

  /** What was written. It is the writer's own memory, good until it is written to again. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  /** @returns Where the next `count` bytes go. */
  #advance(count: number): number {
    const start = this.#length
    const end = start + count
    if (end > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#buffer.length))
      larger.set(this.#buffer.subarray(0, start))
      this.#buffer.fill(0) // what is written may be secret
      this.#buffer = larger
    }
    this.#length = end
    return start
  }
}

/** Writes 4 bytes, the most significant first. */
export function setU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24
  bytes[offset + 1] = value >>> 16
  bytes[offset + 2] = value >>> 8
  bytes[offset + 3] = value
}

/** The inverse of `setU32`. */
export function getU32(bytes: Uint8Array, offset: number): number {
  const byte = (index: number): number => bytes[offset + index] as number
  return ((byte(0) << 24) | (byte(1) << 16) | (byte(2) << 8) | byte(3)) >>> 0
}

/** The inverse of `ByteWriter`. Each method throws a `RangeError` past the end; callers turn it into a coded error. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get offset(): number {
    return this.#offset
  }

  u8(): number {
    return this.#bytes[this.#advance(1)] as number
  }

  u16(): number {
    return this.u8() * 0x100 + this.u8()
  }

  u32(): number {
    return getU32(this.#bytes, this.#advance(4))
  }

  /** @throws {RangeError} Above 2^53 - 1. */
  u64(): number {
    const value = this.u32() * 0x1_0000_0000 + this.u32()
    if (!Number.isSafeInteger(value)) throw new RangeError('integer: expected at most 2^53 - 1, got more')
    return value
  }

  /** A view, not a copy. */
  raw(length: number): Uint8Array {
    const start = this.#advance(length)
    return this.#bytes.subarray(start, start + length)
  }

  text16(): string {
    return fromUtf8(this.raw(this.u16()))
  }

  rest(): Uint8Array {
    return this.raw(this.#bytes.length - this.#offset)
  }

  #advance(length: number): number {
    const start = this.#offset
    if (start + length > this.#bytes.length) throw new RangeError('bytes: expected more, got the end')
    this.#offset = start + length
    return start
  }
}
