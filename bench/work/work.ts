import type { Opening, Store } from '../contenders/contender'
import type { Secrets, Variant } from '../data'
import type { Budget, MaybePromise, Outcome } from '../measure'

/** One row of the tables. */
export interface Work {
  readonly name: string
  /** @defaultValue `DEFAULT_PAYLOAD_BYTES` */
  readonly payloadBytes?: number
  /** @defaultValue `'plain'` */
  readonly variant?: Variant
  /** What it works on: the prepared store, which it must leave as it is, or a copy of its own. */
  readonly on: 'prepared' | 'copy'
  /** Of the sizes that were asked for, those it makes sense at; or others. */
  sizes(asked: readonly number[]): readonly number[]
  /** Why a contender is left out. */
  without?(contender: string, size: number): string | undefined
  /** Where one takes long. @defaultValue all */
  readonly maxRounds?: number
  run(bench: Bench): Promise<Outcome>
  /** What the floor does meanwhile. @defaultValue nothing */
  floor?(bench: Bench): Promise<Outcome>
}

/** What a work is given, in the process that measures it. */
export interface Bench {
  readonly secrets: Secrets
  readonly variant: Variant
  readonly budget: Budget
  readonly random: () => number
  /** Another number in each round. */
  readonly turn: number
  open(opening?: Opening): MaybePromise<Store>
  /** Loads the library anew, if it has not been loaded. */
  load(): Promise<unknown>
}

export const DEFAULT_PAYLOAD_BYTES = 256
/** Above, only what makes sense at such a size. */
export const LARGE = 100_000

export const anySize = (asked: readonly number[]): readonly number[] => asked
export const upToLarge = (asked: readonly number[]): readonly number[] => asked.filter((size) => size <= LARGE)

export async function withStore(bench: Bench, work: (store: Store) => Promise<Outcome>): Promise<Outcome> {
  const store = await bench.open()
  const outcome = await work(store)
  await store.close()
  return outcome
}

/** @throws Unless `actual` is `expected`. */
export function expectThat(label: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${label}: expected ${expected}, got ${actual}`)
}
