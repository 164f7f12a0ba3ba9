import { utf8 } from '../../src/base/bytes'
import type { Keyring } from '../../src/crypto/keyring'
import type { Payload, SecretRecord } from '../../src/model'
import type { RowKey } from '../../src/storage/keyspace'
import { type SealedRecord, sealRecord } from '../../src/storage/records'
import { newKeyring, recordOf, rowOf } from './records'

/** One record of one row, sealed with whatever payload a test is about. */

export const keyring: Keyring = newKeyring()
export const row: RowKey = rowOf('n')
export const rowKey: Uint8Array = row.bytes

export const revised = (revision = 1): SecretRecord => ({ ...recordOf('n'), revision })
export const text = (bytes: Uint8Array): Payload => ({ type: 'text', bytes })
export const seal = (revision = 1, payload: Uint8Array = utf8('p')): SealedRecord =>
  sealRecord(keyring, rowKey, revised(revision), text(payload))
/** A payload that gets a row of its own. */
export const large = (fill: number): Uint8Array => new Uint8Array(3000).fill(fill)
