import { checkFunction, optionsOf } from '../base/checks'
import { type BatchOperation, parseScope } from '../input/params'
import { checkVerbs } from '../input/store'
import { clearScope } from '../keyv/clear'
import { endOfTtl } from '../keyv/end'
import { type KeyvValue, liveValue, writeOf } from '../keyv/entry'
import { type Scope, user } from '../model'
import type { SecretView } from '../view'
import type { UnstorageDriver, UnstorageItemOptions } from './contract'
import { bytesOf, metaOf, msOf, prefixOf, textOf } from './item'

/** A `SecretStore`, or a view of one. */
export type UnstorageStore = Pick<SecretView, 'get' | 'find' | 'delete' | 'list' | 'batch'>

/** Options of `unstorage`. */
export interface UnstorageDriverOptions {
  /** All secrets of it are items, and `clear` deletes them. @defaultValue `user('unstorage')` */
  readonly scope?: Scope
  /** The clock, in **milliseconds** since the Unix epoch; give the store the same. @defaultValue `Date.now` */
  readonly now?: () => number
}

/**
 * A driver of unstorage over a store: `createStorage({ driver: unstorage(store) })`. An item is the secret of that name.
 *
 * @param store - The store stays the caller's: `dispose` leaves it open.
 * @throws {TypeError} If it is no store, or on bad options.
 */
export function unstorage(store: UnstorageStore, options: UnstorageDriverOptions = {}): UnstorageDriver {
  const secrets = checkVerbs<UnstorageStore>(store, ['get', 'find', 'delete', 'list', 'batch'])
  const given = optionsOf<UnstorageDriverOptions>(options, 'unstorage', ['scope', 'now'])
  const scope = given.scope === undefined ? user('unstorage') : parseScope(given.scope)
  const now = checkFunction(given.now ?? (() => Date.now()), 'now')

  async function read(name: string): Promise<KeyvValue | null> {
    return liveValue(await secrets.get({ scope, name }), now()) ?? null
  }

  function operation(name: string, value: unknown, more: UnstorageItemOptions | undefined): BatchOperation {
    return writeOf({ scope, name }, value, endOfTtl(msOf(more?.ttl), now()), now())
  }

  async function write(name: string, value: unknown, more?: UnstorageItemOptions): Promise<void> {
    await secrets.batch([operation(name, value, more)])
  }

  return {
    name: 'app-secret-store',
    flags: { ttl: true },
    getInstance: () => store,
    hasItem: async (key) => (await read(key)) !== null,
    getItem: async (key) => textOf(await read(key)),
    getItemRaw: async (key) => bytesOf(await read(key)),
    setItem: write,
    setItemRaw: write,
    async setItems(items, common) {
      await secrets.batch(items.map(({ key, value, options: own }) => operation(key, value, { ...common, ...own })))
    },
    async removeItem(key) {
      await secrets.delete({ scope, name: key })
    },
    async getMeta(key) {
      const secret = await secrets.find({ scope, name: key, expand: ['payload'] })
      return secret === undefined ? null : metaOf(secret, now())
    },
    async getKeys(base) {
      const keys: string[] = []
      const prefix = prefixOf(base)
      for await (const { name } of secrets.list({ scope })) if (name.startsWith(prefix)) keys.push(name)
      return keys
    },
    clear: (base) => clearScope(secrets, scope, prefixOf(base)),
    async dispose() {},
  }
}
