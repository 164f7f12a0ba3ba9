/** Numbers as LevelDB writes them: the least significant byte first (util/coding.h). */

export function u32(bytes: Uint8Array, at: number): number {
  const byte = (index: number): number => bytes[at + index] ?? 0
  return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0
}

/** @returns `undefined` above 2^53 - 1. */
export function u64(bytes: Uint8Array, at: number): number | undefined {
  const value = u32(bytes, at + 4) * 0x1_0000_0000 + u32(bytes, at)
  return Number.isSafeInteger(value) ? value : undefined
}

/** A place in bytes of which nobody knows what they are: a read past the end, or of what is none, makes it `broken`. */
export class Cursor {
  readonly bytes: Uint8Array
  readonly end: number
  at: number
  broken = false

  constructor(bytes: Uint8Array, at = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  /** A varint of up to 53 bits; 0 if it is broken. */
  varint(): number {
    let value = 0
    for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
      if (this.at >= this.end) break
      const byte = this.bytes[this.at++] as number
      value += (byte & 0x7f) * factor
      if (byte < 0x80 && Number.isSafeInteger(value)) return value
    }
    this.broken = true
    return 0
  }

  /** A view of so many bytes; of none if it is broken. */
  take(length: number): Uint8Array {
    if (this.broken || this.at + length > this.end) {
      this.broken = true
      return NONE
    }
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  /** Bytes after their length. */
  slice(): Uint8Array {
    return this.take(this.varint())
  }

  /** Goes past them. @returns Whether they are there, and no more than so many. */
  skip(mostBytes: number): boolean {
    const length = this.varint()
    if (length > mostBytes || this.at + length > this.end) this.broken = true
    else this.at += length
    return !this.broken
  }
}

const NONE: Uint8Array = new Uint8Array()
