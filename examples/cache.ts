/**
 * A cache in front of a secret manager that is stopped and started again. Run by `npx tsx examples/cache.ts`.
 *
 * The clock is moved by hand, so that an hour takes no time.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SecretCache } from '../src/cache/index'
import { account, SecretStore, type SecretStoreError } from '../src/index'

const MINUTE_MS = 60_000

/** Stands for the secret manager. Each answer is another version of the secret, so that one can tell them apart. */
class SecretManager {
  requests = 0
  readonly deleted = new Set<string>()
  #server: Server | undefined
  #port = 0

  async start(): Promise<void> {
    this.#server = createServer((request, response) => {
      this.requests++
      const name = (request.url ?? '').slice(1)
      if (this.deleted.has(name)) response.writeHead(404).end()
      else response.end(`${name}, version ${this.requests}`)
    })
    await new Promise<void>((resolve) => this.#server?.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise<unknown>((resolve) => this.#server?.close(resolve))
  }

  /** What the cache calls when it needs an answer. */
  async load(name: string, signal: AbortSignal): Promise<string | undefined> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/${name}`, { signal })
    if (response.status === 404) return undefined
    if (!response.ok) throw new Error(`secret manager: expected status 200, got ${response.status}`)
    return response.text()
  }
}

let aheadMs = 0
const now = (): number => 1_767_225_600_000 + aheadMs
const later = (minutes: number): void => {
  aheadMs += minutes * MINUTE_MS
}

const manager = new SecretManager()
const store = SecretStore.memory({ now })
const open = (): SecretCache =>
  new SecretCache(store, {
    load: ({ name, signal }) => manager.load(name, signal),
    ttlMs: 5 * MINUTE_MS,
    maxStaleMs: 60 * MINUTE_MS,
    refreshAheadMs: MINUTE_MS,
    now,
    onError: () => {}, // a program would log it
  })

const DATABASE = { scope: account, name: 'database-password' } as const

async function show(cache: SecretCache, what: string): Promise<void> {
  const said = await cache.get(DATABASE).then(
    (found) =>
      found === undefined
        ? 'there is none'
        : `${found.payload}, ${found.ageMs / MINUTE_MS} min old${found.stale ? ', stale' : ''}`,
    (error: SecretStoreError) => error.code,
  )
  console.log(`${what.padEnd(62)} ${said} (${manager.requests} requests)`)
}

/** Until what was begun in the background is kept. */
async function refreshed(cache: SecretCache): Promise<void> {
  while ((await cache.get(DATABASE))?.ageMs !== 0) await new Promise((resolve) => setTimeout(resolve, 5))
}

await manager.start()
let cache = open()
try {
  await Promise.all(Array.from({ length: 100 }, () => cache.get(DATABASE)))
  await show(cache, 'asked for by 100 callers at once')
  later(3)
  await show(cache, '3 minutes later, fresh')
  later(1)
  await show(cache, 'a minute before its end, loaded anew in the background')
  await refreshed(cache)
  await show(cache, 'and then')

  await manager.stop()
  later(5)
  await show(cache, 'the manager has stopped; 5 minutes later')
  await cache.close()
  cache = open()
  later(54)
  await show(cache, 'after a restart, 59 minutes old')
  later(1)
  await show(cache, 'an hour old: never')

  await manager.start()
  later(2) // longer than any pause after a failure
  await show(cache, 'the manager is back')
  await cache.invalidate(DATABASE)
  await show(cache, 'after invalidate')
  manager.deleted.add(DATABASE.name)
  later(5)
  await show(cache, 'deleted there')
  await manager.stop()
  later(1)
  await show(cache, 'stopped again: what was deleted does not come back')
} finally {
  await cache.close()
  await store.close()
  await manager.stop()
}
