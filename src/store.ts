import { orAborted } from './base/waiting'
import type { BackupReport, BackupTarget } from './care/backup/backup'
import type { BackupSource, RestoreReport } from './care/backup/restore'
import type { StoreHolder } from './care/holder'
import type { RecoveryReport } from './care/recovery/report'
import type { RotationReport } from './care/rekey/rotate'
import type { StoredScope } from './care/scopes'
import type { StoreStatus } from './care/status'
import type { StoredSlot } from './care/stored-slots'
import type { VerifyReport } from './care/verify/report'
import {
  type CallOptions,
  type LongOptions,
  parseLongOptions,
  parseRotateOptions,
  parseViewOptions,
  type RotateOptions,
  signalOf,
  type ViewOptions,
} from './input/call-options'
import {
  checkProvider,
  type MemoryOptions,
  type OpenOptions,
  parseMemoryOptions,
  parseOpenOptions,
} from './input/options'
import { checkBackupTarget, checkLocation, checkSlotId } from './input/params'
import {
  checkBackupSource,
  parseRecoverOptions,
  parseRestoreOptions,
  type RecoverOptions,
  type RestoreOptions,
} from './input/restore-options'
import type { SlotsOptions } from './input/slots-options'
import type { KeyProvider } from './keys/provider'
import { type KeySlotInfo, slotInfo } from './keys/slot-info'
import { openLocation, openMemory } from './opening/open'
import type { OpenStore } from './opening/open-store'
import { checkpointToken } from './storage/checkpoint'
import { exclusiveUnlessAborted } from './storage/commit/given-up'
import { sweep } from './verbs/expiry'
import { Reach } from './verbs/reach'
import { SecretView } from './view'

/** Asked for at a verb's turn and not before, so that verbs keep the order in which they are called. */
const onDemand = () => import('./care/index')
type Care = Awaited<ReturnType<typeof onDemand>>

/**
 * An encrypted store of secrets in one directory. Its own verbs work on the app's own account in test mode
 * (`livemode: false`); `view` gives the same verbs for connected accounts, live mode and single users.
 */
export class SecretStore extends SecretView {
  readonly #store: OpenStore

  private constructor(store: OpenStore) {
    super(store, new Reach({ account: undefined, livemode: false }))
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
   *   `ERR_NOT_A_STORE`, `ERR_UNSAFE_LOCATION`, `ERR_UNSUPPORTED_VERSION`, `ERR_IO`,
   *   `ERR_FAILED`.
   */
  static async open(location: string, options: OpenOptions): Promise<SecretStore> {
    return new SecretStore(await openLocation(checkLocation(location), parseOpenOptions(options)))
  }

  /**
   * The key slots of the store in a directory, for choosing a key before it is opened. Only a key vouches for keyring.json,
   * so nothing but that choice may depend on them.
   *
   * @param location - Path of the directory.
   * @throws {TypeError} On bad options.
   * @throws {SecretStoreError} `ERR_NOT_FOUND`, `ERR_NOT_A_STORE`, `ERR_CORRUPT`, `ERR_UNSAFE_LOCATION`,
   *   `ERR_UNSUPPORTED_VERSION`, `ERR_IO`.
   */
  static async slots(location: string, options: SlotsOptions = {}): Promise<StoredSlot[]> {
    const path = checkLocation(location)
    return (await onDemand()).storedSlots(path, options)
  }

  /**
   * The process that has the store in a directory open, without a key. A process that does not share the store is seen on
   * Linux and Windows alone; `undefined` elsewhere does not say that there is none.
   *
   * @param location - Path of the directory.
   * @returns `undefined` if nobody is seen to have it open.
   * @throws {TypeError} On bad options.
   * @throws {SecretStoreError} `ERR_NOT_FOUND`, `ERR_NOT_A_STORE`, `ERR_UNSAFE_LOCATION`, `ERR_IO`.
   */
  static async holder(location: string, options: SlotsOptions = {}): Promise<StoreHolder | undefined> {
    const path = checkLocation(location)
    return (await onDemand()).holder(path, options)
  }

  /** A store that is gone when it is closed, under a random key; everything else is the same. For tests. */
  static memory(options: MemoryOptions = {}): SecretStore {
    return new SecretStore(openMemory(parseMemoryOptions(options)))
  }

  /**
   * The same verbs over one partition. Secrets of different accounts and modes never meet; with `user`, every scope but
   * the account's and that user's own is `ERR_ACCESS_DENIED`.
   */
  view(options: ViewOptions): SecretView {
    const { partition, user } = parseViewOptions(options)
    return new SecretView(this.#store, new Reach(partition, user))
  }

  /**
   * The scopes that hold secrets, of all accounts and both modes, each with the number of its secrets. Walk it with
   * `for await`; secrets may be set and deleted meanwhile.
   *
   * @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_CLOSED`.
   */
  async *scopes(options?: CallOptions): AsyncGenerator<StoredScope, void, undefined> {
    const signal = signalOf(options)
    yield* (await onDemand()).walkScopes(this.#store, signal)
  }

  /**
   * Deletes everything that has expired by now, in all partitions.
   *
   * @returns How many secrets that were.
   * @throws {SecretStoreError} `ERR_CORRUPT` after everything readable was seen to, `ERR_FAILED`, `ERR_CLOSED`.
   */
  async sweep(options?: CallOptions): Promise<number> {
    const signal = signalOf(options)
    this.#store.checkWritable()
    return sweep(this.#store, signal)
  }

  /**
   * Sweeps, then makes what was deleted or replaced leave the disk: afterwards no name, id or ciphertext of it is in
   * any file. Writes wait; synchronous reads get `ERR_BUSY` for the moment in which the files are closed and opened.
   *
   * @throws {SecretStoreError} `ERR_FAILED`, `ERR_CLOSED`, `ERR_CORRUPT`.
   */
  async compact(options?: CallOptions): Promise<void> {
    const signal = signalOf(options)
    this.#store.checkWritable()
    await this.#store.compact(signal)
  }

  /**
   * Reads and authenticates everything there is, in bounded memory, while reads and writes go on.
   *
   * @returns What is missing, altered or stray; `ok` if nothing is.
   * @throws {TypeError} On bad options. @throws What `signal` was aborted with.
   * @throws {SecretStoreError} `ERR_CLOSED`, `ERR_FAILED`, `ERR_IO`.
   */
  async verify(options: LongOptions = {}): Promise<VerifyReport> {
    const plan = parseLongOptions(options, 'verify')
    this.#store.checkOpen()
    return (await onDemand()).verify(this.#store, plan)
  }

  /**
   * A token for this moment, after every write so far. Kept somewhere else and passed to `open` as `minimum`, it has
   * every older state of the store refused.
   */
  async checkpoint(options?: CallOptions): Promise<string> {
    const signal = signalOf(options)
    this.#store.checkOpen()
    const { keyring, queue } = this.#store
    return exclusiveUnlessAborted(queue, async () => checkpointToken(keyring, queue.head), signal)
  }

  /** The key slots, each of which opens the store. @throws {SecretStoreError} `ERR_CLOSED`. */
  keys(): KeySlotInfo[] {
    this.#store.checkOpen()
    return this.#store.keyring.file.slots.map(slotInfo)
  }

  /**
   * Makes one more key open the store. Rewrites keyring.json and the head, whatever the number of secrets.
   *
   * @returns The new slot.
   * @throws {TypeError | RangeError} If the provider does not open its own slot, or there are 32 already.
   * @throws {SecretStoreError} `ERR_IO`, `ERR_LOCKED`, `ERR_CORRUPT` or `ERR_UNSAFE_LOCATION` (nothing has changed),
   *   `ERR_FAILED`, `ERR_CLOSED`.
   */
  async addKey(provider: KeyProvider, options?: CallOptions): Promise<KeySlotInfo> {
    this.#store.checkWritable()
    const checked = checkProvider(provider)
    return this.#changeKeys((care, signal) => care.addSlot(this.#store, checked, signal), options)
  }

  /**
   * Makes a key open the store no more. Who has copied keyring.json, or holds the root key, is not shut out by it:
   * `rotate({ root: true, … })` is for that.
   *
   * @param slotId - From `keys`.
   * @returns The slot that was removed.
   * @throws {SecretStoreError} `ERR_UNKNOWN_KEY`, `ERR_LAST_KEY`, and as `addKey`.
   */
  async removeKey(slotId: string, options?: CallOptions): Promise<KeySlotInfo> {
    this.#store.checkWritable()
    const checked = checkSlotId(slotId)
    return this.#changeKeys((care, signal) => care.removeSlot(this.#store, checked, signal), options)
  }

  /**
   * Exchanges a slot for one of another key, such as a new passphrase, in one step.
   *
   * @param slotId - From `keys`.
   * @returns The new slot; it has an id of its own.
   * @throws As `addKey`, and `ERR_UNKNOWN_KEY`.
   */
  async replaceKey(slotId: string, provider: KeyProvider, options?: CallOptions): Promise<KeySlotInfo> {
    this.#store.checkWritable()
    const [id, checked] = [checkSlotId(slotId), checkProvider(provider)]
    return this.#changeKeys((care, signal) => care.replaceSlot(this.#store, id, checked, signal), options)
  }

  /**
   * Puts everything under a new data key and destroys the old one, while reads and writes go on. Stopped by a crash, a
   * failure or `signal`, it is taken up by the next call. With `root`, the root key is replaced first, and none but the
   * given keys open the store from then on.
   *
   * @throws {TypeError} On bad options. @throws What `signal` was aborted with.
   * @throws {SecretStoreError} `ERR_WRONG_KEY` if one of `keys` opens no slot: nothing has changed. `ERR_CORRUPT` if a
   *   record is damaged: the others are under the new key, and the old one is kept. `ERR_IO`, `ERR_FAILED`,
   *   `ERR_CLOSED`.
   */
  async rotate(options: RotateOptions = {}): Promise<RotationReport> {
    const plan = parseRotateOptions(options)
    this.#store.checkWritable()
    return this.#store.rotations.take(async () => (await onDemand()).rotate(this.#store, plan), plan.signal)
  }

  /** What there is, under which keys. Reads every record's envelope. @throws {SecretStoreError} `ERR_CLOSED`. */
  async status(options?: CallOptions): Promise<StoreStatus> {
    const signal = signalOf(options)
    this.#store.checkOpen()
    return orAborted(signal, (await onDemand()).status(this.#store))
  }

  /**
   * Writes the whole store into one sealed file, which the same keys open. Reads and writes go on; what is in it is the
   * state at the end. Every record is opened on the way, and all of them are held against the head.
   *
   * @param target - The path of a file that does not exist, or a stream, which is ended.
   * @throws {TypeError} On bad options. @throws What `signal` was aborted with, or the stream failed with.
   * @throws {SecretStoreError} `ERR_EXISTS`, `ERR_IO`, `ERR_CORRUPT` if the store is damaged, `ERR_FAILED`,
   *   `ERR_CLOSED`. No file is left behind.
   */
  async backup(target: BackupTarget, options: LongOptions = {}): Promise<BackupReport> {
    const plan = parseLongOptions(options, 'backup')
    checkBackupTarget(target)
    this.#store.checkOpen()
    return this.#store.keyChanges.take(async () => (await onDemand()).backup(this.#store, target, plan), plan.signal)
  }

  /**
   * Makes a store of a backup, at a location where there is nothing, or an empty directory. Nothing is there before all
   * of the file has proved right.
   *
   * @param source - The path of a backup, or a stream of its bytes.
   * @throws {TypeError} On bad options. @throws What `signal` was aborted with, or the stream failed with.
   * @throws {SecretStoreError} `ERR_WRONG_KEY`, `ERR_CORRUPT`, `ERR_NOT_A_STORE`, `ERR_EXISTS`,
   *   `ERR_UNSUPPORTED_VERSION`, `ERR_UNSAFE_LOCATION`, `ERR_IO`.
   */
  static async restore(source: BackupSource, location: string, options: RestoreOptions): Promise<RestoreReport> {
    const plan = parseRestoreOptions(options)
    checkBackupSource(source)
    const path = checkLocation(location)
    return (await onDemand()).restore(source, path, plan)
  }

  /**
   * Makes a new store of what is left of a damaged one, which is only read, and says what is kept and what is not. No
   * other program may have it open. The same keys open the new store. What was found nowhere in the files cannot be told
   * from what never was: that a whole state is an older one shows only against a checkpoint (`minimum`).
   *
   * @param location - Of the damaged store.
   * @throws {TypeError} On bad options. @throws What `signal` was aborted with.
   * @throws {SecretStoreError} `ERR_WRONG_KEY`, `ERR_CORRUPT` if keyring.json is damaged or nothing is left, `ERR_LOCKED`,
   *   `ERR_NOT_A_STORE`, `ERR_EXISTS`, `ERR_UNSUPPORTED_VERSION`, `ERR_UNSAFE_LOCATION`, `ERR_IO`. Then there is nothing at
   *   the destination.
   */
  static async recover(location: string, options: RecoverOptions): Promise<RecoveryReport> {
    const path = checkLocation(location)
    const plan = parseRecoverOptions(options)
    return (await onDemand()).recover(path, plan)
  }

  /**
   * Lets writes that were begun finish, closes the files and overwrites the keys. Calling it again is the same call. The last
   * `checkpoints.save` is waited for, for 10 seconds at most (2 of them with the files open); `onError` is told of a later one.
   */
  close(): Promise<void> {
    return this.#store.close()
  }

  /** At its turn among the changes of keys. */
  #changeKeys(
    change: (care: Care, signal: AbortSignal | undefined) => Promise<KeySlotInfo>,
    options: CallOptions | undefined,
  ): Promise<KeySlotInfo> {
    const signal = signalOf(options)
    return this.#store.keyChanges.take(async () => change(await onDemand(), signal), signal)
  }

  /** The same as `close`, at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
