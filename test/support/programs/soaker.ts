/**
 * Lives a whole working life with one store in one process: a bit of everything, under a clock that spans years and is
 * put back at times. Each answer is held against a model. Between stretches of work it says what it takes up.
 */
import { createReadStream, createWriteStream, type Dirent, readdirSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { account, rawKey, type Scope, type Secret, SecretStore, user } from '../../../src/index'
import { Draws } from '../campaign'

export interface Soak {
  readonly location: string
  readonly seed: number
  /** Stretches of work, after each of which is measured. */
  readonly stretches: number
  readonly stepsOfStretch: number
}

/** What the process and the store take up, after a collection of garbage. */
export interface Measures {
  readonly heapBytes: number
  readonly residentBytes: number
  readonly externalBytes: number
  readonly directoryBytes: number
  readonly files: number
  /** `undefined` where the system does not tell. */
  readonly descriptors: number | undefined
  /** Timers, handles and requests that keep the process alive. */
  readonly resources: number
}

export type Report =
  | { readonly measured: Measures }
  /** @param before - The store was opened. */
  | { readonly ended: { readonly before: Measures; readonly after: Measures; readonly counts: Record<string, number> } }
  | { readonly wrong: string }

interface Kept {
  readonly id: string
  readonly created: number
  readonly expires_at: number | null
  readonly payload: string
}

const KEY = rawKey(new Uint8Array(32).fill(7))
const SCOPES: readonly Scope[] = [account, user('usr_1'), user('usr_2')]
const NAMES = 60
const FIRST_SECOND = 1_700_000_000
const HOUR_SECONDS = 3600
const SIZES_BYTES = [1, 40, 900, 1500, 20_000]

function expectEqual(what: string, expected: unknown, got: unknown): void {
  const [one, other] = [JSON.stringify(expected), JSON.stringify(got)]
  if (one !== other) throw new Error(`${what}: expected ${one?.slice(0, 300)}, got ${other?.slice(0, 300)}`)
}

/** What is in the directory may be moved, or removed, while it is looked at. Then it is looked at once more. */
function directoryOf(location: string): { bytes: number; files: number } {
  const sizes = entriesOf(location).flatMap((entry) => {
    if (!entry.isFile()) return []
    const size = statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size
    return size === undefined ? [] : [size]
  })
  return { bytes: sizes.reduce((sum, size) => sum + size, 0), files: sizes.length }
}

function entriesOf(location: string): Dirent[] {
  for (;;) {
    try {
      return readdirSync(location, { recursive: true, withFileTypes: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

function descriptors(): number | undefined {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : undefined
}

async function measure(location: string): Promise<Measures> {
  // Some is only let go of by what runs at the next turns.
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    globalThis.gc?.()
  }
  const { heapUsed, rss, external } = process.memoryUsage()
  const { bytes, files } = directoryOf(location)
  return {
    heapBytes: heapUsed,
    residentBytes: rss,
    externalBytes: external,
    directoryBytes: bytes,
    files,
    descriptors: descriptors(),
    resources: process.getActiveResourcesInfo().length,
  }
}

class Life {
  readonly counts: Record<string, number> = {}
  readonly #location: string
  readonly #draws: Draws
  readonly #kept = new Map<string, Kept>()
  #seconds = FIRST_SECOND
  #latest = FIRST_SECOND
  #opened: SecretStore | undefined
  #stopListening: (() => void) | undefined
  #told = 0
  #number = 0
  readonly #errors: unknown[] = []

  constructor(location: string, draws: Draws) {
    this.#location = location
    this.#draws = draws
  }

  get #store(): SecretStore {
    if (this.#opened === undefined) throw new Error('life: expected it begun, got one that is not')
    return this.#opened
  }

  async open(): Promise<void> {
    this.#opened = await SecretStore.open(this.#location, {
      key: KEY,
      now: () => this.#seconds * 1000,
      onError: (error) => this.#errors.push(error),
    })
  }

  async work(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) await this.#step()
    await this.#store.compact()
    if (this.#errors.length > 0) throw this.#errors[0]
  }

  async end(): Promise<void> {
    await this.#store.close()
  }

  async #step(): Promise<void> {
    const [what, work] = this.#draw()
    this.counts[what] = (this.counts[what] ?? 0) + 1
    await work()
  }

  #draw(): [string, () => Promise<unknown>] {
    const kind = this.#draws.below(1000)
    if (kind < 300) return ['sets', () => this.#set()]
    if (kind < 390) return ['deletions', () => this.#delete()]
    if (kind < 430) return ['batches', () => this.#batch()]
    if (kind < 780) return ['reads', () => this.#read()]
    if (kind < 900) return ['pages', () => this.#list()]
    if (kind < 920) return ['changes of the clock', async () => this.#moveClock()]
    if (kind < 945) return ['sweeps', () => this.#sweep()]
    if (kind < 955) return ['compactions', () => this.#store.compact()]
    if (kind < 960) return ['rotations', () => this.#store.rotate()]
    if (kind < 968) return ['changes of keys', () => this.#changeKeys()]
    if (kind < 974) return ['backups', () => this.#backUp()]
    if (kind < 982) return ['verifications', () => this.#verify()]
    if (kind < 994) return ['listeners', async () => this.#listen()]
    return ['reopenings', () => this.#reopen()]
  }

  #place(): { key: string; scope: Scope; name: string } {
    const [scope, name] = [this.#draws.pick(SCOPES), `name-${this.#draws.below(NAMES)}`]
    return { key: `${scope.type === 'user' ? scope.user : ''} ${name}`, scope, name }
  }

  #live(key: string): Kept | undefined {
    const kept = this.#kept.get(key)
    return kept === undefined || (kept.expires_at !== null && kept.expires_at <= this.#seconds) ? undefined : kept
  }

  #params(): { key: string; scope: Scope; name: string; payload: string; expires_at: number | null } {
    const payload = `${this.#number++}`.padEnd(this.#draws.pick(SIZES_BYTES), '.')
    const expires_at = this.#draws.below(3) === 0 ? this.#latest + 1 + this.#draws.below(200 * HOUR_SECONDS) : null
    return { ...this.#place(), payload, expires_at }
  }

  #keep(key: string, payload: string, { id, created, expires_at }: Secret): void {
    const previous = this.#live(key)
    if (previous !== undefined) expectEqual(`${key}: id and created`, [previous.id, previous.created], [id, created])
    else expectEqual(`${key}: created`, this.#seconds, created)
    this.#kept.set(key, { id, created, expires_at, payload })
  }

  async #set(): Promise<void> {
    const { key, ...params } = this.#params()
    this.#keep(key, params.payload, await this.#store.set(params))
  }

  async #delete(): Promise<void> {
    const { key, ...target } = this.#place()
    expectEqual(`delete ${key}`, this.#live(key)?.id, (await this.#store.delete(target))?.id)
    this.#kept.delete(key)
  }

  async #batch(): Promise<void> {
    const all = Array.from({ length: 1 + this.#draws.below(8) }, () => this.#params())
    const secrets = await this.#store.batch(all.map(({ key: _, ...params }) => ({ type: 'set', ...params })))
    for (const [index, { key, payload }] of all.entries()) this.#keep(key, payload, secrets[index] as Secret)
  }

  async #read(): Promise<void> {
    const { key, ...target } = this.#place()
    const expected = this.#live(key)
    const view = this.#draws.below(4) === 0 && target.scope.type === 'user' ? { user: target.scope.user } : {}
    const reader = this.#draws.below(2) === 0 ? this.#store : this.#store.view(view)
    if (this.#draws.below(2) === 0) expectEqual(`get ${key}`, expected?.payload, await reader.get(target))
    else expectEqual(`find ${key}`, expected?.id, (await reader.find(target))?.id)
    if (expected === undefined) this.#meet(key)
  }

  /** What is met after its time is deleted, sooner or later: so that the model need not ask when, it is at once. */
  #meet(key: string): void {
    this.#kept.delete(key)
  }

  async #list(): Promise<void> {
    const scope = this.#draws.pick(SCOPES)
    const prefix = `${scope.type === 'user' ? scope.user : ''} `
    const names: string[] = []
    if (this.#draws.below(2) === 0) for await (const { name } of this.#store.list({ scope })) names.push(name)
    else names.push(...(await this.#store.list({ scope, limit: 100 })).data.map(({ name }) => name))
    const expected = [...this.#kept.keys()].filter((key) => key.startsWith(prefix) && this.#live(key) !== undefined)
    expectEqual(`list ${prefix}`, expected.map((key) => key.slice(prefix.length)).sort(), names)
  }

  /** Mostly by hours to weeks; back by no more than that, and to where nothing that has expired is in question. */
  async #moveClock(): Promise<void> {
    if (this.#draws.below(4) === 0) {
      // All that is due goes first, or it would be there again, or not, as it happens.
      await this.#sweep()
      this.#seconds -= this.#draws.below(100 * HOUR_SECONDS)
    } else this.#seconds = Math.max(this.#seconds, this.#latest) + this.#draws.below(300 * HOUR_SECONDS)
    this.#latest = Math.max(this.#latest, this.#seconds)
  }

  async #sweep(): Promise<void> {
    await this.#store.sweep()
    for (const key of [...this.#kept.keys()]) if (this.#live(key) === undefined) this.#kept.delete(key)
  }

  async #changeKeys(): Promise<void> {
    const others = this.#store.keys().filter(({ label }) => label !== null)
    const [first] = others
    if (first !== undefined && others.length > 2) await this.#store.removeKey(first.id)
    else
      await this.#store.addKey(
        rawKey(new Uint8Array(32).fill(1 + this.#draws.below(200)), { label: `${others.length}` }),
      )
  }

  async #backUp(): Promise<void> {
    await this.#sweep()
    const [path, location] = [`${this.#location}-backup`, `${this.#location}-restored`]
    await this.#store.backup(createWriteStream(path))
    const { records } = await SecretStore.restore(createReadStream(path), location, { key: KEY })
    expectEqual('records of a backup', this.#kept.size, records)
    await rm(path)
    await rm(location, { recursive: true })
  }

  async #verify(): Promise<void> {
    await this.#sweep()
    expectEqual('verify', { ok: true, records: this.#kept.size, problems: [] }, await this.#store.verify())
  }

  #listen(): void {
    if (this.#stopListening === undefined) this.#stopListening = this.#store.on('change', () => void this.#told++)
    else {
      this.#stopListening()
      this.#stopListening = undefined
    }
  }

  async #reopen(): Promise<void> {
    const minimum = await this.#store.checkpoint()
    await this.#store.close()
    this.#stopListening = undefined
    await this.open()
    expectEqual('checkpoint', minimum, await this.#store.checkpoint())
  }
}

async function soak({ location, seed, stretches, stepsOfStretch }: Soak): Promise<void> {
  // Once all code has been run, and all that is loaded on demand is loaded.
  const draws = new Draws(seed)
  const trial = new Life(`${location}-trial`, draws)
  await trial.open()
  await trial.work(stepsOfStretch)
  await trial.end()
  await rm(`${location}-trial`, { recursive: true })
  const before = await measure(readableParent(location))
  const life = new Life(location, draws)
  await life.open()
  for (let stretch = 0; stretch < stretches; stretch++) {
    await life.work(stepsOfStretch)
    tell({ measured: await measure(location) })
  }
  await life.end()
  tell({ ended: { before, after: await measure(readableParent(location)), counts: life.counts } })
}

function readableParent(location: string): string {
  return join(location, '../..')
}

function tell(report: Report): void {
  process.send?.(report)
}

// Imported for its types, this file does nothing.
if (process.send !== undefined && process.argv[2] === 'soak') {
  soak(JSON.parse(process.argv[3] as string) as Soak)
    .catch((error) => tell({ wrong: String(error.stack) }))
    .finally(() => process.disconnect())
}
