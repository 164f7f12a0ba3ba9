/** Beyond so many numbers of writes a map of bits would take more than 128 MiB. */
const MOST_BITS: number = 2 ** 30
/** A set holds 2^24 items at most. */
const SETS = 64

export interface SequenceLimits {
  /** That of the last write. */
  readonly last: number
  /** From this one on, writes are in logs. */
  readonly logged: number
}

/** The numbers of writes that were met: none is of two. */
export class Sequences {
  readonly #limits: SequenceLimits
  readonly #bits: Uint8Array | undefined
  readonly #sets: readonly Set<number>[] = Array.from({ length: SETS }, () => new Set())

  constructor(limits: SequenceLimits) {
    this.#limits = limits
    if (limits.last < MOST_BITS) this.#bits = new Uint8Array(Math.floor(limits.last / 8) + 1)
  }

  /** @returns What is wrong with it. */
  take(sequence: number): string | undefined {
    if (sequence >= this.#limits.logged) return 'a write that is in a log, too'
    if (sequence > this.#limits.last) return 'a write whose number is still to come'
    return this.#isNew(sequence) ? undefined : 'two writes of one number'
  }

  #isNew(sequence: number): boolean {
    if (this.#bits === undefined) {
      const set = this.#sets[sequence % SETS] as Set<number>
      const before = set.size
      return set.add(sequence).size > before
    }
    const at = Math.floor(sequence / 8)
    const bit = 1 << (sequence % 8)
    const byte = this.#bits[at] as number
    this.#bits[at] = byte | bit
    return (byte & bit) === 0
  }
}
