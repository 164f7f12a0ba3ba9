import { checkSignal, checkText, optionsOf } from '../base/checks'
import { MAX_CHARACTERS } from '../format/constants'
import { parseBrought, parseTarget, type Target, type TargetParams } from '../input/params'
import type { CacheEntry, Stamp } from './entry'
import type { Loaded, LoadedSecret } from './options'

export interface CacheGetParams extends TargetParams {
  /** Ends the waiting of this caller; the load goes on for others who wait for it, and is aborted if there are none. */
  readonly signal?: AbortSignal
}

export interface CacheRequest {
  readonly target: Target
  readonly signal: AbortSignal | undefined
}

export function parseCacheGet(params: unknown, label: string, prefix: string): CacheRequest {
  const { signal, ...target } = optionsOf<CacheGetParams>(params, label, ['scope', 'name', 'signal'])
  if (signal !== undefined) checkSignal(signal)
  return { target: parseCacheTarget(target, label, prefix), signal }
}

/** After its prefix, a name has room for fewer characters than in the store. Frozen: callers are handed it. */
export function parseCacheTarget(params: unknown, label: string, prefix: string): Target {
  const { scope, name } = parseTarget(params, label)
  checkText(name, 'name', MAX_CHARACTERS - [...prefix].length)
  return Object.freeze({ scope: Object.freeze(scope), name })
}

/** What a source has said. It is held to what `set` is held to: an `expires_at` in milliseconds would be for ever. */
export function parseLoaded(loaded: Loaded, target: Target, stamp: Stamp, nowMs: number): CacheEntry {
  if (loaded === undefined) return { stamp, payload: undefined, expires_at: null }
  const given = isPlain(loaded)
    ? optionsOf<LoadedSecret>(loaded, 'load', ['payload', 'expires_at'])
    : { payload: loaded }
  const limits = { nowSeconds: Math.floor(nowMs / 1000), maxPayloadBytes: Number.MAX_SAFE_INTEGER }
  const { payload, expires_at } = parseBrought({ ...target, ...given }, limits)
  return { stamp, payload, expires_at }
}

function isPlain(loaded: string | Uint8Array | LoadedSecret): loaded is LoadedSecret {
  return typeof loaded === 'object' && loaded !== null && !ArrayBuffer.isView(loaded)
}
