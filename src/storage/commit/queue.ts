import { mapKey } from '../../base/bytes'
import type { Keyring } from '../../crypto/keyring'
import { SecretStoreError } from '../../errors'
import type { Head } from '../../format/head'
import type { SecretChange } from '../../model'
import type { Change, Engine } from '../engine'
import type { Known, KnownRecords } from '../known/known-records'
import type { Replacement } from '../replacement'
import { type CommitOutcome, type CommitPlan, type Operation, planCommit, planHead, Transaction } from './transaction'

/** How much one group commit takes in; what is over waits for the next. A single operation is never split. */
const GROUP_OPERATIONS = 1000
const GROUP_BYTES: number = 4 * 1024 * 1024
/** Up to so many rows are read at once; more would keep the thread for too long. */
const MOST_SYNC_READS = 128

interface Pending {
  readonly operation: Operation<unknown>
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** Told of every commit, in order, when it is durable. Must not throw. */
export type CommitListener = (replacements: readonly Replacement[]) => void

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
 * LevelDB may lose writes that it acknowledges after a failed one (docs/architecture.md, "Durability"), so the first
 * failure ends all writing until the store is opened anew.
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
  /** Why nothing more is written, of what was taken in either. */
  #failure: SecretStoreError | undefined

  constructor(engine: Engine, keyring: Keyring, known: KnownRecords, head: Head, headValue: Uint8Array) {
    this.#engine = engine
    this.#keyring = keyring
    this.#known = known
    this.#head = head
    this.#headValue = headValue
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
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped)
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
        return work()
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

  /** Commits a head of its own, inside `exclusive`. */
  async commitHead(head: Head): Promise<void> {
    await this.#commit(planHead(this.#keyring, head))
  }

  /** Refuses everything from now on with `error`; what was submitted before still happens. */
  stop(error: SecretStoreError): void {
    this.#stopped ??= error
  }

  /** Resolves when nothing is waiting and nothing is under way. */
  async drain(): Promise<void> {
    while (this.#running !== undefined) await this.#running
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

  #takeGroup(): Pending[] {
    const group: Pending[] = []
    let bytes = 0
    for (const task of this.#tasks) {
      if ('exclusive' in task || group.length >= GROUP_OPERATIONS) break
      bytes += task.pending.operation.sizeBytes
      if (group.length > 0 && bytes > GROUP_BYTES) break
      group.push(task.pending)
    }
    this.#tasks.splice(0, group.length)
    return group
  }

  async #commitGroup(group: readonly Pending[]): Promise<void> {
    if (this.#failure !== undefined) {
      for (const { reject } of group) reject(this.#failure)
      return
    }
    const done: (() => void)[] = []
    let transaction: Transaction
    try {
      transaction = await this.#transaction(group)
      for (const pending of group) {
        try {
          const value = transaction.attempt(pending.operation)
          done.push(() => pending.resolve(value))
        } catch (error) {
          pending.reject(error)
        }
      }
      const plan = planCommit(this.#keyring, this.#head, transaction)
      if (plan !== undefined) await this.#commit(plan)
    } catch (error) {
      for (const { reject } of group) reject(error)
      return
    }
    if (transaction.told.length > 0) for (const listener of [...this.#changeListeners]) listener(transaction.told)
    for (const resolve of done) resolve()
  }

  async #transaction(group: readonly Pending[]): Promise<Transaction> {
    const rows = new Map<string, Uint8Array>()
    const known = new Map<string, Known>()
    for (const { operation } of group) {
      for (const row of operation.rows) rows.set(mapKey(row), row)
      for (const row of operation.records) {
        const key = mapKey(row)
        const record = this.#known.get(key)
        // Without its summand in the set hash it cannot be taken out of that: then the row is needed all the same.
        if (record?.element === undefined) rows.set(key, row)
        else known.set(key, record)
      }
    }
    const values = await this.#read(rows)
    return new Transaction(this.#keyring, this.#head.sequence + 1, { values, known })
  }

  async #read(rows: ReadonlyMap<string, Uint8Array>): Promise<ReadonlyMap<string, Uint8Array | undefined>> {
    const values = new Map<string, Uint8Array | undefined>()
    if (rows.size <= MOST_SYNC_READS && this.#engine.canReadSync()) {
      for (const [key, row] of rows) values.set(key, this.#engine.getSync(row))
      return values
    }
    const found = await this.#engine.getMany([...rows.values()])
    let index = 0
    for (const key of rows.keys()) values.set(key, found[index++])
    return values
  }

  async #commit({ keys, changes, outcome }: CommitPlan): Promise<void> {
    this.#known.begin(keys)
    let unplanned: unknown
    function* planned(): Generator<Change, void> {
      try {
        yield* changes
      } catch (error) {
        unplanned = error
        throw error
      }
    }
    let done: CommitOutcome
    try {
      await this.#engine.commit(planned(), this.#headValue)
      done = outcome()
    } catch (cause) {
      if (unplanned !== undefined && cause === unplanned) {
        this.#known.settle([]) // nothing has reached the engine
        throw cause
      }
      throw this.fail(cause)
    }
    const { head, headValue, replacements } = done
    this.#head = head
    this.#headValue = headValue
    this.#known.settle(replacements)
    for (const listener of this.#listeners) listener(replacements)
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
}
