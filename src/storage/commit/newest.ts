import type { Head } from '../../format/head'
import type { SecretChange } from '../../model'
import type { KnownRecords } from '../known/known-records'
import type { Replacement } from '../records'

/**
 * Told of every commit, in order, when it is durable; with nothing where other writers may have committed something that
 * nobody has told. Must not throw.
 */
export type CommitListener = (replacements: readonly Replacement[] | undefined) => void

/**
 * Told what became of secrets, operation by operation, when it is durable and before the operations resolve. Must not
 * throw.
 */
export type ChangeListener = (changes: readonly SecretChange[]) => void

/** The newest commit that a writer knows of, its own or another's, and everybody who is told of each. */
export class Newest {
  readonly #known: KnownRecords
  readonly #isShared: boolean
  #head: Head
  #headValue: Uint8Array
  readonly #listeners = new Set<CommitListener>()
  readonly #changeListeners = new Set<ChangeListener>()

  /** @param isShared - Whether other writers can put a newer one there at any time. */
  constructor(known: KnownRecords, head: Head, headValue: Uint8Array, isShared: boolean) {
    this.#known = known
    this.#isShared = isShared
    this.#head = head
    this.#headValue = headValue
    if (isShared) known.head = headValue
  }

  get head(): Head {
    return this.#head
  }

  /** Its row. */
  get headValue(): Uint8Array {
    return this.#headValue
  }

  move(head: Head, value: Uint8Array): void {
    this.#head = head
    this.#headValue = value
    if (this.#isShared) this.#known.head = value
  }

  /** @returns Ends it. */
  listen(listener: CommitListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** @returns Ends it. */
  onChange(listener: ChangeListener): () => void {
    this.#changeListeners.add(listener)
    return () => this.#changeListeners.delete(listener)
  }

  tellCommit(replacements: readonly Replacement[] | undefined): void {
    for (const listener of this.#listeners) listener(replacements)
  }

  tellChanges(told: readonly SecretChange[]): void {
    if (told.length > 0) for (const listener of [...this.#changeListeners]) listener(told)
  }
}
