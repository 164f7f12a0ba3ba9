import type { Keyring } from './crypto/keyring'
import type { Random } from './crypto/random'
import { ID_PREFIX, ID_RANDOM_CHARACTERS } from './format/constants'
import { isExpired, type SecretRecord } from './model'
import type { CommitQueue } from './storage/commit-queue'
import type { Engine } from './storage/engine'
import type { Keyspace } from './storage/keyspace'
import type { Operation } from './storage/transaction'

/** The parts of one open store, as its verbs use them. */
export interface StoreContext {
  readonly engine: Engine
  readonly keyring: Keyring
  readonly keyspace: Keyspace
  readonly queue: CommitQueue
  readonly random: Random
  readonly maxPayloadBytes: number
  /** Whole Unix seconds. */
  nowSeconds(): number
  /** @throws {SecretStoreError} `ERR_CLOSED`. */
  checkOpen(): void
  /** Sees to an expired record that a read has met, without keeping the read waiting. */
  expireLazily(rowKey: Uint8Array, record: SecretRecord): void
}

/** Deletes a record if, at its turn, it is still the one that was seen, and expired. Returns whether it did. */
export function expireOperation(
  rowKey: Uint8Array,
  seen: Pick<SecretRecord, 'id'>,
  nowSeconds: () => number,
): Operation<boolean> {
  return {
    rows: [rowKey],
    sizeBytes: rowKey.length,
    apply(transaction) {
      const record = transaction.record(rowKey)
      if (record?.id !== seen.id || !isExpired(record, nowSeconds())) return false
      transaction.delete(rowKey)
      return true
    },
  }
}

const ID_ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_UNBIASED_BELOW: number = 256 - (256 % ID_ALPHABET.length)

/** `appsecret_` and 24 letters and digits: 142 random bits. */
export function newId(random: Random): string {
  let id = ''
  while (id.length < ID_RANDOM_CHARACTERS) {
    for (const byte of random(ID_RANDOM_CHARACTERS)) {
      if (byte < ID_UNBIASED_BELOW && id.length < ID_RANDOM_CHARACTERS) id += ID_ALPHABET[byte % ID_ALPHABET.length]
    }
  }
  return ID_PREFIX + id
}
