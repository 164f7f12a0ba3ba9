/**
 * Tests that draw at random, or try place after place, are part of `npm test` with the counts that find faults, and run
 * at full length in `npm run test:campaigns` and longer in `npm run test:faults`: the files of test/campaigns/at-length
 * run them again. FAULTS says which of the three this is.
 */

/** Whether this is `npm test`. */
export const isQuick: boolean = process.env['FAULTS'] === undefined

/** How often, in this run. @defaultValue `long`: as often as in a short campaign */
export function atLength(quick: number, short: number, long: number = short): number {
  if (isQuick) return quick
  return process.env['FAULTS'] === 'long' ? long : short
}

/** All of them in campaigns, every `stride`-th in `npm test`. */
export function everyFew<T>(items: readonly T[], stride: number): readonly T[] {
  return isQuick ? items.filter((_, index) => index % stride === 0) : items
}
