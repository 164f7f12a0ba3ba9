import type { BatchOperation, SecretStore as Opened, SetParams } from '../../src/index'
import type { Secret } from '../data'
import { type Contender, type Found, KEY, MOST_WAIT_MS, type Store } from './contender'

type Library = typeof import('../../src/index')

/** @param sodium - Whether sodium-native is used, which is installed here. */
export async function loadOurs(sodium: boolean): Promise<Contender> {
  const library = await import('../../src/index')
  const { rawKey, SecretStore } = library
  return {
    async open(directory, { now, shared = false }) {
      const options = {
        key: rawKey(KEY),
        sodium,
        sweepIntervalMs: 0,
        compactIntervalMs: 0,
        ...(now === undefined ? {} : { now }),
        ...(shared && { shared, waitMs: MOST_WAIT_MS }),
      }
      return storeOver(library, await SecretStore.open(directory, options))
    },
    async prove() {
      const store = SecretStore.memory({ sodium })
      const { aead } = await store.status()
      await store.close()
      if (aead.some(({ library }) => library === 'sodium-native') !== sodium) {
        throw new Error(`sodium-native: expected it ${sodium ? '' : 'not '}to be used, got the opposite`)
      }
    },
  }
}

function storeOver({ account }: Library, store: Opened): Store {
  const setOf = ({ name, payload, expires_at }: Secret): SetParams => ({ scope: account, name, payload, expires_at })
  const target = (name: string): { scope: typeof account; name: string } => ({ scope: account, name })
  return {
    find: (name) => store.find({ scope: account, name, expand: ['payload'] }) as Promise<Found | undefined>,
    findBare: (name) => store.find(target(name)),
    get: (name) => store.get(target(name)),
    getSync: (name) => store.getSync(target(name)),
    set: (secret) => store.set(setOf(secret)),
    setAtOnce: (secrets) => Promise.all(secrets.map((secret) => store.set(setOf(secret)))),
    batch: (secrets) => store.batch(secrets.map((secret): BatchOperation => ({ type: 'set', ...setOf(secret) }))),
    async page(limit, after) {
      const cursor = after === undefined ? {} : { starting_after: after.id }
      const { data, has_more } = await store.list({ scope: account, limit, ...cursor })
      return { rows: data, hasMore: has_more }
    },
    async walk(visit) {
      for await (const secret of store.list({ scope: account })) visit(secret)
    },
    sweep: () => store.sweep(),
    rotate: () => store.rotate(),
    async verify() {
      const { ok, problems } = await store.verify()
      if (!ok) throw new Error(`verify: expected no problems, got ${problems.length}`)
    },
    settle: () => store.compact(),
    close: () => store.close(),
  }
}
