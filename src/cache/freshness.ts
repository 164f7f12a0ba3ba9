import type { CacheEntry } from './entry'
import type { CacheSettings } from './options'

/**
 * What an entry is good for:
 * - `fresh`: answered.
 * - `due`: answered, and loaded anew in the background.
 * - `stale`: loaded anew, and answered only if that fails.
 * - `over`: never answered.
 */
export type Freshness = 'fresh' | 'due' | 'stale' | 'over'

export function freshness(entry: CacheEntry, ageMs: number, settings: FreshnessSettings): Freshness {
  const endMs = lifeMs(entry, settings)
  if (ageMs >= endMs) return 'over'
  const freshMs = Math.min(freshForMs(entry, settings), endMs)
  if (ageMs >= freshMs) return 'stale'
  // Of what is fresh for a short time only, half of that: or every call would begin a load.
  const aheadMs = entry.payload === undefined ? 0 : Math.min(settings.refreshAheadMs, freshMs / 2)
  return ageMs >= freshMs - aheadMs ? 'due' : 'fresh'
}

/** When the store may delete an entry, in Unix seconds, rounded up. `freshness` decides to the millisecond. */
export function keptUntilSeconds(entry: CacheEntry, settings: FreshnessSettings): number {
  return Math.ceil((entry.stamp.fetchedAt + lifeMs(entry, settings)) / 1000)
}

export type FreshnessSettings = Pick<CacheSettings, 'ttlMs' | 'maxStaleMs' | 'refreshAheadMs' | 'negativeTtlMs'>

function freshForMs({ payload }: CacheEntry, { ttlMs, negativeTtlMs }: FreshnessSettings): number {
  return payload === undefined ? negativeTtlMs : ttlMs
}

/** The age from which on it is never answered. "There is none" is no good value, and is not answered when stale. */
function lifeMs({ payload, stamp, expires_at }: CacheEntry, { maxStaleMs, negativeTtlMs }: FreshnessSettings): number {
  const mostMs = payload === undefined ? negativeTtlMs : maxStaleMs
  return expires_at === null ? mostMs : Math.min(mostMs, expires_at * 1000 - stamp.fetchedAt)
}
