/**
 * Alters copies of databases and of stores, and works with each as an app does. Bytes that LevelDB trusts can take the
 * process down, hence a child: before each trial it notes in a file which one that is, and what the ones before it came to.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { utf8 } from '../../../src/base/bytes'
import { account, rawKey, SecretStore, SecretStoreError } from '../../../src/index'
import type { Engine } from '../../../src/storage/engine'
import { HEAD_ROW } from '../../../src/storage/keyspace'
import { LevelEngine } from '../../../src/storage/level/engine'
import { checkFiles } from '../../../src/storage/level/files/check-files'
import { rowsInFiles } from '../../../src/storage/level/files/rows'
import { Draws } from '../campaign'
import { type Files, mutate } from '../level-mutations'

export interface MangleTask {
  /** Directories of stores. */
  readonly pictures: readonly string[]
  readonly scratch: string
  /** Where it notes how far it is. */
  readonly progress: string
  readonly seed: number
  readonly from: number
  readonly to: number
}

export interface Progress {
  /** The trial that is under way; `to` at the end. */
  readonly trial: number
  /** How many came to what: `whole`, or the code of the first error. */
  readonly outcomes: Readonly<Record<string, number>>
  /** Errors without a code. */
  readonly faults: readonly string[]
}

const EVERYTHING = { gte: Uint8Array.of(0), lt: Uint8Array.of(0xff), limit: 10_000 }
/** Of so many trials, one is with a store; the rest are with its rows alone, which no seal stops on their way. */
const STORE_TRIALS = 4

function readFiles(directory: string): ReadonlyMap<string, Uint8Array> {
  const names = readdirSync(directory).filter((name) => name !== 'LOCK')
  return new Map(names.map((name) => [name, new Uint8Array(readFileSync(join(directory, name)))]))
}

class Mangler {
  readonly #task: MangleTask
  readonly #pictures: readonly { keyring: Uint8Array; data: ReadonlyMap<string, Uint8Array> }[]
  readonly #outcomes: Record<string, number> = {}
  readonly #faults: string[] = []

  constructor(task: MangleTask) {
    this.#task = task
    this.#pictures = task.pictures.map((path) => ({
      keyring: readFileSync(join(path, 'keyring.json')),
      data: readFiles(join(path, 'data')),
    }))
  }

  async run(): Promise<void> {
    const { seed, from, to } = this.#task
    for (let trial = from; trial < to; trial++) {
      this.#note(trial)
      const outcome = await this.#try(new Draws(seed + trial * 7919))
      this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1
      if (outcome === 'fault') this.#faults.push(`trial ${trial}: ${this.#fault}`)
    }
    this.#note(to)
  }

  #fault = ''

  #note(trial: number): void {
    const progress: Progress = { trial, outcomes: this.#outcomes, faults: this.#faults }
    // Whoever reads it meanwhile finds the one before it.
    writeFileSync(`${this.#task.progress}.new`, JSON.stringify(progress))
    renameSync(`${this.#task.progress}.new`, this.#task.progress)
  }

  /** Puts the files of the first trial into `scratch`, and leaves them there. */
  write(): void {
    this.#alter(new Draws(this.#task.seed + this.#task.from * 7919))
  }

  #alter(draws: Draws): void {
    const { scratch } = this.#task
    const { keyring, data } = draws.pick(this.#pictures)
    const files: Files = new Map(data)
    mutate(files, draws)
    rmSync(scratch, { recursive: true, force: true })
    mkdirSync(join(scratch, 'data'), { recursive: true, mode: 0o700 })
    writeFileSync(join(scratch, 'keyring.json'), keyring, { mode: 0o600 })
    for (const [name, bytes] of files) writeFileSync(join(scratch, 'data', name), bytes, { mode: 0o600 })
  }

  async #try(draws: Draws): Promise<string> {
    this.#alter(draws)
    const codes: string[] = []
    const attempt = async (work: () => Promise<unknown>): Promise<void> => {
      try {
        await work()
      } catch (error) {
        const isCoded = error instanceof SecretStoreError
        codes.push(isCoded ? error.code : 'fault')
        if (!isCoded) this.#fault = String(error instanceof Error ? error.stack : error)
      }
    }
    const isStore = draws.below(STORE_TRIALS) === 0
    const work = isStore ? useStore : useEngine
    if (isStore) await readBothWays(this.#task.scratch, attempt)
    else await attempt(() => rowsInFiles(join(this.#task.scratch, 'data')))
    // What LevelDB itself has written by then has to be sound, too.
    for (let opening = 0; opening < 2; opening++) await work(this.#task.scratch, attempt, draws)
    return codes.includes('fault') ? 'fault' : (codes[0] ?? 'whole')
  }
}

type Attempt = (work: () => Promise<unknown>) => Promise<void>

async function useEngine(location: string, attempt: Attempt, draws: Draws): Promise<void> {
  const directory = join(location, 'data')
  let engine: Engine | undefined
  await attempt(async () => {
    // All at once, or each block before it is read.
    const checked = await checkFiles(directory, ...draws.pick([[], [0]]))
    engine = checked(await LevelEngine.open(directory))
  })
  if (engine === undefined) return
  const open: Engine = engine
  for (const first of [0x68, 0x69, 0x70, 0x72, 0x78]) {
    await attempt(async () => void open.getSync(Uint8Array.of(first, draws.below(256))))
    await attempt(() => open.getMany([Uint8Array.of(first), utf8(`rt|account|name ${draws.below(60)}`)]))
    await attempt(
      async () => void (await open.scanKeys({ ...EVERYTHING, gte: Uint8Array.of(first, draws.below(256)), limit: 3 })),
    )
  }
  await attempt(async () => {
    const rows = await open.scan(EVERYTHING)
    for (const { key } of rows.slice(0, 50)) await open.get(key)
  })
  await attempt(async () => void (await open.scan({ ...EVERYTHING, reverse: true })))
  await attempt(async () => {
    const head = await open.get(HEAD_ROW)
    const batch = open.batch()
    for (let n = 0; n < 3; n++) batch.put(Uint8Array.of(0x72, n), new Uint8Array(100))
    if (head !== undefined) batch.put(HEAD_ROW, head)
    await batch.write(head)
    await batch.close()
  })
  await attempt(() => open.erase())
  await attempt(() => open.scan(EVERYTHING))
  await attempt(() => open.close())
}

const options = { key: rawKey(new Uint8Array(32).fill(7)), sweepIntervalMs: 0, compactIntervalMs: 0 }

/** A reader that was told of no damage has what LevelDB has, if that opens it. */
async function readBothWays(location: string, attempt: Attempt): Promise<void> {
  const contents: string[] = []
  const told: unknown[] = []
  const onError = (error: unknown): void => void told.push(error)
  for (const readOnly of [true, false]) {
    await attempt(async () => {
      const store = await SecretStore.open(location, { ...options, readOnly, onError })
      try {
        const secrets: unknown[] = []
        for await (const { id } of store.list({ scope: account })) secrets.push(id)
        contents.push(JSON.stringify([secrets, await store.checkpoint()]))
      } finally {
        await store.close()
      }
    })
  }
  const [read, opened = read] = contents
  if (told.length === 0 && read !== opened) await attempt(() => Promise.reject(new Error('a reader had other secrets')))
}

async function useStore(location: string, attempt: Attempt, draws: Draws): Promise<void> {
  const verify = draws.below(2) === 0 ? { verify: false } : {}
  let store: SecretStore | undefined
  await attempt(async () => {
    store = await SecretStore.open(location, { ...options, onError: () => {}, ...verify })
  })
  if (store === undefined) return
  const open: SecretStore = store
  for (let name = 0; name < 5; name++)
    await attempt(() => open.find({ scope: account, name: `name ${name}`, expand: ['payload'] }))
  await attempt(() => open.list({ scope: account }))
  await attempt(() => open.verify())
  await attempt(() => open.set({ scope: account, name: 'name 1', payload: 'p'.repeat(2000) }))
  await attempt(() => open.delete({ scope: account, name: 'name 2' }))
  await attempt(() => open.compact())
  await attempt(() => open.close())
}

// Imported for its types, this file does nothing.
const [, , command, task] = process.argv
if (command === 'mangle') await new Mangler(JSON.parse(task as string) as MangleTask).run()
if (command === 'write') new Mangler(JSON.parse(task as string) as MangleTask).write()
