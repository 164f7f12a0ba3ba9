import type { SecretStoreError } from '../errors'
import type { Target } from '../validate'
import type { SecretView } from '../view'
import { decodeEntry, type Entry, encodeEntry } from './entry'

/** A `SecretStore`, or a view of one. */
export type CacheStore = Pick<SecretView, 'getBytes' | 'set' | 'delete'>

/** Entries in the store: secrets with a prefix to their names. None that is the app's own is overwritten or deleted. */
export class KeptEntries {
  readonly #store: CacheStore
  readonly #prefix: string
  /** Of what may still be in the store and must not be answered: "there is none", or a deletion, could not be written. */
  readonly #superseded = new Set<string>()

  constructor(store: CacheStore, prefix: string) {
    this.#store = store
    this.#prefix = prefix
  }

  /** @throws {SecretStoreError} As `getBytes` and `decodeEntry`. */
  async read(target: Target): Promise<Entry | undefined> {
    const bytes = await this.#store.getBytes(this.#address(target))
    const entry = bytes && decodeEntry(bytes)
    return this.#superseded.has(keyOf(target)) ? undefined : entry
  }

  /**
   * @param untilSeconds - When the store is to delete it.
   * @throws {SecretStoreError} As `read` and `set`, but for damage to what is overwritten.
   */
  async write(target: Target, entry: Entry, untilSeconds: number): Promise<void> {
    const previous = await this.#readOwn(target)
    const key = keyOf(target)
    if (previous !== undefined && entry.payload === undefined) this.#superseded.add(key)
    const payload = encodeEntry(entry)
    await this.#store.set({ ...this.#address(target), payload, expires_at: untilSeconds })
    this.#superseded.delete(key)
  }

  /** @throws {SecretStoreError} As `read` and `delete`, but for damage to what is deleted. */
  async drop(target: Target): Promise<void> {
    if ((await this.#readOwn(target)) === undefined) return
    const key = keyOf(target)
    this.#superseded.add(key)
    await this.#store.delete(this.#address(target))
    this.#superseded.delete(key)
  }

  /** What is there, if it is no secret of the app. What cannot be read may be replaced, if the store allows it. */
  async #readOwn(target: Target): Promise<unknown> {
    try {
      return await this.#store.getBytes(this.#address(target)).then((bytes) => bytes && decodeEntry(bytes))
    } catch (error) {
      if (isDamage(error)) return error
      throw error
    }
  }

  #address({ scope, name }: Target): Target {
    return { scope, name: `${this.#prefix}${name}` }
  }
}

const UNREADABLE: ReadonlySet<unknown> = new Set(['ERR_CORRUPT', 'ERR_IO', 'ERR_UNSUPPORTED_VERSION'])

const claimed = new WeakMap<CacheStore, Set<string>>()

/**
 * Two caches with different sources and the same entries would give each other's answers.
 *
 * @returns Ends the claim.
 * @throws {TypeError} If another cache has the same prefix in the same store.
 */
export function claimPrefix(store: CacheStore, prefix: string): () => void {
  const prefixes = claimed.get(store) ?? new Set()
  if (prefixes.has(prefix)) {
    throw new TypeError('prefix: expected one of its own for each open cache of a store, got the same')
  }
  claimed.set(store, prefixes.add(prefix))
  return () => prefixes.delete(prefix)
}

export function checkStore(store: unknown): CacheStore {
  const { getBytes, set, delete: remove } = (store ?? {}) as Partial<CacheStore>
  if ([getBytes, set, remove].every((verb) => typeof verb === 'function')) return store as CacheStore
  throw new TypeError('store: expected a SecretStore or a view of one, got something else')
}

/** One for each secret. */
export function keyOf({ scope, name }: Target): string {
  return JSON.stringify([scope.type === 'user' ? scope.user : null, name])
}

/** Whether something is there and cannot be read. The source can still be asked. */
export function isDamage(error: unknown): boolean {
  // By its code: a store that was loaded by `require` has a class of its own.
  return UNREADABLE.has((error as Partial<SecretStoreError> | undefined)?.code)
}
