import { compare, keyAfter } from '../base/bytes'
import type { Keyring } from '../crypto/keyring'
import { isSameSum, NO_RECORDS, type RecordSum, withElement, withoutElement } from '../format/head'
import type { CommitQueue } from './commit/queue'
import type { Engine, Row } from './engine'
import { RECORD_ROWS, RowKey } from './keyspace'
import type { Replacement } from './records'
import { takenOver } from './refusal'

/** Bounds one step of a walk: how long writers wait for it, and how much it holds in memory. */
export interface StepLimits {
  readonly rows: number
  readonly bytes: number
}

/**
 * Looks at the row of a record.
 *
 * @returns How many bytes it has read besides the row, or `undefined` if the record does not open.
 */
export type Visit = (row: Row) => number | undefined | Promise<number | undefined>

/**
 * One walk over all records, in steps between which reads and writes go on, and the sum of those that it has met, kept
 * right meanwhile: by the same additions by which the head keeps the sum of all. At the end the two must agree; then
 * every record was met, in its last version.
 */
export class RecordTally {
  /** Ends the listening to commits. */
  readonly stop: () => void
  readonly #engine: Engine
  readonly #keyring: Keyring
  readonly #queue: CommitQueue
  /** Records that did not open. */
  readonly #passed = new Set<string>()
  #position: Uint8Array = RECORD_ROWS.gte
  #sum: RecordSum = NO_RECORDS
  /** Whether another writer may have committed something that nobody has told. */
  #isOutdated = false

  /** @param onReplaced - Told of each record that changes after it was passed, when it has. */
  constructor(
    { engine, keyring, queue }: { readonly engine: Engine; readonly keyring: Keyring; readonly queue: CommitQueue },
    onReplaced: (replacement: Replacement) => void = () => {},
  ) {
    this.#engine = engine
    this.#keyring = keyring
    this.#queue = queue
    this.stop = queue.listen((replacements) => {
      if (replacements === undefined) this.#isOutdated = true
      for (const replacement of replacements ?? []) {
        const { rowKey, previous, next } = replacement
        if (compare(rowKey.bytes, this.#position) >= 0) continue
        // A record that was passed over was never added.
        const wasPassed = this.#passed.delete(rowKey.text)
        if (previous !== undefined && !wasPassed) this.#sum = withoutElement(this.#sum, previous.element)
        if (next !== undefined) this.#sum = withElement(this.#sum, next.element)
        onReplaced(replacement)
      }
    })
  }

  /** How many records it has met that open. */
  get count(): number {
    return this.#sum.count
  }

  /** How many did not open. */
  get passed(): number {
    return this.#passed.size
  }

  /**
   * The next records. To be taken at a turn of the queue, so that no write comes between a row and its being met.
   *
   * @returns Whether there are more.
   */
  async step({ rows, bytes }: StepLimits, visit: Visit): Promise<boolean> {
    if (this.#isOutdated) throw takenOver()
    const { headValue } = this.#queue
    const found = await this.#engine.scan({ gte: this.#position, lt: RECORD_ROWS.lt, limit: rows })
    let read = 0
    for (const row of found) {
      const visited = visit(row)
      const besides = typeof visited === 'object' ? await visited : visited
      // The turn has ended by time, or with the process that gave it.
      if (this.#queue.headValue !== headValue) throw takenOver()
      this.#meet(row, besides !== undefined)
      read += row.value.length + (besides ?? 0)
      if (read >= bytes) return true
    }
    if (found.length === rows) return true
    this.#position = RECORD_ROWS.lt
    return false
  }

  /** Whether the records that were met are those of the head of the last commit. */
  isComplete(): boolean {
    return isSameSum(this.#sum, this.#queue.head)
  }

  #meet({ key, value }: Row, opens: boolean): void {
    if (opens) this.#sum = withElement(this.#sum, this.#keyring.elementHash(key, value))
    else this.#passed.add(RowKey.of(key).text)
    this.#position = keyAfter(key)
  }
}
