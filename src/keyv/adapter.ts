import { checkFunction, checkText, optionsOf } from '../base/checks'
import { MAX_CHARACTERS } from '../format/constants'
import type { BatchOperation, TargetParams } from '../input/params'
import { checkVerbs } from '../input/store'
import { user } from '../model'
import type { SecretView } from '../view'
import { clearScope } from './clear'
import { endOfExpires, endOfTtl } from './end'
import { type KeyvValue, liveValue, writeOf } from './entry'

/** A `SecretStore`, or a view of one. */
export type KeyvStore = Pick<SecretView, 'get' | 'list' | 'batch'>

/** Options of `keyv`. */
export interface KeyvAdapterOptions {
  /** The clock, in **milliseconds** since the Unix epoch; give the store the same. @defaultValue `Date.now` */
  readonly now?: () => number
}

/** One entry of `setMany`: of Keyv 5 with a `ttl`, of Keyv 6 with `expires`. */
export interface KeyvAdapterEntry {
  /** The key, as Keyv passes it on. */
  readonly key: string
  /** The value, as Keyv's serializer makes it. */
  readonly value: unknown
  /** Milliseconds from now on. @defaultValue none: it never ends */
  readonly ttl?: number | undefined
  /** Unix milliseconds. @defaultValue none: it never ends */
  readonly expires?: number | undefined
}

/**
 * A storage adapter for Keyv 5 and 6 over a store: `new Keyv({ store: keyv(store) })`. Each Keyv needs an adapter of its
 * own, because Keyv sets the adapter's `namespace`; all of them may be over one store.
 *
 * @throws {TypeError} If it is no store, or on bad options.
 */
export function keyv(store: KeyvStore, options: KeyvAdapterOptions = {}): KeyvAdapter {
  const { now = () => Date.now() } = optionsOf<KeyvAdapterOptions>(options, 'keyv', ['now'])
  return new KeyvAdapter(checkVerbs<KeyvStore>(store, ['get', 'list', 'batch']), checkFunction(now, 'now'))
}

const METHODS = ['get', 'getMany', 'has', 'hasMany', 'set', 'setMany', 'delete', 'deleteMany', 'clear'] as const
const OPTIONAL_METHODS = ['disconnect', 'iterator'] as const

/** What Keyv is given. Its methods are Keyv's to call. */
export class KeyvAdapter {
  /** Set by Keyv. Its entries are the secrets of the scope `user('keyv:' + namespace)`, without one of `user('keyv')`. */
  namespace: string | undefined
  readonly #store: KeyvStore
  readonly #now: () => number
  readonly #listeners: ((error: unknown) => void)[] = []
  readonly #opts: Record<string, unknown> = { dialect: 'sqlite', url: '' }
  /** Which of them calls: what `set` takes and `deleteMany` returns are not the same. */
  #major: 5 | 6 = 6

  /** @internal Use `keyv`. */
  constructor(store: KeyvStore, now: () => number) {
    this.#store = store
    this.#now = now
  }

  /**
   * Read by Keyv 5, and by no later one. It iterates only over stores of a dialect that it knows.
   *
   * @internal
   */
  get opts(): Record<string, unknown> {
    this.#major = 5
    return this.#opts
  }

  /**
   * Read by Keyv 6, and by no earlier one: `set` takes a time, not a time to live.
   *
   * @internal
   */
  get capabilities(): object {
    this.#major = 6
    const methods = [...METHODS, ...OPTIONAL_METHODS].map((name) => [name, { exists: true, methodType: 'async' }])
    return { compatible: true, store: 'keyvStorage', expires: true, methods: Object.fromEntries(methods) }
  }

  /** Keyv 5 keeps to itself what `get` throws, so it is told here. Only errors are ever told. */
  on(event: string, listener: (error: unknown) => void): this {
    checkFunction(listener, 'listener')
    if (event === 'error') this.#listeners.push(listener)
    return this
  }

  /** @throws {SecretStoreError} As the store's `get`. @throws {TypeError} If the app has a secret of its own there. */
  async get(key: string): Promise<KeyvValue | undefined> {
    try {
      return await this.#read(key)
    } catch (error) {
      if (this.#major === 5) for (const listener of this.#listeners) listener(error)
      throw error
    }
  }

  /** One value for each key, in their order. @throws As `get`. */
  async getMany(keys: readonly string[]): Promise<(KeyvValue | undefined)[]> {
    const values: (KeyvValue | undefined)[] = []
    for (const key of keys) values.push(await this.#read(key))
    return values
  }

  /** @throws As `get`. */
  async has(key: string): Promise<boolean> {
    return (await this.#read(key)) !== undefined
  }

  /** One answer for each key, in their order. @throws As `get`. */
  async hasMany(keys: readonly string[]): Promise<boolean[]> {
    return (await this.getMany(keys)).map((value) => value !== undefined)
  }

  /**
   * @param end - Of Keyv 6 a time in Unix milliseconds, of Keyv 5 a time to live in milliseconds. An entry that has
   *   ended is deleted.
   * @throws {TypeError | RangeError} On bad input. @throws {SecretStoreError} As the store's `batch`.
   */
  async set(key: string, value: unknown, end?: number): Promise<boolean> {
    await this.setMany([{ key, value, ...(this.#major === 5 ? { ttl: end } : { expires: end }) }])
    return true
  }

  /** One durable write: all of the entries or none. @throws As `set`. */
  async setMany(entries: readonly KeyvAdapterEntry[]): Promise<boolean[]> {
    await this.#store.batch(entries.map((entry) => this.#write(entry)))
    return entries.map(() => true)
  }

  /** @returns Whether there was such an entry. @throws {SecretStoreError} As the store's `batch`. */
  async delete(key: string): Promise<boolean> {
    const [deleted] = await this.#deleteAll([key])
    return deleted === true
  }

  /**
   * One durable write: all of the entries or none.
   *
   * @returns To Keyv 6, for each key whether there was such an entry; to Keyv 5, whether there were all of them.
   * @throws {SecretStoreError} As the store's `batch`.
   */
  async deleteMany(keys: readonly string[]): Promise<boolean | boolean[]> {
    const deleted = await this.#deleteAll(keys)
    return this.#major === 5 ? deleted.every(Boolean) : deleted
  }

  /** Deletes the entries of this namespace, and no others. @throws {SecretStoreError} As the store's `batch`. */
  async clear(): Promise<void> {
    await clearScope(this.#store, scopeOf(this.namespace), '')
  }

  /** The entries of a namespace as pairs of key and value. @throws As `get`. */
  async *iterator(
    namespace: string | undefined = this.namespace,
  ): AsyncGenerator<[string, KeyvValue], void, undefined> {
    for await (const { name, payload } of this.#store.list({ scope: scopeOf(namespace), expand: ['data.payload'] })) {
      const value = liveValue(payload, this.#now())
      if (value !== undefined) yield [name, value]
    }
  }

  /** Leaves the store open: it may serve others. */
  async disconnect(): Promise<void> {}

  async #read(key: string): Promise<KeyvValue | undefined> {
    return liveValue(await this.#store.get(this.#target(key)), this.#now())
  }

  #write({ key, value, ttl, expires }: KeyvAdapterEntry): BatchOperation {
    const endMs = expires === undefined ? endOfTtl(ttl, this.#now()) : endOfExpires(expires)
    return writeOf(this.#target(key), value, endMs, this.#now())
  }

  async #deleteAll(keys: readonly string[]): Promise<boolean[]> {
    const deleted = await this.#store.batch(keys.map((key) => ({ type: 'delete', ...this.#target(key) })))
    return deleted.map((secret) => secret !== undefined)
  }

  #target(key: string): TargetParams {
    return { scope: scopeOf(this.namespace), name: checkText(key, 'key', MAX_CHARACTERS) }
  }
}

/** Of no app's users: `clear` is not to reach their secrets. */
function scopeOf(namespace: string | undefined): ReturnType<typeof user> {
  if (namespace === undefined || namespace === '') return user('keyv')
  return user(`keyv:${checkText(namespace, 'namespace', MAX_CHARACTERS - 5)}`)
}
