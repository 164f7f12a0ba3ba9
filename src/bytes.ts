/** Byte strings: encodings, comparison, and the cursor-like reader and writer the on-disk formats are made with. */

const encoder = new TextEncoder()
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Of one UTF-16 unit. */
const MOST_UTF8_BYTES = 3
/** Short texts are encoded here and copied, which is faster; they are names, ids and the like, and of those the last. */
const scratch = new Uint8Array(768)

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The same for short texts that are no secrets. */
export function utf8Name(text: string): Uint8Array {
  if (text.length * MOST_UTF8_BYTES > scratch.length) return encoder.encode(text)
  return scratch.slice(0, encoder.encodeInto(text, scratch).written)
}

/** @throws {TypeError} If `bytes` is not valid UTF-8. */
export function fromUtf8(bytes: Uint8Array): string {
  return strictDecoder.decode(bytes)
}

/** Bytes of any realm: a test runner or a context bridge may pass in a `Uint8Array` that is not this realm's. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === '[object Uint8Array]'
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return concatAll(parts)
}

/** The same of any number of parts; a call takes only so many arguments. */
export function concatAll(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** Bytewise order, a prefix first: the order of LevelDB's default comparator. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compare(a, b) === 0
}

/** Compares without leaving early: the time taken says nothing about where two secrets differ. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}

/** The least key above another. */
export function keyAfter(key: Uint8Array): Uint8Array {
  return concat(key, Uint8Array.of(0))
}

/** The least byte string above every string that starts with `prefix`, which must not be all 0xff. */
export function successor(prefix: Uint8Array): Uint8Array {
  let end = prefix.length
  while (end > 0 && prefix[end - 1] === 0xff) end--
  if (end === 0) throw new RangeError('prefix: expected a byte below 0xff, got none')
  const next = prefix.slice(0, end)
  next[end - 1] = (next[end - 1] as number) + 1
  return next
}

/** One character a byte, in the same order: an exact stand-in for a byte string where a `Map` needs a key. */
export function mapKey(bytes: Uint8Array): string {
  if (bytes.length <= MAP_KEY_PIECE) return String.fromCharCode.apply(null, bytes as unknown as number[])
  let key = ''
  for (let i = 0; i < bytes.length; i += MAP_KEY_PIECE) key += mapKey(bytes.subarray(i, i + MAP_KEY_PIECE))
  return key
}

/** The inverse of `mapKey`. */
export function fromMapKey(key: string): Uint8Array {
  const bytes = new Uint8Array(key.length)
  for (let i = 0; i < key.length; i++) bytes[i] = key.charCodeAt(i)
  return bytes
}

/** A call takes only so many arguments. */
const MAP_KEY_PIECE = 8192

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** RFC 4648 §5, without padding. */
export function toBase64url(bytes: Uint8Array): string {
  return btoa(mapKey(bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

/** The strict inverse of `toBase64url`: `undefined` unless `text` is the one encoding of some bytes. */
export function fromBase64url(text: string): Uint8Array | undefined {
  for (const character of text) if (!BASE64URL.includes(character)) return undefined
  if (text.length % 4 === 1) return undefined
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0))
  return toBase64url(bytes) === text ? bytes : undefined
}

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

  /** UTF-8 behind its length in 2 bytes. */
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
