import { equal } from '../../base/bytes'
import { SecretStoreError } from '../../errors'
import type { BatchLimits } from '../batch-limits'
import type { Batch } from '../engine'
import { openHead } from '../head'
import { HEAD_ROW } from '../keyspace'
import type { ForeignCommit, OtherWriters } from '../other-writers'
import { type CommitNote, decodeNote, encodeNote } from '../sharing/commit-note'
import { isLostTurn, lostTurn } from '../sharing/role'
import type { Standing, Writing } from './alone'

/** One writer among several, who take turns: it is told of each commit of the others, and goes on from there. */
export class AmongOthers implements Standing {
  readonly #writing: Writing
  readonly #others: OtherWriters
  isBehind = false
  readonly mostTurns = 8

  constructor(writing: Writing, others: OtherWriters) {
    this.#writing = writing
    this.#others = others
    others.onCommit((commit) => {
      try {
        this.#overtake(commit)
      } catch (error) {
        writing.fail(error)
        throw error
      }
    })
    others.onFound((value) => {
      const { sequence } = openHead(writing.keyring, value)
      const known = writing.newest.head.sequence
      if (sequence < known) throw older(sequence, known)
    })
  }

  describe(batch: Batch, commit: CommitNote): void {
    batch.describe(encodeNote(commit))
  }

  async atTurn<T>(work: () => Promise<T>, size?: BatchLimits): Promise<T> {
    const pass = await this.#others.turn(size)
    try {
      if (this.isBehind) await this.#goOn()
      return await work()
    } finally {
      pass()
    }
  }

  lostTurn(): SecretStoreError {
    this.isBehind = true
    return lostTurn()
  }

  isLostTurn(error: unknown): boolean {
    return isLostTurn(error)
  }

  /** The next write is planned on what there is then. */
  notWritten(cause: unknown): unknown {
    this.#writing.known.forget()
    this.isBehind = true
    return cause
  }

  /** Whoever takes turns is told of each commit of the others; where only the turn was lost, nothing has changed. */
  async #goOn(): Promise<void> {
    const { engine, newest } = this.#writing
    const value = await engine.get(HEAD_ROW)
    if (value !== undefined && !equal(value, newest.headValue)) this.#overtake({ head: value, note: undefined })
    this.isBehind = false
  }

  /** Another writer has committed, in its place in the one order. */
  #overtake({ head, note }: Omit<ForeignCommit, 'keyring'>): void {
    const { keyring, known, newest } = this.#writing
    const next = openHead(keyring, head)
    // Read before it was told.
    if (next.sequence < newest.head.sequence) return
    newest.move(next, head)
    const told = note === undefined ? undefined : understood(note)
    if (told === undefined) known.forget()
    else known.overtake(told.replacements.map(({ rowKey }) => rowKey.text))
    newest.tellCommit(told?.replacements)
    newest.tellChanges(told?.told ?? [])
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
