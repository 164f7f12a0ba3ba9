import type { Keyring } from '../crypto/keyring'
import { decodeHead, encodeHead, type Head } from '../format/head'
import type { Row } from './engine'
import { HEAD_ROW } from './keyspace'

/** The row of the head, sealed. */
export function sealHead(keyring: Keyring, head: Head): Row {
  return { key: HEAD_ROW, value: keyring.sealRow(HEAD_ROW, encodeHead(head)) }
}

/** The inverse of `sealHead`. @throws {SecretStoreError} `ERR_CORRUPT`. */
export function openHead(keyring: Keyring, value: Uint8Array): Head {
  return decodeHead(keyring.openRow(HEAD_ROW, value))
}
