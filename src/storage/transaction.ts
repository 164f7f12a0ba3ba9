import { mapKey } from '../bytes'
import type { Keyring } from '../crypto/keyring'
import { corrupt } from '../errors'
import { decodeEnvelope } from '../format/envelope'
import { encodeHead, type Head } from '../format/head'
import type { Payload, SecretRecord } from '../model'
import { nextHead, type Replacement, replacementChanges } from './changes'
import type { Change } from './engine'
import { HEAD_ROW, payloadRow } from './keyspace'
import { openPayload, openRecord, type SealedRecord, sealRecord } from './records'

/** What a write does: pure, on the rows it names, at its turn in the order of writes. */
export interface Operation<T> {
  /** Row keys it looks at; they are read before its turn. */
  readonly rows: readonly Uint8Array[]
  /** Roughly what it adds to a commit. */
  readonly sizeBytes: number
  /** If it throws, it alone is rejected, and nothing of it is written. */
  apply(transaction: Transaction): T
}

/** A record that is to be written; its revision is the commit's. */
export interface Draft {
  readonly record: SecretRecord
  readonly payload: Payload
}

type Entry = { readonly rowKey: Uint8Array; readonly draft: Draft | undefined }

/** The state a group of operations sees: what is committed, and over it what those before it in the group have done. */
export class Transaction {
  readonly #keyring: Keyring
  readonly #fetched: ReadonlyMap<string, Uint8Array | undefined>
  readonly #committed = new Map<string, SealedRecord | undefined>()
  readonly #entries = new Map<string, Entry>()
  /** What the running operation has overwritten, to be put back if it throws. */
  #undo: (() => void)[] = []
  /** The revision of everything that is put. */
  readonly sequence: number

  constructor(keyring: Keyring, sequence: number, fetched: ReadonlyMap<string, Uint8Array | undefined>) {
    this.#keyring = keyring
    this.#fetched = fetched
    this.sequence = sequence
  }

  /** @throws {SecretStoreError} `ERR_CORRUPT` if the committed record cannot be read. */
  record(rowKey: Uint8Array): SecretRecord | undefined {
    const entry = this.#entries.get(mapKey(rowKey))
    return entry === undefined ? this.#committedRecord(rowKey)?.record : entry.draft?.record
  }

  /** @throws {SecretStoreError} `ERR_CORRUPT`. */
  payload(rowKey: Uint8Array): Payload | undefined {
    const entry = this.#entries.get(mapKey(rowKey))
    if (entry !== undefined) return entry.draft?.payload
    const committed = this.#committedRecord(rowKey)
    if (committed === undefined) return undefined
    const value = 'tag' in committed.record.payload ? this.#fetch(payloadRow(rowKey)) : undefined
    return openPayload(this.#keyring, rowKey, committed.record, value)
  }

  put(rowKey: Uint8Array, record: Omit<SecretRecord, 'revision'>, payload: Payload): SecretRecord {
    this.#committedRecord(rowKey)
    const revised = { ...record, revision: this.sequence }
    this.#set(rowKey, { record: revised, payload })
    return revised
  }

  /**
   * Seals what is there once more, if that was done under a key that seals no longer.
   *
   * @returns Whether it was.
   * @throws {SecretStoreError} `ERR_CORRUPT`.
   */
  reseal(rowKey: Uint8Array): boolean {
    if (this.#entries.has(mapKey(rowKey))) return false // what a commit writes is sealed under the key of the day
    const committed = this.#committedRecord(rowKey)
    if (committed === undefined || decodeEnvelope(committed.value).keyId === this.#keyring.activeKeyId) return false
    const payload = this.payload(rowKey) as Payload
    const { id, address, created, expires_at } = committed.record
    this.put(rowKey, { id, address, created, expires_at }, payload)
    return true
  }

  delete(rowKey: Uint8Array): void {
    this.#committedRecord(rowKey)
    this.#set(rowKey, undefined)
  }

  /** Runs one operation: all of it, or, if it throws, nothing. */
  attempt<T>(operation: Operation<T>): T {
    this.#undo = []
    try {
      return operation.apply(this)
    } catch (error) {
      for (const undo of this.#undo.reverse()) undo()
      throw error
    }
  }

  /** Every address that changes, with what was put sealed. */
  replacements(): Replacement[] {
    const all = [...this.#entries].map(([key, { rowKey, draft }]) => ({
      previous: this.#committed.get(key),
      next: draft === undefined ? undefined : sealRecord(this.#keyring, rowKey, draft.record, draft.payload),
    }))
    return all.filter(({ previous, next }) => previous !== undefined || next !== undefined)
  }

  #set(rowKey: Uint8Array, draft: Draft | undefined): void {
    const key = mapKey(rowKey)
    const before = this.#entries.get(key)
    this.#undo.push(() => (before === undefined ? this.#entries.delete(key) : this.#entries.set(key, before)))
    this.#entries.set(key, { rowKey, draft })
  }

  #committedRecord(rowKey: Uint8Array): SealedRecord | undefined {
    const key = mapKey(rowKey)
    if (!this.#committed.has(key)) {
      const value = this.#fetch(rowKey)
      const sealed = value && { rowKey, value, record: openRecord(this.#keyring, rowKey, value) }
      this.#committed.set(key, sealed)
    }
    return this.#committed.get(key)
  }

  #fetch(rowKey: Uint8Array): Uint8Array | undefined {
    const key = mapKey(rowKey)
    if (!this.#fetched.has(key)) throw corrupt('operation: expected to look at the rows it named, got another')
    return this.#fetched.get(key)
  }
}

/** A group of operations as one atomic write, and the head it leads to. */
export interface CommitPlan {
  readonly changes: readonly Change[]
  readonly head: Head
  readonly headValue: Uint8Array
  readonly replacements: readonly Replacement[]
}

/** @returns `undefined` if nothing changes. */
export function planCommit(keyring: Keyring, head: Head, transaction: Transaction): CommitPlan | undefined {
  const replacements = transaction.replacements()
  if (replacements.length === 0) return undefined
  const next = nextHead(head, replacements, ({ rowKey, value }) => keyring.elementHash(rowKey, value))
  return planHead(keyring, next, replacements)
}

/** A commit that leads to `head`. */
export function planHead(keyring: Keyring, head: Head, replacements: readonly Replacement[] = []): CommitPlan {
  const headValue = keyring.sealRow(HEAD_ROW, encodeHead(head))
  const changes = [
    ...replacements.flatMap(replacementChanges),
    { type: 'put', key: HEAD_ROW, value: headValue } as const,
  ]
  return { changes, head, headValue, replacements }
}
