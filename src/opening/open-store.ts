import { equal } from '../base/bytes'
import { every } from '../base/timer'
import { Turns } from '../base/waiting'
import type { StoreContext } from '../context'
import { publicRandom, systemRandom } from '../crypto/random'
import { SecretStoreError } from '../errors'
import type { MemorySettings, OpenSettings } from '../input/options'
import type { SecretRecord } from '../model'
import { warn } from '../platform/warn'
import { exclusiveUnlessAborted } from '../storage/commit/given-up'
import type { KeyringStorage } from '../storage/directory/keyring-json'
import { HEAD_ROW, type RowKey } from '../storage/keyspace'
import { SESSION_ROWS } from '../storage/other-writers'
import type { StoreParts } from '../storage/store-parts'
import { expireOperation, sweep } from '../verbs/expiry'
import { CheckpointKeeper } from './checkpoints'

/** How long the last checkpoint may take before everything else is let go of. */
const LAST_SAVE_MS = 2000
/** How long it may take in all. */
const MOST_SAVE_MS = 10_000

/** How long calls that were made before `close` may take where several processes share the store. */
const MOST_SETTLING_MS = 30_000

/** The parts of a store, and what it takes to give them back. */
export interface OpenParts extends StoreParts {
  readonly keyringStorage: KeyringStorage
  /** Gives the location back, after the engine is closed. */
  readonly release: () => void
}

/** What `SecretStore` and all its views share: the parts, the background work, the end. */
export class OpenStore implements StoreContext {
  readonly engine: StoreContext['engine']
  readonly keyring: StoreContext['keyring']
  readonly keyspace: StoreContext['keyspace']
  readonly keyringStorage: StoreContext['keyringStorage']
  readonly queue: StoreContext['queue']
  readonly known: StoreContext['known']
  readonly keyChanges: Turns
  readonly rotations: Turns
  readonly closing: AbortSignal
  readonly random: StoreContext['random'] = systemRandom
  readonly publicRandom: StoreContext['publicRandom'] = publicRandom
  readonly maxPayloadBytes: number
  readonly nowSeconds: () => number
  readonly #abort = new AbortController()
  readonly #release: () => void
  readonly #onError: (error: unknown) => void
  readonly #stopTimers: readonly (() => Promise<void>)[]
  readonly #checkpoints: CheckpointKeeper | undefined
  readonly #expiring = new Set<string>()
  #closing: Promise<void> | undefined

  constructor(
    { engine, keyring, keyspace, keyringStorage, queue, known, release }: OpenParts,
    settings: Omit<MemorySettings, 'names'> & Partial<Pick<OpenSettings, 'checkpoints' | 'readOnly'>>,
  ) {
    this.engine = engine
    this.keyring = keyring
    this.keyspace = keyspace
    this.keyringStorage = keyringStorage
    this.queue = queue
    this.known = known
    this.keyChanges = this.#turnsOfAll('keys')
    this.rotations = this.#turnsOfAll('rotation')
    this.maxPayloadBytes = settings.maxPayloadBytes
    this.nowSeconds = settings.nowSeconds
    this.closing = this.#abort.signal
    this.#release = release
    if (settings.readOnly) queue.refusal = readOnlyError()
    this.#onError = settings.onError
    const onError = (error: unknown): void => this.report(error)
    this.#stopTimers = [
      every(settings.sweepIntervalMs, async () => this.#seesToFiles && (await sweep(this)), onError),
      every(settings.compactIntervalMs, async () => this.#seesToFiles && (await this.#compactIfWorthwhile()), onError),
    ]
    const { checkpoints } = settings
    const keeps = settings.readOnly ? undefined : checkpoints
    this.#checkpoints = keeps && new CheckpointKeeper(this, keeps, onError)
  }

  /** Of all processes that share the store. Whoever waits for another one's stops when this store closes. */
  #turnsOfAll(name: string): Turns {
    const { others } = this.engine
    const until = (signal?: AbortSignal): AbortSignal =>
      signal === undefined ? this.closing : AbortSignal.any([this.closing, signal])
    return new Turns(others && ((signal) => others.lock(name, until(signal))))
  }

  /** Of several processes, one is enough. */
  get #seesToFiles(): boolean {
    return this.engine.others?.isOwner ?? true
  }

  checkOpen(): void {
    if (this.#closing !== undefined) throw closedError()
  }

  checkWritable(): void {
    this.checkOpen()
    if (this.queue.refusal !== undefined) throw this.queue.refusal
  }

  expireLazily(rowKey: RowKey, record: Pick<SecretRecord, 'id'>): void {
    const key = rowKey.text
    if (this.queue.refusal !== undefined || this.#expiring.has(key)) return
    this.#expiring.add(key)
    this.queue
      .submit(expireOperation(rowKey, record, this.nowSeconds))
      .catch((error) => this.report(error))
      .finally(() => this.#expiring.delete(key))
  }

  async hasSavedCheckpoint(): Promise<boolean> {
    return (await this.#checkpoints?.saved()) ?? false
  }

  async compact(signal?: AbortSignal): Promise<void> {
    await sweep(this, signal)
    const erase = async (): Promise<void> => {
      try {
        // Where several share the store, whoever holds the files does so.
        const sessions = this.engine.others ? [] : await this.engine.scanKeys({ ...SESSION_ROWS, limit: 1 })
        if (sessions.length > 0) await (await import('../care/index')).deleteOldSessions(this.engine)
        await this.engine.erase()
        const headValue = await this.engine.get(HEAD_ROW)
        if (headValue === undefined || !equal(headValue, this.queue.headValue)) {
          throw new SecretStoreError('ERR_LOCKED', 'store: expected to be its only opener, got a write by another')
        }
      } catch (cause) {
        throw this.engine.others === undefined ? this.queue.fail(cause) : cause
      }
      const { head } = this.queue
      if (head.superseded > 0) await this.queue.commitHead({ ...head, sequence: head.sequence + 1, superseded: 0 })
    }
    await exclusiveUnlessAborted(this.queue, erase, signal)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.queue.stop(closedError())
    this.#abort.abort(closedError())
    const timers = Promise.all(this.#stopTimers.map((stop) => stop()))
    // What is under way meets an end to the writes or to its stream, and clears up after itself.
    const settled = this.queue
      .drain()
      .then(() => timers)
      .then(() => Promise.all([this.rotations.ended(), this.keyChanges.ended()]))
    // Another process that holds the files may answer none of it.
    await (this.engine.others ? settledWithin(MOST_SETTLING_MS, settled) : settled)
    // Whoever holds the files next saves later states, and this one is to come before them. A place that does not answer
    // keeps the files from nobody.
    const saved = this.#checkpoints?.close()
    if (saved !== undefined) await settledWithin(LAST_SAVE_MS, saved)
    try {
      await this.engine.close()
      await settled
    } finally {
      this.keyring.wipe()
      this.known.forget()
      this.#release()
    }
    if (saved === undefined || (await settledWithin(MOST_SAVE_MS - LAST_SAVE_MS, saved))) return
    this.#checkpoints?.giveUp()
    this.report(notSaved())
  }

  async #compactIfWorthwhile(): Promise<void> {
    await sweep(this)
    if (this.queue.head.superseded > 0) await this.compact()
  }

  /** Closing ends background work in the middle; that is no failure of it. */
  report(error: unknown): void {
    if (error instanceof SecretStoreError && error.code === 'ERR_CLOSED') return
    try {
      this.#onError(error)
    } catch {
      warn('onError: expected it to return, got an error')
    }
  }
}

/** @returns Whether the work is over, after so many milliseconds at the latest. */
async function settledWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false)
  })
  return Promise.race([work.then(() => true), late]).finally(() => clearTimeout(timer))
}

function notSaved(): SecretStoreError {
  return new SecretStoreError(
    'ERR_BUSY',
    `checkpoints: expected save to end within ${MOST_SAVE_MS} ms of close, got nothing`,
  )
}

function readOnlyError(): SecretStoreError {
  return new SecretStoreError('ERR_READ_ONLY', 'store: expected it open for writing, got one opened with readOnly')
}

function closedError(): SecretStoreError {
  return new SecretStoreError('ERR_CLOSED', 'store: expected it open, got a closed one')
}
