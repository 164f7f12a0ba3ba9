import { fromBase64url, fromUtf8, toBase64url, utf8 } from '../../base/bytes'
import { corrupt } from '../../errors'
import type { KnownRecord } from '../../format/record'
import type { SecretChange } from '../../model'
import { RowKey } from '../keyspace'
import type { Replacement, WrittenRecord } from '../records'

/**
 * What a commit did, for the other processes that share the store: what stood in the rows before and after it, without
 * payloads, and what listeners are to hear. It travels in sealed frames and is kept nowhere.
 */
export interface CommitNote {
  readonly replacements: readonly Replacement[]
  readonly told: readonly SecretChange[]
}

interface NotedRecord {
  readonly record: Omit<KnownRecord, 'payload'>
  readonly payload: { readonly type: string; readonly lengthBytes?: number; readonly tag?: string }
  readonly element: string
}

interface Noted {
  readonly rows: readonly (readonly [rowKey: string, previous: NotedRecord | null, next: NotedRecord | null])[]
  readonly told: readonly SecretChange[]
}

export function encodeNote({ replacements, told }: CommitNote): Uint8Array {
  const rows = replacements.map(
    ({ rowKey, previous, next }) => [toBase64url(rowKey.bytes), noted(previous), noted(next)] as const,
  )
  const changes = told.map(({ type, record: { id, address } }): SecretChange => ({ type, record: { id, address } }))
  return utf8(JSON.stringify({ rows, told: changes } satisfies Noted))
}

/** @throws {SecretStoreError} `ERR_CORRUPT`. */
export function decodeNote(bytes: Uint8Array): CommitNote {
  try {
    const { rows, told } = JSON.parse(fromUtf8(bytes)) as Noted
    const replacements = rows.map(([key, previous, next]): Replacement => {
      return { rowKey: RowKey.of(bytesOf(key)), previous: written(previous), next: written(next) }
    })
    return {
      replacements,
      told: told.map(({ type, record: { id, address } }) => ({ type, record: { id, address: addressOf(address) } })),
    }
  } catch (cause) {
    throw corrupt('channel: expected what a commit did, got other bytes', cause)
  }
}

function noted(written: WrittenRecord | undefined): NotedRecord | null {
  if (written === undefined) return null
  const { payload, ...record } = written.record
  const { type } = payload
  const element = written.element.toString(16)
  if (!('tag' in payload)) return { record, payload: { type }, element }
  return { record, payload: { type, lengthBytes: payload.lengthBytes, tag: toBase64url(payload.tag) }, element }
}

function written(noted: NotedRecord | null): WrittenRecord | undefined {
  if (noted === null) return undefined
  const { record, payload, element } = noted
  const tag = payload.tag === undefined ? {} : { lengthBytes: payload.lengthBytes, tag: bytesOf(payload.tag) }
  const known = {
    ...record,
    address: addressOf(record.address),
    payload: { type: payload.type, ...tag },
  } as KnownRecord
  return { record: known, element: BigInt(`0x${element}`) }
}

/** JSON leaves out what is `undefined`. */
function addressOf({ partition, scope, name }: SecretChange['record']['address']): SecretChange['record']['address'] {
  return { partition: { account: partition.account, livemode: partition.livemode }, scope, name }
}

function bytesOf(text: string): Uint8Array {
  const bytes = fromBase64url(text)
  if (bytes === undefined) throw new RangeError('bytes: expected base64url, got something else')
  return bytes
}
