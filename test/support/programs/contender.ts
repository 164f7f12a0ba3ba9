/**
 * Contends for one store with others of its kind until it is killed. As the owner it says what it has found, does a
 * bit of everything, and now and then hands over. Everything is told before it is submitted and again when it was
 * acknowledged, by synchronous writes to the end of a log that all of them share: what is not in it had not happened.
 */
import { openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { account, type BatchOperation, rawKey, SecretStore, SecretStoreError } from '../../../src/index'
import { Draws } from '../campaign'
import { BATCH_NAMES, SINGLE_NAMES, SIZES_BYTES } from './writer'

export interface Contention {
  readonly location: string
  readonly log: string
  /** Where backups are put. */
  readonly directory: string
  /** Distinguishes it from all others. */
  readonly contender: number
  readonly seed: number
}

/** One submitted operation. */
export interface Write {
  readonly number: number
  readonly sets: readonly string[]
  readonly deletes: readonly string[]
  readonly sizeBytes: number
  readonly expires_at: number | null
}

export interface FoundSecret {
  readonly id: string
  readonly created: number
  readonly expires_at: number | null
  /** As `briefOf` has it. */
  readonly payload: string
}

/** What is there when a store has been opened, before anything is done to it. */
export interface Found {
  readonly secrets: Readonly<Record<string, FoundSecret>>
  /** The labels of the keys, in order. */
  readonly keys: readonly (string | null)[]
  readonly ok: boolean
  readonly records: number
}

export type KeyChange = { readonly verb: 'addKey' | 'removeKey'; readonly label: string }

export type Entry = { readonly by: number } & (
  | { readonly opened: Found }
  | { readonly started: Write }
  | { readonly done: number }
  | { readonly changing: KeyChange }
  | { readonly changed: KeyChange }
  | { readonly backingUp: string }
  | { readonly backedUp: string }
  | { readonly kept: 'sweep' | 'compact' | 'rotate' }
  /** Another has opened the store in the moment in which a compaction closes its files: nothing more is written. */
  | { readonly lost: true }
  | { readonly failed: string }
)

type Told = Entry extends infer E ? (E extends Entry ? Omit<E, 'by'> : never) : never
const LANES = 6
/** While one owner has the store its clock stands still; under the next it is past all that was to expire. */
const FIRST_SECOND = 1_700_000_000
const SECONDS_OF_AN_OWNER = 10
const RETRY_MS = 4
const MOST_KEYS = 4

export function clockOf(generation: number): number {
  return FIRST_SECOND + generation * SECONDS_OF_AN_OWNER
}

export function payloadOf(by: number, { number, sizeBytes }: Pick<Write, 'number' | 'sizeBytes'>): string {
  return `${by}.${number}${'#'.repeat(sizeBytes)}`
}

/** The same in few characters; another payload is another text. */
export function briefOf(payload: string): string {
  return payload.replace(/#+$/, (end) => `#${end.length}`)
}

export async function found(store: SecretStore): Promise<Found> {
  const secrets: Record<string, FoundSecret> = {}
  for await (const secret of store.list({ scope: account, expand: ['data.payload'] })) {
    const { name, id, created, expires_at, payload } = secret
    secrets[name] = { id, created, expires_at, payload: briefOf(`${payload}`) }
  }
  const { ok, records } = await store.verify()
  return { secrets, keys: store.keys().map(({ label }) => label), ok, records }
}

/** How many owners a log tells of. */
export function generationOf(log: string): number {
  return readFileSync(log, 'utf8').split('{"opened"').length - 1
}

class Owner {
  readonly #store: SecretStore
  readonly #contention: Contention
  readonly #tell: (told: Told) => void
  readonly #draws: Draws
  readonly #clock: number
  readonly #mostWrites: number
  #number: number

  /** The first number that was not used. */
  get number(): number {
    return this.#number
  }

  constructor(
    store: SecretStore,
    contention: Contention,
    tell: (told: Told) => void,
    draws: Draws,
    clock: number,
    first: number,
  ) {
    this.#store = store
    this.#contention = contention
    this.#tell = tell
    this.#draws = draws
    this.#clock = clock
    this.#number = first
    // Some hand over before they are killed.
    this.#mostWrites = first + (draws.below(5) === 0 ? draws.below(150) : Number.POSITIVE_INFINITY)
  }

  async work(): Promise<void> {
    const lanes = Array.from({ length: LANES }, () => this.#lane())
    for (const outcome of await Promise.allSettled([this.#care(), ...lanes])) {
      if (outcome.status === 'rejected') throw outcome.reason
    }
  }

  get #isDone(): boolean {
    return this.#number >= this.#mostWrites
  }

  async #lane(): Promise<void> {
    while (!this.#isDone) {
      const write = this.#draw(this.#number++)
      this.#tell({ started: write })
      await this.#perform(write)
      this.#tell({ done: write.number })
    }
  }

  #draw(number: number): Write {
    const kind = this.#draws.below(10)
    const single = [this.#draws.pick(SINGLE_NAMES)]
    const expires_at = kind < 7 && this.#draws.below(4) === 0 ? this.#clock + SECONDS_OF_AN_OWNER / 2 : null
    const rest = { number, sizeBytes: this.#draws.pick(SIZES_BYTES), expires_at }
    if (kind < 5) return { ...rest, sets: single, deletes: [] }
    if (kind < 7) return { ...rest, sets: [], deletes: single }
    if (kind < 8) return { ...rest, sets: [], deletes: BATCH_NAMES }
    return { ...rest, sets: BATCH_NAMES, deletes: [] }
  }

  #perform(write: Write): Promise<unknown> {
    const payload = payloadOf(this.#contention.contender, write)
    const [set, ...otherSets] = write.sets
    const [deletion, ...otherDeletes] = write.deletes
    const { expires_at } = write
    if (set !== undefined && otherSets.length === 0) {
      return this.#store.set({ scope: account, name: set, payload, expires_at })
    }
    if (deletion !== undefined && otherDeletes.length === 0) {
      return this.#store.delete({ scope: account, name: deletion })
    }
    return this.#store.batch([
      ...write.sets.map((name): BatchOperation => ({ type: 'set', scope: account, name, payload, expires_at })),
      ...write.deletes.map((name): BatchOperation => ({ type: 'delete', scope: account, name })),
    ])
  }

  /** What else goes on, one after the other. */
  async #care(): Promise<void> {
    while (!this.#isDone) {
      await pause(this.#draws.below(8))
      const kept = this.#draws.pick(['sweep', 'compact', 'rotate', 'key', 'key', 'backup'] as const)
      if (kept === 'key') await this.#changeKey()
      else if (kept === 'backup') await this.#backUp()
      else {
        await this.#store[kept]()
        this.#tell({ kept })
      }
    }
  }

  async #changeKey(): Promise<void> {
    const others = this.#store.keys().filter(({ label }) => label !== null)
    const removed = others.length < MOST_KEYS && this.#draws.below(2) === 0 ? undefined : others[0]
    const label = removed?.label ?? `${this.#contention.contender}-${this.#number}-${this.#draws.below(1e6)}`
    const change: KeyChange = { verb: removed === undefined ? 'addKey' : 'removeKey', label }
    this.#tell({ changing: change })
    if (removed !== undefined) await this.#store.removeKey(removed.id)
    else await this.#store.addKey(rawKey(new Uint8Array(32).fill(1 + this.#draws.below(200)), { label }))
    this.#tell({ changed: change })
  }

  async #backUp(): Promise<void> {
    const name = `backup-${this.#contention.contender}-${this.#number}-${this.#draws.below(1e6)}`
    this.#tell({ backingUp: name })
    await this.#store.backup(join(this.#contention.directory, name))
    this.#tell({ backedUp: name })
  }
}

function isTakenOver(error: unknown): boolean {
  if (!(error instanceof SecretStoreError)) return false
  return error.code === 'ERR_LOCKED' || (error.code === 'ERR_FAILED' && isTakenOver(error.cause))
}

async function contend(contention: Contention): Promise<never> {
  const file = openSync(contention.log, 'a')
  const by = contention.contender
  const tell = (told: Told): void => void writeSync(file, `${JSON.stringify({ ...told, by })}\n`)
  const draws = new Draws(contention.seed)
  let clock = clockOf(0)
  let number = 0
  for (;;) {
    let store: SecretStore
    try {
      store = await SecretStore.open(contention.location, {
        key: rawKey(new Uint8Array(32).fill(7)),
        now: () => clock * 1000,
        sweepIntervalMs: 0,
        compactIntervalMs: 0,
        onError: (error) => tell({ failed: String(error) }),
      })
    } catch (error) {
      if (!(error instanceof SecretStoreError && error.code === 'ERR_LOCKED')) throw error
      await pause(draws.below(RETRY_MS))
      continue
    }
    clock = clockOf(generationOf(contention.log))
    tell({ opened: await found(store) })
    process.send?.({ owns: true })
    const owner = new Owner(store, contention, tell, draws, clock, number)
    try {
      await owner.work()
    } catch (error) {
      if (!isTakenOver(error)) throw error
      tell({ lost: true })
    }
    number = owner.number
    process.send?.({ owns: false })
    await store.close()
    await pause(RETRY_MS)
  }
}

// Imported for its types, this file does nothing. Started, it waits for what to contend for: the parent keeps one in
// reserve.
if (process.send !== undefined && process.argv[2] === 'contend') {
  process.once('message', (contention) => {
    contend(contention as Contention).catch((error) => {
      const { log, contender } = contention as Contention
      writeSync(openSync(log, 'a'), `${JSON.stringify({ failed: String(error.stack), by: contender })}\n`)
    })
  })
  process.once('disconnect', () => process.exit())
}
