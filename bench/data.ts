/** The secrets that every contender holds: the same ones in every process, from a fixed seed. */

/** Expired from this second on: far from any clock that is right, so that nothing but a sweep told so meets it. */
export const DUE_SECONDS = 2_000_000_000
const CREATED_SECONDS = 1_700_000_000
const SEED = 0x5ec2e7
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** Fillers of payloads begin at one of so many places, so that no two neighbours look alike. */
const OFFSETS = 4093

/** What is in a store besides: `due` has every secret expire, `plain` one in a hundred and at most 1,000 in all. */
export type Variant = 'plain' | 'due'

export interface Secret {
  readonly id: string
  readonly scope: 'account'
  readonly name: string
  readonly payload: string
  readonly created: number
  readonly expires_at: number | null
  readonly livemode: false
}

/** Numbers in [0, 1) that look random (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = (SEED ^ seed) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Every index below `size` once, in an order that looks random. */
export function shuffled(size: number, random: () => number): Uint32Array {
  const indexes = Uint32Array.from({ length: size }, (_, index) => index)
  for (let last = size - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    const swapped = indexes[last] as number
    indexes[last] = indexes[other] as number
    indexes[other] = swapped
  }
  return indexes
}

/** 23 characters, in order of `index`. */
export function nameOf(index: number): string {
  return `service/${String(index).padStart(7, '0')}/api-key`
}

/** One secret in so many expires. */
function dueEvery(size: number, variant: Variant): number {
  return variant === 'due' ? 1 : Math.max(100, size / 1000)
}

export function dueCount(size: number, variant: Variant): number {
  return Math.ceil(size / dueEvery(size, variant))
}

export function isDue(index: number, size: number, variant: Variant): boolean {
  return index % dueEvery(size, variant) === 0
}

/** Makes and recognises the secrets of one store. */
export class Secrets {
  readonly size: number
  readonly payloadBytes: number
  readonly #variant: Variant
  readonly #filler: string
  readonly #tailCharacters: number

  constructor(size: number, payloadBytes: number, variant: Variant) {
    this.size = size
    this.payloadBytes = payloadBytes
    this.#variant = variant
    const random = randomFrom(1)
    const characters = new Uint8Array(payloadBytes + OFFSETS)
    for (let i = 0; i < characters.length; i++) characters[i] = ALPHABET.charCodeAt(Math.floor(random() * 64))
    this.#filler = Buffer.from(characters.buffer).toString('latin1')
    this.#tailCharacters = payloadBytes - headOf(0, 0).length
  }

  /**
   * @param salt - Makes the payload another one: a store may leave out writing what is there already.
   * @param suffix - Makes the name another one.
   */
  secret(index: number, salt = 0, suffix = ''): Secret {
    return {
      id: idOf(index, suffix),
      scope: 'account',
      name: nameOf(index) + suffix,
      payload: this.payload(index, salt),
      created: CREATED_SECONDS,
      expires_at: isDue(index, this.size, this.#variant) ? DUE_SECONDS : null,
      livemode: false,
    }
  }

  payload(index: number, salt = 0): string {
    const offset = (index * 31) % OFFSETS
    const text = headOf(index, salt) + this.#filler.slice(offset, offset + this.#tailCharacters)
    // One flat string, as a caller has it who read it from somewhere.
    return Buffer.from(text, 'latin1').toString('latin1')
  }

  /** Whether this is the payload of `index`, whatever its salt. By its length and both ends: it costs next to nothing. */
  isPayload(payload: string | undefined, index: number): boolean {
    if (payload?.length !== this.payloadBytes) return false
    const last = this.#filler.charCodeAt(((index * 31) % OFFSETS) + this.#tailCharacters - 1)
    return payload.charCodeAt(payload.length - 1) === last && Number.parseInt(payload, 10) === index
  }
}

/** 17 characters. */
function headOf(index: number, salt: number): string {
  return `${String(index).padStart(7, '0')}.${salt.toString(36).padStart(8, '0')}.`
}

/** 34 characters, as long as ours and as scattered: neighbours by name are none by id. */
function idOf(index: number, suffix: string): string {
  const scattered = (Math.imul(index + 1, 0x9e3779b1) >>> 0).toString(36).padStart(7, '0')
  return `example_${scattered}${String(index).padStart(7, '0')}${suffix}`.padEnd(34, '0')
}
