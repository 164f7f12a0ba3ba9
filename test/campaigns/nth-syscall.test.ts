import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { campaign, conclude, type Draws, isLong, progressOf, sayRefusal } from '../support/campaign'
import { temporaryDirectory } from '../support/stores'
import { type Fault, type Hit, KINDS, type Kind } from './shim/control'
import { flawOf } from './shim/flaws'
import { judge } from './shim/judge'
import { makeTemplate, OPERATIONS } from './shim/operations'
import { FaultedChildren, preloader, refusalToPreload } from './shim/shim'

const refusal = sayRefusal('system calls that are made to fail', refusalToPreload())

const ALL: readonly Kind[] = KINDS.filter((kind) => kind !== 'read' && kind !== 'mmap')
const TAKING_ROOM: readonly Kind[] = ['create', 'write', 'sync', 'mkdir', 'link', 'rename']
const NAMING: readonly Kind[] = ['open', 'create', 'rename', 'unlink', 'rmdir', 'mkdir', 'link']

const FAULTS: readonly Fault[] = [
  { name: 'EIO', kinds: ALL, action: 'error', error: 'EIO' },
  { name: 'EIO from then on', kinds: ALL, action: 'error', error: 'EIO', persists: true },
  { name: 'EIO of what has taken effect', kinds: ALL, action: 'late error', error: 'EIO' },
  { name: 'ENOSPC', kinds: TAKING_ROOM, action: 'error', error: 'ENOSPC' },
  { name: 'ENOSPC from then on', kinds: TAKING_ROOM, action: 'error', error: 'ENOSPC', persists: true },
  { name: 'EACCES', kinds: NAMING, action: 'error', error: 'EACCES' },
  { name: 'EMFILE', kinds: ['open', 'create'], action: 'error', error: 'EMFILE' },
  { name: 'EMFILE from then on', kinds: ['open', 'create'], action: 'error', error: 'EMFILE', persists: true },
  { name: 'half a write, then ENOSPC', kinds: ['write'], action: 'short', error: 'ENOSPC' },
  { name: 'half a write', kinds: ['write'], action: 'short' },
  { name: 'EIO of a read', kinds: ['read'], action: 'error', error: 'EIO' },
  { name: 'ENOMEM of mmap', kinds: ['mmap'], action: 'error', error: 'ENOMEM' },
  { name: 'delay', kinds: ALL, action: 'delay' },
  { name: 'kill', kinds: ALL, action: 'kill' },
  { name: 'kill in a write', kinds: ['write'], action: 'short kill' },
]
const HARMLESS: ReadonlySet<string> = new Set(['delay', 'half a write'])
const REMOVING: ReadonlySet<string> = new Set(['unlink', 'rmdir'])
const LANES = 2
/** Past the last call of anything. */
const NEVER = 1_000_000
/** One fault can show in hundreds of calls. */
const MOST_FAILURES = 20

interface Attempt {
  readonly operation: string
  readonly fault: Fault
  readonly nth: number
}

interface Result {
  /** `undefined` if the process did not live to the end. */
  readonly hit: Hit | undefined
  readonly problems: readonly string[]
  /** What happened, for a failure's message. */
  readonly story: string
}

/** Where children fail one call, and what they leave is judged. */
async function bench(): Promise<(attempt: Attempt) => Promise<Result>> {
  // What is not synced is not lost here, so a disk in memory shows the same.
  const directory = await temporaryDirectory(existsSync('/dev/shm') ? '/dev/shm' : tmpdir())
  const [template, root] = [join(directory, 'template'), join(directory, 'root')]
  for (const path of [template, root]) await mkdir(path)
  await makeTemplate(template)
  const children = new FaultedChildren(await preloader(directory, root, 'faulted', 'fail'))
  onTestFinished(() => children.end())
  let count = 0
  return async (attempt) => {
    const { operation, fault, nth } = attempt
    const place = join(root, `${count++}`)
    const deadly = fault.action.endsWith('kill')
    const job = { ...attempt, template, directory: place, synced: false }
    const { hit, events, signal, broken } = await children.attempt(job, deadly && nth !== NEVER)
    const survived = hit !== undefined
    const problems = await judge(place, events, {
      survived,
      harmless: hit?.hits === 0 || HARMLESS.has(fault.name),
      tidy: survived && !fault.persists && fault.action !== 'late error' && !REMOVING.has(hit.call),
    })
    if (broken !== undefined) problems.push(`the process: ${broken}`)
    if (!survived && !(deadly && signal === 'SIGKILL')) problems.push(`the process ended by ${signal}`)
    await rm(place, { recursive: true, force: true })
    const where = hit === undefined ? '' : ` (${hit.call} of ${hit.file})`
    const steps = events.map((event) => JSON.stringify(event)).join('\n')
    const story = `${operation}, ${fault.name} at call ${nth}${where}: ${problems.join('\n')}\nThe steps:\n${steps}`
    return { hit, problems, story }
  }
}

/** Every operation and fault, with the calls it is to hit: all of them, or one. */
async function* attempts(draws: Draws, attempt: (attempt: Attempt) => Promise<Result>): AsyncGenerator<Attempt> {
  for (const { name: operation } of OPERATIONS) {
    const countOf = new Map<string, number>()
    for (const fault of FAULTS) {
      const kinds = fault.kinds.join()
      const calls = countOf.get(kinds) ?? (await attempt({ operation, fault, nth: NEVER })).hit?.calls ?? 0
      countOf.set(kinds, calls)
      if (isLong) for (let nth = 1; nth <= calls; nth++) yield { operation, fault, nth }
      else if (calls > 0) yield { operation, fault, nth: 1 + draws.below(calls) }
    }
  }
}

test.skipIf(refusal !== undefined)(
  'whichever system call fails, nothing acknowledged is lost and nothing is half-made',
  () =>
    campaign('campaigns/nth-syscall.test.ts', async (draws) => {
      const attempt = await bench()
      const progress = progressOf('nth-syscall')
      const failures: string[] = []
      const known = new Map<string, number>()
      let [tried, hits, kills] = [0, 0, 0]
      const source = attempts(draws, attempt)
      const lane = async (): Promise<void> => {
        for await (const one of source) {
          const { hit, problems, story } = await attempt(one)
          const flaws = problems.map((message) => flawOf({ ...one, message, hit }))
          if (flaws.includes(undefined) && failures.length < MOST_FAILURES) failures.push(story)
          for (const flaw of new Set(flaws)) if (flaw !== undefined) known.set(flaw, (known.get(flaw) ?? 0) + 1)
          tried++
          if (hit === undefined) kills++
          else if (hit.hits > 0) hits++
          progress(tried, tried)
        }
      }
      await Promise.all(Array.from({ length: LANES }, lane))
      expect(failures).toEqual([])
      conclude('nth-syscall', { attempts: tried, 'failed calls': hits, kills, ...Object.fromEntries(known) })
      expect(kills).toBeGreaterThan(OPERATIONS.length)
      expect(hits).toBeGreaterThan(OPERATIONS.length * 4)
    }),
)

/** Fails every call of one operation that a flaw is about. */
async function everyCall(operation: string, fault: Fault): Promise<string[]> {
  const attempt = await bench()
  const stories: string[] = []
  for (let nth = 1; ; nth++) {
    const { hit, problems, story } = await attempt({ operation, fault, nth })
    if (problems.length > 0) stories.push(story)
    if (hit?.hits === 0) return stories
  }
}

const failing = refusal === undefined ? test.fails : test.skip
const passing = refusal === undefined ? test : test.skip

failing('a log that cannot be opened for a moment is not thrown away', async () => {
  const stories = await everyCall('open', { name: 'EMFILE', kinds: ['open'], action: 'error', error: 'EMFILE' })
  expect(stories.filter((story) => story.includes('.log)'))).toEqual([])
})

failing('a log that cannot be read for a moment is not thrown away', async () => {
  const stories = await everyCall('open', { name: 'EIO of a read', kinds: ['read'], action: 'error', error: 'EIO' })
  expect(stories.filter((story) => story.includes('.log)'))).toEqual([])
})

failing('a rename of CURRENT that took effect and is said to have failed leaves a store that opens', async () => {
  const stories = await everyCall('open', { name: 'EIO', kinds: ['rename'], action: 'late error', error: 'EIO' })
  expect(stories).toEqual([])
})

passing('a write that fails while a store is made has a code', async () => {
  expect(await everyCall('create', { name: 'ENOSPC', kinds: ['write'], action: 'error', error: 'ENOSPC' })).toEqual([])
})

passing('a LOG that cannot be read while a store opens has a code', async () => {
  const stories = await everyCall('open', { name: 'EMFILE', kinds: ['open'], action: 'error', error: 'EMFILE' })
  expect(stories.filter((story) => story.includes('not coded'))).toEqual([])
})
