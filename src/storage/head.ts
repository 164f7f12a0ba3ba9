import type { Keyring } from '../crypto/keyring'
import { decodeHead, encodeHead, type Head, type RecordSum, withElement, withoutElement } from '../format/head'
import type { Row } from './engine'
import { HEAD_ROW } from './keyspace'
import type { Replacement } from './records'

/** The row of the head, sealed. */
export function sealHead(keyring: Keyring, head: Head): Row {
  return { key: HEAD_ROW, value: keyring.sealRow(HEAD_ROW, encodeHead(head)) }
}

/** The inverse of `sealHead`. @throws {SecretStoreError} `ERR_CORRUPT`. */
export function openHead(keyring: Keyring, value: Uint8Array): Head {
  return decodeHead(keyring.openRow(HEAD_ROW, value))
}

/** The head after a commit. */
export function nextHead(head: Head, replacements: readonly Replacement[]): Head {
  let sum: RecordSum = head
  let { superseded } = head
  for (const { previous, next } of replacements) {
    if (previous !== undefined) {
      sum = withoutElement(sum, previous.element)
      superseded++
    }
    if (next !== undefined) sum = withElement(sum, next.element)
  }
  return { ...head, count: sum.count, setHash: sum.setHash, superseded, sequence: head.sequence + 1 }
}
