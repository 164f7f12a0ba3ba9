import { equal } from '../../base/bytes'
import type { Keyring } from '../../crypto/keyring'
import { corrupt, type SecretStoreError } from '../../errors'
import type { BatchLimits } from '../batch-limits'
import type { Batch, Engine } from '../engine'
import { openHead } from '../head'
import { HEAD_ROW } from '../keyspace'
import type { KnownRecords } from '../known/known-records'
import type { Newest } from './newest'
import type { Commit } from './transaction'

/** What the one order of writes works on. */
export interface Writing {
  readonly engine: Engine
  readonly keyring: Keyring
  readonly known: KnownRecords
  readonly newest: Newest
  /** Ends all writing. @returns The error that every write gets from then on. */
  fail(cause: unknown): SecretStoreError
}

/** Where a writer stands: alone, or among others (among-others.ts). */
export interface Standing {
  /** Whether another head than the known one may be there, of which nobody has told. */
  isBehind: boolean
  /** Tells the others what a batch does. */
  describe(batch: Batch, commit: Commit): void
  /**
   * Runs `work` while no other writer writes, on what the others have left.
   *
   * @param size - Of what it is to write.
   */
  atTurn<T>(work: () => Promise<T>, size?: BatchLimits): Promise<T>
  /** What loses its turn so often is given up. @defaultValue no turn is ever lost */
  readonly mostTurns?: number
  /** @returns The error of a write that was not made: another head is there, or the turn was over. */
  lostTurn(): SecretStoreError
  /** Whether work has failed with it, so that it can be done at the next turn. */
  isLostTurn?(error: unknown): boolean
  /** @returns The error of a write that failed. */
  notWritten(cause: unknown): unknown
}

/** The only writer, as far as its engine tells; after a head that somebody else has put there all the same, it goes on. */
export class Alone implements Standing {
  readonly #writing: Writing
  isBehind = false

  constructor(writing: Writing) {
    this.#writing = writing
  }

  describe(): void {}

  async atTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.isBehind) await this.#goOn()
    return work()
  }

  lostTurn(): SecretStoreError {
    return this.#writing.fail(corrupt('head: expected a newer one, got another'))
  }

  notWritten(cause: unknown): unknown {
    return this.#writing.fail(cause)
  }

  /** What was known and planned before is worth nothing any more. */
  async #goOn(): Promise<void> {
    const { engine, keyring, known, newest } = this.#writing
    const value = await engine.get(HEAD_ROW)
    known.forget()
    const head = value && openHead(keyring, value)
    if (head === undefined || head.sequence <= newest.head.sequence) throw this.lostTurn()
    newest.move(head, value as Uint8Array)
    this.isBehind = false
  }
}

/** Whether the head that is there is the one that this writer knows. */
export async function isAtNewestHead({ engine, newest }: Writing): Promise<boolean> {
  const value = await engine.get(HEAD_ROW)
  return value === undefined || equal(value, newest.headValue)
}
