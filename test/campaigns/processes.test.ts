import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { account, SecretStore } from '../../src/index'
import { campaign, conclude, type Draws, progressOf, times } from '../support/campaign'
import type { SecretOperation, Secrets } from '../support/linearizable'
import { COUNTER, own } from '../support/programs/sharer'
import { expectLinearizable, NOTHING, SharerProcess, stateOf, wrongEvents } from '../support/sharers'
import { newLocation, testKey } from '../support/stores'

const FILE = 'campaigns/processes.test.ts'
/** Few, so that callers meet. */
const NAMES = ['a', 'a\0', 'b', 'c']
const SHARERS = 4
const CALLS = 6
/** Until somebody is killed in a round, at the most. */
const MOST_PAUSE_MS = 30
const STOPPED_MS = 250
/** Longer than a turn. */
const LONG_STOPPED_MS = 3000
const ROUNDS = times(12, Number(process.env['FAULT_ROUNDS'] ?? 1250))

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** All processes that share one store, the living and the dead. */
class Fleet {
  readonly location: string
  readonly all: SharerProcess[] = []

  constructor(location: string) {
    this.location = location
    onTestFinished(() => {
      for (const { child, isOver } of this.all) if (!isOver) child.kill('SIGKILL')
    })
  }

  start(more: { readonly openings?: number } = {}): SharerProcess {
    const sharer = new SharerProcess({ location: this.location, sharer: this.all.length, names: NAMES, ...more })
    this.all.push(sharer)
    return sharer
  }

  get living(): SharerProcess[] {
    return this.all.filter(({ isOver }) => !isOver)
  }

  async owner(): Promise<SharerProcess | undefined> {
    const text = await readFile(join(this.location, 'owner.json'), 'utf8').catch(() => undefined)
    const pid = text === undefined ? 0 : (JSON.parse(text) as { pid: number }).pid
    return this.living.find((sharer) => sharer.pid === pid)
  }

  /** @returns Those that were closed, all of them if none was lost. */
  async close(): Promise<boolean> {
    for (const sharer of this.living) sharer.order({ close: true })
    const closed = await Promise.all(this.living.map(({ ended }) => ended))
    return closed.every((isClosed) => isClosed)
  }
}

type Deed = 'kill the owner' | 'kill a follower' | 'stop the owner' | 'stop a follower' | 'close the owner'

function drawDeed(draws: Draws): Deed {
  const kind = draws.below(100)
  if (kind < 82) return 'kill the owner'
  if (kind < 88) return 'kill a follower'
  if (kind < 91) return 'stop the owner'
  if (kind < 94) return 'stop a follower'
  return 'close the owner'
}

/** @returns What was done; `undefined` if there was nobody to do it to. */
async function interfere(fleet: Fleet, draws: Draws, deed: Deed): Promise<Deed | undefined> {
  const isLongStop = draws.below(20) === 0
  const chosen = draws.below(SHARERS)
  await pause(draws.below(MOST_PAUSE_MS))
  const owner = await fleet.owner()
  const followers = fleet.living.filter((sharer) => sharer !== owner && sharer.isReady)
  const victim = deed.endsWith('owner') ? owner : followers[chosen % Math.max(1, followers.length)]
  if (victim === undefined) return undefined
  if (deed.startsWith('kill')) {
    victim.child.kill('SIGKILL')
    await victim.ended
  } else if (deed.startsWith('stop')) {
    victim.child.kill('SIGSTOP')
    await pause(isLongStop ? LONG_STOPPED_MS : STOPPED_MS)
    victim.child.kill('SIGCONT')
  } else {
    victim.order({ close: true })
    await victim.ended
  }
  return deed
}

/** Histories that are wrong, made of a right one: a write was lost, or was done again at the end. */
function* wrongOnes(operations: readonly SecretOperation[]): Generator<readonly SecretOperation[]> {
  const reads = operations.filter(({ call, outcome }) => call.verb === 'get' && outcome !== undefined)
  const last = reads.reduce((one, other) => (one.invoked > other.invoked ? one : other))
  const set = operations.find(({ call, outcome }) => call.verb === 'set' && outcome !== undefined)
  const replaced = (value: string | undefined): readonly SecretOperation[] =>
    operations.map((operation) => (operation === last ? { ...operation, outcome: { value } } : operation))
  yield replaced('never set')
  const { outcome, call } = last
  const read = outcome !== undefined && 'value' in outcome ? outcome.value : undefined
  // What was never answered may happen at any time.
  const isAnswered = operations.every(({ outcome: answer }) => answer !== undefined)
  if (read !== undefined && isAnswered) yield replaced(undefined)
  if (set?.call.verb === 'set' && call.verb === 'get' && set.call.name !== call.name) yield replaced(set.call.payload)
}

test('processes that share a store lose no write, do none twice and read nothing wrong, whoever dies', async () => {
  await campaign(FILE, async (draws, seed) => {
    const fleet = new Fleet(await newLocation())
    const progress = progressOf('processes')
    const deeds = new Map<Deed, number>()
    let checked = 0
    let rejected = 0
    let initial: Secrets = NOTHING
    await fleet.start().until('ready')
    for (let n = 1; n < SHARERS; n++) fleet.start()
    await Promise.all(fleet.living.map((sharer) => sharer.until('ready')))
    for (let round = 0; round < ROUNDS; round++) {
      const callers = fleet.living.filter(({ isReady }) => isReady)
      for (const caller of callers) caller.order({ round, seed: draws.below(2 ** 32), calls: CALLS })
      const deed = await interfere(fleet, draws, drawDeed(draws))
      if (deed !== undefined) deeds.set(deed, (deeds.get(deed) ?? 0) + 1)
      while (fleet.living.length < SHARERS + 1) fleet.start()
      await Promise.all(callers.map((caller) => caller.until(`done ${round}`)))
      const looker = fleet.living.find(({ isReady }) => isReady) ?? (fleet.living[0] as SharerProcess)
      await looker.until('ready')
      looker.order({ look: -1 - round })
      await looker.until(`done ${-1 - round}`)
      const operations: SecretOperation[] = fleet.all.flatMap((sharer) => sharer.takeOperations())
      expectLinearizable(initial, operations, `seed ${seed}, round ${round}`)
      checked += operations.length
      for (const wrong of wrongOnes(operations)) {
        expect(() => expectLinearizable(initial, wrong, `a wrong history of round ${round}`)).toThrow('no order')
        rejected++
      }
      initial = stateOf(operations)
      progress(round, ROUNDS)
    }
    await Promise.all(fleet.living.map((sharer) => sharer.until('ready')))
    expect(await fleet.close()).toBe(true)
    const store = await SecretStore.open(fleet.location, { key: testKey() })
    onTestFinished(() => store.close())
    const kept = new Set<string>()
    for await (const { name } of store.list({ scope: own })) kept.add(name)
    const acknowledged = fleet.all.flatMap(({ number, acknowledged: all }) => all.map((n) => `${number}:${n}`))
    expect(acknowledged.filter((name) => !kept.has(name))).toEqual([])
    const tried = fleet.all.reduce((sum, sharer) => sum + sharer.tried, 0)
    expect(kept.size).toBeLessThanOrEqual(tried)
    expect(wrongEvents(fleet.all)).toEqual([])
    expect(await store.verify()).toMatchObject({ ok: true, problems: [] })
    const refusals = fleet.all.flatMap((sharer) => sharer.refusals)
    expect(refusals.filter((refusal) => !/^ERR_(CLOSED|BUSY)/.test(refusal))).toEqual([])
    conclude('processes', {
      rounds: ROUNDS,
      'kills of the owner': deeds.get('kill the owner') ?? 0,
      'kills of a follower': deeds.get('kill a follower') ?? 0,
      'stops of the owner': deeds.get('stop the owner') ?? 0,
      'stops of a follower': deeds.get('stop a follower') ?? 0,
      'polite ends of the owner': deeds.get('close the owner') ?? 0,
      'calls checked': checked,
      'wrong histories rejected': rejected,
      'writes acknowledged and kept': acknowledged.length,
      refusals: refusals.length,
      'outcomes unknown': fleet.all.reduce((sum, { unknown }) => sum + unknown, 0),
      'events heard': fleet.all.reduce((sum, { heard }) => sum + heard.length, 0),
    })
  })
})

test('processes that increment one secret count each of their increments', async () => {
  const [processes, increments] = [times(8, 16), times(50, 1000)]
  const fleet = new Fleet(await newLocation())
  for (let n = 0; n < processes; n++) fleet.start()
  await Promise.all(fleet.living.map((sharer) => sharer.until('ready')))
  const start = performance.now()
  for (const sharer of fleet.living) sharer.order({ count: increments })
  await Promise.all(fleet.living.map((sharer) => sharer.until('counted')))
  const seconds = (performance.now() - start) / 1000
  expect(await fleet.close()).toBe(true)
  const store = await SecretStore.open(fleet.location, { key: testKey() })
  onTestFinished(() => store.close())
  expect(await store.get({ scope: account, name: COUNTER })).toBe(`${processes * increments}`)
  expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
  conclude('processes that count', { processes, increments: processes * increments, seconds: seconds.toFixed(1) })
})

test('of two that open a new store at once, both have it', { timeout: 3_600_000 }, async () => {
  const pairs = times(20, 100)
  const progress = progressOf('two at once')
  for (let pair = 0; pair < pairs; pair++) {
    const location = await newLocation()
    const options = { key: testKey(), shared: true, sweepIntervalMs: 0, compactIntervalMs: 0 }
    await (await SecretStore.open(location, options)).close()
    const fleet = new Fleet(location)
    const both = [fleet.start(), fleet.start()]
    await Promise.all(both.map((sharer) => sharer.until('ready')))
    expect(both.map(({ isOver }) => isOver)).toEqual([false, false])
    expect(await fleet.close()).toBe(true)
    progress(pair, pairs)
  }
  conclude('processes, two at once', { pairs })
})

test('processes that open a store, write and close it again and again do not get into one another’s way', async () => {
  const [processes, openings] = [10, times(20, 1000)]
  const fleet = new Fleet(await newLocation())
  await (await SecretStore.open(fleet.location, { key: testKey() })).close()
  for (let n = 0; n < processes; n++) fleet.start({ openings })
  const closed = await Promise.all(fleet.living.map(({ ended }) => ended))
  expect(closed.every((isClosed) => isClosed)).toBe(true)
  const store = await SecretStore.open(fleet.location, { key: testKey() })
  onTestFinished(() => store.close())
  expect(await store.verify()).toMatchObject({ ok: true, records: processes * openings })
  conclude('processes that come and go', { processes, openings: processes * openings })
})
