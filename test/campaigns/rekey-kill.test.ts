import { AsyncLocalStorage } from 'node:async_hooks'
import type { ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, watch } from 'node:fs'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test, vi } from 'vitest'
import { KEYRING_FILE, STAGED_KEYRING_FILE } from '../../src/format/constants'
import { account, SecretStore, SecretStoreError } from '../../src/index'
import { CommitQueue } from '../../src/storage/commit/queue'
import { startChild } from '../support/programs'
import {
  type Job,
  keyOf,
  keysAfter,
  type NewStep,
  perform,
  type Report,
  SINGLE_NAMES,
  type Step,
  type Work,
} from '../support/programs/rekeyer'
import { BATCH_NAMES, payloadOf, type Write } from '../support/programs/writer'
import { codeOf, copyStore, temporaryDirectory } from '../support/stores'

const KILLS = Number(process.env['SECRET_STORE_KILLS'] ?? 320)
/** Measured; where work was seen to last longer, that counts instead. */
const WORKS: readonly Plan[] = [
  { work: 'change keys', share: 0.2, lastsMs: 15, endsMs: 12 },
  { work: 'rotate', share: 0.2, lastsMs: 120, endsMs: 16 },
  { work: 'rotate root', share: 0.15, lastsMs: 120, endsMs: 16 },
  { work: 'back up', share: 0.15, lastsMs: 60, endsMs: 14 },
  { work: 'restore', share: 0.15, lastsMs: 60, endsMs: 3 },
  { work: 'everything', share: 0.15, lastsMs: 250, endsMs: 16 },
]
/** Two stores are at it at a time. */
const LANES = 2
/** An opening takes about half of it. */
const MOST_OPENING_MS = 30
const STILL_SECRETS = 160
const GONE_KEYS_TRIED = 4

type State = ReadonlyMap<string, string>

interface Plan {
  readonly work: Work
  /** Of the kills. */
  readonly share: number
  /** One step, about. */
  readonly lastsMs: number
  /** What its first or last part takes, in which keyring.json is replaced, or the work of it gets its name. */
  readonly endsMs: number
}

/** A step as the parent heard of it. */
interface LivedStep {
  readonly step: Step
  readonly begunMs: number
  /** The last write that was acknowledged when it was begun; -1 if none was. */
  readonly lastDone: number
  /** How many writes were begun when it ended. */
  ended?: { readonly started: number; readonly dataKey: number | undefined }
}

interface Life {
  readonly opened: boolean
  readonly started: readonly Write[]
  readonly done: ReadonlySet<number>
  readonly steps: readonly LivedStep[]
  readonly token: string | undefined
  readonly longestMs: number
}

/** What a store holds, and who opens it. */
interface Known {
  readonly state: State
  readonly keys: readonly number[]
  /** Keys that were removed, the last ones. */
  readonly gone: readonly number[]
  readonly pending: boolean
}

interface Found {
  readonly store: SecretStore
  /** Opening it, the head had to be written for a keyring.json that was ahead of it. */
  readonly unsettled: boolean
}

/** What the children begin with. */
interface Template {
  readonly location: string
  readonly backup: string
  /** Of the changing names, in both. */
  readonly state: State
}

/** When to kill: so long after this many reports of this sort, after the job was given, or after a file got its name. */
interface Aim {
  readonly at: 'job' | 'opened' | 'begun' | 'walked' | 'named'
  readonly count: number
  readonly delayMs: number
}

/** What is being opened in this chain of calls. */
const openings = new AsyncLocalStorage<{ wroteHead: boolean }>()

const stillSecrets: State = new Map(
  Array.from({ length: STILL_SECRETS }, (_, index) => [
    `r-${index}`,
    `still ${index}${'.'.repeat(index % 8 === 0 ? 3000 : 120)}`,
  ]),
)

function startRekeyer(): ChildProcess {
  const child = startChild('rekeyer', ['rekey'], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** Gives a child its job, kills it, and returns all it had said by then. */
async function liveAndDie(child: ChildProcess, job: Job, { at, count, delayMs }: Aim): Promise<Life> {
  const started: Write[] = []
  const done = new Set<number>()
  const steps: LivedStep[] = []
  let [opened, left, lastDone, longestMs] = [false, count, -1, 0]
  let token: string | undefined
  const kill = (): void => void child.kill('SIGKILL')
  const aim = (event: string): void => {
    if (event !== at || --left !== 0) return
    if (delayMs < 1) setImmediate(kill)
    else setTimeout(kill, delayMs)
  }
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  lines.on('line', (line) => {
    const report = JSON.parse(line) as Report
    aim(Object.keys(report)[0] as string)
    if ('opened' in report) opened = true
    else if ('started' in report) started.push(report.started)
    else if ('token' in report) token = report.token
    else if ('begun' in report) steps.push({ step: report.begun, begunMs: performance.now(), lastDone })
    else if ('done' in report) {
      done.add(report.done)
      lastDone = Math.max(lastDone, report.done)
    } else if ('ended' in report) {
      const lived = steps[report.ended] as LivedStep
      lived.ended = { started: started.length, dataKey: report.dataKey }
      longestMs = Math.max(longestMs, performance.now() - lived.begunMs)
    }
  })
  const watchers = [job.directory, job.location].map((directory) =>
    watch(directory, (_, name) => {
      if (name === KEYRING_FILE || /^(backup|restored)-/.test(name ?? '')) aim('named')
    }),
  )
  child.send(job)
  aim('job')
  const [, signal] = await once(child, 'close')
  for (const watcher of watchers) watcher.close()
  expect(signal).toBe('SIGKILL')
  return { opened, started, done, steps, token, longestMs }
}

function takeAim({ work, endsMs }: Plan, lastsMs: number): Aim {
  const chance = Math.random()
  const delayMs = Math.random() * endsMs
  // The first of its kind in a process takes several times as long as the next ones.
  const count = 1 + randomInt(3)
  if (work !== 'restore' && chance < 0.06) return { at: 'job', count: 1, delayMs: Math.random() * MOST_OPENING_MS }
  if (chance < 0.25) return { at: 'named', count, delayMs: 0 }
  if (work === 'change keys') return { at: 'begun', count: 1 + randomInt(12), delayMs }
  if (chance < 0.45) return { at: 'walked', count, delayMs }
  if (chance < 0.5) return { at: 'begun', count, delayMs }
  return { at: 'opened', count: 1, delayMs: Math.random() * 2 * lastsMs }
}

/** What the writes up to a moment make. They are in one order, and all acknowledged ones are in every such state. */
function* statesOf(
  before: State,
  { started }: Life,
  leastDone: number,
  mostStarted: number = started.length,
): Generator<State> {
  const state = new Map(before)
  if (leastDone === -1) yield state
  for (const write of started.slice(0, mostStarted)) {
    for (const name of write.sets) state.set(name, payloadOf(write))
    for (const name of write.deletes) state.delete(name)
    if (write.number >= leastDone) yield state
  }
}

function expectOneOf(states: Iterable<State>, found: State, what: string): void {
  expect(new Set(BATCH_NAMES.map((name) => found.get(name))).size, `${what}: a torn batch`).toBe(1)
  for (const state of states) if (same(state, found)) return
  expect.fail(`${what}: a state that no order of writes makes`)
}

function same(a: State, b: State): boolean {
  return a.size === b.size && [...a].every(([name, payload]) => b.get(name) === payload)
}

function open(location: string, key: number, minimum?: string): Promise<SecretStore> {
  const timers = { sweepIntervalMs: 0, compactIntervalMs: 0, createIfMissing: false }
  return SecretStore.open(location, { key: keyOf(key), ...timers, ...(minimum === undefined ? {} : { minimum }) })
}

/** What the changing names hold; the others must be as they always were. */
async function contents(store: SecretStore, what: string): Promise<State> {
  const found = new Map<string, string>()
  for await (const { name, payload } of store.list({ scope: account, expand: ['data.payload'] })) {
    found.set(name, payload as string)
  }
  const still = [...stillSecrets].filter(([name, payload]) => found.get(name) !== payload)
  expect(still, `${what}: secrets nobody has touched`).toEqual([])
  for (const name of stillSecrets.keys()) found.delete(name)
  return found
}

function keysOf(store: SecretStore): number[] {
  return store.keys().map(({ label }) => Number(label))
}

function shuffled<T>(values: Iterable<T>): T[] {
  const rest = [...values]
  return Array.from({ length: rest.length }, () => rest.splice(randomInt(rest.length), 1)[0] as T)
}

async function leftovers(directory: string, pattern: RegExp): Promise<string[]> {
  return (await readdir(directory)).filter((name) => pattern.test(name)).map((name) => join(directory, name))
}

/** How often what was found after a kill. */
class Tally {
  readonly #counts = new Map<string, number>()

  note(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1)
  }

  toString(): string {
    return [...this.#counts].map(([what, count]) => `${what} ${count}`).join(', ')
  }
}

/** One store, or one backup, that is worked on by one child after the other. */
class Victim {
  readonly tally = new Tally()
  readonly #plan: Plan
  readonly #work: Work
  readonly #directory: string
  readonly #location: string
  readonly #backup: string
  #reserve: ChildProcess
  #known: Known
  #nextKey = 1000
  #lastsMs: number
  acknowledged = 0
  steps = 0

  constructor(plan: Plan, template: Template, directory: string) {
    this.#plan = plan
    this.#work = plan.work
    this.#lastsMs = plan.lastsMs
    this.#directory = directory
    this.#location = join(directory, 'secrets')
    this.#backup = template.backup
    this.#known = { state: template.state, keys: [1, 2], gone: [], pending: false }
    this.#reserve = startRekeyer()
  }

  async killOnce(): Promise<void> {
    const child = this.#reserve
    this.#reserve = startRekeyer()
    const job = this.#job(this.#work)
    const life = await liveAndDie(child, job, takeAim(this.#plan, this.#lastsMs))
    this.#lastsMs = Math.max(this.#lastsMs, life.longestMs)
    this.acknowledged += life.done.size
    this.steps += life.steps.filter(({ ended }) => ended).length
    const inFlight = life.steps.filter(({ ended }) => !ended).map(({ step }) => step.verb)
    if (!life.opened) this.tally.note('[killed in opening]')
    else this.tally.note(inFlight.length === 0 ? '[killed between steps]' : `[killed in ${inFlight.join(' + ')}]`)
    if (this.#work === 'restore') await this.#examineRestored(life)
    else await this.#examine(life)
  }

  end(): void {
    this.#reserve.kill('SIGKILL')
  }

  #job(work: Work): Job {
    this.#nextKey += 1000
    const [location, directory, backup] = [this.#location, this.#directory, this.#backup]
    return { work, location, directory, backup, keys: this.#known.keys, nextKey: this.#nextKey }
  }

  async #examine(life: Life): Promise<void> {
    const location = this.#location
    const keyring = JSON.parse(await readFile(join(location, KEYRING_FILE), 'utf8')) as { keys: unknown[] }
    const pending = keyring.keys.length > 1
    if (pending) this.tally.note('two data keys or more')
    const inFlight = life.steps.filter(({ ended }) => !ended).map(({ step }) => step)
    const rotating = inFlight.some(({ verb }) => verb === 'rotate' || verb === 'rotateRoot')
    expect(pending && !(rotating || this.#known.pending), 'an old data key after an acknowledged rotation').toBe(false)
    if (existsSync(join(location, STAGED_KEYRING_FILE))) this.tally.note('keyring.json.new left over')

    // Acknowledged changes of keys have happened; at most one is under way.
    let keys = this.#known.keys
    const seen = new Set([...this.#known.gone, ...keys])
    for (const { step, ended } of life.steps) {
      if (!ended) continue
      keys = keysAfter(keys, step)
      for (const key of keys) seen.add(key)
    }
    const keysNext = inFlight.reduce(keysAfter, keys)
    const either = new Set([...keys, ...keysNext])
    const gone = [...seen].filter((key) => !either.has(key)).slice(-GONE_KEYS_TRIED)
    await this.#expectShutOut(gone)
    if (randomInt(6) === 0) await this.#killOpening(keys.filter((key) => keysNext.includes(key)))
    const { store, unsettled } = await this.#openWithOneOf(shuffled(either), life.token)
    const found = keysOf(store)
    expect([keys, keysNext], 'the keys that open the store').toContainEqual(found)
    if (unsettled) this.tally.note('head unsettled')
    expect(existsSync(join(location, STAGED_KEYRING_FILE))).toBe(false)

    const state = await contents(store, this.#work)
    expectOneOf(statesOf(this.#known.state, life, Math.max(-1, ...life.done)), state, this.#work)
    const records = state.size + STILL_SECRETS
    expect(await store.verify()).toEqual({ ok: true, records, problems: [] })
    const { dataKeys } = await store.status()
    expect(dataKeys.reduce((sum, key) => sum + key.records, 0)).toBe(records)
    const used = dataKeys.filter((key) => key.records > 0)
    if (pending) this.tally.note(used.length > 1 ? 'records partly resealed' : 'all records under one of them')
    const rotations = life.steps.flatMap(({ ended }) => ended?.dataKey ?? [])
    expect(dataKeys.at(-1)?.id).toBeGreaterThanOrEqual(Math.max(1, ...rotations))

    // Sometimes the next child finds what this one left.
    const finishes = randomInt(3) > 0
    let opening: readonly number[] = found
    if (finishes) opening = await this.#finish(store, inFlight, records)
    else {
      // What opening has settled stays so: a write does not part the head from keyring.json.
      const [name, payload] = [...stillSecrets][0] as [string, string]
      await store.set({ scope: account, name, payload })
    }
    await this.#examineBackups(store, life, state, seen)
    await store.close()
    for (const key of opening) await (await open(location, key)).close()
    const goneNow = [...seen].filter((key) => !opening.includes(key)).slice(-GONE_KEYS_TRIED)
    await this.#expectShutOut(goneNow)
    this.#known = { state, keys: opening, gone: goneNow, pending: pending && !finishes }
  }

  async #expectShutOut(gone: readonly number[]): Promise<void> {
    for (const key of gone) expect(await codeOf(() => open(this.#location, key))).toBe('ERR_WRONG_KEY')
  }

  async #openWithOneOf(keys: readonly number[], minimum: string | undefined): Promise<Found> {
    for (const key of keys) {
      const opening = { wroteHead: false }
      try {
        const store = await openings.run(opening, () => open(this.#location, key, minimum))
        return { store, unsettled: opening.wroteHead }
      } catch (error) {
        if (!(error instanceof SecretStoreError && error.code === 'ERR_WRONG_KEY')) throw error
      }
    }
    throw new Error(`expected one of the keys ${keys.join(', ')} to open the store, got none`)
  }

  /** Kills one more child, as it opens what the last one left. */
  async #killOpening(keys: readonly number[]): Promise<void> {
    if (keys.length === 0) return
    const child = this.#reserve
    this.#reserve = startRekeyer()
    await liveAndDie(
      child,
      { ...this.#job('open'), keys },
      { at: 'job', count: 1, delayMs: Math.random() * MOST_OPENING_MS },
    )
    this.tally.note('opening killed, too')
  }

  /** Does again what was stopped. @returns The keys that open the store then. */
  async #finish(store: SecretStore, inFlight: readonly Step[], records: number): Promise<readonly number[]> {
    let keys: readonly number[] = keysOf(store)
    const change = async (step: NewStep): Promise<void> => {
      await perform(store, step)
      keys = keysAfter(keys, step)
    }
    for (const step of inFlight) {
      if (step.verb === 'addKey' && !keys.includes(step.key)) await change(step)
      if (step.verb === 'removeKey' && keys.includes(step.key)) await change(step)
      if (step.verb === 'replaceKey' && keys.includes(step.key)) await change(step)
      if (step.verb === 'rotateRoot') await change(step)
    }
    if (this.#work !== 'back up' && (this.#work !== 'change keys' || randomInt(4) === 0)) {
      const report = await store.rotate()
      expect(report.records).toBe(records)
      const { dataKeys } = await store.status()
      expect(dataKeys).toMatchObject([{ id: report.dataKey, active: true, records }])
    }
    await change({ verb: 'addKey', key: this.#nextKey + 999 })
    await change({ verb: 'removeKey', key: this.#nextKey + 999 })
    expect(keysOf(store)).toEqual(keys)
    return keys
  }

  /** At the path is nothing, or a whole backup: of some moment while it was made. */
  async #examineBackups(store: SecretStore, life: Life, state: State, keys: Iterable<number>): Promise<void> {
    const partial = await leftovers(this.#directory, /^\..*\.partial$/)
    const backups = life.steps.flatMap(({ step, ...lived }) => (step.verb === 'backup' ? { ...lived, ...step } : []))
    const lastEnded = backups.findLast(({ ended }) => ended)
    for (const { path, ended, lastDone } of backups) {
      const there = existsSync(path)
      if (ended !== undefined) expect(there, 'an acknowledged backup').toBe(true)
      else this.tally.note(there ? 'backup whole, not acknowledged' : 'no backup at the path')
      if (there && (ended === undefined || path === lastEnded?.path)) {
        const states = statesOf(this.#known.state, life, lastDone, ended?.started)
        expectOneOf(states, await this.#restored(path, shuffled(keys)), 'a backup')
      }
      if (ended !== undefined) continue
      if (partial.length > 0) this.tally.note(there ? 'partial backup beside the whole one' : 'partial backup left')
      if (there) expect(await codeOf(() => store.backup(path))).toBe('ERR_EXISTS')
      else {
        await store.backup(path)
        expect(same(await this.#restored(path, keysOf(store)), state), 'a backup made again').toBe(true)
      }
    }
    const files = [...partial, ...(await leftovers(this.#directory, /^backup-/))]
    await Promise.all(files.map((file) => rm(file)))
  }

  async #restored(backup: string, keys: readonly number[]): Promise<State> {
    const location = `${backup}-restored`
    for (const key of keys) {
      const code = await codeOf(() => SecretStore.restore(backup, location, { key: keyOf(key) }))
      if (code === 'ERR_WRONG_KEY') continue
      expect(code, 'restoring a backup').toBe('no error')
      const store = await open(location, key)
      const state = await contents(store, 'a backup')
      await store.close()
      await rm(location, { recursive: true })
      return state
    }
    throw new Error('expected one of the keys to open the backup, got none')
  }

  /** At the location is nothing, or what was there before, or the whole store. */
  async #examineRestored({ steps }: Life): Promise<void> {
    const siblings = await leftovers(this.#directory, /^\..*\.creating-/)
    if (siblings.length > 0) this.tally.note('.NAME.creating-* left')
    expect(siblings.length).toBeLessThanOrEqual(1)
    const restores = steps.flatMap(({ step, ended }) => (step.verb === 'restore' ? { ended, ...step } : []))
    for (const { location, ended, number } of restores.slice(-2)) {
      const found = existsSync(location) ? (await readdir(location)).sort() : undefined
      const whole = found?.includes(KEYRING_FILE) === true
      if (ended === undefined) {
        this.tally.note(whole ? 'store whole, not acknowledged' : found ? 'empty directory as before' : 'no store')
        if (!whole) expect(found).toEqual(number % 2 === 1 ? [] : undefined)
        const restoring = (): Promise<unknown> => SecretStore.restore(this.#backup, location, { key: keyOf(2) })
        expect(await codeOf(restoring)).toBe(whole ? 'ERR_EXISTS' : 'no error')
      } else expect(whole, 'an acknowledged store').toBe(true)
      const store = await open(location, 1 + randomInt(2))
      expect(same(await contents(store, 'restored'), this.#known.state), 'the state backed up').toBe(true)
      const records = this.#known.state.size + STILL_SECRETS
      expect(await store.verify()).toEqual({ ok: true, records, problems: [] })
      await store.close()
    }
    const made = await leftovers(this.#directory, /^restored-/)
    await Promise.all([...siblings, ...made].map((path) => rm(path, { recursive: true })))
  }
}

/** A store with two keys, and a backup during the making of which it was changed. */
async function makeTemplate(): Promise<Template> {
  const directory = await temporaryDirectory()
  const [location, backup] = [join(directory, 'secrets'), join(directory, 'backup')]
  await (await SecretStore.open(location, { key: keyOf(1) })).close()
  const store = await open(location, 1)
  await store.addKey(keyOf(2))
  const state = new Map(SINGLE_NAMES.map((name, index) => [name, `before ${'.'.repeat(index % 3 === 0 ? 2000 : 100)}`]))
  const all = [...stillSecrets, ...state]
  await Promise.all(all.map(([name, payload]) => store.set({ scope: account, name, payload })))
  const changes: Promise<unknown>[] = []
  const [deleted, replaced] = [SINGLE_NAMES.slice(0, 20), SINGLE_NAMES.slice(20, 40)]
  await store.backup(backup, {
    onProgress: ({ done, total }) => {
      if (done < total / 2 || changes.length > 0) return
      for (const name of deleted) changes.push(store.delete({ scope: account, name }))
      for (const name of replaced) changes.push(store.set({ scope: account, name, payload: `after ${name}` }))
    },
  })
  await Promise.all(changes)
  for (const name of deleted) state.delete(name)
  for (const name of replaced) state.set(name, `after ${name}`)
  expect(same(await contents(store, 'template'), state)).toBe(true)
  await store.close()
  return { location, backup, state }
}

test(`${KILLS} kills of rekeying, backing up and restoring`, { timeout: 60_000 + KILLS * 1500 }, async () => {
  const real = CommitQueue.prototype.commitHead
  const spy = vi.spyOn(CommitQueue.prototype, 'commitHead').mockImplementation(function (this: CommitQueue, ...args) {
    const opening = openings.getStore()
    if (opening !== undefined) opening.wroteHead = true
    return real.apply(this, args)
  })
  onTestFinished(() => spy.mockRestore())
  const template = await makeTemplate()
  const directory = await temporaryDirectory()
  const waiting = [...WORKS]
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { work, share } = next
      const kills = Math.max(1, Math.round(KILLS * share))
      const own = join(directory, work)
      await mkdir(own)
      await copyStore(template.location, join(own, 'secrets'))
      const victim = new Victim(next, template, own)
      const startedMs = performance.now()
      for (let kill = 0; kill < kills; kill++) await victim.killOnce()
      victim.end()
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
      console.info(
        `kill -9, ${work}: ${kills} kills in ${seconds} s, ${victim.steps} steps and ${victim.acknowledged} writes ` +
          `acknowledged, none lost; ${victim.tally}`,
      )
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
})
