import { decodeCheckpoint } from './format/checkpoint'
import type { NameMode } from './format/keyring-file'
import type { KeyProvider } from './keys/provider'
import { warn } from './platform/warn'
import { checkAccount, checkBoolean, checkFunction, checkInteger, checkUser, optionsOf } from './validate'

/** What every store takes, on disk or in memory. */
export interface MemoryOptions {
  /** The clock, in **milliseconds** since the Unix epoch. @defaultValue `Date.now` */
  readonly now?: () => number
  /** How often expired secrets are deleted, in milliseconds; 0 for never. @defaultValue `60_000` */
  readonly sweepIntervalMs?: number
  /**
   * How often deleted bytes are made to leave the disk, in milliseconds, if anything was deleted or replaced since the
   * last time; 0 for never. @defaultValue `3_600_000`
   */
  readonly compactIntervalMs?: number
  /** The largest payload `set` accepts, in bytes, up to 1 GiB. @defaultValue `16_777_216` */
  readonly maxPayloadBytes?: number
  /**
   * How names are written to disk: readable, or as keyed hashes. Fixed at creation; sealed names are listed in a fixed
   * order that is not alphabetical. @defaultValue `'plain'`
   */
  readonly names?: NameMode
  /** Told of failures in the background: sweeps, compactions, lazy deletions. @defaultValue a process warning */
  readonly onError?: (error: unknown) => void
}

export interface OpenOptions extends MemoryOptions {
  /** What opens the store: `passphrase(…)`, `rawKey(…)`. */
  readonly key: KeyProvider
  /** Whether to create a store where there is nothing, or an empty directory. @defaultValue `true` */
  readonly createIfMissing?: boolean
  /** A token from `checkpoint()`: an older state, or another store, is refused. @defaultValue none */
  readonly minimum?: string
}

export interface ViewOptions {
  /** A connected account, 1 to 5,000 characters. @defaultValue none: the app's own */
  readonly account?: string
  /** @defaultValue `false` */
  readonly livemode?: boolean
  /** Restricts the view to the account scope and this user's own. @defaultValue none: every scope */
  readonly user?: string
}

/** Options with every default filled in. */
export type MemorySettings = Required<MemoryOptions>
export type OpenSettings = Required<Omit<OpenOptions, 'minimum' | 'names'>> & Pick<OpenOptions, 'minimum' | 'names'>

const SWEEP_INTERVAL_MS = 60_000
const COMPACT_INTERVAL_MS = 3_600_000
const MAX_PAYLOAD_BYTES: number = 16 * 1024 * 1024
const LARGEST_PAYLOAD_BYTES: number = 1024 ** 3

const MEMORY_NAMES = ['now', 'sweepIntervalMs', 'compactIntervalMs', 'maxPayloadBytes', 'names', 'onError'] as const
const OPEN_NAMES = [...MEMORY_NAMES, 'key', 'createIfMissing', 'minimum'] as const

export function parseMemoryOptions(options: unknown): MemorySettings {
  const given = optionsOf<MemoryOptions>(options as MemoryOptions, 'options', MEMORY_NAMES)
  return { ...commonSettings(given), names: checkNames(given.names ?? 'plain') }
}

export function parseOpenOptions(options: unknown): OpenSettings {
  const given = optionsOf<OpenOptions>(options as OpenOptions, 'options', OPEN_NAMES)
  const { key, names, minimum } = given
  if (minimum !== undefined && (typeof minimum !== 'string' || decodeCheckpoint(minimum) === undefined)) {
    throw new TypeError('minimum: expected a token from checkpoint(), got something else')
  }
  return {
    ...commonSettings(given),
    key: checkProvider(key),
    createIfMissing: checkBoolean(given.createIfMissing ?? true, 'createIfMissing'),
    ...(names === undefined ? {} : { names: checkNames(names) }),
    ...(minimum === undefined ? {} : { minimum }),
  }
}

export function parseViewOptions(options: unknown): ViewOptions {
  const given = optionsOf<ViewOptions>(options as ViewOptions, 'view', ['account', 'livemode', 'user'])
  const { account, livemode = false, user } = given
  return {
    livemode: checkBoolean(livemode, 'livemode'),
    ...(account === undefined ? {} : { account: checkAccount(account) }),
    ...(user === undefined ? {} : { user: checkUser(user) }),
  }
}

function commonSettings(given: MemoryOptions): Omit<MemorySettings, 'names'> {
  const { now = Date.now, onError = warnOf } = given
  const interval = (value: number, label: string): number => checkInteger(value, label, 0, Number.MAX_SAFE_INTEGER)
  return {
    now: checkFunction(now, 'now'),
    onError: checkFunction(onError, 'onError'),
    sweepIntervalMs: interval(given.sweepIntervalMs ?? SWEEP_INTERVAL_MS, 'sweepIntervalMs'),
    compactIntervalMs: interval(given.compactIntervalMs ?? COMPACT_INTERVAL_MS, 'compactIntervalMs'),
    maxPayloadBytes: checkInteger(
      given.maxPayloadBytes ?? MAX_PAYLOAD_BYTES,
      'maxPayloadBytes',
      1,
      LARGEST_PAYLOAD_BYTES,
    ),
  }
}

function checkNames(names: unknown): NameMode {
  if (names === 'plain' || names === 'sealed') return names
  throw new TypeError("names: expected 'plain' or 'sealed', got another")
}

function checkProvider(key: unknown): KeyProvider {
  const provider = key as Partial<KeyProvider> | null | undefined
  if (
    typeof provider?.kind !== 'string' ||
    typeof provider.wrap !== 'function' ||
    typeof provider.unwrap !== 'function'
  ) {
    throw new TypeError('key: expected a key provider such as passphrase(…) or rawKey(…), got something else')
  }
  return provider as KeyProvider
}

function warnOf(error: unknown): void {
  warn(error instanceof Error ? error.message : 'secret-store: background work failed')
}
