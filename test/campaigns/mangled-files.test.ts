import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { account } from 'app-secret-store'
import { expect, test } from 'vitest'
import { campaign, conclude, type Draws, progressOf, times } from '../support/campaign'
import { fromRoot } from '../support/paths'
import { startChild } from '../support/programs'
import type { MangleTask, Progress } from '../support/programs/mangler'
import { copyStore, openStore, temporaryDirectory } from '../support/stores'

const FILE = 'campaigns/mangled-files.test.ts'
const TRIALS: number = times(600, 100_000)
const CHILDREN = 2
/** A trial takes some ten milliseconds. */
const HANGS_MS = 120_000

/** Copies of one store at times of its life: one log, several, tables in one level and in more, many blocks. */
async function pictures(directory: string, draws: Draws): Promise<string[]> {
  const location = join(directory, 'store')
  const taken: string[] = []
  let store = await openStore(location)
  const write = async (count: number, lengths: readonly number[]): Promise<void> => {
    for (; count > 0; count--) {
      const payload = 'p'.repeat(draws.pick(lengths))
      await store.set({ scope: account, name: `name ${draws.below(60)}`, payload })
    }
  }
  const reopen = async (): Promise<void> => {
    await store.close()
    store = await openStore(location)
  }
  const take = async (): Promise<void> => {
    taken.push(join(directory, `${taken.length}`))
    await copyStore(location, taken.at(-1) as string)
  }
  await write(5, [10])
  await take()
  await reopen()
  await write(30, [10, 100])
  await take()
  await reopen()
  await write(30, [10, 2000])
  await reopen()
  await write(3, [10])
  await take()
  await store.compact()
  await take()
  await write(20, [10, 40_000])
  await reopen()
  await write(40, [10, 3000])
  await take()
  await store.close()
  return taken
}

interface Tally {
  trials: number
  ended: string[]
  faults: string[]
  outcomes: Record<string, number>
}

/** Runs a part of the trials; a child that ends is followed by another one, after the trial that it ended in. */
async function mangle(task: MangleTask, tally: Tally, onProgress: (trials: number) => void): Promise<void> {
  const at = (): Progress => JSON.parse(readFileSync(task.progress, 'utf8')) as Progress
  for (let from = task.from; from < task.to; ) {
    writeFileSync(task.progress, JSON.stringify({ trial: from, outcomes: {}, faults: [] } satisfies Progress))
    const child = startChild('mangler', ['mangle', JSON.stringify({ ...task, from })], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    let last = from
    let changed = Date.now()
    const watch = setInterval(() => {
      const { trial } = at()
      onProgress(trial - task.from)
      if (trial !== last) changed = Date.now()
      last = trial
      if (Date.now() - changed > HANGS_MS) child.kill('SIGKILL')
    }, 1000)
    const [code, signal] = await once(child, 'exit')
    clearInterval(watch)
    const { trial, outcomes, faults } = at()
    if (trial < task.to) tally.ended.push(`trial ${trial} (${signal ?? code}): ${await keep(task, trial)}`)
    for (const [outcome, count] of Object.entries(outcomes))
      tally.outcomes[outcome] = (tally.outcomes[outcome] ?? 0) + count
    tally.faults.push(...faults)
    tally.trials += Math.min(trial + 1, task.to) - from
    from = trial + 1
  }
}

/** Leaves the files of a trial for whoever looks into it. */
async function keep(task: MangleTask, trial: number): Promise<string> {
  const scratch = fromRoot(`output/faults/mangled-${task.seed}-${trial}`)
  await once(startChild('mangler', ['write', JSON.stringify({ ...task, scratch, from: trial })]), 'exit')
  return scratch
}

test('no file of a database ends the process, however it was altered, and every error has a code', async () => {
  await campaign(FILE, async (draws, seed) => {
    const directory = await temporaryDirectory()
    const taken = await pictures(directory, draws)
    const tally: Tally = { trials: 0, ended: [], faults: [], outcomes: {} }
    const tell = progressOf('mangled files')
    const each = Math.ceil(TRIALS / CHILDREN)
    await Promise.all(
      Array.from({ length: CHILDREN }, (_, child) =>
        mangle(
          {
            pictures: taken,
            scratch: join(directory, `scratch-${child}`),
            progress: join(directory, `progress-${child}`),
            seed,
            from: child * each,
            to: (child + 1) * each,
          },
          tally,
          (done) => tell(done * CHILDREN, TRIALS),
        ),
      ),
    )
    conclude('mangled-files', {
      trials: tally.trials,
      'ends of a process': tally.ended.length,
      seed,
      ...tally.outcomes,
    })
    expect(tally.ended).toEqual([])
    expect(tally.faults).toEqual([])
    expect(tally.outcomes['whole']).toBeGreaterThan(TRIALS / 100)
    expect(tally.outcomes['ERR_CORRUPT']).toBeGreaterThan(TRIALS / 10)
  })
})
