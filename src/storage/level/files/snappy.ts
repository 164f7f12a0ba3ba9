import { Cursor } from './coding'

/** No element of two bytes stands for more than so many, and none of three for more than 64. */
const MOST_FACTOR = 64

/**
 * What a block compressed by Snappy stands for (google/snappy, format_description.txt). None of ours is compressed; the
 * tables of a store that another program opened may be.
 *
 * @returns `undefined` if it is none.
 */
export function decompress(bytes: Uint8Array): Uint8Array | undefined {
  const cursor = new Cursor(bytes)
  const length = cursor.varint()
  if (cursor.broken || cursor.at > 5 || length > MOST_FACTOR * bytes.length) return undefined
  const out = new Uint8Array(length)
  let filled = 0
  let { at } = cursor
  const number = (count: number): number => {
    let value = 0
    for (let i = 0; i < count; i++) value += (bytes[at + i] ?? Number.NaN) * 256 ** i
    at += count
    return value
  }
  while (at < bytes.length) {
    const tag = bytes[at++] as number
    const upper = tag >>> 2
    if ((tag & 3) === 0) {
      const count = (upper < 60 ? upper : number(upper - 59)) + 1
      if (!(at + count <= bytes.length && filled + count <= length)) return undefined
      out.set(bytes.subarray(at, at + count), filled)
      at += count
      filled += count
      continue
    }
    const isShort = (tag & 3) === 1
    const count = isShort ? (upper & 7) + 4 : upper + 1
    const offset = isShort ? (tag >>> 5) * 256 + number(1) : number((tag & 3) === 2 ? 2 : 4)
    if (!(offset > 0 && offset <= filled && filled + count <= length)) return undefined
    for (let i = 0; i < count; i++, filled++) out[filled] = out[filled - offset] as number
  }
  return filled === length ? out : undefined
}
