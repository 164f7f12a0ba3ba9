import { concat, fromMapKey, mapKey, successor, utf8Name } from '../base/bytes'
import { PLAIN_KEY, ROW } from '../format/constants'
import type { NameMode } from '../format/keyring-file'
import type { Address, Partition, Scope } from '../model'

/** A part of the keyspace: from `gte` to below `lt`. */
export interface Span {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
}

/** The key of a row in both its forms; the one that it was not made of is worked out when it is first asked for. */
export class RowKey {
  #bytes: Uint8Array | undefined
  #text: string | undefined

  private constructor(bytes: Uint8Array | undefined, text: string | undefined) {
    this.#bytes = bytes
    this.#text = text
  }

  static of(bytes: Uint8Array): RowKey {
    return new RowKey(bytes, undefined)
  }

  /** The inverse of `text`. */
  static ofText(text: string): RowKey {
    return new RowKey(undefined, text)
  }

  /** As the engine has it. */
  get bytes(): Uint8Array {
    this.#bytes ??= fromMapKey(this.#text as string)
    return this.#bytes
  }

  /** One character a byte, in the same order: for maps and sorted sequences. */
  get text(): string {
    this.#text ??= mapKey(this.#bytes as Uint8Array)
    return this.#text
  }
}

/** Address → row key (docs/format.md §4): injective, the rows of a scope contiguous. The inverse is in keyspace-inverse.ts. */
export interface Keyspace {
  record(address: Address): RowKey
  /** The common beginning of all record rows of a scope; no other row starts with it. */
  scope(partition: Partition, scope: Scope): Uint8Array
}

/** The keyspace of a store, by the way its keyring says that names are written. */
export function keyspace(keyring: {
  readonly names: NameMode
  /** A keyed hash, 32 bytes; used by sealed names alone. */
  nameHash(composite: Uint8Array): Uint8Array
}): Keyspace {
  return keyring.names === 'plain' ? plainKeyspace : sealedKeyspace((composite) => keyring.nameHash(composite))
}

const RECORD: string = String.fromCharCode(ROW.record)
const ID: string = String.fromCharCode(ROW.id)
const { test: TEST, live: LIVE, account: ACCOUNT, user: USER } = PLAIN_KEY

/** `r`, the partition, `|`, the scope, `|`, the name: in order of the name's UTF-8 bytes. */
const plainKeyspace: Keyspace = {
  record: (address) => RowKey.of(plainRow(address)),
  scope: (partition, scope) => utf8Name(RECORD + composite(partition, scope)),
}

function plainRow({ partition, scope, name }: Address): Uint8Array {
  return utf8Name(RECORD + composite(partition, scope) + name)
}

/** The same composite of keyed hashes: 32 bytes for the scope, 32 for scope and name. */
function sealedKeyspace(nameHash: (composite: Uint8Array) => Uint8Array): Keyspace {
  return {
    record: (address) => RowKey.of(concat(sealedScope(address.partition, address.scope), nameHash(plainRow(address)))),
    scope: sealedScope,
  }
  function sealedScope(partition: Partition, scope: Scope): Uint8Array {
    return concat(Uint8Array.of(ROW.record), nameHash(plainKeyspace.scope(partition, scope)))
  }
}

/** Ends in the second of its two bars; since no part of it can contain one, nothing that follows can blur it. */
function composite({ account, livemode }: Partition, scope: Scope): string {
  const mode = livemode ? LIVE : TEST
  const who = scope.type === 'account' ? ACCOUNT : USER + escapeBars(scope.user)
  return `${mode}${account === undefined ? '' : escapeBars(account)}|${who}|`
}

function escapeBars(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('|', '%7C')
}

/** All record rows, and no others. */
export const RECORD_ROWS: Span = prefixRange(Uint8Array.of(ROW.record))

/** The lowest key and the highest. A compaction puts them and deletes them again; they carry nothing (docs/format.md §4). */
export const ERASURE_ROWS: readonly [Uint8Array, Uint8Array] = [Uint8Array.of(0), new Uint8Array(64).fill(0xff)]

export const HEAD_ROW: Uint8Array = Uint8Array.of(ROW.head)

/** The row of a payload too large for its record's row. */
export function payloadRow(recordRow: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(ROW.payload), recordRow.subarray(1))
}

/** Leads from an id to its record's row. A hint. */
export function idRow(id: string): Uint8Array {
  return utf8Name(ID + id)
}

/** Leads from a time to the row of a record that expires then. A hint; in order of time. */
export function expiryRow(expiresAt: number, id: string): Uint8Array {
  return concat(expiryPrefix(expiresAt), utf8Name(id))
}

/** Below the expiry rows of all later times: 8 bytes big-endian after the row's kind. */
export function expiryPrefix(expiresAt: number): Uint8Array {
  const bytes = new Uint8Array(9)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, ROW.expiry)
  view.setBigUint64(1, BigInt(expiresAt))
  return bytes
}

/** Every key that starts with `prefix`. */
export function prefixRange(prefix: Uint8Array): Span {
  return { gte: prefix, lt: successor(prefix) }
}
