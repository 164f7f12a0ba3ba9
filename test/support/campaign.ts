import { randomInt } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Each campaign runs in two lengths: briefly by `npm run test:campaigns`, and long by `npm run test:faults`. Whatever it draws
 * comes from one seed, which a failure names together with the command that draws the same again.
 */

/** Whether this is the long run. */
export const isLong: boolean = process.env['FAULTS'] === 'long'

/** How often, in this run. */
export function times(short: number, long: number): number {
  return isLong ? long : short
}

const GREATEST_SEED: number = 2 ** 32

/** From `FAULT_SEED`, else a new one. */
export function newSeed(): number {
  const given = process.env['FAULT_SEED']
  return given === undefined ? randomInt(GREATEST_SEED) : Number(given)
}

/** Draws that follow from a seed (mulberry32). */
export class Draws {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** At least 0, less than 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / GREATEST_SEED
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.fraction() * end)
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('pick: expected something to pick from, got nothing')
    return items[this.below(items.length)] as T
  }
}

/** What to type to draw the same again. @param file - Below test/, such as `campaigns/recovery.test.ts`. */
export function commandFor(file: string, seed: number): string {
  return `FAULT_SEED=${seed}${isLong ? ' FAULTS=long' : ''} npx vitest run test/${file}`
}

/** Runs one campaign; what it fails with says how to have it again. */
export async function campaign<T>(file: string, run: (draws: Draws, seed: number) => Promise<T>): Promise<T> {
  const seed = newSeed()
  try {
    return await run(new Draws(seed), seed)
  } catch (error) {
    const message = `${error instanceof Error ? error.message : error}\nto see it again: ${commandFor(file, seed)}`
    throw Object.assign(new Error(message, { cause: error }), error instanceof Error ? { stack: error.stack } : {})
  }
}

/**
 * Says what is left out on a machine that refuses it. With REQUIRE_FAULTS that is no reason to leave anything out.
 *
 * @returns The refusal.
 */
export function sayRefusal(what: string, refusal: string | undefined): string | undefined {
  if (refusal === undefined) return undefined
  if (process.env['REQUIRE_FAULTS']) throw new Error(`${what}: ${refusal}`)
  console.warn(`skipped: ${what}: ${refusal}`)
  return refusal
}

const PROGRESS_MS = 10_000

/** Says how far a long run has come, every 10 seconds. */
export function progressOf(label: string): (done: number, total: number) => void {
  let last = Date.now()
  return (done, total) => {
    if (!isLong || Date.now() - last < PROGRESS_MS) return
    last = Date.now()
    console.info(`${label}: ${done} of ${total}`)
  }
}

/** Prints what a campaign came to, and keeps it in output/faults/ (docs/testing.md quotes the last long run). */
export function conclude(name: string, figures: Readonly<Record<string, number | string>>): void {
  const line = Object.entries(figures).map(([label, figure]) => `${figure} ${label}`)
  console.info(`${name}: ${line.join(', ')}`)
  const directory = join('output', 'faults')
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, `${name}.json`), `${JSON.stringify({ long: isLong, ...figures }, null, 2)}\n`)
}
