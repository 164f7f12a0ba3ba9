import type { KnownRecord } from '../format/record'

/** A record that stands in its row: all that a write needs to know of it. */
export interface Standing {
  readonly rowKey: Uint8Array
  readonly record: KnownRecord
  /** Its summand in the set hash. */
  readonly element: bigint
}

/** One address, before and after a commit. */
export interface Replacement {
  readonly previous: Standing | undefined
  readonly next: Standing | undefined
}
