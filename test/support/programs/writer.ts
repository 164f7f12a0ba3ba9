/**
 * Writes to one store until it is killed. Every operation is told of before it is submitted and again when it was
 * acknowledged, by synchronous writes: what the parent has not heard of had not happened.
 */
import { randomInt } from 'node:crypto'
import { writeSync } from 'node:fs'
import { account, type BatchOperation, rawKey, SecretStore } from '../../../src/index'

/** One submitted operation; its number is in the payload of everything it sets. */
export interface Write {
  readonly number: number
  readonly sets: readonly string[]
  readonly deletes: readonly string[]
  readonly sizeBytes: number
}

export type Report = { readonly started: Write } | { readonly done: number } | { readonly opened: true }

export const BATCH_NAMES: readonly string[] = ['batch-0', 'batch-1', 'batch-2', 'batch-3', 'batch-4']

export function payloadOf({ number, sizeBytes }: Write): string {
  return `${number}${'.'.repeat(sizeBytes)}`
}

export const SINGLE_NAMES: readonly string[] = Array.from({ length: 24 }, (_, index) => `single-${index}`)
export const SIZES_BYTES: readonly number[] = [1, 200, 900, 3000, 20_000]
const LANES = 12
const WRITES_PER_COMPACTION = 150

export function pick<T>(from: readonly T[]): T {
  return from[randomInt(from.length)] as T
}

/** A write of any sort, to these names or to those of the batch. */
export function choose(number: number, names: readonly string[] = SINGLE_NAMES): Write {
  const sizeBytes = pick(SIZES_BYTES)
  const kind = randomInt(10)
  if (kind < 5) return { number, sets: [pick(names)], deletes: [], sizeBytes }
  if (kind < 7) return { number, sets: [], deletes: [pick(names)], sizeBytes }
  if (kind < 8) return { number, sets: [], deletes: BATCH_NAMES, sizeBytes }
  return { number, sets: BATCH_NAMES, deletes: [], sizeBytes }
}

export async function perform(store: SecretStore, write: Write): Promise<unknown> {
  const payload = payloadOf(write)
  const [set, ...otherSets] = write.sets
  const [deletion, ...otherDeletes] = write.deletes
  if (set !== undefined && otherSets.length === 0) return store.set({ scope: account, name: set, payload })
  if (deletion !== undefined && otherDeletes.length === 0) return store.delete({ scope: account, name: deletion })
  return store.batch([
    ...write.sets.map((name): BatchOperation => ({ type: 'set', scope: account, name, payload })),
    ...write.deletes.map((name): BatchOperation => ({ type: 'delete', scope: account, name })),
  ])
}

export function tell(report: object): void {
  writeSync(1, `${JSON.stringify(report)}\n`)
}

async function run(location: string): Promise<void> {
  const store = await SecretStore.open(location, {
    key: rawKey(new Uint8Array(32).fill(7)),
    sweepIntervalMs: 0,
    compactIntervalMs: 0,
  })
  tell({ opened: true })
  let number = 0
  const lane = async (): Promise<never> => {
    for (;;) {
      const write = choose(number++)
      tell({ started: write })
      await perform(store, write)
      tell({ done: write.number })
      if (write.number % WRITES_PER_COMPACTION === WRITES_PER_COMPACTION - 1) await store.compact()
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

// Imported for its types, this file does nothing. Started, it waits for its location: the parent keeps one in reserve.
if (process.send !== undefined && process.argv[2] === 'run') {
  process.once('message', (location) => void run(location as string))
  process.once('disconnect', () => process.exit())
}
