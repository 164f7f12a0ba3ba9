/**
 * Damages copies of a store, one byte at a time, and reports what a reader gets to see. A damaged file can take the
 * process down with it, hence a child: the parent sends one flip, waits for the outcome, and sends the next.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type OpenOptions, rawKey, type Scope, SecretStore, SecretStoreError } from '../../src/index'

export interface Flip {
  /** Below the store's directory. */
  readonly path: string
  readonly offset: number
  readonly mask: number
}

/** What one secret reads as: a payload (as base64), nothing, or the code of an error. */
export type Reading = { readonly payload: string } | { readonly missing: true } | { readonly error: string }

export interface Observation {
  /** `'opened'`, or the code of the error. */
  readonly opening: string
  readonly readings: Readonly<Record<string, Reading>>
  /** Names in each scope, or the code of the error. */
  readonly lists: Readonly<Record<string, readonly string[] | string>>
  /** Whether the store finds itself whole, or the code of the error. */
  readonly verified: boolean | string
}

export interface Outcome {
  /** Opened with a checkpoint of the last write as `minimum`. */
  readonly anchored: Observation
  /** Opened without it, if `anchored` was refused as too old. */
  readonly unanchored?: Observation
}

export interface Task {
  readonly original: string
  readonly scratch: string
  readonly minimum: string
  /** Everything that was ever set, by a label of one's own. */
  readonly targets: Readonly<Record<string, { readonly scope: Scope; readonly name: string }>>
  readonly scopes: Readonly<Record<string, Scope>>
}

const KEY = rawKey(new Uint8Array(32).fill(7))

/** The code of a `SecretStoreError`; every other error is told in full, as it is none that a store may throw. */
function told(error: unknown): string {
  return error instanceof SecretStoreError ? error.code : `uncoded: ${error instanceof Error ? error.stack : error}`
}

const originals = new Map<string, Buffer>()

/** The files to damage, but for LOCK. Read once: there are thousands of copies to be made. */
function readOriginals(original: string): void {
  originals.set('keyring.json', readFileSync(join(original, 'keyring.json')))
  for (const name of readdirSync(join(original, 'data'))) {
    if (name !== 'LOCK') originals.set(join('data', name), readFileSync(join(original, 'data', name)))
  }
}

function damagedCopy({ scratch }: Task, { path, offset, mask }: Flip): void {
  rmSync(scratch, { recursive: true, force: true })
  mkdirSync(join(scratch, 'data'), { recursive: true, mode: 0o700 })
  for (const [name, bytes] of originals) {
    const copy = Buffer.from(bytes)
    if (name === path) copy.writeUInt8(copy.readUInt8(offset) ^ mask, offset)
    writeFileSync(join(scratch, name), copy)
  }
}

async function observe({ scratch, targets, scopes }: Task, minimum?: string): Promise<Observation> {
  const options: OpenOptions = { key: KEY, sweepIntervalMs: 0, compactIntervalMs: 0, onError: () => {} }
  let store: SecretStore
  try {
    store = await SecretStore.open(scratch, minimum === undefined ? options : { ...options, minimum })
  } catch (error) {
    return { opening: told(error), readings: {}, lists: {}, verified: false }
  }
  const readings: Record<string, Reading> = {}
  for (const [label, target] of Object.entries(targets)) {
    try {
      // Both ways of reading: with the payload, and without it.
      const secret = await store.find(target)
      const bytes = await store.getBytes(target)
      if ((secret === undefined) !== (bytes === undefined)) readings[label] = { error: 'uncoded: find and get differ' }
      else readings[label] = bytes ? { payload: Buffer.from(bytes).toString('base64') } : { missing: true }
    } catch (error) {
      readings[label] = { error: told(error) }
    }
  }
  const lists: Record<string, readonly string[] | string> = {}
  for (const [label, scope] of Object.entries(scopes)) {
    try {
      lists[label] = (await store.list({ scope, limit: 100 })).data.map(({ name }) => name)
    } catch (error) {
      lists[label] = told(error)
    }
  }
  let verified: boolean | string
  try {
    verified = (await store.verify()).ok
  } catch (error) {
    verified = told(error)
  }
  await store.close()
  return { opening: 'opened', readings, lists, verified }
}

async function perform(task: Task, flip: Flip): Promise<Outcome> {
  damagedCopy(task, flip)
  const anchored = await observe(task, task.minimum)
  if (anchored.opening !== 'ERR_ROLLBACK') return { anchored }
  damagedCopy(task, flip)
  return { anchored, unanchored: await observe(task) }
}

// Imported for its types, this file does nothing.
if (process.send !== undefined && process.argv[2] === 'run') {
  const task = JSON.parse(process.argv[3] as string) as Task
  readOriginals(task.original)
  process.on('message', async (flip) => process.send?.(await perform(task, flip as Flip)))
  process.once('disconnect', () => process.exit())
}
