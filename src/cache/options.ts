import { checkFunction, checkInteger, checkText, optionsOf } from '../base/checks'
import type { TargetParams } from '../input/params'
import type { Scope } from '../model'
import { warnOf } from '../platform/warn'

/** What the source is asked for. */
export interface LoadRequest {
  /** The scope that was asked for. */
  readonly scope: Scope
  /** The name that was asked for, without `prefix`. */
  readonly name: string
  /** Aborted when the answer is not wanted any more: heed it. */
  readonly signal: AbortSignal
}

/** What the source says: a payload, one with an end of its own, or `undefined`, that there is none. */
export type Loaded = string | Uint8Array | LoadedSecret | undefined

/** A payload that the source gives an end. */
export interface LoadedSecret {
  /** Text or bytes, not empty. */
  readonly payload: string | Uint8Array
  /** Unix **seconds**, in the future: from that second on it is never answered, stale or not. @defaultValue none */
  readonly expires_at?: number | null
}

/** Options of a `SecretCache`. */
export interface CacheOptions {
  /** Asks the source. What it throws is a failure; `undefined` is an answer. */
  readonly load: (request: LoadRequest) => Loaded | Promise<Loaded>
  /** For how long an answer is fresh, in milliseconds since its load began. @defaultValue `300_000`, 5 minutes */
  readonly ttlMs?: number
  /**
   * The age in milliseconds, at least `ttlMs`, from which on an answer is never given. Between `ttlMs` and this it is
   * given only if the source fails. @defaultValue `86_400_000`, a day, or `ttlMs` if that is more
   */
  readonly maxStaleMs?: number
  /**
   * How long before its end a fresh answer is loaded anew in the background, when it is asked for; at most half of the
   * time it is fresh for. 0 for never. @defaultValue a tenth of `ttlMs`
   */
  readonly refreshAheadMs?: number
  /** For how long "there is none" is answered without asking again, in milliseconds. @defaultValue `30_000` */
  readonly negativeTtlMs?: number
  /** After how long without an answer a load has failed, in milliseconds. @defaultValue `10_000` */
  readonly loadTimeoutMs?: number
  /** How long a failure keeps the source from being asked for the same secret again. */
  readonly backoff?: BackoffOptions
  /** Before the names of kept answers. Of two caches' prefixes neither begins the other. @defaultValue `'cache:'` */
  readonly prefix?: string
  /** The clock, in **milliseconds** since the Unix epoch; give the store the same. @defaultValue `Date.now` */
  readonly now?: () => number
  /** A clock that is never set, in milliseconds. @defaultValue `now` if that is given, otherwise `performance.now` */
  readonly monotonicNow?: () => number
  /** From 0 to below 1, for the jitter. @defaultValue `Math.random` */
  readonly random?: () => number
  /** Told of each load that failed, and of what could not be read or kept. @defaultValue a process warning */
  readonly onError?: (error: unknown, target: TargetParams) => void
}

/** The pause after a failure. It doubles with each failure in a row. */
export interface BackoffOptions {
  /** The least pause after a failure, in milliseconds, at least 1. @defaultValue `1_000` */
  readonly minMs?: number
  /** The longest pause, in milliseconds. A pause is random, from `minMs` on. @defaultValue `60_000`, or `minMs` */
  readonly maxMs?: number
}

/** Options with every default filled in. */
export type CacheSettings = Required<Omit<CacheOptions, 'backoff'>> & { readonly backoff: Required<BackoffOptions> }

const NAMES = [
  ...(['load', 'ttlMs', 'maxStaleMs', 'refreshAheadMs', 'negativeTtlMs', 'loadTimeoutMs', 'backoff'] as const),
  ...(['prefix', 'now', 'monotonicNow', 'random', 'onError'] as const),
] as const
const TTL_MS = 300_000
const MAX_STALE_MS = 86_400_000
const NEGATIVE_TTL_MS = 30_000
const LOAD_TIMEOUT_MS = 10_000
const BACKOFF_MIN_MS = 1000
const BACKOFF_MAX_MS = 60_000
/** 100 years: the store keeps nothing that ends later. */
const MOST_MS: number = 100 * 365 * 86_400_000
/** Of a timer. */
const MOST_TIMER_MS: number = 2 ** 31 - 1
const MOST_PREFIX_CHARACTERS = 100

export function parseCacheOptions(options: unknown): CacheSettings {
  const given = optionsOf<CacheOptions>(options, 'options', NAMES)
  const { ttlMs: ttl = TTL_MS, now = () => Date.now(), random = Math.random, onError = warnOf } = given
  const ttlMs = checkInteger(ttl, 'ttlMs', 1, MOST_MS)
  const { monotonicNow = given.now ?? (() => performance.now()) } = given
  const span = (value: number, label: string, most: number): number => checkInteger(value, label, 0, most)
  return {
    load: checkFunction(given.load, 'load'),
    ttlMs,
    maxStaleMs: checkInteger(given.maxStaleMs ?? Math.max(ttlMs, MAX_STALE_MS), 'maxStaleMs', ttlMs, MOST_MS),
    refreshAheadMs: span(given.refreshAheadMs ?? Math.floor(ttlMs / 10), 'refreshAheadMs', ttlMs),
    negativeTtlMs: span(given.negativeTtlMs ?? NEGATIVE_TTL_MS, 'negativeTtlMs', MOST_MS),
    loadTimeoutMs: checkInteger(given.loadTimeoutMs ?? LOAD_TIMEOUT_MS, 'loadTimeoutMs', 1, MOST_TIMER_MS),
    backoff: parseBackoff(given.backoff ?? {}),
    prefix: checkText(given.prefix ?? 'cache:', 'prefix', MOST_PREFIX_CHARACTERS),
    now: checkFunction(now, 'now'),
    monotonicNow: checkFunction(monotonicNow, 'monotonicNow'),
    random: checkFunction(random, 'random'),
    onError: checkFunction(onError, 'onError'),
  }
}

function parseBackoff(options: BackoffOptions): Required<BackoffOptions> {
  const given = optionsOf<BackoffOptions>(options, 'backoff', ['minMs', 'maxMs'])
  const minMs = checkInteger(given.minMs ?? BACKOFF_MIN_MS, 'backoff.minMs', 1, MOST_MS)
  return {
    minMs,
    maxMs: checkInteger(given.maxMs ?? Math.max(minMs, BACKOFF_MAX_MS), 'backoff.maxMs', minMs, MOST_MS),
  }
}
