import type { KnownRecord } from '../format/record'
import type { RowKey } from './keyspace'

/** What a commit needs to know of a record that stands in its row, before it or after it. */
export interface WrittenRecord {
  readonly record: KnownRecord
  /** Its summand in the set hash. */
  readonly element: bigint
}

/** One row, before and after a commit. */
export interface Replacement {
  readonly rowKey: RowKey
  readonly previous: WrittenRecord | undefined
  readonly next: WrittenRecord | undefined
}
