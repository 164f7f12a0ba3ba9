/**
 * One of several processes that share a store: does what it is told over its channel, and tells each call and each answer
 * by synchronous writes, with the time of a clock that all processes share. It lives until it is told to close, or killed.
 */

import { newId, publicRandom } from '../../../src/crypto/random'
import {
  account,
  type BatchOperation,
  rawKey,
  type Scope,
  type Secret,
  SecretStore,
  SecretStoreError,
  user,
} from '../../../src/index'
import type { Address } from '../../../src/model'
import type { Operation } from '../../../src/storage/commit/transaction'
import { partsOf } from '../../../src/view'
import { Draws } from '../campaign'
import type { SecretAnswer, SecretCall, SetStep, Shown } from '../linearizable'
import { tell } from './writer'

export interface Sharer {
  readonly location: string
  readonly sharer: number
  readonly names: readonly string[]
  /** Instead of waiting for orders, opens, sets a secret of its own and closes so many times. */
  readonly openings?: number
}

export type Order =
  /** Calls of a round, drawn from the seed; each round ends with a secret of the sharer's own. */
  | { readonly round: number; readonly seed: number; readonly calls: number }
  /** What there is, with nobody else about. */
  | { readonly look: number }
  /** So many increments of one secret. */
  | { readonly count: number }
  | { readonly close: true }

/** Times are nanoseconds of `process.hrtime`. */
export type Said =
  | { readonly ready: true }
  | { readonly call: SecretCall; readonly id: number; readonly at: number }
  /** @param refused - The code; nothing was done then. `ERR_OUTCOME_UNKNOWN` is told as `unknown`. */
  | { readonly answer: unknown; readonly id: number; readonly at: number }
  | { readonly refused: string; readonly id: number; readonly message: string }
  | { readonly unknown: number }
  /** @param tried - The number of a secret of its own that it is about to set. */
  | { readonly tried: number }
  | { readonly acknowledged: number }
  | { readonly done: number }
  /** A change event for a secret that is somebody's own, or a gap. */
  | { readonly heard: string }
  | { readonly counted: number }
  | { readonly closed: true }

/** Every process has the same. */
export const FIXED_MS = 1_700_000_000_000
export const KEY_FILL = 7
/** The scope of secrets of which each is set once. */
export const own: Scope = user('usr_own')
export const COUNTER = 'counter'
const LARGE_BYTES = 1500

function say(said: Said): void {
  tell(said)
}

function now(): number {
  return Number(process.hrtime.bigint())
}

function shownOf(secret: Secret | undefined): Shown | undefined {
  if (secret === undefined) return undefined
  const { id, created, expires_at, payload } = secret
  return { id, created, expires_at, ...(payload === undefined ? {} : { payload }) }
}

class Caller {
  readonly #store: SecretStore
  readonly #job: Sharer
  #calls = 0
  #own = 0

  constructor(store: SecretStore, job: Sharer) {
    this.#store = store
    this.#job = job
  }

  async round({ round, seed, calls }: Extract<Order, { readonly round: number }>): Promise<void> {
    const draws = new Draws(seed)
    await Promise.all([this.#lane(draws, calls), this.#setOwn()])
    say({ done: round })
  }

  async look(round: number): Promise<void> {
    // At a turn, so that whatever the dead have sent is over.
    await this.#setOwn()
    const read = async (): Promise<SecretAnswer> => this.#page(true)
    await this.#record({ verb: 'list' }, read)
    for (const name of this.#job.names) await this.#get(name)
    say({ done: round })
  }

  async #lane(draws: Draws, calls: number): Promise<void> {
    for (let call = 0; call < calls; call++) await this.#callOnce(draws)
  }

  async #setOwn(): Promise<void> {
    const number = ++this.#own
    say({ tried: number })
    try {
      await this.#store.set({ scope: own, name: `${this.#job.sharer}:${number}`, payload: 'x' })
      say({ acknowledged: number })
    } catch (error) {
      say({ refused: codeOf(error), id: -1, message: String(error) })
    }
  }

  async #callOnce(draws: Draws): Promise<void> {
    const name = draws.pick(this.#job.names)
    const target = { scope: account, name }
    const kind = draws.below(100)
    if (kind < 30) {
      const { verb: _, ...params } = this.#set(draws, name)
      return this.#record({ verb: 'set', ...params }, async () =>
        shownOf(await this.#store.set({ scope: account, ...params })),
      )
    }
    if (kind < 42) return this.#record({ verb: 'delete', name }, async () => shownOf(await this.#store.delete(target)))
    if (kind < 54) return this.#batch(draws)
    if (kind < 72) return this.#get(name)
    if (kind < 88) return this.#record({ verb: 'find', name }, async () => shownOf(await this.#store.find(target)))
    return this.#record({ verb: 'list' }, () => this.#page(false))
  }

  #batch(draws: Draws): Promise<void> {
    const steps = Array.from({ length: 1 + draws.below(3) }, () => {
      const name = draws.pick(this.#job.names)
      return draws.below(3) === 0 ? ({ verb: 'delete', name } as const) : this.#set(draws, name)
    })
    return this.#record({ verb: 'batch', steps }, async () => {
      const operations = steps.map((step): BatchOperation => {
        const target = { scope: account, name: step.name }
        return step.verb === 'set' ? { type: 'set', ...target, payload: step.payload } : { type: 'delete', ...target }
      })
      const answers = await this.#store.batch(operations)
      return answers.map((secret) => shownOf(secret))
    })
  }

  #set(draws: Draws, name: string): SetStep {
    const text = `p${this.#job.sharer}-${this.#calls}-${draws.below(1000)}`
    const payload = text.padEnd(draws.below(4) === 0 ? LARGE_BYTES : 0, '.')
    return { verb: 'set', name, payload, expires_at: null }
  }

  #get(name: string): Promise<void> {
    return this.#record({ verb: 'get', name }, () => this.#store.get({ scope: account, name }))
  }

  async #page(expand: boolean): Promise<Map<string, Shown>> {
    const { data } = await this.#store.list({
      scope: account,
      limit: 100,
      ...(expand ? { expand: ['data.payload'] as const } : {}),
    })
    return new Map(data.map((secret) => [secret.name, shownOf(secret) as Shown]))
  }

  async #record(call: SecretCall, work: () => Promise<SecretAnswer>): Promise<void> {
    const id = this.#calls++
    say({ call, id, at: now() })
    try {
      const answer = await work()
      say({ answer: answer instanceof Map ? { page: [...answer] } : { value: answer }, id, at: now() })
    } catch (error) {
      if (codeOf(error) === 'ERR_OUTCOME_UNKNOWN') say({ unknown: id })
      else say({ refused: codeOf(error), id, message: String(error) })
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof SecretStoreError ? error.code : String(error)
}

const ADDRESS: Address = { partition: { account: undefined, livemode: false }, scope: account, name: COUNTER }

/** Reads the counter and writes it, one higher, as one operation through the port. */
function increment(store: SecretStore): Promise<number> {
  const context = partsOf(store)?.context
  if (context === undefined) throw new Error('store: expected its parts, got none')
  const rowKey = context.keyspace.record(ADDRESS)
  const operation: Operation<number> = {
    records: [rowKey],
    payloads: [rowKey],
    sizeBytes: 100,
    apply(transaction) {
      const record = transaction.record(rowKey)
      const payload = record && transaction.payload(rowKey)
      const count = 1 + Number(payload === undefined ? 0 : new TextDecoder().decode(payload.bytes))
      const { id, created } = record ?? { id: newId(publicRandom), created: FIXED_MS / 1000 }
      const bytes = new TextEncoder().encode(`${count}`)
      transaction.put(rowKey, { id, address: ADDRESS, created, expires_at: null }, { type: 'text', bytes })
      return count
    },
  }
  return context.queue.submit(operation)
}

function openStore(job: Sharer): Promise<SecretStore> {
  return SecretStore.open(job.location, {
    key: rawKey(new Uint8Array(32).fill(KEY_FILL)),
    shared: true,
    waitMs: 60_000,
    now: () => FIXED_MS,
    sweepIntervalMs: 0,
    compactIntervalMs: 0,
  })
}

async function comeAndGo(job: Sharer, openings: number): Promise<void> {
  for (let number = 1; number <= openings; number++) {
    const store = await openStore(job)
    say({ tried: number })
    await store.set({ scope: own, name: `${job.sharer}:${number}`, payload: 'x' })
    say({ acknowledged: number })
    await store.close()
  }
  say({ closed: true })
  process.disconnect()
}

async function share(job: Sharer): Promise<void> {
  const store = await openStore(job)
  store.on('change', ({ scope, name }) => {
    if (scope.type === 'user') say({ heard: name })
  })
  store.on('gap', () => say({ heard: 'gap' }))
  const caller = new Caller(store, job)
  const count = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n++) await increment(store)
    say({ counted: times })
  }
  process.on('message', (order: Order) => {
    if ('round' in order) caller.round(order)
    else if ('look' in order) caller.look(order.look)
    else if ('count' in order) count(order.count)
    else {
      store.close().then(() => {
        say({ closed: true })
        process.disconnect()
      })
    }
  })
  say({ ready: true })
}

// Imported for its types, this file does nothing.
if (process.send !== undefined && process.argv[2] === 'share') {
  const job = JSON.parse(process.argv[3] as string) as Sharer
  await (job.openings === undefined ? share(job) : comeAndGo(job, job.openings))
}
