import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { account, SecretStore } from '../../src/index'
import { campaign, conclude, type Draws, isLong, progressOf, sayRefusal, times } from '../support/campaign'
import type { Job, Report } from '../support/programs/every-writer'
import { keyOf } from '../support/programs/rekeyer'
import { BATCH_NAMES, payloadOf, type Write } from '../support/programs/writer'
import { temporaryDirectory } from '../support/stores'
import { type Fault, KINDS } from './shim/control'
import { judge } from './shim/judge'
import { CUTS, type Cut, type LoopDisk, newLoopDisk, refusalToCut } from './shim/loop-disk'
import { makeTemplate, OPERATIONS } from './shim/operations'
import { FaultedChildren, preloader, refusalToPreload } from './shim/shim'

const refusal = sayRefusal('disks whose power is cut', refusalToCut())
const callRefusal = refusal ?? refusalToPreload()

const RANDOM_CUTS = times(12, 400)
const MOST_REPORTS = 600
/** Compactions and rotations take some hundred of them. */
const MOST_DELAY_MS = 20
/** Between two stores of new names. */
const CUTS_PER_STORE = 20
/** Past the last call of anything. */
const NEVER = 1_000_000

type State = ReadonlyMap<string, string>

/** What a child said until the power was cut. */
interface Life {
  readonly started: readonly Write[]
  readonly done: ReadonlySet<number>
  /** The keys there may be: as they were last acknowledged, and as they were about to be. */
  readonly possibleKeys: readonly (readonly number[])[]
  readonly cared: number
}

/** Lets a child write, and cuts the power at some moment. */
async function liveAndCut(child: ChildProcess, job: Job, disk: LoopDisk, draws: Draws): Promise<Life> {
  const started: Write[] = []
  const acknowledgements: { readonly done: number; readonly at: number }[] = []
  const keys: { readonly labels: readonly number[]; at: number }[] = [{ labels: job.keys, at: 0 }]
  let [left, delayMs, cared] = [draws.below(MOST_REPORTS), draws.fraction() * MOST_DELAY_MS, 0]
  const cut: Cut = draws.below(4) === 0 ? 'after the journal' : 'at once'
  const dark = new Promise<number>((resolve, reject) => {
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    lines.on('line', (line) => {
      const report = JSON.parse(line) as Report
      if ('started' in report) started.push(report.started)
      else if ('done' in report) acknowledgements.push(report)
      else if ('changing' in report) keys.push({ labels: report.changing, at: Number.POSITIVE_INFINITY })
      else if ('changed' in report) (keys.at(-1) as { at: number }).at = report.at
      else if ('did' in report) cared++
      else if ('failed' in report && left >= 0) reject(new Error(`the child failed before the cut: ${report.failed}`))
      if (left-- === 0) setTimeout(() => disk.cut(cut).then(resolve, reject), delayMs)
    })
    child.once('exit', (code) => reject(new Error(`the child ended by itself with ${code}`)))
  })
  child.send(job)
  const cutAt = await dark
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
  // What was acknowledged while the power went was told to nobody.
  const done = new Set(acknowledgements.filter(({ at }) => at < cutAt).map((one) => one.done))
  const lastKeys = keys.findLastIndex(({ at }) => at < cutAt)
  return { started, done, possibleKeys: keys.slice(lastKeys).map(({ labels }) => labels), cared }
}

/**
 * The writes are in one order: what is found must be what some first part of them makes, with all acknowledged in it.
 *
 * @returns In what it differs from the nearest of these states; nothing, as a rule.
 */
function differences(before: State, { started, done }: Life, found: State): readonly string[] {
  const state = new Map(before)
  const lastDone = Math.max(-1, ...done)
  let nearest = lastDone === -1 ? differing(state, found) : undefined
  for (const write of started) {
    for (const name of write.sets) state.set(name, payloadOf(write))
    for (const name of write.deletes) state.delete(name)
    if (write.number < lastDone) continue
    const these = differing(state, found)
    if (nearest === undefined || these.length < nearest.length) nearest = these
  }
  return nearest ?? []
}

function differing(expected: State, found: State): string[] {
  const names = new Set([...expected.keys(), ...found.keys()])
  const told = (state: State, name: string): string => state.get(name)?.replace(/\.+$/, '') ?? 'absent'
  return [...names]
    .filter((name) => expected.get(name) !== found.get(name))
    .map((name) => `${name}: expected ${told(expected, name)}, got ${told(found, name)}`)
}

interface Found {
  readonly state: State
  readonly keys: readonly number[]
}

/** Opens the store after a cut, looks at all of it, and closes it. */
async function findOut(location: string, key: number): Promise<Found> {
  const timers = { sweepIntervalMs: 0, compactIntervalMs: 0 }
  const store = await SecretStore.open(location, { key: keyOf(key), createIfMissing: false, ...timers })
  try {
    const state = new Map<string, string>()
    for await (const { name, payload } of store.list({ scope: account, expand: ['data.payload'] })) {
      state.set(name, payload as string)
    }
    const report = await store.verify()
    expect(report, 'verify after a power cut').toMatchObject({ ok: true, records: state.size, problems: [] })
    return { state, keys: store.keys().map(({ label }) => Number(label)) }
  } finally {
    await store.close()
  }
}

test.skipIf(callRefusal !== undefined)('a power cut at some moment loses nothing acknowledged', () =>
  campaign('campaigns/power-cut.test.ts', async (draws) => {
    const disk = newLoopDisk()
    const children = await preloader(await temporaryDirectory(), disk.root, 'every-writer', 'write')
    const start = (): ChildProcess => {
      const child = children.start()
      child.stderr?.resume()
      onTestFinished(() => void child.kill('SIGKILL'))
      return child
    }
    const progress = progressOf('power-cut')
    let reserve = start()
    let [location, nextKey] = ['', 2]
    let found: Found = { state: new Map(), keys: [1] }
    let [acknowledged, cared] = [0, 0]
    for (let cut = 0; cut < RANDOM_CUTS; cut++) {
      if (cut % CUTS_PER_STORE === 0) {
        if (location !== '') await rm(location, { recursive: true })
        location = join(disk.root, `secrets-${cut}`)
        found = { state: new Map(), keys: [1] }
        await (await SecretStore.open(location, { key: keyOf(1) })).close()
      }
      const child = reserve
      reserve = start()
      const life = await liveAndCut(child, { location, keys: found.keys, nextKey }, disk, draws)
      nextKey += MOST_REPORTS
      await disk.restart()
      const what = `after power cut ${cut} (${life.done.size} acknowledged of ${life.started.length})`
      const next = await findOut(location, 1)
      expect(new Set(BATCH_NAMES.map((name) => next.state.get(name))).size, `a torn batch ${what}`).toBe(1)
      expect(differences(found.state, life, next.state), `a state that no order of writes makes ${what}`).toEqual([])
      expect(life.possibleKeys, `keys ${what}`).toContainEqual(next.keys)
      found = next
      acknowledged += life.done.size
      cared += life.cared
      progress(cut + 1, RANDOM_CUTS)
    }
    conclude('power-cut', { cuts: RANDOM_CUTS, acknowledged, 'other operations': cared, lost: 0 })
    expect(acknowledged).toBeGreaterThan(RANDOM_CUTS)
  }),
)

test.skipIf(callRefusal !== undefined)(
  'a power cut at any system call of any operation loses nothing acknowledged',
  () =>
    campaign('campaigns/power-cut.test.ts', async (draws) => {
      const disk = newLoopDisk()
      const directory = await temporaryDirectory()
      const template = join(directory, 'template')
      await mkdir(template)
      await makeTemplate(template)
      const children = new FaultedChildren(await preloader(directory, disk.root, 'faulted', 'fail'))
      onTestFinished(() => children.end())
      const progress = progressOf('power-cut at system calls')
      const fault: Fault = {
        name: 'power cut',
        kinds: KINDS.filter((kind) => kind !== 'read' && kind !== 'mmap' && kind !== 'close'),
        action: 'cut',
        flags: CUTS['at once'],
      }
      let [count, cuts] = [0, 0]
      /** @returns How many calls there were, if the power was not cut. */
      const attempt = async (operation: string, nth: number): Promise<number | undefined> => {
        const place = join(disk.root, `${count++}`)
        await mkdir(place, { mode: 0o700 })
        const job = { operation, fault, nth, template, directory: place, synced: true }
        const { events, hit, signal, broken } = await children.attempt(job, nth !== NEVER)
        // Where there is no such call the power goes when all is done: what is acknowledged by then is on the disk.
        if (hit !== undefined) await disk.cut('at once')
        cuts++
        await disk.restart()
        const problems = await judge(place, events, {
          survived: hit !== undefined,
          harmless: hit !== undefined,
          tidy: false,
        })
        if (broken !== undefined || (hit === undefined && signal !== 'SIGKILL'))
          problems.push(`ended: ${signal} ${broken}`)
        const steps = events.map((event) => JSON.stringify(event)).join('\n')
        expect(problems, `${operation}, power cut at call ${nth}:\n${steps}`).toEqual([])
        await rm(place, { recursive: true })
        return hit?.calls
      }
      for (const [index, { name }] of OPERATIONS.entries()) {
        const calls = (await attempt(name, NEVER)) ?? 0
        if (isLong) for (let nth = 1; nth <= calls; nth++) await attempt(name, nth)
        else await attempt(name, 1 + draws.below(calls))
        progress(index + 1, OPERATIONS.length)
      }
      conclude('power-cut-at-system-calls', { operations: OPERATIONS.length, cuts, lost: 0 })
      expect(cuts).toBeGreaterThan(OPERATIONS.length / 2)
    }),
)
