/** Random numbers that are the same each time (mulberry32): what fails once fails again. */
export function numbers(seed: number): {
  /** From 0 to below `end`. */
  below(end: number): number
  oneOf<T>(items: readonly T[]): T
} {
  let state = seed
  const below = (end: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end)
  }
  return { below, oneOf: (items) => items[below(items.length)] as (typeof items)[number] }
}
