import type { SecretSource, SourceEntry } from '../../src/migrate'

/** A source of these entries, which counts how often it is read. */
export function sourceOf(entries: readonly unknown[]): SecretSource & { reads: number } {
  return {
    kind: 'test',
    reads: 0,
    async read() {
      this.reads++
      return entries as SourceEntry[]
    },
  }
}

/** 800 secrets of some size. */
export function manySecrets(): SecretSource {
  return sourceOf(Array.from({ length: 800 }, (_, n) => ({ name: `n${n}`, payload: `${n} `.repeat(2_000) })))
}
