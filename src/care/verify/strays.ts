import { concat, equal, keyAfter, toBase64url } from '../../base/bytes'
import type { Shortlist } from '../../base/shortlist'
import { ROW } from '../../format/constants'
import { ERASURE_ROWS, HEAD_ROW, prefixRange, type Span } from '../../storage/keyspace'
import { openKnown } from '../../storage/records'
import type { VerifyProblem } from './report'
import { belongs, type Counts, countChanges, noCounts, SECONDARY_ROWS, type Secondary } from './secondary-rows'
import type { Verifiable } from './verifiable'

const COUNT_KEYS = 1000
const LOOK_KEYS = 64
/** Above every key that LevelDB would hold here: ours are shorter. */
const HIGHEST_KEY: Uint8Array = new Uint8Array(32 * 1024).fill(0xff)
/** A compaction that was cut off leaves its two behind. */
const OTHERS = [HEAD_ROW, ...ERASURE_ROWS]
const SECONDARY: ReadonlyMap<number, Secondary> = new Map(SECONDARY_ROWS)

/** Goes over all keys: each is of a known sort, and the secondary ones are counted. */
export class KeyWalk {
  readonly #context: Verifiable
  readonly #problems: Shortlist<VerifyProblem>
  readonly #counts = noCounts()
  readonly #stopListening: () => void
  #position: Uint8Array = Uint8Array.of(0)

  constructor(context: Verifiable, problems: Shortlist<VerifyProblem>) {
    this.#context = context
    this.#problems = problems
    this.#stopListening = context.queue.listen((replacements) => {
      for (const replacement of replacements) countChanges(this.#counts, replacement, this.#position)
    })
  }

  stop(): void {
    this.#stopListening()
  }

  /** One step, at a turn of the queue. @returns Whether there is more. */
  async step(): Promise<boolean> {
    const keys = await this.#context.engine.scanKeys({ gte: this.#position, lt: HIGHEST_KEY, limit: COUNT_KEYS })
    for (const key of keys) {
      const what = SECONDARY.get(key[0] as number)
      if (what !== undefined) this.#counts[what]++
      else if (key[0] !== ROW.record && !OTHERS.some((other) => equal(key, other))) {
        const message = 'row: expected a known sort, got another'
        this.#problems.add({ kind: 'stray', what: 'row', message, rowKey: toBase64url(key) })
      }
    }
    const last = keys.at(-1)
    this.#position = last === undefined || keys.length < COUNT_KEYS ? HIGHEST_KEY : keyAfter(last)
    return keys.length === COUNT_KEYS
  }

  /**
   * The rows of which there are more than the records should have, less those that were not found.
   *
   * @returns Where to look for the ones that belong to none.
   */
  surplus(expected: Counts, absent: Counts): readonly StrayWalk[] {
    return SECONDARY_ROWS.flatMap(([sort, what]) =>
      this.#counts[what] > expected[what] - absent[what]
        ? [new StrayWalk(this.#context, this.#problems, sort, what)]
        : [],
    )
  }
}

/** Goes over the secondary rows of one sort, and looks for the record of each. */
export class StrayWalk {
  readonly #context: Verifiable
  readonly #problems: Shortlist<VerifyProblem>
  readonly #what: Secondary
  #ahead: Span

  constructor(context: Verifiable, problems: Shortlist<VerifyProblem>, sort: number, what: Secondary) {
    this.#context = context
    this.#problems = problems
    this.#what = what
    this.#ahead = prefixRange(Uint8Array.of(sort))
  }

  /** One step, at a turn of the queue. @returns Whether there is more. */
  async step(): Promise<boolean> {
    const keys = await this.#context.engine.scanKeys({ ...this.#ahead, limit: LOOK_KEYS })
    for (const key of keys) {
      if (await this.#belongsToNone(key)) {
        const message = `${this.#what} row: expected a record it belongs to, got none`
        this.#problems.add({ kind: 'stray', what: this.#what, message, rowKey: toBase64url(key) })
      }
      this.#ahead = { ...this.#ahead, gte: keyAfter(key) }
    }
    return keys.length === LOOK_KEYS
  }

  async #belongsToNone(key: Uint8Array): Promise<boolean> {
    const { engine, keyring } = this.#context
    const rowKey = this.#what === 'payload' ? concat(Uint8Array.of(ROW.record), key.subarray(1)) : await engine.get(key)
    const value = rowKey && (await engine.get(rowKey))
    if (rowKey === undefined || value === undefined) return true
    // A secondary row that leads to no record belongs to none.
    if (rowKey[0] !== ROW.record) return true
    try {
      return !belongs(this.#what, key, openKnown(keyring, rowKey, value))
    } catch {
      return false // reported already, as an altered record
    }
  }
}
