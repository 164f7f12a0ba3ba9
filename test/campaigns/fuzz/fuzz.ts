import { Worker } from 'node:worker_threads'
import { SecretStoreError, type SecretStoreErrorCode } from '../../../src/index'
import { type Draws, isLong, progressOf } from '../../support/campaign'
import { Coverage } from './coverage'
import { COMMON_WORDS, nextInput } from './inputs'

/** Something that decodes what others have written. */
export interface Decoder {
  readonly name: string
  /** Valid inputs, from which others are made. */
  readonly seeds: readonly Uint8Array[]
  /** Pieces that mean something to it. @defaultValue none beside those that are strange to everybody */
  readonly words?: readonly Uint8Array[]
  /** What else makes an input, some of the time. @defaultValue mutations of `seeds`, and nothing else */
  readonly make?: (draws: Draws) => Uint8Array
  /**
   * Decodes, and throws `Wrong` if what comes of it is not as it should be. One that does not throw for what it refuses
   * returns `REFUSED`.
   */
  readonly decode: (input: Uint8Array) => unknown
  /** Whether it may refuse an input so. @defaultValue `isCoded` */
  readonly refuses?: (error: unknown) => boolean
}

export const REFUSED: unique symbol = Symbol('refused')

/** A decoder gave something that it must not give. */
export class Wrong extends Error {}

export function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Wrong(what)
}

const CODES: Readonly<Record<SecretStoreErrorCode, true>> = {
  ERR_WRONG_KEY: true,
  ERR_CORRUPT: true,
  ERR_ROLLBACK: true,
  ERR_LOCKED: true,
  ERR_FAILED: true,
  ERR_CLOSED: true,
  ERR_READ_ONLY: true,
  ERR_BUSY: true,
  ERR_OUTCOME_UNKNOWN: true,
  ERR_NO_SYNC: true,
  ERR_ACCESS_DENIED: true,
  ERR_CURSOR: true,
  ERR_NOT_FOUND: true,
  ERR_EXISTS: true,
  ERR_UNKNOWN_KEY: true,
  ERR_LAST_KEY: true,
  ERR_NOT_A_STORE: true,
  ERR_UNSAFE_LOCATION: true,
  ERR_UNSUPPORTED_VERSION: true,
  ERR_IO: true,
  ERR_NO_BINARY: true,
  ERR_NO_KEYRING: true,
  ERR_KEYRING_LOCKED: true,
  ERR_NO_KEYRING_ENTRY: true,
  ERR_FOREIGN_KEYRING_ENTRY: true,
  ERR_UNAVAILABLE: true,
}

/** A fault of the world, with one of the codes that there are; or one of `codes`. */
export function isCoded(error: unknown, ...codes: readonly SecretStoreErrorCode[]): boolean {
  if (!(error instanceof SecretStoreError) || !Object.hasOwn(CODES, error.code)) return false
  return codes.length === 0 || codes.includes(error.code)
}

/** The caller's mistake, as the library words it: an error of the engine's own is worded otherwise. */
export function isUsage(error: unknown): boolean {
  if (!(error instanceof TypeError || error instanceof RangeError)) return false
  return /^[\w .[\]-]+: expected .+, got .+/s.test(error.message)
}

/** What came of a run. */
export interface Figures {
  readonly inputs: number
  readonly accepted: number
  readonly refused: number
  /** How many inputs were kept because they reached code that no other had. */
  readonly kept: number
  readonly slowestMs: number
  readonly slowestBytes: number
}

/** How many inputs go between two looks at what they reached. */
const ROUND = 500
/** Counting what is reached slows everything down: so many inputs, then those that were kept serve without it. */
const MOST_GUIDED = 10_000
/** An input that takes so long, not counting what else the machine does, is a fault. Most take microseconds. */
const MOST_MS = 5000

/**
 * Gives a decoder so many inputs. In a long run those that reach new code are kept, and others are made from them.
 *
 * @throws {Wrong} With the smallest input found, if one is neither decoded nor refused as it should be.
 */
export async function fuzz(decoder: Decoder, draws: Draws, inputs: number): Promise<Figures> {
  const run = new Run(decoder)
  const pool = [...decoder.seeds]
  const words = [...COMMON_WORDS, ...(decoder.words ?? [])]
  const next = (): Uint8Array =>
    decoder.make !== undefined && draws.below(2) === 0 ? decoder.make(draws) : nextInput(pool, words, draws)
  const progress = progressOf(decoder.name)
  const guided = isLong ? Math.min(inputs / 10, MOST_GUIDED) : 0
  const coverage = guided > 0 ? new Coverage() : undefined
  const dog = watch(decoder.name)
  try {
    for (const seed of decoder.seeds) await run.give(seed, dog)
    coverage?.news()
    while (run.inputs < inputs) {
      const round = Array.from({ length: Math.min(ROUND, inputs - run.inputs) }, next)
      for (const input of round) await run.give(input, dog)
      if (coverage !== undefined && run.inputs <= guided) {
        pool.push(...(await newcomers(coverage, round, (input) => run.again(input))))
      } else coverage?.stop()
      progress(run.inputs, inputs)
    }
    return { ...run.figures, kept: pool.length - decoder.seeds.length }
  } finally {
    coverage?.stop()
    await dog.stop()
  }
}

/** Those of a round that reach what nothing before it did: one for each place, found by halves. */
async function newcomers(
  coverage: Coverage,
  round: readonly Uint8Array[],
  again: (input: Uint8Array) => Promise<void>,
): Promise<Uint8Array[]> {
  const places = coverage.news()
  const find = async (inputs: readonly Uint8Array[]): Promise<Uint8Array[]> => {
    if (places.size === 0) return []
    for (const input of inputs) await again(input)
    const reached = coverage.reached(places)
    if (reached.length === 0) return []
    if (inputs.length > 1) {
      const middle = Math.floor(inputs.length / 2)
      return [...(await find(inputs.slice(0, middle))), ...(await find(inputs.slice(middle)))]
    }
    for (const place of reached) places.delete(place)
    return [...inputs]
  }
  return find(round)
}

class Run {
  readonly #decoder: Decoder
  inputs = 0
  #accepted = 0
  #slowest = { ms: 0, bytes: 0 }

  constructor(decoder: Decoder) {
    this.#decoder = decoder
  }

  get figures(): Omit<Figures, 'kept'> {
    const { ms, bytes } = this.#slowest
    return {
      inputs: this.inputs,
      accepted: this.#accepted,
      refused: this.inputs - this.#accepted,
      slowestMs: Math.round(ms * 10) / 10,
      slowestBytes: bytes,
    }
  }

  async give(input: Uint8Array, dog: Dog): Promise<void> {
    dog.look(input)
    const { fault, ms } = await this.#timed(input)
    this.inputs++
    if (fault === 'accepted') this.#accepted++
    else if (fault !== 'refused') throw await this.#report(input, fault)
    if (ms <= this.#slowest.ms) return
    // What else the machine does is not there a second time, or does not count.
    const before = process.cpuUsage()
    const again = Math.min(ms, (await this.#timed(input)).ms)
    const cpuMs = process.cpuUsage(before).user / 1000
    if (Math.min(again, cpuMs) > MOST_MS) {
      throw await this.#report(input, new Wrong(`expected at most ${MOST_MS} ms of work, got ${cpuMs}`))
    }
    if (again > this.#slowest.ms) this.#slowest = { ms: again, bytes: input.length }
  }

  async #timed(input: Uint8Array): Promise<{ readonly fault: unknown; readonly ms: number }> {
    const start = performance.now()
    const outcome = this.#outcome(input)
    const fault = outcome instanceof Promise ? await outcome : outcome
    return { fault, ms: performance.now() - start }
  }

  async again(input: Uint8Array): Promise<void> {
    await this.#outcome(input)
  }

  #outcome(input: Uint8Array): unknown {
    try {
      const result = this.#decoder.decode(input)
      return result instanceof Promise ? result.then(outcomeOf, (error) => this.#judge(error)) : outcomeOf(result)
    } catch (error) {
      return this.#judge(error)
    }
  }

  /** @returns The error, if it must not be. */
  #judge(error: unknown): unknown {
    if (error instanceof Wrong) return error
    return (this.#decoder.refuses ?? isCoded)(error) ? 'refused' : error
  }

  async #report(input: Uint8Array, fault: unknown): Promise<Error> {
    const smallest = await smaller(input, async (candidate) => {
      const again = await this.#outcome(candidate)
      return again !== 'accepted' && again !== 'refused' && nameOf(again) === nameOf(fault)
    })
    const message = `${this.#decoder.name}, input ${this.inputs}: ${describe(fault)}\nfor ${shown(smallest)}`
    return new Wrong(message, fault instanceof Wrong ? {} : { cause: fault })
  }
}

function outcomeOf(result: unknown): 'accepted' | 'refused' {
  return result === REFUSED ? 'refused' : 'accepted'
}

function nameOf(fault: unknown): string {
  return fault instanceof Error ? fault.constructor.name : typeof fault
}

function describe(fault: unknown): string {
  return fault instanceof Error ? `${fault.constructor.name}: ${fault.message}` : String(fault)
}

const MOST_SHOWN_BYTES = 3000
const SHOWN_CHARACTERS = 200

function shown(input: Uint8Array): string {
  const part = Buffer.from(input.subarray(0, MOST_SHOWN_BYTES))
  const text = part.toString('latin1', 0, SHOWN_CHARACTERS)
  return `${input.length} bytes, base64 ${part.toString('base64')}, which begins ${JSON.stringify(text)}`
}

const MOST_ATTEMPTS = 2000

/** Leaves out whatever can be left out, in ever smaller pieces. */
export async function smaller(
  input: Uint8Array,
  isFault: (input: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let smallest = input
  let attempts = 0
  for (let size = Math.ceil(input.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < smallest.length && attempts < MOST_ATTEMPTS; attempts++) {
      const candidate = Uint8Array.from([...smallest.subarray(0, at), ...smallest.subarray(at + size)])
      if (await isFault(candidate)) smallest = candidate
      else at += size
    }
  }
  return smallest
}

/** Sees to it that an input on which a decoder hangs is known: the thread that hangs can tell nobody. */
interface Dog {
  look(input: Uint8Array): void
  stop(): Promise<unknown>
}

const SHARED_BYTES = 1 << 20
const PATIENCE_MS = 60_000

const WATCHING = `
  const { workerData: { shared, name, patienceMs } } = require('node:worker_threads')
  const [count, length] = [new Int32Array(shared, 0, 1), new Int32Array(shared, 4, 1)]
  let last = -1
  setInterval(() => {
    const now = Atomics.load(count, 0)
    if (now !== last) return void (last = now)
    const bytes = Buffer.from(shared, 8, Math.min(length[0], shared.byteLength - 8)).toString('base64')
    require('node:fs').writeSync(2, name + ': hangs on an input of ' + length[0] + ' bytes, base64 ' + bytes + '\\n')
    process.kill(process.pid, 'SIGKILL')
  }, patienceMs).unref()
  setInterval(() => {}, patienceMs)
`

function watch(name: string): Dog {
  const shared = new SharedArrayBuffer(SHARED_BYTES)
  const [count, length] = [new Int32Array(shared, 0, 1), new Int32Array(shared, 4, 1)]
  const bytes = new Uint8Array(shared, 8)
  const worker = new Worker(WATCHING, { eval: true, workerData: { shared, name, patienceMs: PATIENCE_MS } })
  worker.unref()
  return {
    look(input) {
      bytes.set(input.subarray(0, bytes.length))
      length[0] = input.length
      Atomics.add(count, 0, 1)
    },
    stop: () => worker.terminate(),
  }
}
