import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, symlink } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { account, SecretStore } from '../../src/index'
import { campaign, conclude, type Draws, progressOf, times } from '../support/campaign'
import { builtProgram, startChild } from '../support/programs'
import { COUNTER, type Job, type Report } from '../support/programs/lock-racer'
import type { Answer, Command } from '../support/programs/opener'
import type { ThreadCommand } from '../support/programs/opening-thread'
import type { Round } from '../support/programs/racing-threads'
import { codeOf, newLocation, openStore, temporaryDirectory, testKey } from '../support/stores'
import { flawOf } from './shim/flaws'
import { starterOf } from './shim/shim'

const POSIX = process.platform !== 'win32'
if (!POSIX) console.warn('lock: skipped what is about POSIX locks and links, this is Windows')

const THREAD_ROUNDS = 60

interface Opener {
  readonly tell: (command: Command) => Promise<unknown>
  readonly kill: () => Promise<void>
}

/** Another process. `tell` returns the command's value, or the code of its error. */
function otherProcess(): Opener {
  const child = startChild('opener', ['run'])
  onTestFinished(() => void child.kill('SIGKILL'))
  return {
    async tell(command) {
      child.send(command)
      const [answer] = (await once(child, 'message')) as [Answer]
      return 'error' in answer ? answer.error : answer.value
    },
    async kill() {
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    },
  }
}

/** A worker thread of this process. The command's outcome is `'written'` or the code of its error. */
async function otherThread(): Promise<{ tell(command: ThreadCommand): Promise<string>; end(): Promise<unknown> }> {
  const worker = new Worker(builtProgram('opening-thread'), { execArgv: [] })
  onTestFinished(() => void worker.terminate())
  await once(worker, 'online')
  return {
    async tell(command) {
      worker.postMessage(command)
      return (await once(worker, 'message'))[0] as string
    },
    end: () => worker.terminate(),
  }
}

function set(store: SecretStore, name: string, payload: string = name): Promise<unknown> {
  return store.set({ scope: account, name, payload })
}

test('a second opening in one process is refused, and the first keeps working and keeps its lock', async () => {
  const location = await newLocation()
  const store = await openStore(location)
  for (let time = 0; time < 3; time++) expect(await codeOf(() => openStore(location))).toBe('ERR_LOCKED')
  await set(store, 'after')
  expect(await store.get({ scope: account, name: 'after' })).toBe('after')
  const other = otherProcess()
  expect(await other.tell({ do: 'open', location })).toBe('ERR_LOCKED')
  await store.compact()
  expect(await other.tell({ do: 'open', location })).toBe('ERR_LOCKED')
  await store.close()
  expect(await other.tell({ do: 'open', location })).toBe('opened')
  expect(await other.tell({ do: 'get', name: 'after' })).toBe('after')
})

test('after a refused opening, the first store can be closed and opened again', async () => {
  const location = await newLocation()
  const store = await openStore(location)
  expect(await codeOf(() => openStore(location))).toBe('ERR_LOCKED')
  await store.close()
  await set(await openStore(location), 'again')
})

test('another process is refused while the store is open, and after kill -9 of the owner it is not', async () => {
  const location = await newLocation()
  const owner = otherProcess()
  expect(await owner.tell({ do: 'open', location })).toBe('opened')
  await owner.tell({ do: 'set', name: 'kept', payload: 'value' })
  expect(await codeOf(() => openStore(location))).toBe('ERR_LOCKED')
  await owner.kill()
  const store = await openStore(location)
  expect(await store.get({ scope: account, name: 'kept' })).toBe('value')
  expect((await store.verify()).ok).toBe(true)
})

test.skipIf(!POSIX)('other ways of writing the path are the same store', async () => {
  const directory = await temporaryDirectory()
  const location = join(directory, 'parent', 'secrets')
  await mkdir(dirname(location))
  await symlink('parent', join(directory, 'linked'))
  const store = await openStore(location)
  const spellings = [
    relative(process.cwd(), location),
    `${location}/`,
    join(directory, 'linked', 'secrets'),
    `${dirname(location)}/../parent/./secrets`,
  ]
  const other = otherProcess()
  for (const spelling of spellings) {
    expect(await codeOf(() => openStore(spelling)), spelling).toBe('ERR_LOCKED')
    expect(await other.tell({ do: 'open', location: spelling }), spelling).toBe('ERR_LOCKED')
  }
  await set(store, 'after')
  expect((await store.verify()).ok).toBe(true)
})

test('a worker thread is refused while the store is open, and the first keeps its lock', async () => {
  const location = await newLocation()
  const store = await openStore(location)
  const thread = await otherThread()
  expect(await thread.tell({ location, name: 'thread', keep: true })).toBe('ERR_LOCKED')
  await set(store, 'after')
  const other = otherProcess()
  expect(await other.tell({ do: 'open', location })).toBe('ERR_LOCKED')
  await store.compact()
  expect(await thread.tell({ location, name: 'thread', keep: true })).toBe('ERR_LOCKED')
  expect(await other.tell({ do: 'open', location })).toBe('ERR_LOCKED')
  await store.close()
  expect(await thread.tell({ location, name: 'thread', keep: true })).toBe('written')
  expect(await codeOf(() => openStore(location))).toBe('ERR_LOCKED')
  expect(await other.tell({ do: 'open', location })).toBe('ERR_LOCKED')
})

test('a store that a worker thread left open when it was ended can be opened again', async () => {
  const location = await newLocation()
  const thread = await otherThread()
  expect(await thread.tell({ location, name: 'thread', keep: true })).toBe('written')
  await thread.end()
  const store = await openStore(location)
  expect(await store.get({ scope: account, name: 'thread' })).toBe('thread')
  expect((await store.verify()).ok).toBe(true)
})

test('of two threads that open at the same moment at most one gets the store, and nothing acknowledged is lost', async () => {
  const location = await newLocation()
  await (await openStore(location)).close()
  const child = startChild('racing-threads', ['run', location, String(THREAD_ROUNDS)])
  onTestFinished(() => void child.kill('SIGKILL'))
  const rounds: Round[] = []
  child.on('message', (round) => rounds.push(round as Round))
  const [code, signal] = await once(child, 'close')
  const outcomes = rounds.flatMap((round) => round.outcomes)
  const written = outcomes.flatMap((outcome) => ('written' in outcome ? [outcome.written] : []))
  const errors = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome.error] : []))
  console.info(`threads: ${rounds.length} rounds, ${written.length} times written, ${errors.length} times refused`)

  expect({ code, signal }).toEqual({ code: 0, signal: null })
  const store = await openStore(location)
  for (const name of written) expect(await store.get({ scope: account, name })).toBe(name)
  expect(await store.verify()).toEqual({ ok: true, records: written.length, problems: [] })
  expect(new Set(errors)).toEqual(new Set(['ERR_LOCKED']))
})

test.skipIf(!POSIX)(
  'a store whose lock something else in the process has dropped acknowledges nothing more',
  async () => {
    const location = await newLocation()
    const store = await openStore(location)
    await set(store, 'before')
    // Closing any handle of the file gives up the process's lock of it: so says POSIX.
    readFileSync(join(location, 'data', 'LOCK'))
    const other = otherProcess()
    expect(await other.tell({ do: 'open', location })).toBe('opened')
    expect(await other.tell({ do: 'get', name: 'before' })).toBe('before')
    expect(await codeOf(() => set(store, 'into the void'))).toBe('ERR_FAILED')
    expect(await codeOf(() => set(store, 'again'))).toBe('ERR_FAILED')
    await other.tell({ do: 'set', name: 'other', payload: 'value' })
    await store.close()
    await other.tell({ do: 'set', name: 'other later', payload: 'value' })
    expect(await other.tell({ do: 'verify' })).toBe(true)
    await other.tell({ do: 'close' })
    const again = await openStore(location)
    for (const name of ['before', 'other', 'other later']) {
      expect(await again.get({ scope: account, name }), name).toBeDefined()
    }
    expect((await again.verify()).ok).toBe(true)
  },
)

test.skipIf(!POSIX).each(['write', 'compaction'] as const)(
  'a %s that begins new files after the lock was dropped does not damage those of the new owner',
  async (what) => {
    const location = await newLocation()
    const store = await openStore(location)
    await set(store, 'before')
    // More than LevelDB holds in memory: the next write begins a new log, under a number the new owner may have used.
    for (let n = 0; n < 5; n++) await set(store, `filler ${n}`, 'x'.repeat(850_000))
    readFileSync(join(location, 'data', 'LOCK'))
    const other = otherProcess()
    expect(await other.tell({ do: 'open', location })).toBe('opened')
    const names = Array.from({ length: 20 }, (_, index) => `other ${index}`)
    for (const name of names) await other.tell({ do: 'set', name, payload: name })
    expect(await codeOf(() => (what === 'write' ? set(store, 'into the void') : store.compact()))).toBe('ERR_FAILED')
    await store.close()
    await other.tell({ do: 'set', name: 'other last', payload: 'other last' })
    expect(await other.tell({ do: 'verify' })).toBe(true)
    await other.tell({ do: 'close' })
    const again = await openStore(location)
    expect(await again.get({ scope: account, name: 'before' })).toBe('before')
    for (const name of [...names, 'other last']) expect(await again.get({ scope: account, name })).toBe(name)
    expect((await again.verify()).ok).toBe(true)
  },
)

test('many who create one store at once make exactly one, and leave nothing beside it', async () => {
  const processes = [otherProcess(), otherProcess(), otherProcess()]
  const ready = await newLocation()
  // So that all of them have started before the race.
  for (const one of processes) await one.tell({ do: 'open at once', location: ready, calls: 1 })
  for (let round = 0; round < 8; round++) {
    const location = await newLocation()
    if (round % 2 === 1) await mkdir(location, { mode: 0o700 })
    const outcomes = await Promise.all([
      ...processes.map((one) => one.tell({ do: 'open at once', location, calls: 4 }) as Promise<string[]>),
      Promise.all(Array.from({ length: 4 }, () => openOnce(location))),
    ])
    const all = outcomes.flat()
    expect(all.filter((outcome) => outcome !== 'opened' && outcome !== 'ERR_LOCKED')).toEqual([])
    expect(all.filter((outcome) => outcome === 'opened').length).toBeGreaterThan(0)
    expect(await readdir(dirname(location))).toEqual([basename(location)])
    const store = await openStore(location)
    await set(store, 'whole')
    expect((await store.verify()).ok).toBe(true)
    await store.close()
  }
})

/** Opens and closes at once. */
async function openOnce(location: string): Promise<string> {
  return codeOf(async () => (await openStore(location)).close()).then((code) => (code === 'no error' ? 'opened' : code))
}

/** Of the owner, while the others wait. */
const OWNERS_KILLED = times(16, 400)
const RACERS = 3
const OWNERS_PER_STORE = 8
/** A turn takes about a third of so many. */
const MOST_REPORTS = 100

/** All that one process said, in the order of its doing. */
interface Racer {
  readonly number: number
  readonly reports: readonly Report[]
}

/** The time in which somebody can have held the store: from the first of it that was heard to the last. */
interface Tenure {
  readonly racer: number
  readonly from: number
  readonly to: number
}

function tenuresOf({ number, reports }: Racer): Tenure[] {
  const tenures: Tenure[] = []
  let [from, to] = [undefined as number | undefined, 0]
  for (const report of reports) {
    if ('refused' in report || 'closed' in report) continue
    if ('opened' in report) from = report.at
    to = report.at
    if (!('closing' in report) || from === undefined) continue
    tenures.push({ racer: number, from, to })
    from = undefined
  }
  return from === undefined ? tenures : [...tenures, { racer: number, from, to }]
}

/**
 * Holds the history of all against one store with one owner at a time.
 *
 * @returns What is wrong with it, the highest count that was acknowledged, and the highest that was begun.
 */
function judgeHistory(racers: readonly Racer[]): {
  readonly problems: readonly string[]
  readonly acknowledged: number
  readonly begun: number
} {
  const problems: string[] = []
  const tenures = racers.flatMap(tenuresOf).sort((a, b) => a.from - b.from)
  for (const [index, { racer, from }] of tenures.entries()) {
    const before = tenures[index - 1]
    if (before !== undefined && before.to > from) problems.push(`racer ${racer} held it with racer ${before.racer}`)
  }
  const reports = racers.flatMap(({ reports }) => reports).sort((a, b) => a.at - b.at)
  let [acknowledged, begun] = [0, 0]
  for (const report of reports) {
    if ('counting' in report) begun = Math.max(begun, report.counting)
    if ('refused' in report && report.refused !== 'ERR_LOCKED') {
      const message = `opening: expected ERR_LOCKED, got ${report.refused}`
      if (flawOf({ message, operation: 'open' }) === undefined) problems.push(message)
    }
    if ('failed' in report) problems.push(`failed: ${report.failed}`)
    if ('opened' in report && report.opened < acknowledged) {
      problems.push(`opened at ${report.opened} after ${acknowledged} was acknowledged`)
    }
    if (!('counted' in report)) continue
    if (report.counted <= acknowledged) problems.push(`${report.counted} acknowledged after ${acknowledged}`)
    acknowledged = report.counted
  }
  return { problems, acknowledged, begun }
}

/** Starts racers for one store, and kills who holds it, again and again. @returns All that was said. */
async function race(start: () => ChildProcess, job: Omit<Job, 'racer'>, kills: number, draws: Draws): Promise<Racer[]> {
  const racers: (Racer & { readonly child: ChildProcess })[] = []
  let killed = 0
  await new Promise<void>((resolve, reject) => {
    let left = draws.below(MOST_REPORTS)
    const enter = (): void => {
      const racer = { number: racers.length, reports: [] as Report[], child: start() }
      racers.push(racer)
      createInterface({ input: racer.child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
        const report = JSON.parse(line) as Report
        racer.reports.push(report)
        if ('failed' in report) reject(new Error(report.failed))
        if ('refused' in report || 'closed' in report || left-- > 0 || killed >= kills) return
        left = draws.below(MOST_REPORTS)
        // It holds the store, or is about to close it.
        racer.child.kill('SIGKILL')
        if (++killed >= kills) resolve()
        else enter()
      })
      racer.child.send({ ...job, racer: racer.number } satisfies Job)
    }
    for (let racer = 0; racer < RACERS; racer++) enter()
  })
  await Promise.all(
    racers.map(async ({ child }) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    }),
  )
  return racers
}

test('of many processes at most one holds the store, whoever is killed, and no count is lost or given twice', () =>
  campaign('campaigns/lock.test.ts', async (draws) => {
    const program = starterOf('lock-racer', 'race')
    const start = (): ChildProcess => {
      const child = program.start()
      child.stderr?.resume()
      onTestFinished(() => void child.kill('SIGKILL'))
      return child
    }
    const progress = progressOf('lock')
    let [counts, tenures, backups] = [0, 0, 0]
    for (let killed = 0; killed < OWNERS_KILLED; killed += OWNERS_PER_STORE) {
      const directory = await temporaryDirectory()
      // There is no store yet: they race to create it.
      const location = join(directory, 'secrets')
      const racers = await race(start, { location, directory }, OWNERS_PER_STORE, draws)
      const { problems, acknowledged, begun } = judgeHistory(racers)
      expect(problems, `after ${killed} owners were killed before`).toEqual([])
      const store = await openStore(location, { createIfMissing: false })
      const count = Number(await store.get({ scope: account, name: COUNTER }))
      expect(count).toBeGreaterThanOrEqual(acknowledged)
      expect(count).toBeLessThanOrEqual(begun)
      for (let n = 1; n <= count; n++)
        expect(await store.get({ scope: account, name: `count-${n}` }), `${n}`).toBeDefined()
      expect(await store.verify()).toMatchObject({ ok: true, records: count + 1 })
      await store.close()
      for (const report of racers.flatMap(({ reports }) => reports)) {
        if (!('backup' in report)) continue
        await expectBackup(join(directory, report.backup), report.count)
        backups++
      }
      counts += acknowledged
      tenures += racers.flatMap(tenuresOf).length
      progress(killed, OWNERS_KILLED)
    }
    conclude('lock', { 'owners killed': OWNERS_KILLED, tenures, counts, backups, lost: 0, doubled: 0 })
    expect(counts).toBeGreaterThan(OWNERS_KILLED)
    expect(backups).toBeGreaterThan(0)
  }))

/** It is whole, and no older than the moment it was asked for. */
async function expectBackup(path: string, leastCount: number): Promise<void> {
  const restored = `${path}-restored`
  await SecretStore.restore(path, restored, { key: testKey() })
  const store = await openStore(restored, { createIfMissing: false })
  const count = Number((await store.get({ scope: account, name: COUNTER })) ?? 0)
  expect(count).toBeGreaterThanOrEqual(leastCount)
  for (let n = 1; n <= count; n++) expect(await store.get({ scope: account, name: `count-${n}` })).toBeDefined()
  await store.close()
}
