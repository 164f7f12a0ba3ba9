/** What a reader gets to see of a store whose files are put where it is told. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rawKey, type Scope, SecretStore, SecretStoreError } from '../../../src/index'

/** The payload of each secret that is there, by a label of one's own. */
export type State = Readonly<Record<string, string>>

/** Whether what an observation says is the code of an error. */
export function isCoded(told: string): boolean {
  return told.startsWith('ERR_')
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

export interface Place {
  readonly scope: Scope
  readonly name: string
}

export interface Subject {
  /** Where the files are put. */
  readonly scratch: string
  /** Everything that was ever set, by a label of one's own. */
  readonly targets: Readonly<Record<string, Place>>
  readonly scopes: Readonly<Record<string, Scope>>
}

/** The files of a store, but for LOCK, by their paths below its directory. */
export function readStoreFiles(directory: string): Map<string, Buffer> {
  const files = new Map([['keyring.json', readFileSync(join(directory, 'keyring.json'))]])
  for (const name of readdirSync(join(directory, 'data'))) {
    if (name !== 'LOCK') files.set(`data/${name}`, readFileSync(join(directory, 'data', name)))
  }
  return files
}

/** @param minimum - The checkpoint that it is opened with; without one, any state of it will do. */
export async function observe(
  { scratch, targets, scopes }: Subject,
  files: ReadonlyMap<string, Buffer>,
  minimum: string | undefined,
): Promise<Observation> {
  rmSync(scratch, { recursive: true, force: true })
  mkdirSync(join(scratch, 'data'), { recursive: true, mode: 0o700 })
  for (const [path, bytes] of files) writeFileSync(join(scratch, path), bytes, { mode: 0o600 })
  const key = rawKey(new Uint8Array(32).fill(7))
  const options = { key, sweepIntervalMs: 0, compactIntervalMs: 0, onError: () => {} }
  let store: SecretStore
  try {
    store = await SecretStore.open(scratch, minimum === undefined ? options : { ...options, minimum })
  } catch (error) {
    return { opening: told(error), readings: {}, lists: {}, verified: false }
  }
  const readings: Record<string, Reading> = {}
  for (const [label, target] of Object.entries(targets)) readings[label] = await reading(store, target)
  const lists: Record<string, readonly string[] | string> = {}
  for (const [label, scope] of Object.entries(scopes)) {
    lists[label] = await store.list({ scope, limit: 100 }).then(({ data }) => data.map(({ name }) => name), told)
  }
  const verified = await store.verify().then(({ ok }) => ok, told)
  await store.close()
  return { opening: 'opened', readings, lists, verified }
}

/** Both ways of reading: without the payload, and with it. */
async function reading(store: SecretStore, place: Place): Promise<Reading> {
  try {
    const secret = await store.find(place)
    const bytes = await store.getBytes(place)
    if ((secret === undefined) !== (bytes === undefined)) return { error: 'uncoded: find and get differ' }
    return bytes === undefined ? { missing: true } : { payload: Buffer.from(bytes).toString('base64') }
  } catch (error) {
    return { error: told(error) }
  }
}

/** The code of a `SecretStoreError`; every other error is told in full, as it is none that a store may throw. */
function told(error: unknown): string {
  return error instanceof SecretStoreError ? error.code : `uncoded: ${error instanceof Error ? error.stack : error}`
}
