import type { Turns } from './base/waiting'
import type { Keyring } from './crypto/keyring'
import type { Random } from './crypto/random'
import type { SecretRecord } from './model'
import type { CommitQueue } from './storage/commit/queue'
import type { KeyringStorage } from './storage/directory/keyring-json'
import type { Engine } from './storage/engine'
import type { Keyspace } from './storage/keyspace'
import type { KnownRecords } from './storage/known/known-records'

/** The parts of one open store, as its verbs use them. */
export interface StoreContext {
  readonly engine: Engine
  readonly keyring: Keyring
  readonly keyringStorage: KeyringStorage
  readonly keyspace: Keyspace
  readonly queue: CommitQueue
  readonly known: KnownRecords
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
  /** Says to `onError` what failed and reaches no caller. */
  report(error: unknown): void
  /** Sees to an expired record that a read has met, without keeping the read waiting. */
  expireLazily(rowKey: Uint8Array, record: SecretRecord): void
}
