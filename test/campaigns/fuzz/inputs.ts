import { concat, utf8 } from '../../../src/base/bytes'
import type { Draws } from '../../support/campaign'

/** Inputs that a decoder may meet: any bytes, and valid ones with something done to them. All follow from the draws. */

const LONGEST_RANDOM = 300
const MOST_STEPS = 4
/** A piece said so often shows work that grows faster than the input. */
const MOST_REPEATS = 4000
const MOST_REPEATED_BYTES = 60_000

const ODD_NUMBERS: readonly number[] = [
  ...[0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x3ff, 0x400, 0x401, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x4_0000, 0x4_0001],
  ...[0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff, 2 ** 32, 2 ** 53 - 2, 2 ** 53 - 1, 2 ** 53, 2 ** 63],
]

/** What is no good UTF-8, or is text that means something to somebody. */
export const COMMON_WORDS: readonly Uint8Array[] = [
  ...[
    [0xc0, 0x80],
    [0xc1, 0xbf],
    [0xe0, 0x80, 0x80],
    [0xed, 0xa0, 0x80],
    [0xed, 0xb0, 0x80],
    [0xf0, 0x80, 0x80, 0x80],
  ],
  ...[[0xf4, 0x90, 0x80, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xef, 0xbb, 0xbf], [0xff, 0xfe], [0], [0xff], [0x80]],
].map((bytes) => Uint8Array.from(bytes))

export const JSON_WORDS: readonly Uint8Array[] = [
  ...['{}', '[]', 'null', 'true', '""', '0', '-0', '1.0', '1e0', '1e400', '-1e400', '1e-400', '9007199254740993', '-1'],
  ...['"__proto__":', '"constructor":', '"toString":', '"\\ud800"', '"\\u0000"', '\\udc00', '[[[[[[[[', '{"a":{"a":'],
  ...[',', ':', '"', '\\', '\n', '\t', '\u2028', '\u{10ffff}', '//', 'NaN', 'Infinity', '0x10', '01', "'"],
].map(utf8)

/** One input. @param seeds - Valid ones. @param words - Pieces that mean something to the decoder. */
export function nextInput(seeds: readonly Uint8Array[], words: readonly Uint8Array[], draws: Draws): Uint8Array {
  const sort = draws.below(100)
  if (sort < 3) return anyBytes(draws, draws.below(LONGEST_RANDOM))
  if (sort < 5) return concat(...Array.from({ length: draws.below(12) }, () => draws.pick(words)))
  if (sort === 5 && draws.below(5) === 0) return repeated(draws.pick(seeds), words, draws)
  let bytes = draws.pick(seeds)
  for (let step = draws.below(MOST_STEPS); step >= 0; step--) bytes = changed(bytes, seeds, words, draws)
  return bytes
}

export function anyBytes(draws: Draws, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => draws.below(256))
}

type Change = (
  bytes: Uint8Array,
  draws: Draws,
  words: readonly Uint8Array[],
  seeds: readonly Uint8Array[],
) => Uint8Array

const CHANGES: readonly Change[] = [
  // One bit, or one off.
  (bytes, draws) => withByte(bytes, draws, (byte) => byte ^ (1 << draws.below(8))),
  (bytes, draws) => withByte(bytes, draws, (byte) => byte + draws.pick([-1, 1])),
  (bytes, draws) => withByte(bytes, draws, () => draws.below(256)),
  // A number of another size where one may be.
  (bytes, draws) => {
    const number = numberBytes(draws.pick(ODD_NUMBERS), draws.pick([1, 2, 4, 8]))
    return overwritten(bytes, place(bytes, draws), draws.below(2) === 0 ? number : number.reverse())
  },
  // Cut off, left out, twice, in another order.
  (bytes, draws) => bytes.slice(0, place(bytes, draws)),
  (bytes, draws) => spliced(bytes, ...span(bytes, draws), new Uint8Array()),
  (bytes, draws) => {
    const [start, end] = span(bytes, draws)
    return spliced(bytes, end, end, bytes.subarray(start, end))
  },
  (bytes, draws) => {
    const [start, end] = span(bytes, draws)
    const middle = start + Math.floor((end - start) / 2)
    return spliced(bytes, start, end, concat(bytes.subarray(middle, end), bytes.subarray(start, middle)))
  },
  // Something that means something.
  (bytes, draws, words) => overwritten(bytes, place(bytes, draws), draws.pick(words)),
  (bytes, draws, words) => {
    const at = place(bytes, draws)
    return spliced(bytes, at, at, draws.pick(words))
  },
  // More than there was.
  (bytes, draws) => concat(bytes, new Uint8Array(draws.pick([1, 2, 16, 64]))),
  (bytes, draws) => concat(bytes, anyBytes(draws, draws.below(20))),
  // The end of another.
  (bytes, draws, _, seeds) => {
    const other = draws.pick(seeds)
    return concat(bytes.subarray(0, place(bytes, draws)), other.subarray(place(other, draws)))
  },
]

function changed(
  bytes: Uint8Array,
  seeds: readonly Uint8Array[],
  words: readonly Uint8Array[],
  draws: Draws,
): Uint8Array {
  return draws.pick(CHANGES)(bytes, draws, words, seeds)
}

/** A valid beginning, the same few pieces over and over, and a valid end. */
function repeated(seed: Uint8Array, words: readonly Uint8Array[], draws: Draws): Uint8Array {
  const [start, end] = span(seed, draws)
  const piece = concat(
    ...Array.from({ length: 1 + draws.below(3) }, () => draws.pick(words)),
    seed.subarray(start, end),
  )
  const repeats = Math.min(1 + draws.below(MOST_REPEATS), Math.floor(MOST_REPEATED_BYTES / Math.max(1, piece.length)))
  const all = new Uint8Array(piece.length * repeats)
  for (let n = 0; n < repeats; n++) all.set(piece, n * piece.length)
  return concat(seed.subarray(0, start), all, seed.subarray(end))
}

function place(bytes: Uint8Array, draws: Draws): number {
  return draws.below(bytes.length + 1)
}

/** Mostly a short one. */
function span(bytes: Uint8Array, draws: Draws): [start: number, end: number] {
  const start = place(bytes, draws)
  const length = draws.below(draws.pick([2, 5, 17, 40, bytes.length + 1]))
  return [start, Math.min(start + length, bytes.length)]
}

function withByte(bytes: Uint8Array, draws: Draws, change: (byte: number) => number): Uint8Array {
  const copy = bytes.slice()
  if (copy.length === 0) return copy
  const at = draws.below(copy.length)
  copy[at] = change(copy[at] as number)
  return copy
}

function overwritten(bytes: Uint8Array, at: number, piece: Uint8Array): Uint8Array {
  return spliced(bytes, at, Math.min(at + piece.length, bytes.length), piece)
}

export function spliced(bytes: Uint8Array, start: number, end: number, piece: Uint8Array): Uint8Array {
  return concat(bytes.subarray(0, start), piece, bytes.subarray(end))
}

function numberBytes(value: number, width: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes.slice(8 - width)
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

const ODD_VALUES: readonly Json[] = [
  ...[null, true, '', 'a', 0, -0, 1, -1, 1.5, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, -(2 ** 53), 1e300, -1e300],
  ...[
    '__proto__',
    '\ud800',
    '\0',
    '\ufeff',
    'A',
    'AAAA',
    'AAAAAAAAAAE',
    'x'.repeat(300),
    'A'.repeat(43),
    'A'.repeat(96),
  ],
  ...[[], {}, [[]], [null], { length: 3 }, 16_384, 2 ** 20, 2 ** 21, 19_456, 16, 17],
]
const ODD_NAMES: readonly string[] = ['__proto__', 'constructor', 'toString', 'length', 'then', '', '\ud800', 'version']

/** A valid value with a few things done to it, at any depth. */
export function changedJson(value: Json, draws: Draws): Json {
  let result = value
  for (let step = draws.below(MOST_STEPS); step >= 0; step--) result = changedInside(result, draws)
  return result
}

function changedInside(value: Json, draws: Draws): Json {
  if (value === null || typeof value !== 'object' || draws.below(10) === 0) return oddValue(value, draws)
  if (Array.isArray(value)) return changedList(value, draws)
  const fields = Object.entries(value) as [string, Json][]
  const at = draws.below(fields.length + 1)
  const field = fields[at]
  const sort = draws.below(20)
  if (field === undefined || sort === 0) return fromFields([...fields, [draws.pick(ODD_NAMES), oddValue(null, draws)]])
  if (sort === 1) return fromFields(fields.toSpliced(at, 1))
  if (sort === 2) return fromFields(fields.toReversed())
  return fromFields(fields.with(at, [field[0], changedInside(field[1], draws)]))
}

function changedList(list: readonly Json[], draws: Draws): Json {
  const at = draws.below(list.length + 1)
  const item = list[at]
  const sort = draws.below(20)
  if (item === undefined) return [...list, draws.below(2) === 0 || list.length === 0 ? {} : draws.pick(list)]
  if (sort === 0) return list.toSpliced(at, 1)
  if (sort === 1) return list.toReversed()
  if (sort === 2) return Array.from({ length: draws.pick([2, 31, 32, 33, 1024, 1025]) }, () => item)
  if (sort === 3) return list.toSpliced(at, 0, changedInside(item, draws))
  return list.with(at, changedInside(item, draws))
}

/** Own fields, of any name. */
function fromFields(fields: readonly (readonly [string, Json])[]): Json {
  return Object.fromEntries(fields)
}

function oddValue(value: Json, draws: Draws): Json {
  if (typeof value === 'number' && draws.below(2) === 0) return draws.pick([value + 1, value - 1, -value, value * 2])
  if (typeof value === 'string' && value !== '' && draws.below(2) === 0) {
    const at = draws.below(value.length)
    return draws.pick([
      value.slice(0, at),
      value.slice(0, at) + draws.pick(['A', '-', '=', '+', 'é']) + value.slice(at + 1),
    ])
  }
  return draws.pick(ODD_VALUES)
}

const DEPTHS: readonly number[] = [10, 1000, 30_000]

/** Text of JSON, with one of its values buried in lists or objects. */
export function buried(text: string, draws: Draws): string {
  const depth = draws.pick(DEPTHS)
  const [open, close] = draws.pick([['[', ']'] as const, ['{"a":', '}'] as const])
  return text.replace(/: ("[^"]*"|\d+)/, (_, value) => `: ${open.repeat(depth)}${value}${close.repeat(depth)}`)
}

/** The text of bytes: as UTF-8 where they are that, else one character a byte. */
export function textOf(input: Uint8Array): string {
  const text = Buffer.from(input).toString('utf8')
  return text.includes('\ufffd') ? Buffer.from(input).toString('latin1') : text
}
