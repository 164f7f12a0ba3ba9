import type { Scope } from '../model'

/**
 * What became of an entry, or in a dry run would have become of it: `unchanged` is there already; `conflict` has
 * another secret of the name in its way; `failed` cannot be read, or is nothing the store takes; `skipped` was left out
 * by `rename` or `decode`, or is a key of electron-store that is not there.
 */
export type ImportOutcome = 'created' | 'replaced' | 'unchanged' | 'conflict' | 'failed' | 'skipped'

/** One entry of a source, and its outcome. */
export interface ImportedEntry {
  /** Its name in the source. */
  readonly from: string
  /** Its name in the store; not there if it was skipped. */
  readonly name?: string
  /** The scope it was meant for. */
  readonly scope: Scope
  /** What was done, or in a dry run would be. */
  readonly outcome: ImportOutcome
  /** Of a conflict or a failure. */
  readonly reason?: string
}

/** What an import did, without any payload. */
export interface ImportReport {
  /** Nothing was written: it says what would be done. */
  readonly dryRun: boolean
  /** How many were new. */
  readonly created: number
  /** How many took the place of another payload. */
  readonly replaced: number
  /** How many were there already. */
  readonly unchanged: number
  /** How many were left alone, since another payload has the name. */
  readonly conflicts: number
  /** How many could not be read or set. */
  readonly failed: number
  /** How many were left out. */
  readonly skipped: number
  /** In the order of the source. */
  readonly entries: readonly ImportedEntry[]
}

export function reportOf(dryRun: boolean, entries: readonly ImportedEntry[]): ImportReport {
  const count = (outcome: ImportOutcome): number => entries.filter((entry) => entry.outcome === outcome).length
  return {
    dryRun,
    created: count('created'),
    replaced: count('replaced'),
    unchanged: count('unchanged'),
    conflicts: count('conflict'),
    failed: count('failed'),
    skipped: count('skipped'),
    entries,
  }
}
