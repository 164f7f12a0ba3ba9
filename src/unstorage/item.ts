import { fromUtf8, utf8 } from '../base/bytes'
import { decodeEntry, type KeyvValue } from '../keyv/entry'
import type { SecretWithPayload } from '../model'
import type { UnstorageItemMeta } from './contract'

/** unstorage's words in those of the store. */

/** `usersold:1` is not below `users`. */
export function prefixOf(base: string | undefined): string {
  return base === undefined || base === '' || base.endsWith(':') ? (base ?? '') : `${base}:`
}

/** To unstorage, 0 is no time to live at all. */
export function msOf(ttl: unknown): unknown {
  if (ttl === 0) return undefined
  return typeof ttl === 'number' ? ttl * 1000 : ttl
}

export function textOf(value: KeyvValue | null): string | null {
  if (value === null || typeof value === 'string') return value
  try {
    return fromUtf8(value)
  } catch {
    throw new TypeError('item: expected text, got bytes (read them with getItemRaw)')
  }
}

export function bytesOf(value: KeyvValue | null): Uint8Array | null {
  return typeof value === 'string' ? utf8(value) : value
}

/** @returns `null` if the item has ended. */
export function metaOf({ created, payload }: SecretWithPayload, nowMs: number): UnstorageItemMeta | null {
  const birthtime = new Date(created * 1000)
  const { endMs } = decodeEntry(payload)
  if (endMs === undefined) return { birthtime }
  return nowMs < endMs ? { birthtime, ttl: Math.floor((endMs - nowMs) / 1000) } : null
}
