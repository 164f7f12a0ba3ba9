import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { account, type Scope, user } from '../../src/index'
import { startChild } from '../support/programs'
import type { Flip, Outcome, Task } from '../support/programs/flipper'
import { isCoded, type Observation, type State } from '../support/programs/observation'
import { filesOf, openStore, temporaryDirectory } from '../support/stores'

const FLIPPERS = 2
const SCOPES = { account, user: user('usr_1') } as const
const FAR_SECONDS = 3_000_000_000

type Label = `${keyof typeof SCOPES} ${string}`

function targetOf(label: string): { scope: Scope; name: string } {
  const [scope, name] = label.split(' ') as [keyof typeof SCOPES, string]
  return { scope: SCOPES[scope], name }
}

/** A small store with rows of every sort, in a table and in a log. Returns its state after each write. */
async function smallStore(location: string): Promise<{ states: State[]; minimum: string }> {
  let store = await openStore(location)
  const states: State[] = [{}]
  const set = async (label: Label, payload: string | Uint8Array, expires_at: number | null = null): Promise<void> => {
    await store.set({ ...targetOf(label), payload, expires_at })
    states.push({ ...states.at(-1), [label]: Buffer.from(payload).toString('base64') })
  }
  const remove = async (label: Label): Promise<void> => {
    await store.delete(targetOf(label))
    const { [label]: _, ...others } = states.at(-1) as State
    states.push(others)
  }
  await set('account inline', 'one')
  await set('account external', 'e'.repeat(1100), FAR_SECONDS)
  await set('account replaced', 'first')
  await set('user inline', 'of a user')
  await set('user removed', 'soon gone')
  await store.compact()
  await store.close()
  store = await openStore(location)
  await set('account replaced', 'second', FAR_SECONDS)
  await remove('user removed')
  await set('user bytes', Uint8Array.of(0, 255, 1))
  await set('account late', 'l'.repeat(1200))
  const minimum = await store.checkpoint()
  await store.close()
  return { states, minimum }
}

/** Flips one byte after the other in a child of its own, which is replaced when a flip takes it down. */
async function* flipAll(task: Task, flips: readonly Flip[]): AsyncGenerator<[Flip, Outcome | 'abort']> {
  const start = (): ChildProcess => startChild('flipper', ['run', JSON.stringify(task)])
  let child = start()
  onTestFinished(() => void child.kill('SIGKILL'))
  for (const flip of flips) {
    const outcome = await new Promise<Outcome | 'abort'>((resolve) => {
      const ended = (): void => resolve('abort')
      child.once('exit', ended)
      child.once('message', (message) => {
        child.off('exit', ended)
        resolve(message as Outcome)
      })
      child.send(flip)
    })
    yield [flip, outcome]
    if (outcome === 'abort') child = start()
  }
  child.kill('SIGKILL')
}

/** What no reader may ever be shown. @returns `undefined` if all is well. */
function fault({ opening, readings, lists, verified }: Observation, possible: readonly State[]): string | undefined {
  if (opening !== 'opened') return isCoded(opening) ? undefined : opening
  const errors = [...Object.values(readings).map((reading) => ('error' in reading ? reading.error : 'ERR_'))]
  errors.push(...Object.values(lists).filter((list) => typeof list === 'string'))
  if (typeof verified === 'string') errors.push(verified)
  const uncoded = errors.find((error) => !isCoded(error))
  if (uncoded !== undefined) return uncoded
  const everSet = (label: string, payload: string): boolean => possible.some((state) => state[label] === payload)
  for (const [label, reading] of Object.entries(readings)) {
    if ('payload' in reading && !everSet(label, reading.payload)) return `a wrong value of '${label}'`
  }
  if (verified !== true) return undefined
  // It claims to be whole, so everything reads, and as it was after one of the writes: all of it after the same one.
  const read = Object.entries(readings).flatMap(([label, reading]) =>
    'payload' in reading ? [[label, reading.payload] as const] : [],
  )
  if (Object.values(readings).some((reading) => 'error' in reading)) return 'verified, but does not read'
  const state = possible.find(
    (state) => Object.keys(state).length === read.length && read.every(([label, payload]) => state[label] === payload),
  )
  if (state === undefined) return 'verified, but in a state it never had'
  for (const scope of Object.keys(SCOPES)) {
    const names = Object.keys(state).flatMap((label) => (label.startsWith(`${scope} `) ? [targetOf(label).name] : []))
    if (JSON.stringify(names.sort()) !== JSON.stringify(lists[scope])) return 'verified, but lists something else'
  }
  return undefined
}

/** A record replaced before it was compacted is a value it had, but not one that a store opened with `minimum` may give. */
function faultOf(flip: Flip, { anchored, unanchored }: Outcome, states: readonly State[]): string | undefined {
  if (flip.path === 'keyring.json') {
    return anchored.opening === 'ERR_CORRUPT' ? undefined : `keyring.json: ${anchored.opening}`
  }
  return fault(anchored, states.slice(-1)) ?? (unanchored && fault(unanchored, states))
}

/** Mostly one bit, which a length or a number survives best; every third time all of them. */
function maskAt(offset: number): number {
  return offset % 3 === 2 ? 0xff : 1 << (offset % 8)
}

test('a flip in any byte of any file is never a wrong value, and never an unnoticed miss', async () => {
  const directory = await temporaryDirectory()
  const original = join(directory, 'original')
  const { states, minimum } = await smallStore(original)
  const targets = Object.fromEntries(
    [...new Set(states.flatMap((state) => Object.keys(state)))].map((label) => [label, targetOf(label)]),
  )
  const flips = [...(await filesOf(original))].flatMap(([path, bytes]) =>
    Array.from(bytes, (_, offset): Flip => ({ path, offset, mask: maskAt(offset) })),
  )
  const faults: string[] = []
  const counts = new Map<string, number>()
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1)
  await Promise.all(
    Array.from({ length: FLIPPERS }, async (_, flipper) => {
      const task = { original, scratch: join(directory, `copy-${flipper}`), minimum, targets, scopes: SCOPES }
      const share = flips.filter((_, index) => index % FLIPPERS === flipper)
      for await (const [flip, outcome] of flipAll(task, share)) {
        if (outcome === 'abort') {
          count('process aborted')
          continue
        }
        const found = faultOf(flip, outcome, states)
        if (found !== undefined) faults.push(`${flip.path}, byte ${flip.offset}, mask ${flip.mask}: ${found}`)
        const { opening, verified } = outcome.anchored
        count(opening === 'opened' ? (verified === true ? 'unharmed' : 'reported by verify') : `open: ${opening}`)
      }
    }),
  )
  const summary = [...counts].map(([what, number]) => `${number} ${what}`).join(', ')
  console.info(`${flips.length} flips: ${summary}`)
  expect(faults).toEqual([])
  expect(counts.get('reported by verify')).toBeGreaterThan(0)
})
