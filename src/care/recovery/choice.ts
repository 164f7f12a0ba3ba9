import type { Traces, Version } from './traces'

/** What is to become of one record row. */
export type Choice =
  /** Versions that may be kept, the best first: the first one whose payload is there. */
  | { readonly kind: 'versions'; readonly versions: readonly Version[] }
  /** Something of it is left that does not open. */
  | { readonly kind: 'lost' }
  /** It had been deleted. */
  | { readonly kind: 'deleted' }
  /** It may never have been there. */
  | { readonly kind: 'nothing' }

/**
 * Whether a row has a version that was not deleted. LevelDB's numbers tell the order of a deletion and a version where
 * both are beyond doubt. A version is deleted, too, if a later one of the same row is.
 */
export function choose(traces: Traces): Choice {
  const { versions, deletedAt } = traces
  const deletedRevision = Math.max(0, ...versions.filter(isDeletedAt(deletedAt)).map(({ revision }) => revision))
  const standing = versions.filter(({ revision }) => revision > deletedRevision)
  if (standing.length > 0) return { kind: 'versions', versions: standing }
  if (wasThereLast(traces)) return { kind: 'lost' }
  return { kind: versions.length > 0 ? 'deleted' : 'nothing' }
}

/** Whether something was written that cannot be read, and not deleted since. */
function wasThereLast(traces: Traces): boolean {
  const { hintedAt, unreadableAt, deletedAt } = traces
  if (hintedAt !== undefined || (unreadableAt !== undefined && unreadableAt > (deletedAt ?? 0))) return true
  // In damaged bytes a hint and what it leads to bear one another out.
  const isDeleted = traces.hasUndatedDeletion || deletedAt !== undefined
  return traces.hasUndatedTrace && traces.ids.length > 0 && !isDeleted
}

function isDeletedAt(deletedAt: number | undefined): (version: Version) => boolean {
  return ({ sequence }) => deletedAt !== undefined && sequence !== undefined && sequence < deletedAt
}

/** Whether a version that is kept may have been deleted. */
export function mayBeDeleted({ deletedAt, hasUndatedDeletion }: Traces, { origin, sequence }: Version): boolean {
  if (origin === 'abandoned' || hasUndatedDeletion) return true
  return deletedAt !== undefined && sequence === undefined
}

/** Whether there may have been a later version than one that opens. */
export function mayBeOlder({ unreadableAt, hasUndatedTrace }: Traces, kept: Version): boolean {
  if (hasUndatedTrace) return true
  return unreadableAt !== undefined && (kept.sequence === undefined || unreadableAt > kept.sequence)
}
