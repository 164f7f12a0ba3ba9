import { ByteReader } from '../../base/byte-codec'
import { decodeSetHash } from '../../format/head'
import { KIND, NUMBER_BYTES, ORIGINS, type Origin, UNDATED, type Version } from './evidence-keys'

/** What was found of one record row. */
export interface Traces {
  readonly rowKey: Uint8Array
  /** The newest first. */
  readonly versions: readonly Version[]
  /** The last deletion of it that is beyond doubt. */
  readonly deletedAt: number | undefined
  /** Whether it was deleted at a time that nobody can say. */
  readonly hasUndatedDeletion: boolean
  /** The last write of it of which nothing can be opened, and that is beyond doubt. */
  readonly unreadableAt: number | undefined
  /** Whether something that does not open bears its key, at a time that nobody can say. */
  readonly hasUndatedTrace: boolean
  /** What those that do not open would be in the set hash, if they are the ones that were written. */
  readonly unreadableElements: readonly bigint[]
  /** Ids that lead to it, as their hints say. */
  readonly ids: readonly string[]
  /** When the last of those hints was written, as far as that is beyond doubt of any of them. */
  readonly hintedAt: number | undefined
}

export interface Grouped {
  readonly rowKey: Uint8Array
  readonly versions: Version[]
  readonly hints: { readonly id: Uint8Array; readonly sequence: number }[]
  deletedAt: number | undefined
  unreadableAt: number | undefined
  hasUndatedTrace: boolean
  hasUndatedDeletion: boolean
  readonly unreadable: Set<bigint>
}

export function newGroup(rowKey: Uint8Array): Grouped {
  return {
    rowKey,
    versions: [],
    hints: [],
    deletedAt: undefined,
    unreadableAt: undefined,
    hasUndatedTrace: false,
    hasUndatedDeletion: false,
    unreadable: new Set(),
  }
}

export function addTrace(group: Grouped, kind: number, rest: Uint8Array): void {
  const reader = new ByteReader(rest)
  if (kind === KIND.version) {
    const revision = reader.u64()
    const origin = ORIGINS[reader.u8()] as Origin
    const sequence = reader.u64()
    group.versions.push({ revision, origin, sequence: sequence === UNDATED ? undefined : sequence })
    return
  }
  // In the order of the keys: the last one is the greatest.
  const sequence = reader.u64()
  if (kind === KIND.hint) {
    group.hints.push({ sequence, id: rest.slice(NUMBER_BYTES) })
  } else if (kind === KIND.deletion) {
    if (sequence === UNDATED) group.hasUndatedDeletion = true
    else group.deletedAt = sequence
  } else {
    group.unreadable.add(decodeSetHash(reader.rest()))
    if (sequence === UNDATED) group.hasUndatedTrace = true
    else group.unreadableAt = sequence
  }
}

/** The newest first; of one revision, what is surest. */
export function compareVersions(one: Version, other: Version): number {
  return (
    other.revision - one.revision ||
    ORIGINS.indexOf(other.origin) - ORIGINS.indexOf(one.origin) ||
    (other.sequence ?? 0) - (one.sequence ?? 0)
  )
}
