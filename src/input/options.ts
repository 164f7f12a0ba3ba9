import { checkBoolean, checkFunction, checkInteger, checkSignal, kindOf, optionsOf } from '../base/checks'
import { type Checkpoint, decodeCheckpoint } from '../format/checkpoint'
import type { NameMode } from '../format/keyring-file'
import type { KeyProvider } from '../keys/provider'
import { warnOf } from '../platform/warn'

/** What every store takes, on disk or in memory. */
export interface MemoryOptions {
  /** The clock, in **milliseconds** since the Unix epoch. @defaultValue `Date.now` */
  readonly now?: () => number
  /** How often expired secrets are deleted, in milliseconds; 0 for never. @defaultValue `60_000` */
  readonly sweepIntervalMs?: number
  /** How often deleted and replaced bytes leave the disk, in milliseconds; 0 for never. @defaultValue `3_600_000` */
  readonly compactIntervalMs?: number
  /** The largest payload `set` accepts, in bytes, up to 1 GiB. @defaultValue `16_777_216` */
  readonly maxPayloadBytes?: number
  /**
   * How names are written to disk: readable, or as keyed hashes, which are listed in no alphabetical order. Fixed at
   * creation. @defaultValue `'plain'`
   */
  readonly names?: NameMode
  /** Whether `sodium-native` is used where the app has it installed. The bytes are the same. @defaultValue `true` */
  readonly sodium?: boolean
  /**
   * How much memory may keep what was read of secrets, without their payloads, in bytes; 0 for none. A secret takes
   * some 480 bytes, so the default holds about 140,000. @defaultValue `67_108_864`
   */
  readonly indexBytes?: number
  /** Told of failures that reach no caller: of sweeps, checkpoints, listeners. @defaultValue a process warning */
  readonly onError?: (error: unknown) => void
}

/** A place of the app's own for the latest checkpoint: a file elsewhere, a keychain, a server. */
export interface CheckpointStorage {
  /** The token saved last; `undefined` or `null` if there is none yet. */
  load(): string | null | undefined | Promise<string | null | undefined>
  /** Called one at a time; with the state that was found, then with newer ones. `close` waits for it for 10 seconds at most. */
  save(token: string): void | Promise<void>
}

/** What `SecretStore.open` takes. */
export interface OpenOptions extends MemoryOptions {
  /** What opens the store: `passphrase(…)`, `rawKey(…)`, `recoveryCode(…)`. */
  readonly key: KeyProvider
  /** Whether to create a store where there is nothing, or an empty directory. @defaultValue `true` */
  readonly createIfMissing?: boolean
  /** A token from `checkpoint()`: an older state, or another store, is refused. @defaultValue none */
  readonly minimum?: string
  /** Where checkpoints are kept: the last one is a minimum, and after writes a new one is saved. @defaultValue none */
  readonly checkpoints?: CheckpointStorage
  /**
   * Takes a location whatever its owner and modes are, and those of the folders above: for file systems without either, such
   * as WSL's /mnt/c, and for containers in which root works in a user's directory. Links are refused all the same. Others may
   * then be able to put other files in place of the store's. @defaultValue `false`
   */
  readonly allowUnsafeLocation?: boolean
  /**
   * Opens the store without writing anything and without a lock, from a read-only mount or a copy: all rows are read out of
   * LevelDB's files into memory and held against the head, so that opening costs as much as the store is large. What would
   * write is `ERR_READ_ONLY`; a store that another process has open is `ERR_LOCKED` (where the system tells: Linux and
   * Windows). `checkpoints` are only loaded. Not together with `createIfMissing` or `acceptRollback`. @defaultValue `false`
   */
  readonly readOnly?: boolean
  /**
   * Whether other processes may have the store open at the same time (docs/processes.md): the first holds the files, and the
   * others reach them through it. All of them say so. `'follow'`: through a process that shares the store, if there is one,
   * else alone, as with `false`. @defaultValue `false`
   */
  readonly shared?: boolean | 'follow'
  /**
   * How long to wait for a store that a process has open which does not share it, in milliseconds. While such a process is
   * seen (on Linux and Windows), LevelDB's files are not opened. @defaultValue `0`
   */
  readonly waitMs?: number
  /** Ends the opening early: it rejects with what the signal is aborted with. A store that opens later is closed. */
  readonly signal?: AbortSignal
  /** Opens an older state on purpose, and makes it the newest: later ones are refused. @defaultValue `false` */
  readonly acceptRollback?: boolean
  /**
   * Whether `verify()` runs before the store is open, and refuses a damaged one. Left out, it runs if LevelDB says that
   * it has passed over damage, and up to 1,000 records are counted. `false` opens what is left. @defaultValue none
   */
  readonly verify?: boolean
}

/** Options with every default filled in. */
export type MemorySettings = Required<Omit<MemoryOptions, 'now'>> & {
  /** The clock, in whole Unix seconds. */
  readonly nowSeconds: () => number
}
export type OpenSettings = Omit<MemorySettings, 'names'> &
  Required<
    Pick<
      OpenOptions,
      'key' | 'createIfMissing' | 'acceptRollback' | 'allowUnsafeLocation' | 'readOnly' | 'shared' | 'waitMs'
    >
  > &
  Pick<OpenOptions, 'checkpoints' | 'names' | 'verify' | 'signal'> & { readonly minimum: Checkpoint | undefined }

const SWEEP_INTERVAL_MS = 60_000
const COMPACT_INTERVAL_MS = 3_600_000
const MAX_PAYLOAD_BYTES: number = 16 * 1024 * 1024
const INDEX_BYTES: number = 64 * 1024 * 1024
const LARGEST_PAYLOAD_BYTES: number = 1024 ** 3

const MEMORY_NAMES = [
  'now',
  'sweepIntervalMs',
  'compactIntervalMs',
  'maxPayloadBytes',
  'names',
  'sodium',
  'indexBytes',
  'onError',
] as const
export const OPEN_NAMES: readonly (keyof OpenOptions)[] = [
  ...MEMORY_NAMES,
  'key',
  'createIfMissing',
  'minimum',
  'checkpoints',
  'acceptRollback',
  'allowUnsafeLocation',
  'readOnly',
  'shared',
  'waitMs',
  'signal',
  'verify',
]
export function parseMemoryOptions(options: unknown): MemorySettings {
  const given = optionsOf<MemoryOptions>(options as MemoryOptions, 'options', MEMORY_NAMES)
  return { ...commonSettings(given), names: checkNames(given.names ?? 'plain') }
}

export function parseOpenOptions(options: unknown): OpenSettings {
  const given = optionsOf<OpenOptions>(options as OpenOptions, 'options', OPEN_NAMES)
  const { key, names, checkpoints, verify, signal } = given
  const readOnly = checkBoolean(given.readOnly ?? false, 'readOnly')
  if (readOnly && (given.createIfMissing || given.acceptRollback)) {
    throw new TypeError('readOnly: expected neither createIfMissing nor acceptRollback, which write, got one of them')
  }
  const shared = checkShared(given.shared)
  if (shared && (readOnly || given.acceptRollback)) {
    throw new TypeError(
      'shared: expected neither readOnly nor acceptRollback, which take the store alone, got one of them',
    )
  }
  return {
    ...commonSettings(given),
    ...(readOnly && { sweepIntervalMs: 0, compactIntervalMs: 0 }),
    key: checkProvider(key),
    readOnly,
    shared,
    waitMs: checkInteger(given.waitMs ?? 0, 'waitMs', 0, Number.MAX_SAFE_INTEGER),
    createIfMissing: checkBoolean(given.createIfMissing ?? !readOnly, 'createIfMissing'),
    acceptRollback: checkBoolean(given.acceptRollback ?? false, 'acceptRollback'),
    allowUnsafeLocation: checkUnsafe(given.allowUnsafeLocation),
    ...(checkpoints === undefined ? {} : { checkpoints: checkCheckpointStorage(checkpoints) }),
    ...(names === undefined ? {} : { names: checkNames(names) }),
    minimum: checkMinimum(given.minimum),
    ...(verify === undefined ? {} : { verify: checkBoolean(verify, 'verify') }),
    ...(signal === undefined ? {} : { signal: checkSignal(signal) }),
  }
}

function checkShared(value: unknown = false): boolean | 'follow' {
  if (typeof value === 'boolean' || value === 'follow') return value
  throw new TypeError(`shared: expected true, false or 'follow', got ${kindOf(value)}`)
}

export function checkUnsafe(value: unknown = false): boolean {
  return checkBoolean(value as boolean, 'allowUnsafeLocation')
}

export function checkMinimum(value: unknown): Checkpoint | undefined {
  const checkpoint = typeof value === 'string' ? decodeCheckpoint(value) : undefined
  if (value === undefined || checkpoint !== undefined) return checkpoint
  throw new TypeError('minimum: expected a token from checkpoint(), got something else')
}

function commonSettings(given: MemoryOptions): Omit<MemorySettings, 'names'> {
  const { now = () => Date.now(), onError = warnOf, maxPayloadBytes = MAX_PAYLOAD_BYTES } = given
  const interval = (value: number, label: string): number => checkInteger(value, label, 0, Number.MAX_SAFE_INTEGER)
  return {
    nowSeconds: clock(checkFunction(now, 'now')),
    onError: checkFunction(onError, 'onError'),
    sodium: checkSodium(given.sodium),
    indexBytes: checkInteger(given.indexBytes ?? INDEX_BYTES, 'indexBytes', 0, Number.MAX_SAFE_INTEGER),
    sweepIntervalMs: interval(given.sweepIntervalMs ?? SWEEP_INTERVAL_MS, 'sweepIntervalMs'),
    compactIntervalMs: interval(given.compactIntervalMs ?? COMPACT_INTERVAL_MS, 'compactIntervalMs'),
    maxPayloadBytes: checkInteger(maxPayloadBytes, 'maxPayloadBytes', 1, LARGEST_PAYLOAD_BYTES),
  }
}

/** Milliseconds → whole seconds. */
function clock(now: () => number): () => number {
  return () => {
    const seconds = Math.floor(now() / 1000)
    if (!Number.isSafeInteger(seconds) || seconds < 0) {
      throw new TypeError('now: expected milliseconds since the Unix epoch, got something else')
    }
    return seconds
  }
}

export function checkSodium(sodium: unknown): boolean {
  return checkBoolean(sodium ?? true, 'sodium')
}

function checkNames(names: unknown): NameMode {
  if (names === 'plain' || names === 'sealed') return names
  throw new TypeError("names: expected 'plain' or 'sealed', got another")
}

export function checkProvider(key: unknown): KeyProvider {
  const { kind, wrap, unwrap } = (key ?? {}) as Partial<KeyProvider>
  if (typeof kind !== 'string' || typeof wrap !== 'function' || typeof unwrap !== 'function') {
    throw new TypeError('key: expected a key provider such as passphrase(…) or rawKey(…), got something else')
  }
  return key as KeyProvider
}

function checkCheckpointStorage(storage: Partial<CheckpointStorage> | null): CheckpointStorage {
  if (typeof storage?.load !== 'function' || typeof storage.save !== 'function') {
    throw new TypeError('checkpoints: expected an object with load and save, got something else')
  }
  return storage as CheckpointStorage
}
