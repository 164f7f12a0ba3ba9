import { optionsOf } from '../base/checks'
import type { Checkpoint } from '../format/checkpoint'
import type { KeyProvider } from '../keys/provider'
import { LONG_NAMES, type LongOptions, longOptions, type Progress } from './call-options'
import { checkMinimum, checkProvider, checkSodium, checkUnsafe } from './options'
import { checkLocation, isPath } from './params'

/** What makes a store of something else takes. */

/** What `SecretStore.restore` takes. */
export interface RestoreOptions extends LongOptions {
  /** One that opened the store when the backup was made. */
  readonly key: KeyProvider
  /** A token from `checkpoint()`: a backup of an older state, or of another store, is refused. @defaultValue none */
  readonly minimum?: string
  /** As in `open`. @defaultValue `true` */
  readonly sodium?: boolean
  /** As in `open`. @defaultValue `false` */
  readonly allowUnsafeLocation?: boolean
}

/** What `SecretStore.recover` takes. */
export interface RecoverOptions extends LongOptions {
  /** One that opens the damaged store. */
  readonly key: KeyProvider
  /** Where the new store is to be: a place where there is nothing, or an empty directory, and not in the damaged one. */
  readonly destination: string
  /** As in `open`. @defaultValue `true` */
  readonly sodium?: boolean
  /** As in `open`. @defaultValue `false` */
  readonly allowUnsafeLocation?: boolean
  /** Told how many bytes of the damaged store's files have been read, of how many. */
  readonly onProgress?: (progress: Progress) => void
}

/** Options with every default filled in. */
export type RestoreSettings = Omit<RestoreOptions, 'minimum'> &
  Required<Pick<RestoreOptions, 'sodium' | 'allowUnsafeLocation'>> & { readonly minimum: Checkpoint | undefined }
export type RecoverSettings = RecoverOptions & Required<Pick<RecoverOptions, 'sodium' | 'allowUnsafeLocation'>>

const RESTORE_NAMES = ['key', 'sodium', 'allowUnsafeLocation'] as const

function openingOf({ key, sodium, allowUnsafeLocation }: Pick<RestoreOptions, (typeof RESTORE_NAMES)[number]>) {
  return { key: checkProvider(key), sodium: checkSodium(sodium), allowUnsafeLocation: checkUnsafe(allowUnsafeLocation) }
}

export function parseRestoreOptions(options: unknown): RestoreSettings {
  const names = [...LONG_NAMES, ...RESTORE_NAMES, 'minimum'] as const
  const given = optionsOf<RestoreOptions>(options as RestoreOptions, 'restore', names)
  const minimum = checkMinimum(given.minimum)
  return { ...longOptions(given), ...openingOf(given), minimum }
}

export function parseRecoverOptions(options: unknown): RecoverSettings {
  const names = [...LONG_NAMES, ...RESTORE_NAMES, 'destination'] as const
  const given = optionsOf<RecoverOptions>(options as RecoverOptions, 'recover', names)
  const destination = checkLocation(given.destination, 'destination')
  return { ...longOptions(given), ...openingOf(given), destination }
}

/** A path, or something that gives bytes. */
export function checkBackupSource(value: unknown): void {
  const given = value as Partial<AsyncIterable<unknown>> | null | undefined
  if (isPath(value) || typeof given?.[Symbol.asyncIterator] === 'function') return
  throw new TypeError('restore: expected the path of a backup, or a readable stream, got something else')
}
