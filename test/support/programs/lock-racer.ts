/**
 * Fights for one store with others of its kind: opens it as soon as it can, or creates it, writes a few times, backs it up
 * now and then, closes it, and begins again, until it is killed. What it holds, and what it has written, it tells by
 * synchronous writes, with the time of a clock that all processes share.
 */
import { join } from 'node:path'
import { account, rawKey, SecretStore, SecretStoreError } from '../../../src/index'
import { tell } from './writer'

export interface Job {
  readonly location: string
  /** Where backups are put. */
  readonly directory: string
  /** Distinguishes it from all others. */
  readonly racer: number
}

/** Each with the time, in nanoseconds of `process.hrtime`. */
export type Report =
  /** @param count - What it found the counter at. */
  | { readonly opened: number; readonly at: number }
  | { readonly refused: string; readonly at: number }
  /** It is about to set the counter. */
  | { readonly counting: number; readonly at: number }
  | { readonly counted: number; readonly at: number }
  /** @param count - What the counter was at, at least. */
  | { readonly backup: string; readonly count: number; readonly at: number }
  | { readonly closing: true; readonly at: number }
  | { readonly closed: true; readonly at: number }
  | { readonly failed: string; readonly at: number }

/** A report without its time. */
type Told = Report extends infer R ? (R extends Report ? Omit<R, 'at'> : never) : never

export const COUNTER = 'counter'
const MOST_WRITES = 12
const TURNS_PER_BACKUP = 2

function say(report: Told): void {
  tell({ ...report, at: Number(process.hrtime.bigint()) } satisfies Report)
}

function openStore(location: string): Promise<SecretStore> {
  return SecretStore.open(location, {
    key: rawKey(new Uint8Array(32).fill(7)),
    sweepIntervalMs: 0,
    compactIntervalMs: 0,
  })
}

async function readCounter(store: SecretStore): Promise<number> {
  return Number((await store.get({ scope: account, name: COUNTER })) ?? 0)
}

/** One turn as the owner: what it counts, nobody else does. */
async function own(store: SecretStore, { directory, racer }: Job, turn: number): Promise<void> {
  let count = await readCounter(store)
  say({ opened: count })
  const backup = turn % TURNS_PER_BACKUP === 0 ? store.backup(join(directory, `backup-${racer}-${turn}`)) : undefined
  const least = count
  for (let write = 0; write < MOST_WRITES; write++) {
    count = (await readCounter(store)) + 1
    say({ counting: count })
    await store.batch([
      { type: 'set', scope: account, name: COUNTER, payload: `${count}` },
      { type: 'set', scope: account, name: `count-${count}`, payload: `${racer}` },
    ])
    say({ counted: count })
  }
  if (backup === undefined) return
  await backup
  say({ backup: `backup-${racer}-${turn}`, count: least })
}

async function run(job: Job): Promise<never> {
  for (let turn = 0; ; turn++) {
    let store: SecretStore
    try {
      store = await openStore(job.location)
    } catch (error) {
      say({ refused: error instanceof SecretStoreError ? error.code : `not coded: ${(error as Error).stack}` })
      continue
    }
    await own(store, job, turn)
    say({ closing: true })
    await store.close()
    say({ closed: true })
    // Whoever has just closed it would win each time.
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

// Imported for its types, this file does nothing. Started, it waits for its job.
if (process.send !== undefined && process.argv[2] === 'race') {
  process.once('message', (job) => {
    run(job as Job).catch((error) => say({ failed: String((error as Error).stack) }))
  })
  process.once('disconnect', () => process.exit())
}
