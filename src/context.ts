import type { Turns } from './base/waiting'
import type { Random } from './crypto/random'
import type { SecretRecord } from './model'
import type { KeyringStorage } from './storage/directory/keyring-json'
import type { RowKey } from './storage/keyspace'
import type { StoreParts } from './storage/store-parts'

/** The parts of one open store, as its verbs use them. */
export interface StoreContext extends StoreParts {
  readonly keyringStorage: KeyringStorage
  /** Whatever changes keyring.json, or needs it to stay as it is. */
  readonly keyChanges: Turns
  readonly rotations: Turns
  /** For keys and salts. */
  readonly random: Random
  /** For ids. */
  readonly publicRandom: Random
  readonly maxPayloadBytes: number
  /** Aborted as soon as the store is being closed. */
  readonly closing: AbortSignal
  /** Whole Unix seconds. */
  nowSeconds(): number
  /** @throws {SecretStoreError} `ERR_CLOSED`. */
  checkOpen(): void
  /** Whether the app keeps checkpoints, and has one by now that is not older than the present state. */
  hasSavedCheckpoint(): Promise<boolean>
  /** Says to `onError` what failed and reaches no caller. */
  report(error: unknown): void
  /** Sees to an expired record that a read has met, without keeping the read waiting. */
  expireLazily(rowKey: RowKey, record: Pick<SecretRecord, 'id'>): void
}
