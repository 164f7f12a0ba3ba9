/**
 * Writes to one store in several lanes, compacts, rotates and changes keys beside, until a write fails or it is killed.
 * Every operation is told of before it is submitted and again when it was acknowledged, by synchronous writes.
 */
import { account, SecretStore } from '../../../src/index'
import { keyOf, slotOf } from './rekeyer'
import { choose, perform, pick, tell, type Write } from './writer'

export interface Job {
  readonly location: string
  /** The keys that open it, by number; the first stays. */
  readonly keys: readonly number[]
  /** The number of the next key. */
  readonly nextKey: number
}

export type Report =
  | { readonly opened: true }
  | { readonly started: Write }
  /** @param at - When it was known to be acknowledged, by the clock of `process.hrtime`, in nanoseconds. */
  | { readonly done: number; readonly at: number }
  /** The numbers of the keys there will be. */
  | { readonly changing: readonly number[] }
  | { readonly changed: true; readonly at: number }
  /** Something else than a write was acknowledged. */
  | { readonly did: Care }
  /** What a call failed with. */
  | { readonly failed: string }

export type Care = (typeof CARE)[number]

const LANES = 8
const CARE = ['compact', 'rotate', 'rotate', 'change keys', 'change keys', 'change keys', 'sweep'] as const
const NAMES: readonly string[] = Array.from({ length: 24 }, (_, index) => `single-${index}`)

function now(): number {
  return Number(process.hrtime.bigint())
}

async function run({ location, keys: firstKeys, nextKey }: Job): Promise<void> {
  const first = firstKeys[0] as number
  const store = await SecretStore.open(location, { key: keyOf(first), sweepIntervalMs: 0, compactIntervalMs: 0 })
  tell({ opened: true } satisfies Report)
  let [number, key, keys] = [0, nextKey, firstKeys]
  const writes = async (): Promise<never> => {
    for (;;) {
      const write = choose(number++, NAMES)
      tell({ started: write } satisfies Report)
      await perform(store, write)
      tell({ done: write.number, at: now() } satisfies Report)
    }
  }
  const changeKeys = async (): Promise<void> => {
    const [, second] = keys
    const next = second === undefined ? [first, key++] : [first]
    tell({ changing: next } satisfies Report)
    if (second === undefined) await store.addKey(keyOf(next[1] as number))
    else await store.removeKey(slotOf(store, second))
    keys = next
    tell({ changed: true, at: now() } satisfies Report)
  }
  const care = async (): Promise<never> => {
    for (;;) {
      const what = pick(CARE)
      if (what === 'change keys') await changeKeys()
      else await store[what]()
      tell({ did: what } satisfies Report)
      await store.list({ scope: account })
    }
  }
  await Promise.all([care(), ...Array.from({ length: LANES }, writes)])
}

// Imported for its types, this file does nothing. Started, it waits for its job.
if (process.send !== undefined && process.argv[2] === 'write') {
  process.once('message', (job) => {
    run(job as Job).catch((error) => {
      tell({ failed: String(error?.code ?? error) } satisfies Report)
      // The other lanes fail by themselves; what they were told before that counts.
    })
  })
  process.once('disconnect', () => process.exit())
}
