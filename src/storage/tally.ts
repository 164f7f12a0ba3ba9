import { compare, keyAfter, mapKey } from '../base/bytes'
import type { Keyring } from '../crypto/keyring'
import { addElement, removeElement } from '../crypto/set-hash'
import type { CommitQueue } from './commit/queue'
import type { Row } from './engine'
import { RECORD_ROWS, type Span } from './keyspace'
import type { Replacement } from './replacement'

/**
 * Count and set hash of the records that a walk has met, kept right while writes go on: by the same additions as the head
 * keeps those of all. At the end the two must agree; then every record was met, in its last version.
 *
 * The walk reads at turns of the commit queue, so that no write comes between a row and its being met.
 */
export class RecordTally {
  /** Ends the listening to commits. */
  readonly stop: () => void
  readonly #keyring: Keyring
  readonly #queue: CommitQueue
  readonly #end: Uint8Array
  /** Rows that were passed over. */
  readonly #passed = new Set<string>()
  #position: Uint8Array
  #count = 0
  #setHash = 0n

  /** @param onReplaced - Told of each record that changes behind the position, when it has. */
  constructor(keyring: Keyring, queue: CommitQueue, onReplaced: (replacement: Replacement) => void = () => {}) {
    const { gte, lt } = RECORD_ROWS
    this.#keyring = keyring
    this.#queue = queue
    this.#position = gte
    this.#end = lt
    this.stop = queue.listen((replacements) => {
      for (const replacement of replacements) {
        const { previous, next } = replacement
        const rowKey = (previous ?? next)?.rowKey
        if (rowKey === undefined || compare(rowKey, this.#position) >= 0) continue
        // What was passed over was never added.
        const wasPassed = this.#passed.delete(mapKey(rowKey))
        if (previous !== undefined && !wasPassed) this.#subtract(previous.element)
        if (next !== undefined) this.#add(next.element)
        onReplaced(replacement)
      }
    })
  }

  /** Of those that were met. */
  get count(): number {
    return this.#count
  }

  /** How many were passed over. */
  get passed(): number {
    return this.#passed.size
  }

  get setHash(): bigint {
    return this.#setHash
  }

  /** What is still to be met. */
  get ahead(): Span {
    return { gte: this.#position, lt: this.#end }
  }

  /** The next record in order. */
  meet({ key, value }: Row): void {
    this.#add(this.#keyring.elementHash(key, value))
    this.#position = keyAfter(key)
  }

  /** The next record in order, which cannot be opened: it is left out of the sum. */
  pass({ key }: Row): void {
    this.#passed.add(mapKey(key))
    this.#position = keyAfter(key)
  }

  /** There are no more. */
  meetEnd(): void {
    this.#position = this.#end
  }

  /** Whether what was met is what the head of the last commit says there is. */
  isComplete(): boolean {
    const { count, setHash } = this.#queue.head
    return this.#count === count && this.#setHash === setHash
  }

  #add(element: bigint): void {
    this.#count++
    this.#setHash = addElement(this.#setHash, element)
  }

  #subtract(element: bigint): void {
    this.#count--
    this.#setHash = removeElement(this.#setHash, element)
  }
}
