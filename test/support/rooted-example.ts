import { fromBase64url, toBase64url } from '../../src/base/bytes'
import { derive } from '../../src/crypto/derive'
import { Keyring, readKeyringFile, sealKeyringFile } from '../../src/crypto/keyring'
import { withNewDataKey, withRootKey } from '../../src/crypto/next-keyring'
import type { Random } from '../../src/crypto/random'
import { wrapRootKey } from '../../src/crypto/slot'
import { decodeCheckpoint, type RootedCheckpoint } from '../../src/format/checkpoint'
import { LABEL } from '../../src/format/constants'
import { encodeSetHash, type Head } from '../../src/format/head'
import type { KeyringFile } from '../../src/format/keyring-file'
import type { SecretRecord } from '../../src/model'
import { checkpointToken } from '../../src/storage/checkpoint'
import { nextHead } from '../../src/storage/head'
import type { RowKey } from '../../src/storage/keyspace'
import { sealRecord, type WrittenRecord } from '../../src/storage/records'

/** The store of docs/format.md §13.1 to §13.6, as its root key is replaced. */
export interface BeforeReplacement {
  readonly file: KeyringFile
  readonly rootKey: Uint8Array
  readonly newRootKey: Uint8Array
  /** What opens the slot. */
  readonly secret: Uint8Array
  readonly newSlotId: Uint8Array
  readonly head: Head
  /** The record that is sealed anew. */
  readonly small: { readonly rowKey: RowKey; readonly record: SecretRecord; readonly written: WrittenRecord }
  readonly payload: Parameters<typeof sealRecord>[3]
  readonly random: Random
}

/** Every value of docs/format.md §13.9, under its name on the page. */
export function rootedExample(before: BeforeReplacement): {
  readonly hex: Record<string, Uint8Array>
  readonly json: string
  readonly token: string
} {
  const { file, rootKey, newRootKey, secret, newSlotId, head, small, payload, random } = before
  const { storeId } = file
  const [slot] = file.slots
  if (slot === undefined) throw new Error('slots: expected one, got none')
  const wrapped = wrapRootKey(secret, newRootKey, { storeId, slotId: newSlotId, kind: slot.kind }, random)
  const slots = [{ ...slot, id: newSlotId, params: { ...slot.params, ...wrapped } }]
  const replaced = { ...withRootKey(file, rootKey, newRootKey, slots, random), change: { generation: 1, sequence: 1 } }
  const next = withNewDataKey(replaced, newRootKey, slot.created, random)
  const bytes = sealKeyringFile(next, newRootKey)
  const json = new TextDecoder().decode(bytes)
  const keyring = new Keyring(readKeyringFile(bytes).file, newRootKey, random)
  const sealed = sealRecord(keyring, small.rowKey.bytes, { ...small.record, revision: 2 }, payload)
  const element = keyring.elementHash(small.rowKey.bytes, sealed.value)
  const written = { record: sealed.record, element }
  const mark = { generation: 1, mac: fromBase64url(JSON.parse(json).mac) as Uint8Array }
  const replacement = { rowKey: small.rowKey, previous: small.written, next: written }
  const token = checkpointToken(keyring, { ...nextHead(head, [replacement]), keyring: mark })
  const { state, mac, rootId } = decodeCheckpoint(token) as RootedCheckpoint
  const lineageKey = (key: Uint8Array): Uint8Array => derive(key, LABEL.lineage, storeId)
  return {
    json,
    token,
    hex: {
      'second-root-key': newRootKey,
      'second-slot-id': newSlotId,
      'lineage-key': lineageKey(rootKey),
      'second-lineage-key': lineageKey(newRootKey),
      'root-id': derive(lineageKey(rootKey), LABEL.rootId, storeId),
      'second-root-id': rootId,
      'wrap-lineage-key': derive(newRootKey, LABEL.lineageWrap, storeId),
      lineage: fromBase64url(toBase64url(next.lineage?.sealed ?? new Uint8Array())) as Uint8Array,
      'own-sum-envelope': sealed.value,
      'own-sum-element': encodeSetHash(element),
      'token-state': state,
      'token-mac': mac,
    },
  }
}
