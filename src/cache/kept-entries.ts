import type { SecretStoreError } from '../errors'
import type { BatchOperation, FindParams, SetParams, Target } from '../input/params'
import { checkVerbs } from '../input/store'
import type { DeletedSecret, Secret } from '../model'
import type { SecretView } from '../view'
import { type CacheEntry, decodeCacheEntry, encodeCacheEntry, RUN_BYTES } from './entry'
import { OtherProcesses, type OthersListener } from './other-processes'

/** A `SecretStore`, or a view of one. */
export interface CacheStore extends Pick<SecretView, 'getBytes'> {
  /** As `set` of the store. */
  set(params: SetParams): Promise<Secret>
  /** As `delete` of the store. */
  delete(params: FindParams): Promise<DeletedSecret | undefined>
}

/** What a load came to, to be kept. */
export interface Put {
  readonly entry: CacheEntry
  /** When the store is to delete it. */
  readonly untilSeconds: number
  /** The clock. */
  readonly nowMs: () => number
  /** The load that brought it. */
  readonly flight: { readonly dropped: boolean; readonly overtaken: boolean }
}

/** Entries in the store: secrets with a prefix to their names. None that is the app's own is overwritten or deleted. */
export class KeptEntries {
  readonly #store: CacheStore
  readonly #prefix: string
  /** Keys of entries that may be in the store and must not be answered: what came after could not be written. */
  readonly #superseded = new Set<string>()
  readonly #others: OtherProcesses | undefined

  constructor(store: CacheStore, prefix: string) {
    this.#store = store
    this.#prefix = prefix
    this.#others = OtherProcesses.of(store, ({ scope, name }) =>
      name.startsWith(prefix) ? keyOf({ scope, name: name.slice(prefix.length) }) : undefined,
    )
  }

  /** Tells what other processes do to the entries, if there are any that share the store. @returns Ends it. */
  listen(listener: OthersListener): () => void {
    const tell = (key: string, how: (key: string) => void): void => {
      // What is there now is not what had to be replaced.
      this.#superseded.delete(key)
      how(key)
    }
    const ended = this.#others?.listen({
      onWritten: (key) => tell(key, (written) => listener.onWritten(written)),
      onDropped: (key) => tell(key, (dropped) => listener.onDropped(dropped)),
      onGap: () => listener.onGap(),
    })
    return ended ?? (() => {})
  }

  /** @throws {SecretStoreError} As `getBytes` and `decodeCacheEntry`. */
  async read(target: Target): Promise<CacheEntry | undefined> {
    const bytes = await this.#store.getBytes(this.#address(target))
    const entry = bytes && decodeCacheEntry(bytes)
    return this.#superseded.has(keyOf(target)) ? undefined : entry
  }

  /**
   * @param put - What to keep, and until when the store is to keep it.
   * @returns Whether it is kept: not if it is not wanted any more, or another process has kept what is newer.
   * @throws {SecretStoreError} As `read` and `set`, but for an entry of another version, which is overwritten.
   */
  async write(target: Target, put: Put): Promise<boolean> {
    const secret = { ...this.#address(target), payload: encodeCacheEntry(put.entry), expires_at: put.untilSeconds }
    if (this.#others !== undefined) return this.#replace(this.#others, target, put, { type: 'set', ...secret })
    await this.#supersede(target)
    await this.#store.set(secret)
    this.#superseded.delete(keyOf(target))
    return true
  }

  /** As `write`, of what is over already: nothing is kept. */
  async drop(target: Target, put: Put): Promise<boolean> {
    const deleting = { type: 'delete', ...this.#address(target) } as const
    if (this.#others !== undefined) return this.#replace(this.#others, target, put, deleting)
    await this.#delete(target)
    return true
  }

  /**
   * Drops what is kept, in all processes, which hear of it also where nothing is.
   *
   * @throws {SecretStoreError} As `read` and `delete`, but for an entry of another version, which is deleted.
   */
  async invalidate(target: Target, nowMs: number): Promise<void> {
    const others = this.#others
    if (others === undefined) return this.#delete(target)
    const key = keyOf(target)
    const deleting = { type: 'delete', ...this.#address(target) } as const
    const always = (): boolean => true
    let isThere = false
    const drop = async (): Promise<readonly BatchOperation[]> => {
      isThere = (await this.#supersede(target)) !== undefined
      const setting = { type: 'set', ...this.#address(target), ...nothing(nowMs) } as const
      return isThere ? [setting, deleting] : [setting]
    }
    await others.write(key, drop, always)
    // A commit that leaves everything as it was is none, and nobody hears of it.
    if (!isThere) await others.write(key, async () => [deleting], always)
    this.#superseded.delete(key)
  }

  async #replace(
    others: OtherProcesses,
    target: Target,
    { entry, nowMs, flight }: Put,
    operation: BatchOperation,
  ): Promise<boolean> {
    const plan = async (): Promise<readonly BatchOperation[] | undefined> => {
      const kept = await this.#supersede(target)
      // What another process kept meanwhile has expired: nobody can tell any more whether it was newer.
      const isGone = kept === undefined && flight.overtaken
      return isGone || isNewer(kept, entry, nowMs()) ? undefined : [operation]
    }
    const isDone = await others.write(keyOf(target), plan, () => !flight.dropped)
    // If it is not, what is there has not been replaced by anything that was answered.
    this.#superseded.delete(keyOf(target))
    return isDone
  }

  async #delete(target: Target): Promise<void> {
    if ((await this.#supersede(target)) !== undefined) await this.#store.delete(this.#address(target))
    this.#superseded.delete(keyOf(target))
  }

  /**
   * From now on an entry that is there is no answer, even if it cannot be read now and can be later.
   *
   * @returns What is there.
   * @throws {SecretStoreError} If it may be a secret of the app: nobody may overwrite or delete it.
   */
  async #supersede(target: Target): Promise<CacheEntry | 'of another version' | undefined> {
    const key = keyOf(target)
    this.#superseded.add(key)
    try {
      const bytes = await this.#store.getBytes(this.#address(target))
      if (bytes !== undefined) return replaceable(bytes)
      this.#superseded.delete(key)
      return undefined
    } catch (error) {
      if (NEVER_KEPT.has(codeOf(error))) this.#superseded.delete(key)
      throw error
    }
  }

  #address({ scope, name }: Target): Target {
    return { scope, name: `${this.#prefix}${name}` }
  }
}

/** After these there is no entry that could be answered later. */
const NEVER_KEPT: ReadonlySet<unknown> = new Set(['ERR_EXISTS', 'ERR_ACCESS_DENIED'])
const UNREADABLE: ReadonlySet<unknown> = new Set(['ERR_CORRUPT', 'ERR_IO', 'ERR_UNSUPPORTED_VERSION'])

const claimed = new WeakMap<CacheStore, Set<string>>()

/**
 * Keeps two caches from sharing entries: `cache:` and `cache:db:` have the same one for `db:password` and `password`.
 *
 * @returns Ends the claim.
 * @throws {TypeError} If the prefix of another open cache of the same store begins with it, or it with that.
 */
export function claimPrefix(store: CacheStore, prefix: string): () => void {
  const prefixes = claimed.get(store) ?? new Set()
  for (const other of prefixes) {
    if (!other.startsWith(prefix) && !prefix.startsWith(other)) continue
    throw new TypeError("prefix: expected one that neither begins another open cache's nor is begun by it, got another")
  }
  claimed.set(store, prefixes.add(prefix))
  return () => prefixes.delete(prefix)
}

export function checkStore(store: unknown): CacheStore {
  return checkVerbs<CacheStore>(store, ['getBytes', 'set', 'delete'])
}

/** An entry that is over from the beginning. If its process ends before it is deleted, the store does that a minute later. */
function nothing(nowMs: number): { readonly payload: Uint8Array; readonly expires_at: number } {
  const stamp = { fetchedAt: 0, run: new Uint8Array(RUN_BYTES), runMs: 0 }
  const payload = encodeCacheEntry({ stamp, payload: undefined, expires_at: null })
  return { payload, expires_at: Math.floor(nowMs / 1000) + 60 }
}

/** One for each secret. */
export function keyOf({ scope, name }: Target): string {
  return JSON.stringify([scope.type === 'user' ? scope.user : null, name])
}

/** Whether something is there and cannot be read. The source can still be asked. */
export function isDamage(error: unknown): boolean {
  return UNREADABLE.has(codeOf(error))
}

/** An entry of another version has the magic, and so is no secret of the app. */
function replaceable(bytes: Uint8Array): CacheEntry | 'of another version' {
  try {
    return decodeCacheEntry(bytes)
  } catch (error) {
    if (codeOf(error) !== 'ERR_UNSUPPORTED_VERSION') throw error
    return 'of another version'
  }
}

/** Whether what another process has kept meanwhile was asked for later. What seems to be of the future tells nothing. */
function isNewer(kept: CacheEntry | 'of another version' | undefined, { stamp }: CacheEntry, nowMs: number): boolean {
  if (kept === undefined || kept === 'of another version') return false
  return kept.stamp.fetchedAt > stamp.fetchedAt && kept.stamp.fetchedAt <= nowMs
}

/** Not by the class: a store that was loaded by `require` has one of its own. */
function codeOf(error: unknown): unknown {
  return (error as Partial<SecretStoreError> | undefined)?.code
}
