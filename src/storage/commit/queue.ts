import type { Keyring } from '../../crypto/keyring'
import { SecretStoreError } from '../../errors'
import type { Head } from '../../format/head'
import type { BatchLimits } from '../batch-limits'
import type { Batch, Engine } from '../engine'
import type { KnownRecords } from '../known/known-records'
import { MOST_CHANGES } from '../records'
import { Alone, isAtNewestHead, type Standing, type Writing } from './alone'
import { readCommitted } from './committed'
import { type ChangeListener, type CommitListener, Newest } from './newest'
import { attempt, failed, type Pending, type Result } from './pending'
import { type Commit, fillHead, type Operation, Transaction } from './transaction'

type Task = { readonly pending: Pending } | { readonly exclusive: () => Promise<void> }

/**
 * The one order of all writes. Whatever is waiting when a commit is on its way becomes the next commit: a hundred
 * concurrent writes cost about one fsync, and a lone one waits for nobody.
 *
 * LevelDB may lose writes that it acknowledges after a failed one (docs/durability.md), so the first failure of a lone writer
 * ends all writing until the store is opened anew; among others, the files are opened anew for it.
 */
export class CommitQueue {
  readonly #writing: Writing
  readonly #standing: Standing
  #tasks: Task[] = []
  #running: Promise<void> | undefined
  /** Why nothing more is taken in: closed, or failed. */
  #stopped: SecretStoreError | undefined
  /** Why no operation is taken in, though reads have their turns. */
  refusal: SecretStoreError | undefined
  /** Why nothing more is written, of what was taken in either. */
  #failure: SecretStoreError | undefined

  constructor(
    engine: Engine,
    keyring: Keyring,
    known: KnownRecords,
    head: Head,
    headValue: Uint8Array,
    stand: (writing: Writing) => Standing = (writing) => new Alone(writing),
  ) {
    const newest = new Newest(known, head, headValue, engine.others !== undefined)
    this.#writing = { engine, keyring, known, newest, fail: (cause) => this.fail(cause) }
    this.#standing = stand(this.#writing)
  }

  /** Of the last commit that was acknowledged. */
  get head(): Head {
    return this.#writing.newest.head
  }

  get headValue(): Uint8Array {
    return this.#writing.newest.headValue
  }

  /** Resolves when the operation, and everything it saw, is durable. @throws {SecretStoreError} `ERR_FAILED`, … */
  submit<T>(operation: Operation<T>): Promise<T> {
    const refusal = this.#stopped ?? this.refusal
    if (refusal !== undefined) return Promise.reject(refusal)
    return new Promise<T>((resolve, reject) => {
      this.#enqueue({ pending: { operation, resolve: resolve as (value: unknown) => void, reject } })
    })
  }

  /** Runs `work` at its turn, with no commit under way; and again, where it has lost its turn, which has changed nothing. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped)
    return new Promise<T>((resolve, reject) => {
      const run = async (turns = 1): Promise<T> => {
        if (this.#failure !== undefined) throw this.#failure
        return this.#standing.atTurn(work).catch((error) => {
          if (turns !== this.#standing.mostTurns && this.#standing.isLostTurn?.(error)) return run(turns + 1)
          throw error
        })
      }
      this.#enqueue({ exclusive: () => run().then(resolve, reject) })
    })
  }

  /** @returns Ends it. */
  listen(listener: CommitListener): () => void {
    return this.#writing.newest.listen(listener)
  }

  /** @returns Ends it. */
  onChange(listener: ChangeListener): () => void {
    return this.#writing.newest.onChange(listener)
  }

  /**
   * Commits a head of its own, inside `exclusive`.
   *
   * @param next - The next keyring.json, put in place with the head, which is sealed under its keys.
   */
  async commitHead(head: Head, next?: { readonly bytes: Uint8Array; readonly keyring: Keyring }): Promise<void> {
    const isWritten = await this.#write(
      (batch) => fillHead(batch, next?.keyring ?? this.#writing.keyring, head),
      next?.bytes,
    )
    if (!isWritten) throw this.#standing.lostTurn()
  }

  /** Refuses everything from now on with `error`; what was submitted before still happens. */
  stop(error: SecretStoreError): void {
    this.#stopped ??= error
  }

  /** Resolves when nothing is waiting and nothing is under way. */
  async drain(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Ends all writing. @returns The error every write gets from now on. */
  fail(cause: unknown): SecretStoreError {
    this.#writing.known.clear()
    this.#failure ??= new SecretStoreError(
      'ERR_FAILED',
      'write: expected it to reach the disk, got a failure; whether this write took effect shows when the store is ' +
        'opened again, earlier ones are safe, and no more are accepted until then',
      { cause },
    )
    this.#stopped ??= this.#failure
    return this.#failure
  }

  #enqueue(task: Task): void {
    this.#tasks.push(task)
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    // A microtask later: calls made in one go find themselves in one group.
    await undefined
    for (let task = this.#tasks[0]; task !== undefined; task = this.#tasks[0]) {
      if ('exclusive' in task) {
        this.#tasks.shift()
        await task.exclusive()
      } else {
        await this.#commitGroup(...this.#takeGroup())
      }
    }
    // In the same breath as the last look at the tasks, or one could come in and find nobody to run it.
    this.#running = undefined
  }

  /** As many operations as one commit should hold; the rest waits for the next. */
  #takeGroup(): [group: Pending[], size: BatchLimits] {
    const { limits } = this.#writing.engine
    const group: Pending[] = []
    let size = { rows: 1, bytes: 0 } // the head
    for (const task of this.#tasks) {
      if ('exclusive' in task) break
      const { records, sizeBytes } = task.pending.operation
      const next = { rows: size.rows + MOST_CHANGES * records.length, bytes: size.bytes + sizeBytes }
      if (group.length > 0 && (next.rows > limits.rows || next.bytes > limits.bytes)) break
      size = next
      group.push(task.pending)
    }
    this.#tasks.splice(0, group.length)
    return [group, size]
  }

  async #commitGroup(group: readonly Pending[], size: BatchLimits): Promise<void> {
    /** What each operation came to, to be told when all of them are durable. */
    let results: Result[] = []
    try {
      if (this.#failure !== undefined) throw this.#failure
      for (let turns = 0; results.length < group.length; turns++) {
        if (turns === this.#standing.mostTurns) throw this.#standing.lostTurn()
        results = await this.#standing.atTurn(() => this.#attemptGroup(group), size)
      }
    } catch (failure) {
      results = group.map((pending) => failed(pending, failure))
    }
    for (const { settle } of results) settle()
  }

  /** @returns What the operations came to; nothing if another writer has put a newer head there. */
  async #attemptGroup(group: readonly Pending[]): Promise<Result[]> {
    const committed = await readCommitted(
      group.map(({ operation }) => operation),
      this.#writing.engine,
      this.#writing.known,
    )
    const transaction = new Transaction(this.#writing.keyring, this.head.sequence + 1, committed)
    const results = group.map((pending) => attempt(transaction, pending))
    let isDone: boolean
    // What an operation throws on an older state, half known and half read, may be no fault of the newest one.
    if (!transaction.changes) isDone = !results.some(({ threw }) => threw) || (await isAtNewestHead(this.#writing))
    else {
      try {
        isDone = await this.#write((batch) => transaction.fill(batch, this.head))
      } catch (failure) {
        return results.map((result, index) => (result.threw ? result : failed(group[index] as Pending, failure)))
      }
    }
    if (!isDone) {
      this.#standing.isBehind = true
      return []
    }
    this.#writing.newest.tellChanges(transaction.told)
    return results
  }

  /**
   * Fills a batch and writes it.
   *
   * @param fill - Nothing has reached the engine if it throws.
   * @returns Whether it was written; if not, another writer has put a newer head there, or its turn was over.
   */
  async #write(fill: (batch: Batch) => Commit, keyringFile?: Uint8Array): Promise<boolean> {
    const batch = this.#writing.engine.batch()
    try {
      const commit = fill(batch)
      if (keyringFile !== undefined) await batch.keyring(keyringFile)
      this.#writing.known.begin(commit.replacements)
      this.#standing.describe(batch, commit)
      const isWritten = await batch.write(this.headValue).catch((cause) => {
        throw this.#standing.notWritten(cause)
      })
      if (isWritten) this.#acknowledge(commit)
      return isWritten
    } finally {
      await batch.close()
    }
  }

  #acknowledge({ head, headValue, replacements }: Commit): void {
    this.#writing.known.settle(replacements)
    // Where the answer came late, others may have gone on from here.
    if (head.sequence > this.head.sequence) this.#writing.newest.move(head, headValue)
    else this.#writing.known.forget()
    this.#writing.newest.tellCommit(replacements)
  }
}
