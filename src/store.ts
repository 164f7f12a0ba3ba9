import { equal, mapKey } from './bytes'
import type { StoreContext } from './context'
import { systemRandom } from './crypto/random'
import { SecretStoreError } from './errors'
import { expireOperation } from './expiry/expire'
import { sweep } from './expiry/sweep'
import { every } from './expiry/timer'
import { encodeCheckpoint } from './format/checkpoint'
import type { SecretRecord } from './model'
import { type Opened, openLocation, openMemory } from './opening'
import {
  type MemoryOptions,
  type MemorySettings,
  type OpenOptions,
  parseMemoryOptions,
  parseOpenOptions,
  parseViewOptions,
  type ViewOptions,
} from './options'
import { CommitQueue } from './storage/commit-queue'
import { HEAD_ROW, keyspace } from './storage/keyspace'
import { type VerifyReport, verify } from './verify'
import { SecretView } from './view'

/**
 * An encrypted store of secrets in one directory. Its own verbs work on the app's own account in test mode
 * (`livemode: false`); `view` gives the same verbs for connected accounts, live mode and single users.
 */
export class SecretStore extends SecretView {
  readonly #store: OpenStore

  private constructor(store: OpenStore) {
    super(store, { account: undefined, livemode: false })
    this.#store = store
  }

  /**
   * Opens the store in a directory, and creates it if there is nothing there, or only an empty directory.
   *
   * A new store is built under another name and renamed, so that half of one is never found. The key is checked before
   * anything is changed.
   *
   * @param location - Path of the directory; it must be the process's user's own, and not writable by others.
   * @throws {TypeError | RangeError} On bad options.
   * @throws {SecretStoreError} `ERR_WRONG_KEY`, `ERR_CORRUPT`, `ERR_LOCKED`, `ERR_ROLLBACK`, `ERR_NOT_FOUND`,
   *   `ERR_NOT_A_STORE`, `ERR_UNSAFE_LOCATION`, `ERR_UNSUPPORTED_VERSION`, `ERR_IO`.
   */
  static async open(location: string, options: OpenOptions): Promise<SecretStore> {
    if (typeof location !== 'string' || location === '' || location.includes('\0')) {
      throw new TypeError('location: expected the path of a directory, got something else')
    }
    const settings = parseOpenOptions(options)
    const nowSeconds = clock(settings.now)
    const opened = await openLocation(location, settings, nowSeconds())
    return new SecretStore(new OpenStore(opened, settings, nowSeconds))
  }

  /** A store that is gone when it is closed, under a random key; everything else is the same. For tests. */
  static memory(options: MemoryOptions = {}): SecretStore {
    const settings = parseMemoryOptions(options)
    const nowSeconds = clock(settings.now)
    return new SecretStore(new OpenStore(openMemory(settings.names, nowSeconds()), settings, nowSeconds))
  }

  /**
   * The same verbs over one partition. Secrets of different accounts and modes never meet; with `user`, every scope but
   * the account's and that user's own is `ERR_ACCESS_DENIED`.
   */
  view(options: ViewOptions): SecretView {
    const { account, livemode = false, user } = parseViewOptions(options)
    return new SecretView(this.#store, { account, livemode }, user)
  }

  /**
   * Deletes everything that has expired by now, in all partitions.
   *
   * @returns How many secrets that were.
   * @throws {SecretStoreError} `ERR_CORRUPT` after everything readable was seen to, `ERR_FAILED`, `ERR_CLOSED`.
   */
  async sweep(): Promise<number> {
    return sweep(this.#store)
  }

  /**
   * Sweeps, then makes what was deleted or replaced leave the disk: afterwards no name, id or ciphertext of it is in any
   * file. Writes wait; synchronous reads get `ERR_BUSY` for the moment in which the files are closed and opened.
   *
   * @throws {SecretStoreError} `ERR_FAILED`, `ERR_CLOSED`, `ERR_CORRUPT`.
   */
  async compact(): Promise<void> {
    await this.#store.compact()
  }

  /**
   * Reads and authenticates everything there is. Writes wait.
   *
   * @returns What is missing, altered or stray; `ok` if nothing is.
   * @throws {SecretStoreError} `ERR_CLOSED`, `ERR_FAILED`.
   */
  async verify(): Promise<VerifyReport> {
    this.#store.checkOpen()
    return this.#store.queue.exclusive(() => verify(this.#store))
  }

  /**
   * A token for this moment, after every write so far. Kept somewhere else and passed to `open` as `minimum`, it has
   * every older state of the store refused.
   */
  async checkpoint(): Promise<string> {
    const { keyring, queue } = this.#store
    this.#store.checkOpen()
    return queue.exclusive(async () => {
      const { head } = queue
      return encodeCheckpoint({
        storeId: keyring.storeId,
        sequence: head.sequence,
        mac: keyring.checkpointMac(head),
      })
    })
  }

  /** Lets writes that were begun finish, closes the files and overwrites the keys. Calling it again is the same call. */
  close(): Promise<void> {
    return this.#store.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** What `SecretStore` and all its views share: the parts, the background work, the end. */
class OpenStore implements StoreContext {
  readonly engine: StoreContext['engine']
  readonly keyring: StoreContext['keyring']
  readonly keyspace: StoreContext['keyspace']
  readonly queue: CommitQueue
  readonly random: StoreContext['random'] = systemRandom
  readonly maxPayloadBytes: number
  readonly nowSeconds: () => number
  readonly #release: () => void
  readonly #onError: (error: unknown) => void
  readonly #stopTimers: readonly (() => Promise<void>)[]
  readonly #expiring = new Set<string>()
  #closing: Promise<void> | undefined

  constructor(
    { engine, keyring, head, headValue, release }: Opened,
    settings: Omit<MemorySettings, 'names'>,
    nowSeconds: () => number,
  ) {
    this.engine = engine
    this.keyring = keyring
    this.keyspace = keyspace(keyring.names, (name) => keyring.nameHash(name))
    this.queue = new CommitQueue(engine, keyring, head, headValue)
    this.maxPayloadBytes = settings.maxPayloadBytes
    this.nowSeconds = nowSeconds
    this.#release = release
    this.#onError = settings.onError
    const onError = (error: unknown): void => this.#report(error)
    this.#stopTimers = [
      every(settings.sweepIntervalMs, () => sweep(this), onError),
      every(settings.compactIntervalMs, () => this.#compactIfWorthwhile(), onError),
    ]
  }

  checkOpen(): void {
    if (this.#closing !== undefined) throw closedError()
  }

  expireLazily(rowKey: Uint8Array, record: SecretRecord): void {
    const key = mapKey(rowKey)
    if (this.#expiring.has(key)) return
    this.#expiring.add(key)
    this.queue
      .submit(expireOperation(rowKey, record, this.nowSeconds))
      .catch((error) => this.#report(error))
      .finally(() => this.#expiring.delete(key))
  }

  async compact(): Promise<void> {
    await sweep(this)
    await this.queue.exclusive(async () => {
      try {
        await this.engine.erase()
        const headValue = await this.engine.get(HEAD_ROW)
        if (headValue === undefined || !equal(headValue, this.queue.headValue)) {
          throw new SecretStoreError('ERR_LOCKED', 'store: expected to be its only opener, got a write by another')
        }
      } catch (cause) {
        throw this.queue.fail(cause)
      }
      const { head } = this.queue
      if (head.superseded > 0) await this.queue.commitHead({ ...head, sequence: head.sequence + 1, superseded: 0 })
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.queue.stop(closedError())
    const timers = Promise.all(this.#stopTimers.map((stop) => stop()))
    await this.queue.drain()
    await timers
    try {
      await this.engine.close()
    } finally {
      this.keyring.wipe()
      this.#release()
    }
  }

  async #compactIfWorthwhile(): Promise<void> {
    await sweep(this)
    if (this.queue.head.superseded > 0) await this.compact()
  }

  /** Closing ends background work in the middle; that is no failure of it. */
  #report(error: unknown): void {
    if (!(error instanceof SecretStoreError && error.code === 'ERR_CLOSED')) this.#onError(error)
  }
}

function closedError(): SecretStoreError {
  return new SecretStoreError('ERR_CLOSED', 'store: expected it open, got a closed one')
}

/** Milliseconds → whole seconds. */
function clock(now: () => number): () => number {
  return () => {
    const seconds = Math.floor(now() / 1000)
    if (!Number.isSafeInteger(seconds) || seconds < 0) {
      throw new TypeError('now: expected milliseconds since the Unix epoch, got something else')
    }
    return seconds
  }
}
