/**
 * Changes the keys of a store, rotates, backs up or restores, over and over until it is killed, and writes meanwhile. Every
 * operation is told of before it is called and again when it was acknowledged, by synchronous writes.
 */
import { createHash, randomInt } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type KeyProvider, type Progress, rawKey, SecretStore } from '../../../src/index'
import { choose as chooseWrite, pick, tell as tellParent, type Write, perform as write } from './writer'

/** What a child does all its life. */
export type Work = 'rotate' | 'rotate root' | 'change keys' | 'back up' | 'restore' | 'everything' | 'open'

/** One operation that is not a write. Keys go by their numbers. */
export type Step = { readonly number: number } & (
  | { readonly verb: 'rotate' }
  | { readonly verb: 'rotateRoot'; readonly keys: readonly number[] }
  | { readonly verb: 'addKey'; readonly key: number }
  | { readonly verb: 'removeKey'; readonly key: number }
  | { readonly verb: 'replaceKey'; readonly key: number; readonly by: number }
  | { readonly verb: 'backup'; readonly path: string }
  | { readonly verb: 'restore'; readonly location: string }
)

export type NewStep = Step extends infer S ? (S extends Step ? Omit<S, 'number'> : never) : never

export interface Job {
  readonly work: Work
  /** Of the store; unused by `restore`. */
  readonly location: string
  /** Where backups are written, and stores restored to. */
  readonly directory: string
  /** The path of the backup to restore. */
  readonly backup: string
  /** All that open the store, or the backup. */
  readonly keys: readonly number[]
  /** From here on numbers are free. */
  readonly nextKey: number
}

export type Report =
  | { readonly opened: true }
  | { readonly started: Write }
  | { readonly done: number }
  | { readonly begun: Step }
  /** By its own account the step has come to its last part. */
  | { readonly walked: number }
  | { readonly ended: number; readonly dataKey?: number }
  /** A checkpoint, in which everything acknowledged is. */
  | { readonly token: string }

export const SINGLE_NAMES: readonly string[] = Array.from({ length: 80 }, (_, index) => `r-${index * 3}-changing`)
const LANES = 2
/** Secrets that are set while they are walked over count, and may not be met. */
const WALKED_MARGIN = 20
const WRITES_PER_TOKEN = 20
const WRITES_PER_COMPACTION = 150
const MOST_KEYS = 3

export function keyOf(number: number): KeyProvider {
  return rawKey(createHash('sha256').update(`key ${number}`).digest(), { label: `${number}` })
}

/** The numbers of the keys that open the store after a step, in the order of their slots. */
export function keysAfter(keys: readonly number[], step: NewStep): readonly number[] {
  if (step.verb === 'rotateRoot') return keys.filter((key) => step.keys.includes(key))
  if (step.verb === 'addKey') return [...keys, step.key]
  if (step.verb === 'removeKey') return keys.filter((key) => key !== step.key)
  if (step.verb === 'replaceKey') return keys.map((key) => (key === step.key ? step.by : key))
  return keys
}

export function slotOf(store: SecretStore, key: number): string {
  const slot = store.keys().find(({ label }) => label === `${key}`)
  if (slot === undefined) throw new Error(`expected a slot of key ${key}, got none`)
  return slot.id
}

/** Calls what the step names. @returns The data key after a rotation. */
export async function perform(
  store: SecretStore,
  step: NewStep,
  onProgress: (progress: Progress) => void = () => {},
): Promise<number | undefined> {
  if (step.verb === 'rotate') return (await store.rotate({ onProgress })).dataKey
  if (step.verb === 'rotateRoot') {
    return (await store.rotate({ root: true, keys: step.keys.map(keyOf), onProgress })).dataKey
  }
  if (step.verb === 'addKey') await store.addKey(keyOf(step.key))
  else if (step.verb === 'removeKey') await store.removeKey(slotOf(store, step.key))
  else if (step.verb === 'replaceKey') await store.replaceKey(slotOf(store, step.key), keyOf(step.by))
  else if (step.verb === 'backup') await store.backup(step.path, { onProgress })
  return undefined
}

const tell: (report: Report) => void = tellParent

function chooseKeyChange(keys: readonly number[], newKey: () => number, withRoot: boolean): NewStep {
  if (withRoot && keys.length > 1 && randomInt(2) === 0) {
    const kept = keys.filter(() => randomInt(2) === 0)
    return { verb: 'rotateRoot', keys: kept.length === 0 ? [pick(keys)] : kept }
  }
  const kind = randomInt(3)
  if (kind === 0 && keys.length > 1) return { verb: 'removeKey', key: pick(keys) }
  if (kind === 1) return { verb: 'replaceKey', key: pick(keys), by: newKey() }
  if (keys.length < MOST_KEYS) return { verb: 'addKey', key: newKey() }
  return { verb: 'removeKey', key: pick(keys) }
}

async function run({ work, location, directory, backup, keys: firstKeys, nextKey }: Job): Promise<void> {
  let keys = firstKeys
  let keyNumber = nextKey
  let stepNumber = 0
  const newKey = (): number => keyNumber++
  const take = async (
    next: NewStep,
    act: (onProgress: (progress: Progress) => void) => Promise<number | undefined>,
  ): Promise<void> => {
    const number = stepNumber++
    const step = { ...next, number } as Step
    let walked = false
    tell({ begun: step })
    const dataKey = await act(({ done, total }) => {
      if (walked || done < total - WALKED_MARGIN) return
      walked = true
      tell({ walked: number })
    })
    tell({ ended: number, ...(dataKey === undefined ? {} : { dataKey }) })
  }

  if (work === 'restore') {
    tell({ opened: true })
    for (;;) {
      const target = join(directory, `restored-${stepNumber}`)
      if (stepNumber % 2 === 1) mkdirSync(target)
      await take({ verb: 'restore', location: target }, async (onProgress) => {
        await SecretStore.restore(backup, target, { key: keyOf(pick(keys)), onProgress })
        return undefined
      })
    }
  }

  const store = await SecretStore.open(location, { key: keyOf(pick(keys)), sweepIntervalMs: 0, compactIntervalMs: 0 })
  tell({ opened: true })
  if (work === 'open') return
  const loop = async (choose: () => NewStep): Promise<never> => {
    for (;;) {
      const next = choose()
      await take(next, (onProgress) => perform(store, next, onProgress))
      keys = keysAfter(keys, next)
    }
  }
  let number = 0
  const writes = async (): Promise<never> => {
    for (;;) {
      const change = chooseWrite(number++, SINGLE_NAMES)
      tell({ started: change })
      await write(store, change)
      tell({ done: change.number })
      if (change.number % WRITES_PER_TOKEN === 0) tell({ token: await store.checkpoint() })
      if (work === 'everything' && change.number % WRITES_PER_COMPACTION === 0) await store.compact()
    }
  }
  const rotations = (): Promise<never> => loop(() => ({ verb: 'rotate' }))
  const keyChanges = (withRoot: boolean): Promise<never> => loop(() => chooseKeyChange(keys, newKey, withRoot))
  const backups = (): Promise<never> =>
    loop(() => ({ verb: 'backup', path: join(directory, `backup-${nextKey}-${stepNumber}`) }))
  const lanes: Readonly<Record<Exclude<Work, 'restore' | 'open'>, () => Promise<never>[]>> = {
    rotate: () => [rotations()],
    'rotate root': () => [keyChanges(true)],
    'change keys': () => [keyChanges(false)],
    'back up': () => [backups()],
    everything: () => [rotations(), keyChanges(true), backups()],
  }
  await Promise.all([...lanes[work](), ...Array.from({ length: LANES }, writes)])
}

// Imported for its types, this file does nothing. Started, it waits for its job: the parent keeps some in reserve.
if (process.send !== undefined && process.argv[2] === 'rekey') {
  process.once('message', (job) => void run(job as Job))
  process.once('disconnect', () => process.exit())
}
