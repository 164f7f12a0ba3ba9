/** Byte strings: encodings and comparison. */

import { base64urlnopad } from '@scure/base'

const encoder = new TextEncoder()
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Of one UTF-16 code unit. */
export const MOST_UTF8_BYTES = 3
/** Short texts that are no secrets are encoded here and copied, which is faster. The last one stays here. */
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

/**
 * Takes bytes over into memory that stays where it is, and overwrites what it was given. V8 has short arrays in its own
 * heap, moves them when it collects garbage, and leaves what was there: of a key that would be a copy that nothing
 * overwrites.
 */
export function unmoved(bytes: Uint8Array): Uint8Array {
  const own = new Uint8Array(new ArrayBuffer(bytes.length))
  own.set(bytes)
  bytes.fill(0)
  return own
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

/** RFC 4648 §5, without padding. */
export function toBase64url(bytes: Uint8Array): string {
  return base64urlnopad.encode(bytes)
}

/** The strict inverse of `toBase64url`: `undefined` unless `text` is the one encoding of some bytes. */
export function fromBase64url(text: string): Uint8Array | undefined {
  try {
    return base64urlnopad.decode(text)
  } catch {
    return undefined
  }
}
