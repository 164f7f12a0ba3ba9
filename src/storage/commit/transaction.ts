import { equal } from '../../base/bytes'
import type { Keyring } from '../../crypto/keyring'
import { corrupt } from '../../errors'
import type { Head } from '../../format/head'
import type { KnownRecord, StoredRecord } from '../../format/record'
import type { Payload, SecretChange, SecretRecord } from '../../model'
import { addTo, type Batch } from '../engine'
import { nextHead, sealHead } from '../head'
import type { RowKey } from '../keyspace'
import type { Replacement, WrittenRecord } from '../records'
import { openKnown, openPayload, openRecord, replacementChanges, type SealedRecord, sealRecord } from '../records'
import { type Committed, rowValue } from './committed'

/**
 * A write: pure, on the records that it names, at its turn in the order of writes. It may be applied again, where another
 * writer has put a newer head in between, and then counts as if it had not been applied before.
 */
export interface Operation<T> {
  /** All records that it looks at or changes; a row is read only if its record is not known. */
  readonly records: readonly RowKey[]
  /** Those of them whose payloads it looks at; their rows are read in any case. */
  readonly payloads: readonly RowKey[]
  /** Roughly how much it adds to a commit. */
  readonly sizeBytes: number
  /** If it throws, it alone is rejected, and nothing of it is written. */
  apply(transaction: Transaction): T
}

/** A record that is to be written; its revision is the commit's. */
interface Draft {
  readonly record: SecretRecord
  readonly payload: Payload
}

/** A committed record; its summand in the set hash is worked out when it is replaced. */
interface CommittedRecord {
  readonly record: KnownRecord
  element(): bigint
}

interface Write {
  readonly rowKey: RowKey
  /** `undefined` deletes. */
  readonly draft: Draft | undefined
}

/** A record as it was read and opened before the turn of an operation. */
export interface SeenRecord {
  readonly rowKey: RowKey
  readonly value: Uint8Array
  readonly record: StoredRecord
}

/** The state a group of operations sees: the committed one, and over it what those before it in the group have done. */
export class Transaction {
  readonly #keyring: Keyring
  readonly #committed: Committed
  /** Committed records that were looked at. */
  readonly #records = new Map<string, CommittedRecord | undefined>()
  readonly #writes = new Map<string, Write>()
  /** What the running operation has overwritten, to be put back if it throws. */
  #undo: (() => void)[] = []
  readonly #told: SecretChange[] = []
  /** The revision of everything that is put. */
  readonly sequence: number

  constructor(keyring: Keyring, sequence: number, committed: Committed) {
    this.#keyring = keyring
    this.#committed = committed
    this.sequence = sequence
  }

  /** @throws {SecretStoreError} `ERR_CORRUPT` if the committed record cannot be read. */
  record(rowKey: RowKey): SecretRecord | undefined {
    const write = this.#writes.get(rowKey.text)
    return write === undefined ? this.#committedRecord(rowKey)?.record : write.draft?.record
  }

  /** @throws {SecretStoreError} `ERR_CORRUPT`. */
  payload(rowKey: RowKey): Payload | undefined {
    const write = this.#writes.get(rowKey.text)
    if (write !== undefined) return write.draft?.payload
    const committed = this.#committedRecord(rowKey)
    return committed && this.#openPayload(rowKey, this.#stored(rowKey, committed.record))
  }

  put(rowKey: RowKey, record: Omit<SecretRecord, 'revision'>, payload: Payload): SecretRecord {
    this.#committedRecord(rowKey)
    const revised = { ...record, revision: this.sequence }
    this.#set(rowKey, { record: revised, payload })
    return revised
  }

  /**
   * Seals a record once more, if it is still the one that was seen. A record that was written since is under the key that
   * seals now, and so is one that this group writes.
   *
   * @returns Whether it was sealed.
   * @throws {SecretStoreError} `ERR_CORRUPT`.
   */
  reseal(seen: SeenRecord): boolean {
    const { rowKey, value, record } = seen
    if (this.#writes.has(rowKey.text) || !this.#isStill(seen)) return false
    const payload = this.#openPayload(rowKey, record)
    const element = this.#committed.known.get(rowKey.text)?.element
    // What was seen is opened already.
    this.#records.set(rowKey.text, { record, element: () => element ?? this.#keyring.elementHash(rowKey.bytes, value) })
    const { id, address, created, expires_at } = record
    this.put(rowKey, { id, address, created, expires_at }, payload)
    return true
  }

  /** Deletes the record, if there is one, and tells of it. */
  delete(rowKey: RowKey, type: 'delete' | 'expire'): void {
    const record = this.record(rowKey)
    if (record === undefined) return
    this.tell(type, record)
    this.#set(rowKey, undefined)
  }

  /** What listeners are to hear of when all of this is durable. Sealing anew is nothing to tell of. */
  tell(type: SecretChange['type'], record: SecretChange['record']): void {
    this.#told.push({ type, record })
  }

  /** In the order in which it happened. */
  get told(): readonly SecretChange[] {
    return this.#told
  }

  /** Runs one operation: all of it, or, if it throws, nothing. */
  attempt<T>(operation: Operation<T>): T {
    this.#undo = []
    const told = this.#told.length
    try {
      return operation.apply(this)
    } catch (error) {
      this.#told.length = told
      for (const undo of this.#undo.reverse()) undo()
      throw error
    }
  }

  /** Whether anything is to be written. Where others listen, they are told with a commit. */
  get changes(): boolean {
    const isThere = (text: string): boolean => this.#records.get(text) !== undefined
    return this.#told.length > 0 || [...this.#writes].some(([text, { draft }]) => draft !== undefined || isThere(text))
  }

  /**
   * Seals what was put, one record after the other, and puts all changes into a batch, the head last.
   *
   * @param head - The one before it.
   */
  fill(batch: Batch, head: Head): Commit {
    const replacements: Replacement[] = []
    for (const [text, { rowKey, draft }] of this.#writes) {
      const committed = this.#records.get(text)
      const sealed = draft && sealRecord(this.#keyring, rowKey.bytes, draft.record, draft.payload)
      if (committed === undefined && sealed === undefined) continue
      addTo(batch, replacementChanges(rowKey.bytes, committed?.record, sealed))
      const previous = committed && { record: committed.record, element: committed.element() }
      replacements.push({ rowKey, previous, next: sealed && this.#written(rowKey, sealed) })
    }
    return { ...fillHead(batch, this.#keyring, nextHead(head, replacements), replacements), told: this.#told }
  }

  /** Each write gives what it puts a revision of its own. */
  #isStill({ rowKey, value, record }: SeenRecord): boolean {
    const known = this.#committed.known.get(rowKey.text)
    if (known !== undefined) return known.record.revision === record.revision
    const committed = rowValue(this.#committed.rows, rowKey)
    return committed !== undefined && equal(committed, value)
  }

  #written(rowKey: RowKey, { record, value }: SealedRecord): WrittenRecord {
    return { record, element: this.#keyring.elementHash(rowKey.bytes, value) }
  }

  #set(rowKey: RowKey, draft: Draft | undefined): void {
    const { text } = rowKey
    const before = this.#writes.get(text)
    this.#undo.push(() => (before === undefined ? this.#writes.delete(text) : this.#writes.set(text, before)))
    this.#writes.set(text, { rowKey, draft })
  }

  #committedRecord(rowKey: RowKey): CommittedRecord | undefined {
    const { text } = rowKey
    if (!this.#records.has(text)) this.#records.set(text, this.#openCommitted(rowKey))
    return this.#records.get(text)
  }

  #openCommitted(rowKey: RowKey): CommittedRecord | undefined {
    const known = this.#committed.known.get(rowKey.text)
    if (known?.element !== undefined) {
      const { record, element } = known
      return { record, element: () => element }
    }
    const value = rowValue(this.#committed.rows, rowKey)
    if (value === undefined) return undefined
    const record = openKnown(this.#keyring, rowKey.bytes, value)
    return { record, element: () => this.#keyring.elementHash(rowKey.bytes, value) }
  }

  /** With its payload, or where that is; of a record that is only known the row is opened. */
  #stored(rowKey: RowKey, record: KnownRecord): StoredRecord {
    if ('tag' in record.payload) return record as StoredRecord
    const value = rowValue(this.#committed.rows, rowKey)
    if (value === undefined) throw corrupt('record: expected its row, got none')
    return openRecord(this.#keyring, rowKey.bytes, value)
  }

  #openPayload(rowKey: RowKey, record: StoredRecord): Payload {
    const value = 'tag' in record.payload ? rowValue(this.#committed.payloadRows, rowKey) : undefined
    return openPayload(this.#keyring, rowKey.bytes, record, value)
  }
}

/** The outcome of a commit, once it is durable. */
export interface Commit {
  readonly head: Head
  readonly headValue: Uint8Array
  readonly replacements: readonly Replacement[]
  /** What listeners are to hear. */
  readonly told: readonly SecretChange[]
}

/** Puts a head into a batch. @returns The commit that the batch now is. */
export function fillHead(
  batch: Batch,
  keyring: Keyring,
  head: Head,
  replacements: readonly Replacement[] = [],
): Commit {
  const row = sealHead(keyring, head)
  batch.put(row.key, row.value)
  return { head, headValue: row.value, replacements, told: [] }
}
