import type { Secret } from '../data'
import { type Contender, KEY, load, pageOf, type Store } from './contender'

interface Conf {
  get(key: string): Secret | undefined
  set(key: string, value: Secret): void
  set(values: Readonly<Record<string, Secret>>): void
  store: Record<string, Secret>
}

/**
 * One encrypted file, read for every read and written for every write. No schema, no watching. It waits for the file's
 * bytes before it renames it, not for the directory: the last writes may be gone after a loss of power, never half there.
 */
export async function loadContender(): Promise<Contender> {
  const { default: Conf } = await load<{ default: new (options: object) => Conf }>('conf')
  return {
    open: (directory) =>
      storeOver(
        new Conf({
          cwd: directory,
          encryptionAlgorithm: 'aes-256-gcm',
          encryptionKey: KEY,
          accessPropertiesByDotNotation: false,
          watch: false,
        }),
      ),
  }
}

function storeOver(conf: Conf): Store {
  const put = (stored: Record<string, Secret>, secret: Secret): void => {
    const previous = stored[secret.name]
    stored[secret.name] = { ...(previous ?? secret), payload: secret.payload, expires_at: secret.expires_at }
  }
  const batch = (secrets: readonly Secret[]): void => {
    const stored = conf.store
    for (const secret of secrets) put(stored, secret)
    conf.store = stored
  }
  return {
    find: (name) => conf.get(name),
    findBare: (name) => conf.get(name),
    get: (name) => conf.get(name)?.payload,
    getSync: (name) => conf.get(name)?.payload,
    set: (secret) => batch([secret]),
    setAtOnce: batch,
    batch,
    page(limit, after) {
      const { store } = conf
      const names = Object.keys(store).sort()
      const start = after === undefined ? 0 : names.indexOf(after.name) + 1
      return pageOf(
        names.slice(start, start + limit + 1).map((name) => store[name] as Secret),
        limit,
      )
    },
    walk(visit) {
      for (const secret of Object.values(conf.store)) visit(secret)
    },
    sweep(nowSeconds) {
      const all = Object.entries(conf.store)
      const live = all.filter(([, { expires_at }]) => expires_at === null || expires_at > nowSeconds)
      conf.store = Object.fromEntries(live)
      return all.length - live.length
    },
    close() {},
  }
}
