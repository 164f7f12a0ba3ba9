import { concat, equal } from '../../base/bytes'
import { sha256 } from '../../crypto/derive'
import type { Keyring } from '../../crypto/keyring'
import { systemRandom } from '../../crypto/random'
import { ROW, SESSION_BYTES } from '../../format/constants'
import type { Row } from '../engine'
import { prefixRange, type Span } from '../keyspace'

/**
 * The session of a writer that is not the owner (Ongaro, "Consensus: Bridging Theory and Practice", 2014, §6.3): a row in
 * each of its commits that names the head of that commit. Where the answer to a commit was lost, the row tells whether it
 * took effect, whoever has written since.
 */
export class Session {
  readonly key: Uint8Array
  readonly #keyring: Keyring

  constructor(keyring: Keyring) {
    this.key = concat(Uint8Array.of(ROW.session), systemRandom(SESSION_BYTES))
    this.#keyring = keyring
  }

  /** @param head - The value of the head row. */
  row(head: Uint8Array): Row {
    return { key: this.key, value: this.#keyring.sealRow(this.key, sha256(head)) }
  }

  /** Whether the row's value names this head. @throws {SecretStoreError} `ERR_CORRUPT`. */
  names(value: Uint8Array, head: Uint8Array): boolean {
    return equal(this.#keyring.openRow(this.key, value), sha256(head))
  }
}

export const SESSION_ROWS: Span = prefixRange(Uint8Array.of(ROW.session))

/** Whether it is the key of a session row. Nothing depends on the row once its writer has gone. */
export function isSession(key: Uint8Array): boolean {
  return key[0] === ROW.session && key.length === 1 + SESSION_BYTES
}
