import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mapKey } from '../../src/base/bytes'
import { decodeCheckpoint } from '../../src/format/checkpoint'
import { account, type KeySlotInfo, type SecretStore } from '../../src/index'
import { allRows, editRows } from '../support/raw-rows'
import { codeOf, newLocation, openStore, testKey } from '../support/stores'

/** An old directory put back behind the app's back: each earlier state is tried, and many mixtures of them. */
const STEPS = 36
const EARLIER_STATES = 1000
const MIXTURES = 240
const NAMES = 40

type Files = ReadonlyMap<string, Buffer>

interface Snapshot {
  readonly files: Files
  /** Whether a write was under way. */
  readonly inTheMidst: boolean
}

/** Between two steps. */
interface Boundary {
  readonly sequence: number
  readonly token: string
  readonly payloads: ReadonlyMap<string, string>
  readonly keys: readonly KeySlotInfo[]
}

interface History {
  readonly snapshots: readonly Snapshot[]
  readonly boundaries: readonly Boundary[]
}

/** The same numbers every time. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Every file, as it is at this very moment: nothing of this process comes in between. */
function snapshotOf(location: string): Files {
  const found = new Map<string, Buffer>()
  for (const entry of readdirSync(location, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === 'LOCK') continue
    const path = join(entry.parentPath, entry.name)
    found.set(path.slice(location.length + 1), readFileSync(path))
  }
  return found
}

/** As `snapshotOf`; LevelDB, whose threads go on by themselves, may have moved something meanwhile. */
function snapshotOfBusy(location: string): Files {
  for (;;) {
    try {
      return snapshotOf(location)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
}

let scratch = ''
let scratchNumber = 0

function putBack(files: Files): string {
  const location = join(scratch, `${scratchNumber++}`)
  mkdirSync(join(location, 'data'), { recursive: true, mode: 0o700 })
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(location, path)), { recursive: true, mode: 0o700 })
    writeFileSync(join(location, path), bytes, { mode: 0o600 })
  }
  return location
}

async function boundaryOf(store: SecretStore, payloads: ReadonlyMap<string, string>): Promise<Boundary> {
  const token = await store.checkpoint()
  const { sequence } = decodeCheckpoint(token) as { sequence: number }
  return { sequence, token, payloads: new Map(payloads), keys: store.keys() }
}

/** The life of one small store: writes, key changes, rotations, compactions, reopenings, each with pictures taken. */
async function live(seed: number): Promise<History> {
  const random = randomFrom(seed)
  const location = await newLocation()
  const names = seed % 2 === 0 ? 'plain' : 'sealed'
  let store = await openStore(location, { names })
  const payloads = new Map<string, string>()
  const snapshots: Snapshot[] = []
  const boundaries: Boundary[] = [await boundaryOf(store, payloads)]

  const set = (): { type: 'set'; scope: typeof account; name: string; payload: string } => {
    const name = `${random(NAMES)}`
    const payload = `${snapshots.length}.${random(1e6)}`.padEnd(random(4) === 0 ? 1500 : 1, '.')
    payloads.set(name, payload)
    return { type: 'set', scope: account, name, payload }
  }
  const removable = (): string | undefined => store.keys().filter(({ label }) => label === null)[1]?.id
  const step = async (): Promise<unknown> => {
    const choice = random(100)
    if (choice < 35) return store.set((({ type: _, ...params }) => params)(set()))
    if (choice < 45) {
      const name = `${random(NAMES)}`
      payloads.delete(name)
      return store.delete({ scope: account, name })
    }
    if (choice < 58) return store.batch(Array.from({ length: 1 + random(6) }, set))
    if (choice < 68) return store.keys().length < 5 ? store.addKey(testKey(100 + random(100))) : undefined
    if (choice < 75) return removable() === undefined ? undefined : store.removeKey(removable() as string)
    if (choice < 80) return removable() === undefined ? undefined : store.replaceKey(removable() as string, testKey(99))
    if (choice < 86) return store.rotate()
    if (choice < 90) {
      const controller = new AbortController()
      setImmediate(() => controller.abort())
      return codeOf(() => store.rotate({ signal: controller.signal }))
    }
    if (choice < 93) return store.rotate({ root: true, keys: [testKey()] })
    if (choice < 96) return store.compact()
    await store.close()
    snapshots.push({ files: snapshotOf(location), inTheMidst: false })
    store = await openStore(location)
  }

  await store.batch(Array.from({ length: NAMES }, set))
  boundaries.push(await boundaryOf(store, payloads))
  snapshots.push({ files: snapshotOfBusy(location), inTheMidst: false })
  for (let n = 0; n < STEPS; n++) {
    let done = false
    const going = step().finally(() => {
      done = true
    })
    // Pictures at some moments on the way, and one after it.
    for (let wait = random(6); wait > 0 && !done; wait--) await new Promise((resolve) => setImmediate(resolve))
    if (!done) snapshots.push({ files: snapshotOfBusy(location), inTheMidst: true })
    for (let wait = random(20); wait > 0 && !done; wait--) await new Promise((resolve) => setImmediate(resolve))
    if (!done) snapshots.push({ files: snapshotOfBusy(location), inTheMidst: true })
    await going
    boundaries.push(await boundaryOf(store, payloads))
    snapshots.push({ files: snapshotOfBusy(location), inTheMidst: false })
  }
  // One more, so that all before are earlier ones.
  await store.set({ scope: account, name: 'last', payload: 'last' })
  payloads.set('last', 'last')
  boundaries.push(await boundaryOf(store, payloads))
  await store.close()
  return { snapshots, boundaries }
}

async function payloadsOf(store: SecretStore): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for await (const { name } of store.list({ scope: account })) {
    found.set(name, (await store.get({ scope: account, name })) as string)
  }
  return found
}

type Verdict = 'refused' | 'reported' | 'a complete earlier state' | 'MISSED'

/** What becomes of a directory that is opened without a checkpoint. */
async function judge(location: string, { boundaries }: History): Promise<Verdict> {
  let store: SecretStore | undefined
  const code = await codeOf(async () => {
    store = await openStore(location)
  })
  if (store === undefined) return code === 'ERR_CORRUPT' || code === 'ERR_ROLLBACK' ? 'refused' : 'MISSED'
  try {
    if (!(await store.verify()).ok) return 'reported'
    const found = await boundaryOf(store, await payloadsOf(store))
    // A step may have several commits: then what was before it or what was after it is there.
    const at = boundaries.findIndex(({ sequence }) => sequence >= found.sequence)
    const [before, after] = [boundaries[at - 1], boundaries[at]]
    const sameAs = (boundary: Boundary | undefined, what: 'payloads' | 'keys'): boolean => {
      try {
        expect(found[what]).toEqual(boundary?.[what])
        return true
      } catch {
        return false
      }
    }
    if (after?.sequence === found.sequence) {
      const isThat = found.token === after.token && sameAs(after, 'payloads') && sameAs(after, 'keys')
      return isThat ? 'a complete earlier state' : 'MISSED'
    }
    const isBetween =
      (sameAs(before, 'payloads') || sameAs(after, 'payloads')) && (sameAs(before, 'keys') || sameAs(after, 'keys'))
    return isBetween ? 'a complete earlier state' : 'MISSED'
  } finally {
    await store.close()
  }
}

const histories: History[] = []
const counts: string[] = []

beforeAll(() => {
  // Not `temporaryDirectory`, which ends with a test.
  scratch = mkdtempSync(join(tmpdir(), 'secret-store-test-'))
})

afterAll(() => {
  rmSync(scratch, { recursive: true, force: true })
  console.info(`rollback-states: ${counts.join('; ')}`)
})

test('lives are lived', async () => {
  let taken = 0
  for (let seed = 1; taken < EARLIER_STATES; seed++) {
    const history = await live(seed)
    histories.push(history)
    taken += history.snapshots.length
  }
  const inTheMidst = histories.flatMap(({ snapshots }) => snapshots).filter((one) => one.inTheMidst).length
  counts.push(`${histories.length} stores, ${taken} states, ${inTheMidst} of them in the midst of a write`)
  expect(inTheMidst).toBeGreaterThan(50)
})

test('with the latest checkpoint no earlier state is taken for the latest', async () => {
  const outcomes: Record<string, number> = {}
  let tried = 0
  for (const { snapshots, boundaries } of histories) {
    const minimum = boundaries.at(-1)?.token as string
    for (const { files } of snapshots) {
      if (tried === EARLIER_STATES) break
      const location = putBack(files)
      const code = await codeOf(async () => (await openStore(location, { minimum })).close())
      outcomes[code] = (outcomes[code] ?? 0) + 1
      tried++
      rmSync(location, { recursive: true })
    }
  }
  const { ERR_ROLLBACK: rollback = 0, ERR_CORRUPT: corrupt = 0, ...missed } = outcomes
  counts.push(`${tried} earlier states against the latest checkpoint: ${rollback} ERR_ROLLBACK, ${corrupt} ERR_CORRUPT`)
  expect(missed).toEqual({})
  expect(tried).toBe(EARLIER_STATES)
  expect(rollback).toBeGreaterThan(EARLIER_STATES * 0.9)
})

describe('without a checkpoint', () => {
  test('each earlier state is whole, or refused', async () => {
    const random = randomFrom(7)
    const outcomes: Record<string, number> = {}
    for (let n = 0; n < MIXTURES / 2; n++) {
      const history = histories[random(histories.length)] as History
      const { files, inTheMidst } = history.snapshots[random(history.snapshots.length)] as Snapshot
      const location = putBack(files)
      const verdict = await judge(location, history)
      // What was at rest is there. What was not may be refused, as a copy that no crash would leave.
      if (!inTheMidst) expect(verdict).toBe('a complete earlier state')
      outcomes[verdict] = (outcomes[verdict] ?? 0) + 1
      rmSync(location, { recursive: true })
    }
    counts.push(`${MIXTURES / 2} put back whole: ${JSON.stringify(outcomes)}`)
    expect(outcomes['MISSED']).toBeUndefined()
  })

  /** Two states of one store, the earlier one first. */
  function pick(random: (below: number) => number): [History, Snapshot, Snapshot] {
    const history = histories[random(histories.length)] as History
    const [a, b] = [random(history.snapshots.length), random(history.snapshots.length)]
    return [history, history.snapshots[Math.min(a, b)] as Snapshot, history.snapshots[Math.max(a, b)] as Snapshot]
  }

  type Mixture = (
    older: Files,
    newer: Files,
    random: (below: number) => number,
  ) => Promise<string | undefined> | string | undefined

  const MIXES: readonly [string, Mixture][] = [
    [
      'keyring.json of one time and data/ of another',
      (older, newer, random) => {
        const [keyring, data] = random(2) === 0 ? [older, newer] : [newer, older]
        return putBack(new Map([...data, ['keyring.json', keyring.get('keyring.json') as Buffer]]))
      },
    ],
    [
      'single files of LevelDB of different times',
      (older, newer, random) => {
        const [base, other] = random(2) === 0 ? [older, newer] : [newer, older]
        const mixed = new Map(base)
        const names = [...new Set([...older.keys(), ...newer.keys()])].filter((path) => !/keyring|LOG/.test(path))
        const changed = names.filter((path) => base.get(path)?.equals(other.get(path) ?? Buffer.alloc(0)) !== true)
        for (let time = 1 + random(2); time > 0 && changed.length > 0; time--) {
          const [path] = changed.splice(random(changed.length), 1) as [string]
          const bytes = other.get(path)
          if (bytes === undefined) mixed.delete(path)
          else mixed.set(path, bytes)
        }
        return putBack(mixed)
      },
    ],
    [
      'rows of different times',
      async (older, newer, random) => {
        const [base, other] = random(2) === 0 ? [older, newer] : [newer, older]
        const [location, elsewhere] = [putBack(base), putBack(other)]
        try {
          const [own, foreign] = [await allRows(location), await allRows(elsewhere)]
          const different = [...new Set([...own.keys(), ...foreign.keys()])].filter(
            (key) => own.get(key)?.equals(foreign.get(key) ?? Buffer.alloc(0)) !== true,
          )
          if (different.length === 0) return undefined
          // One row, or a few, or all but a few, or all of one sort.
          const sort = 'hiprx'[random(5)] as string
          const taken = [
            () => [different[random(different.length)] as string],
            () => different.filter(() => random(4) === 0),
            () => different.filter(() => random(8) > 0),
            () => different.filter((key) => key.startsWith(sort)),
            () => different.filter((key) => !key.startsWith(sort)),
          ][random(5)]?.() as string[]
          if (random(3) === 0) taken.push(mapKey(Buffer.from('h')))
          await editRows(location, (database) =>
            database.batch(
              taken.map((key) => {
                const [row, value] = [Buffer.from(key, 'latin1'), foreign.get(key)]
                return value === undefined ? { type: 'del', key: row } : { type: 'put', key: row, value }
              }),
            ),
          )
          return location
        } catch {
          return undefined // a copy in the midst of things, which LevelDB itself refuses
        } finally {
          rmSync(elsewhere, { recursive: true })
        }
      },
    ],
  ]

  test.each(MIXES)('%s are refused or reported, unless they are a complete state', async (name, mix) => {
    const random = randomFrom(name.length)
    const outcomes: Record<string, number> = {}
    for (let tried = 0; tried < MIXTURES; ) {
      const [history, older, newer] = pick(random)
      const location = await mix(older.files, newer.files, random)
      if (location === undefined) continue
      tried++
      const verdict = await judge(location, history)
      outcomes[verdict] = (outcomes[verdict] ?? 0) + 1
      rmSync(location, { recursive: true })
    }
    counts.push(`${MIXTURES} mixtures, ${name}: ${JSON.stringify(outcomes)}`)
    expect(outcomes['MISSED']).toBeUndefined()
    expect((outcomes['refused'] ?? 0) + (outcomes['reported'] ?? 0)).toBeGreaterThan(MIXTURES / 10)
  })
})
