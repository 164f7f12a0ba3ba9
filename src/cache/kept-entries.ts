import type { SecretStoreError } from '../errors'
import type { FindParams, SetParams, Target } from '../input/params'
import { checkVerbs } from '../input/store'
import type { DeletedSecret, Secret } from '../model'
import type { SecretView } from '../view'
import { type CacheEntry, decodeCacheEntry, encodeCacheEntry } from './entry'

/** A `SecretStore`, or a view of one. */
export interface CacheStore extends Pick<SecretView, 'getBytes'> {
  /** As `set` of the store. */
  set(params: SetParams): Promise<Secret>
  /** As `delete` of the store. */
  delete(params: FindParams): Promise<DeletedSecret | undefined>
}

/** Entries in the store: secrets with a prefix to their names. None that is the app's own is overwritten or deleted. */
export class KeptEntries {
  readonly #store: CacheStore
  readonly #prefix: string
  /** Keys of entries that may be in the store and must not be answered: what came after could not be written. */
  readonly #superseded = new Set<string>()

  constructor(store: CacheStore, prefix: string) {
    this.#store = store
    this.#prefix = prefix
  }

  /** @throws {SecretStoreError} As `getBytes` and `decodeCacheEntry`. */
  async read(target: Target): Promise<CacheEntry | undefined> {
    const bytes = await this.#store.getBytes(this.#address(target))
    const entry = bytes && decodeCacheEntry(bytes)
    return this.#superseded.has(keyOf(target)) ? undefined : entry
  }

  /**
   * @param untilSeconds - When the store is to delete it.
   * @throws {SecretStoreError} As `read` and `set`, but for an entry of another version, which is overwritten.
   */
  async write(target: Target, entry: CacheEntry, untilSeconds: number): Promise<void> {
    await this.#supersede(target)
    const payload = encodeCacheEntry(entry)
    await this.#store.set({ ...this.#address(target), payload, expires_at: untilSeconds })
    this.#superseded.delete(keyOf(target))
  }

  /** @throws {SecretStoreError} As `read` and `delete`, but for an entry of another version, which is deleted. */
  async drop(target: Target): Promise<void> {
    if (!(await this.#supersede(target))) return
    await this.#store.delete(this.#address(target))
    this.#superseded.delete(keyOf(target))
  }

  /**
   * From now on an entry that is there is no answer, even if it cannot be read now and can be later.
   *
   * @returns Whether something is there.
   * @throws {SecretStoreError} If it may be a secret of the app: nobody may overwrite or delete it.
   */
  async #supersede(target: Target): Promise<boolean> {
    const key = keyOf(target)
    this.#superseded.add(key)
    try {
      const bytes = await this.#store.getBytes(this.#address(target))
      if (bytes !== undefined) checkReplaceable(bytes)
      else this.#superseded.delete(key)
      return bytes !== undefined
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

/** One for each secret. */
export function keyOf({ scope, name }: Target): string {
  return JSON.stringify([scope.type === 'user' ? scope.user : null, name])
}

/** Whether something is there and cannot be read. The source can still be asked. */
export function isDamage(error: unknown): boolean {
  return UNREADABLE.has(codeOf(error))
}

/** An entry of another version has the magic, and so is no secret of the app. */
function checkReplaceable(bytes: Uint8Array): void {
  try {
    decodeCacheEntry(bytes)
  } catch (error) {
    if (codeOf(error) !== 'ERR_UNSUPPORTED_VERSION') throw error
  }
}

/** Not by the class: a store that was loaded by `require` has one of its own. */
function codeOf(error: unknown): unknown {
  return (error as Partial<SecretStoreError> | undefined)?.code
}
