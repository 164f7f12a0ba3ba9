import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { SecretStore } from '../../src/index'
import { campaign, conclude, type Draws, progressOf, times } from '../support/campaign'
import { startChild } from '../support/programs'
import {
  briefOf,
  type Contention,
  clockOf,
  type Entry,
  type Found,
  type FoundSecret,
  found,
  type KeyChange,
  payloadOf,
  type Write,
} from '../support/programs/contender'
import { BATCH_NAMES } from '../support/programs/writer'
import { openStore, temporaryDirectory, testKey } from '../support/stores'

const KILLS: number = times(25, 3000)
const CONTENDERS = 3
/** After an owner has begun to work. */
const MOST_LIFE_MS = 400
const BACKUPS_RESTORED: number = times(2, 40)
/** Nobody has been the owner for so long: then somebody is killed anyway, who may be just opening. */
const MOST_WAIT_MS = 10_000

/** A secret; its id is not known of one that was created since the store was opened. */
type Standing = Omit<FoundSecret, 'id'> & { readonly id: string | undefined }
type State = ReadonlyMap<string, Standing>

/** What one owner has said of itself. */
interface Life {
  readonly by: number
  readonly clock: number
  readonly found: Found
  readonly started: Write[]
  readonly done: Set<number>
  readonly changing: KeyChange[]
  changed: number
}

/** Of a backup: what was sure to be in it, and what may have been. */
interface Backup {
  readonly name: string
  readonly life: Life
  /** How many writes were acknowledged when it was begun: all those, and all that were submitted before them. */
  readonly least: number
  most: number
}

function isLive({ expires_at }: Standing, clock: number): boolean {
  return expires_at === null || expires_at > clock
}

function stateOf({ secrets }: Found): State {
  return new Map(Object.entries(secrets))
}

function afterWrite(before: State, write: Write, { by, clock }: Life): State {
  const state = new Map(before)
  for (const name of write.deletes) state.delete(name)
  for (const name of write.sets) {
    const previous = state.get(name)
    const { id, created } =
      previous !== undefined && isLive(previous, clock) ? previous : { id: undefined, created: clock }
    state.set(name, { id, created, expires_at: write.expires_at, payload: briefOf(payloadOf(by, write)) })
  }
  return state
}

/** Whether that is what is found when the clock is at `clock`. */
function isFound(state: State, clock: number, { secrets }: Found): boolean {
  const live = [...state].filter(([, standing]) => isLive(standing, clock))
  return (
    live.length === Object.keys(secrets).length &&
    live.every(([name, { id, created, expires_at, payload }]) => {
      const secret = secrets[name]
      return (
        secret !== undefined &&
        (id === undefined || id === secret.id) &&
        created === secret.created &&
        expires_at === secret.expires_at &&
        payload === secret.payload
      )
    })
  )
}

/** Writes are in the order of their submission: of how many of them what is found is the outcome, if of any. */
function writesIn(life: Life, at: Found, clock: number): number[] {
  let state = stateOf(life.found)
  const matching = isFound(state, clock, at) ? [0] : []
  for (const [index, write] of life.started.entries()) {
    state = afterWrite(state, write, life)
    if (isFound(state, clock, at)) matching.push(index + 1)
  }
  return matching
}

/** So many of the first writes are in it for certain: those that were acknowledged, and those submitted before them. */
function certain({ started, done }: Life): number {
  return started.findLastIndex(({ number }) => done.has(number)) + 1
}

function keysAfter(keys: readonly (string | null)[], changes: readonly KeyChange[]): string {
  const after = [...keys]
  for (const { verb, label } of changes) {
    if (verb === 'addKey') after.push(label)
    else after.splice(after.indexOf(label), 1)
  }
  return JSON.stringify(after)
}

/** Reads the log as it was written, and holds what each owner has found against what the one before it has said. */
class History {
  readonly backups: Backup[] = []
  #life: Life | undefined
  #generation = 0
  acknowledged = 0
  batches = 0
  kept = 0
  keyChanges = 0
  lost = 0

  get owners(): number {
    return this.#generation
  }

  read(entry: Entry): void {
    if ('failed' in entry) throw new Error(`contender ${entry.by}: ${entry.failed}`)
    if ('opened' in entry) {
      this.found(entry.opened, entry.by)
      return
    }
    if ('lost' in entry) {
      this.lost++
      return
    }
    const life = this.#life
    if (life?.by !== entry.by) {
      // It does not know yet that it has lost the store in the midst of a compaction; nothing of it may be
      // acknowledged.
      if ('started' in entry || 'changing' in entry || 'backingUp' in entry) return
      throw new Error(`contender ${entry.by} works while ${life?.by} owns the store: ${JSON.stringify(entry)}`)
    }
    if ('started' in entry) life.started.push(entry.started)
    else if ('done' in entry) life.done.add(entry.done)
    else if ('changing' in entry) life.changing.push(entry.changing)
    else if ('changed' in entry) life.changed++
    else if ('kept' in entry) this.kept++
    else if ('backingUp' in entry) {
      this.backups.push({ name: entry.backingUp, life, least: certain(life), most: -1 })
    } else if ('backedUp' in entry) {
      const backup = this.backups.findLast(({ name }) => name === entry.backedUp)
      if (backup !== undefined) backup.most = life.started.length
    }
  }

  /** What the next owner, or whoever looks at the end, finds. */
  found(at: Found, by: number): void {
    const clock = clockOf(this.#generation)
    const which = `owner ${this.#generation}, contender ${by}, after contender ${this.#life?.by}`
    if (!at.ok) throw new Error(`${which}: verify finds problems`)
    if (new Set(BATCH_NAMES.map((name) => at.secrets[name]?.payload)).size !== 1)
      throw new Error(`${which}: a torn batch`)
    if (this.#life !== undefined) this.#check(this.#life, at, clock, which)
    this.#life = { by, clock, found: at, started: [], done: new Set(), changing: [], changed: 0 }
    this.#generation++
  }

  #check(life: Life, at: Found, clock: number, which: string): void {
    const [least, matching] = [certain(life), writesIn(life, at, clock)]
    if (!matching.some((writes) => writes >= least)) {
      throw new Error(
        `${which}: expected the outcome of at least ${least} of ${life.started.length} writes, got that of ` +
          `${matching.at(-1) ?? 'no number of them'}: ${JSON.stringify(at.secrets)}`,
      )
    }
    const keys = [life.changing.slice(0, life.changed), life.changing].map((changes) =>
      keysAfter(life.found.keys, changes),
    )
    if (!keys.includes(JSON.stringify(at.keys))) {
      throw new Error(`${which}: expected the keys ${keys.join(' or ')}, got ${JSON.stringify(at.keys)}`)
    }
    this.acknowledged += life.done.size
    this.keyChanges += life.changed
    this.batches += life.started.filter(({ sets, deletes }) => sets.length + deletes.length > 1).length
  }
}

/** Children that contend for one store, of whom the owner is killed over and over. */
class Arena {
  readonly #contention: Omit<Contention, 'contender' | 'seed'>
  readonly #draws: Draws
  readonly #running: ChildProcess[] = []
  #reserve: ChildProcess
  #owner: ChildProcess | undefined
  #count = 0
  killedOwners = 0

  constructor(contention: Omit<Contention, 'contender' | 'seed'>, draws: Draws) {
    this.#contention = contention
    this.#draws = draws
    this.#reserve = startChild('contender', ['contend'])
    for (let index = 0; index < CONTENDERS; index++) this.#enter()
  }

  /** Lets an owner work for a while, and kills it. Every few times anybody is killed, at any time. */
  async killOne(): Promise<void> {
    const anybody = this.#draws.below(6) === 0
    for (let waited = 0; !anybody && this.#owner === undefined && waited < MOST_WAIT_MS; waited++) await pause(1)
    await pause(this.#draws.below(MOST_LIFE_MS))
    const victim = (anybody ? undefined : this.#owner) ?? this.#draws.pick(this.#running)
    if (victim === this.#owner) this.killedOwners++
    await this.#kill(victim)
    this.#enter()
  }

  async end(): Promise<void> {
    for (const child of [...this.#running]) await this.#kill(child)
    this.#reserve.kill('SIGKILL')
  }

  #enter(): void {
    const child = this.#reserve
    this.#reserve = startChild('contender', ['contend'])
    child.on('message', (message) => {
      const { owns } = message as { readonly owns: boolean }
      if (owns) this.#owner = child
      else if (this.#owner === child) this.#owner = undefined
    })
    const contention: Contention = {
      ...this.#contention,
      contender: this.#count++,
      seed: this.#draws.below(2 ** 32),
    }
    child.send(contention)
    this.#running.push(child)
  }

  async #kill(child: ChildProcess): Promise<void> {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    if (this.#owner === child) this.#owner = undefined
    this.#running.splice(this.#running.indexOf(child), 1)
  }
}

/** What an acknowledged backup holds is the store as it was after some write while it was made. */
async function checkBackup({ name, life, least, most }: Backup, directory: string, location: string): Promise<void> {
  await SecretStore.restore(join(directory, name), location, { key: testKey() })
  const store = await openStore(location, { now: () => life.clock * 1000 })
  const at = await found(store)
  await store.close()
  expect(at.ok, `${name} verifies`).toBe(true)
  const matching = writesIn(life, at, life.clock)
  if (!matching.some((writes) => writes >= least && writes <= most)) {
    throw new Error(`${name}: expected ${least} to ${most} writes, got ${matching}`)
  }
}

test(`${KILLS} kills among ${CONTENDERS} processes that take over from one another lose nothing that was acknowledged`, {
  timeout: 3 * 3_600_000,
}, async () => {
  await campaign('campaigns/takeover.test.ts', async (draws) => {
    const directory = await temporaryDirectory()
    const [location, log] = [join(directory, 'secrets'), join(directory, 'log')]
    await (await openStore(location)).close()
    await mkdir(join(directory, 'backups'))
    writeFileSync(log, '')
    const arena = new Arena({ location, log, directory: join(directory, 'backups') }, draws)
    onTestFinished(() => arena.end())
    const progress = progressOf('kills with take-over')
    for (let kill = 0; kill < KILLS; kill++) {
      await arena.killOne()
      progress(kill, KILLS)
    }
    await arena.end()
    const history = new History()
    const lines = readFileSync(log, 'utf8').split('\n')
    for (const [index, line] of lines.entries()) {
      if (line === '') continue
      try {
        history.read(JSON.parse(line) as Entry)
      } catch (error) {
        throw new Error(`line ${index + 1} of the log: ${(error as Error).message}`)
      }
    }
    const clock = clockOf(history.owners)
    const last = await openStore(location, { now: () => clock * 1000 })
    history.found(await found(last), -1)
    await last.close()
    const backups = history.backups.filter(({ most }) => most >= 0)
    for (const [index, backup] of backups.slice(-BACKUPS_RESTORED).entries()) {
      await checkBackup(backup, join(directory, 'backups'), join(directory, `restored-${index}`))
    }
    conclude('kills with take-over', {
      kills: KILLS,
      'of owners at work': arena.killedOwners,
      owners: history.owners - 1,
      'acknowledged writes': history.acknowledged,
      batches: history.batches,
      'sweeps, compactions and rotations': history.kept,
      'changes of keys': history.keyChanges,
      backups: backups.length,
      'taken over in a compaction': history.lost,
    })
    expect(history.acknowledged).toBeGreaterThan(KILLS)
  })
})
