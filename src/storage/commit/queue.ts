import { equal } from '../../base/bytes'
import type { Keyring } from '../../crypto/keyring'
import { corrupt, SecretStoreError } from '../../errors'
import type { Head } from '../../format/head'
import type { SecretChange } from '../../model'
import type { Batch, Engine, ForeignCommit } from '../engine'
import { openHead } from '../head'
import { HEAD_ROW } from '../keyspace'
import type { KnownRecords } from '../known/known-records'
import { MOST_CHANGES, type Replacement } from '../records'
import { decodeNote, encodeNote } from '../sharing/commit-note'
import { readCommitted } from './committed'
import { type Commit, fillHead, type Operation, Transaction } from './transaction'

interface Pending {
  readonly operation: Operation<unknown>
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** What an operation came to, and how its caller is told. */
interface Result {
  readonly threw: boolean
  settle(): void
}

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

type Task = { readonly pending: Pending } | { readonly exclusive: () => Promise<void> }

/**
 * The one order of all writes. Whatever is waiting when a commit is on its way becomes the next commit: a hundred
 * concurrent writes cost about one fsync, and a lone one waits for nobody.
 *
 * LevelDB may lose writes that it acknowledges after a failed one (docs/durability.md), so the first failure ends all
 * writing until the store is opened anew.
 */
export class CommitQueue {
  readonly #engine: Engine
  readonly #keyring: Keyring
  readonly #known: KnownRecords
  #head: Head
  #headValue: Uint8Array
  #tasks: Task[] = []
  #running: Promise<void> | undefined
  readonly #listeners = new Set<CommitListener>()
  readonly #changeListeners = new Set<ChangeListener>()
  /** Why nothing more is taken in: closed, or failed. */
  #stopped: SecretStoreError | undefined
  /** Why no operation is taken in, though reads have their turns. */
  refusal: SecretStoreError | undefined
  /** Whether another head than the known one may be there, of which nobody has told. */
  #isBehind = false
  /** Why nothing more is written, of what was taken in either. */
  #failure: SecretStoreError | undefined

  constructor(engine: Engine, keyring: Keyring, known: KnownRecords, head: Head, headValue: Uint8Array) {
    this.#engine = engine
    this.#keyring = keyring
    this.#known = known
    this.#head = head
    this.#headValue = headValue
    if (engine.others !== undefined) known.head = headValue
    engine.others?.onCommit((commit) => this.#overtake(commit))
  }

  /** Of the last commit that was acknowledged. */
  get head(): Head {
    return this.#head
  }

  get headValue(): Uint8Array {
    return this.#headValue
  }

  /** Resolves when the operation, and everything it saw, is durable. @throws {SecretStoreError} `ERR_FAILED`, … */
  submit<T>(operation: Operation<T>): Promise<T> {
    const refusal = this.#stopped ?? this.refusal
    if (refusal !== undefined) return Promise.reject(refusal)
    return new Promise<T>((resolve, reject) => {
      this.#enqueue({ pending: { operation, resolve: resolve as (value: unknown) => void, reject } })
    })
  }

  /** Runs `work` at its turn, with no commit under way. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped)
    return new Promise<T>((resolve, reject) => {
      const run = async (): Promise<T> => {
        if (this.#failure !== undefined) throw this.#failure
        return this.#atTurn(work)
      }
      this.#enqueue({ exclusive: () => run().then(resolve, reject) })
    })
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

  /**
   * Commits a head of its own, inside `exclusive`.
   *
   * @param next - The next keyring.json, put in place with the head, which is sealed under its keys.
   */
  async commitHead(head: Head, next?: { readonly bytes: Uint8Array; readonly keyring: Keyring }): Promise<void> {
    const isWritten = await this.#write((batch) => fillHead(batch, next?.keyring ?? this.#keyring, head), next?.bytes)
    if (isWritten) return
    this.#isBehind = this.#engine.others !== undefined
    throw this.#lostTurn()
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
    this.#known.clear()
    this.#failure ??= new SecretStoreError(
      'ERR_FAILED',
      'write: expected it to reach the disk, got a failure; whether this write took effect shows when the store is ' +
        'opened again, earlier ones are safe, and no more are accepted until then',
      { cause },
    )
    this.#stopped ??= this.#failure
    return this.#failure
  }

  /** The write of one of several writers has failed; the next is planned on what there is then. */
  #notWritten(cause: unknown): unknown {
    this.#known.forget()
    this.#isBehind = true
    return cause
  }

  /** Nothing was written. */
  #lostTurn(): SecretStoreError {
    if (this.#engine.others === undefined) return this.#failNotNewer()
    return new SecretStoreError('ERR_BUSY', 'write: expected its turn to last, got the end of it; nothing has changed')
  }

  #failNotNewer(): SecretStoreError {
    return this.fail(corrupt('head: expected a newer one, got another'))
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
        await this.#commitGroup(this.#takeGroup())
      }
    }
    // In the same breath as the last look at the tasks, or one could come in and find nobody to run it.
    this.#running = undefined
  }

  /** As many operations as one commit should hold; the rest waits for the next. */
  #takeGroup(): Pending[] {
    const { limits } = this.#engine
    const group: Pending[] = []
    let [rows, bytes] = [1, 0] // the head
    for (const task of this.#tasks) {
      if ('exclusive' in task) break
      const { records, sizeBytes } = task.pending.operation
      rows += MOST_CHANGES * records.length
      bytes += sizeBytes
      if (group.length > 0 && (rows > limits.rows || bytes > limits.bytes)) break
      group.push(task.pending)
    }
    this.#tasks.splice(0, group.length)
    return group
  }

  async #commitGroup(group: readonly Pending[]): Promise<void> {
    /** What each operation came to, to be told when all of them are durable. */
    let results: Result[] = []
    try {
      if (this.#failure !== undefined) throw this.#failure
      while (results.length < group.length) results = await this.#atTurn(() => this.#attemptGroup(group))
    } catch (failure) {
      results = group.map((pending) => failed(pending, failure))
    }
    for (const { settle } of results) settle()
  }

  /** @returns What the operations came to; nothing if another writer has put a newer head there. */
  async #attemptGroup(group: readonly Pending[]): Promise<Result[]> {
    const committed = await readCommitted(
      group.map(({ operation }) => operation),
      this.#engine,
      this.#known,
    )
    const transaction = new Transaction(this.#keyring, this.#head.sequence + 1, committed)
    const results = group.map((pending) => attempt(transaction, pending))
    let isDone: boolean
    // What an operation throws on an older state, half known and half read, may be no fault of the newest one.
    if (!transaction.changes) isDone = !results.some(({ threw }) => threw) || (await this.#isAtNewestHead())
    else {
      try {
        isDone = await this.#write((batch) => transaction.fill(batch, this.#head))
      } catch (failure) {
        return results.map((result, index) => (result.threw ? result : failed(group[index] as Pending, failure)))
      }
    }
    if (!isDone) {
      this.#isBehind = true
      return []
    }
    this.#tell(transaction.told)
    return results
  }

  #tell(told: readonly SecretChange[]): void {
    if (told.length > 0) for (const listener of [...this.#changeListeners]) listener(told)
  }

  /** Runs `work` while no other writer writes. */
  async #atTurn<T>(work: () => Promise<T>): Promise<T> {
    const pass = await this.#engine.others?.turn()
    try {
      if (this.#isBehind) await this.#goOnFromNewerHead()
      this.#isBehind = false
      return await work()
    } finally {
      pass?.()
    }
  }

  /** Another writer has committed, in its place in the one order. */
  #overtake({ head, note }: Omit<ForeignCommit, 'keyring'>): void {
    try {
      this.#setHead(openHead(this.#keyring, head), head)
      if (note === undefined) this.#known.forget()
      const { replacements, told } = note === undefined ? { replacements: undefined, told: [] } : decodeNote(note)
      if (replacements !== undefined) this.#known.overtake(replacements.map(({ rowKey }) => rowKey.text))
      for (const listener of this.#listeners) listener(replacements)
      this.#tell(told)
    } catch (error) {
      this.fail(error)
    }
  }

  /**
   * Fills a batch and writes it.
   *
   * @param fill - Nothing has reached the engine if it throws.
   * @returns Whether it was written; if not, another writer has put a newer head there.
   */
  async #write(fill: (batch: Batch) => Commit, keyringFile?: Uint8Array): Promise<boolean> {
    const batch = this.#engine.batch()
    try {
      const commit = fill(batch)
      if (keyringFile !== undefined) await batch.keyring(keyringFile)
      this.#known.begin(commit.replacements)
      if (this.#engine.others !== undefined) batch.describe(encodeNote(commit))
      const isWritten = await batch.write(this.#headValue).catch((cause) => {
        throw this.#engine.others === undefined ? this.fail(cause) : this.#notWritten(cause)
      })
      if (isWritten) this.#acknowledge(commit)
      return isWritten
    } finally {
      await batch.close()
    }
  }

  #acknowledge({ head, headValue, replacements }: Commit): void {
    // Where the answer came late, others may have gone on from here.
    const isNewest = head.sequence > this.#head.sequence
    this.#known.settle(replacements)
    if (isNewest) this.#setHead(head, headValue)
    else this.#known.forget()
    for (const listener of this.#listeners) listener(replacements)
  }

  async #isAtNewestHead(): Promise<boolean> {
    const value = await this.#engine.get(HEAD_ROW)
    return value === undefined || equal(value, this.#headValue)
  }

  /** Another writer has committed: what was known and planned before is worth nothing any more. */
  async #goOnFromNewerHead(): Promise<void> {
    const value = await this.#engine.get(HEAD_ROW)
    if (this.#engine.others !== undefined) {
      // Writers that take turns are told of each commit of the others; where only the turn was lost, nothing has changed.
      if (value !== undefined && !equal(value, this.#headValue)) this.#overtake({ head: value, note: undefined })
      return
    }
    this.#known.forget()
    const head = value && openHead(this.#keyring, value)
    if (head === undefined || head.sequence <= this.#head.sequence) throw this.#failNotNewer()
    this.#setHead(head, value as Uint8Array)
  }

  #setHead(head: Head, value: Uint8Array): void {
    this.#head = head
    this.#headValue = value
    if (this.#engine.others !== undefined) this.#known.head = value
  }
}

function failed({ reject }: Pending, failure: unknown): Result {
  return { threw: true, settle: () => reject(failure) }
}

function attempt(transaction: Transaction, { operation, resolve, reject }: Pending): Result {
  try {
    const value = transaction.attempt(operation)
    return { threw: false, settle: () => resolve(value) }
  } catch (error) {
    return { threw: true, settle: () => reject(error) }
  }
}
