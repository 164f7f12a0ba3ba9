import { equal } from '../../base/bytes'
import type { Keyring } from '../../crypto/keyring'
import { corrupt, SecretStoreError } from '../../errors'
import type { Batch, Engine } from '../engine'
import { openHead } from '../head'
import { HEAD_ROW } from '../keyspace'
import type { KnownRecords } from '../known/known-records'
import type { ForeignCommit } from '../other-writers'
import { type CommitNote, decodeNote, encodeNote } from '../sharing/commit-note'
import type { Newest } from './newest'

/** What the one order of all writes takes where others write, too: hearing of their commits, and going on from them. */
export class CatchUp {
  readonly #engine: Engine
  readonly #keyring: Keyring
  readonly #known: KnownRecords
  readonly #newest: Newest
  readonly #fail: (cause: unknown) => SecretStoreError
  /** Whether another head than the known one may be there, of which nobody has told. */
  isBehind = false

  /** @param fail - Ends all writing; returns the error that every write gets from then on. */
  constructor(
    engine: Engine,
    keyring: Keyring,
    known: KnownRecords,
    newest: Newest,
    fail: (cause: unknown) => SecretStoreError,
  ) {
    this.#engine = engine
    this.#keyring = keyring
    this.#known = known
    this.#newest = newest
    this.#fail = fail
    engine.others?.onCommit((commit) => {
      try {
        this.#overtake(commit)
      } catch (error) {
        fail(error)
        throw error
      }
    })
    engine.others?.onFound((value) => {
      const { sequence } = openHead(keyring, value)
      if (sequence < newest.head.sequence) throw older(sequence, newest.head.sequence)
    })
  }

  /** Tells the others what a batch does. */
  describe(batch: Batch, commit: CommitNote): void {
    if (this.#engine.others !== undefined) batch.describe(encodeNote(commit))
  }

  async isAtNewestHead(): Promise<boolean> {
    const value = await this.#engine.get(HEAD_ROW)
    return value === undefined || equal(value, this.#newest.headValue)
  }

  /** Runs `work` while no other writer writes, on what the others have left. */
  async atTurn<T>(work: () => Promise<T>): Promise<T> {
    const pass = await this.#engine.others?.turn()
    try {
      if (this.isBehind) await this.#goOn()
      return await work()
    } finally {
      pass?.()
    }
  }

  /** @returns The error of a write that was not made: another head is there, or the turn was over. */
  lostTurn(): SecretStoreError {
    if (this.#engine.others === undefined) return this.#failNotNewer()
    this.isBehind = true
    return new SecretStoreError('ERR_BUSY', 'write: expected its turn to last, got the end of it; nothing has changed')
  }

  /** @returns The error of a write that failed. Of several writers, the next is planned on what there is then. */
  notWritten(cause: unknown): unknown {
    if (this.#engine.others === undefined) return this.#fail(cause)
    this.#known.forget()
    this.isBehind = true
    return cause
  }

  /** Another writer has committed: what was known and planned before is worth nothing any more. */
  async #goOn(): Promise<void> {
    const value = await this.#engine.get(HEAD_ROW)
    if (this.#engine.others !== undefined) {
      // Writers that take turns are told of each commit of the others; where only the turn was lost, nothing has changed.
      if (value !== undefined && !equal(value, this.#newest.headValue)) this.#overtake({ head: value, note: undefined })
    } else {
      this.#known.forget()
      const head = value && openHead(this.#keyring, value)
      if (head === undefined || head.sequence <= this.#newest.head.sequence) throw this.#failNotNewer()
      this.#newest.move(head, value as Uint8Array)
    }
    this.isBehind = false
  }

  #failNotNewer(): SecretStoreError {
    return this.#fail(corrupt('head: expected a newer one, got another'))
  }

  /** Another writer has committed, in its place in the one order. */
  #overtake({ head, note }: Omit<ForeignCommit, 'keyring'>): void {
    const next = openHead(this.#keyring, head)
    // Read before it was told.
    if (next.sequence < this.#newest.head.sequence) return
    this.#newest.move(next, head)
    const told = note === undefined ? undefined : understood(note)
    if (told === undefined) this.#known.forget()
    else this.#known.overtake(told.replacements.map(({ rowKey }) => rowKey.text))
    this.#newest.tellCommit(told?.replacements)
    this.#newest.tellChanges(told?.told ?? [])
  }
}

/** Between one owner and the next, somebody may have put back files of an earlier time. */
function older(got: number, known: number): SecretStoreError {
  return new SecretStoreError('ERR_ROLLBACK', `head: expected write ${known} or a later one, got write ${got}`)
}

/** @returns `undefined` for a note that says nothing to this version: what the commit did is not known then. */
function understood(note: Uint8Array): CommitNote | undefined {
  try {
    return decodeNote(note)
  } catch {
    return undefined
  }
}
