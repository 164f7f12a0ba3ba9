import { mapKey } from '../../base/bytes'
import type { Keyring } from '../../crypto/keyring'
import { corrupt } from '../../errors'
import { decodeEnvelope } from '../../format/envelope'
import type { Head } from '../../format/head'
import type { KnownRecord, StoredRecord } from '../../format/record'
import type { Payload, SecretChange, SecretRecord } from '../../model'
import type { Change } from '../engine'
import { sealHead } from '../head'
import { payloadRow } from '../keyspace'
import type { Known } from '../known/known-records'
import { openKnown, openPayload, openRecord, type SealedRecord, sealRecord } from '../records'
import type { Replacement } from '../replacement'
import { nextHead, replacementChanges } from './changes'

/** What a write does: pure, on the rows it names, at its turn in the order of writes. */
export interface Operation<T> {
  /** Keys of rows that it looks into; they are read before its turn. */
  readonly rows: readonly Uint8Array[]
  /** Keys of records whose payloads it does not look at; they are read only if they are not known. */
  readonly records: readonly Uint8Array[]
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

/** What is committed of the rows that a group names, by their `mapKey`. */
export interface Committed {
  readonly values: ReadonlyMap<string, Uint8Array | undefined>
  readonly known: ReadonlyMap<string, Known>
}

/** A committed record; its summand in the set hash is worked out when it is replaced. */
interface CommittedRecord {
  readonly rowKey: Uint8Array
  readonly record: KnownRecord
  element(): bigint
}

/** The state a group of operations sees: what is committed, and over it what those before it in the group have done. */
export class Transaction {
  readonly #keyring: Keyring
  readonly #rows: Committed
  readonly #committed = new Map<string, CommittedRecord | undefined>()
  readonly #entries = new Map<string, Entry>()
  /** What the running operation has overwritten, to be put back if it throws. */
  #undo: (() => void)[] = []
  readonly #told: SecretChange[] = []
  /** The revision of everything that is put. */
  readonly sequence: number

  constructor(keyring: Keyring, sequence: number, rows: Committed) {
    this.#keyring = keyring
    this.#rows = rows
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
    const record = this.#storedRecord(committed)
    const value = 'tag' in record.payload ? this.#fetch(payloadRow(rowKey)) : undefined
    return openPayload(this.#keyring, rowKey, record, value)
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
    const value = this.#fetch(rowKey)
    if (value === undefined || decodeEnvelope(value).keyId === this.#keyring.activeKeyId) return false
    const committed = this.#committedRecord(rowKey) as CommittedRecord
    const payload = this.payload(rowKey) as Payload
    const { id, address, created, expires_at } = committed.record
    this.put(rowKey, { id, address, created, expires_at }, payload)
    return true
  }

  /** Deletes what is there, if anything is, and tells of it. */
  delete(rowKey: Uint8Array, type: 'delete' | 'expire'): void {
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

  /** The keys of the records that change. */
  get changed(): readonly string[] {
    const keys: string[] = []
    for (const [key, { draft }] of this.#entries) {
      if (draft !== undefined || this.#committed.get(key) !== undefined) keys.push(key)
    }
    return keys
  }

  /** Seals what was put, one record after the other. */
  *sealed(): Generator<{ readonly previous: CommittedRecord | undefined; readonly next: SealedRecord | undefined }> {
    for (const [key, { rowKey, draft }] of this.#entries) {
      const previous = this.#committed.get(key)
      const next = draft && sealRecord(this.#keyring, rowKey, draft.record, draft.payload)
      if (previous !== undefined || next !== undefined) yield { previous, next }
    }
  }

  #set(rowKey: Uint8Array, draft: Draft | undefined): void {
    const key = mapKey(rowKey)
    const before = this.#entries.get(key)
    this.#undo.push(() => (before === undefined ? this.#entries.delete(key) : this.#entries.set(key, before)))
    this.#entries.set(key, { rowKey, draft })
  }

  #committedRecord(rowKey: Uint8Array): CommittedRecord | undefined {
    const key = mapKey(rowKey)
    if (!this.#committed.has(key)) this.#committed.set(key, this.#readCommitted(key, rowKey))
    return this.#committed.get(key)
  }

  #readCommitted(key: string, rowKey: Uint8Array): CommittedRecord | undefined {
    const known = this.#rows.known.get(key)
    if (known?.element !== undefined) {
      const { record, element } = known
      return { rowKey, record, element: () => element }
    }
    const value = this.#fetch(rowKey)
    if (value === undefined) return undefined
    const record = openKnown(this.#keyring, rowKey, value)
    return { rowKey, record, element: () => this.#keyring.elementHash(rowKey, value) }
  }

  /** With its payload, or where that is; of what is only known the row is opened. */
  #storedRecord({ rowKey, record }: CommittedRecord): StoredRecord {
    if ('tag' in record.payload) return record as StoredRecord
    const value = this.#fetch(rowKey)
    if (value === undefined) throw corrupt('record: expected its row, got none')
    return openRecord(this.#keyring, rowKey, value)
  }

  #fetch(rowKey: Uint8Array): Uint8Array | undefined {
    const key = mapKey(rowKey)
    if (!this.#rows.values.has(key)) throw corrupt('operation: expected to look at the rows it named, got another')
    return this.#rows.values.get(key)
  }
}

/** One atomic write, and the head it leads to. */
export interface CommitPlan {
  /** The keys of the records that change. */
  readonly keys: readonly string[]
  /** Made as they are taken, so that no more than one record is held sealed at a time. To be taken once. */
  readonly changes: Iterable<Change>
  /** What it comes to, when all changes were taken. */
  outcome(): CommitOutcome
}

export interface CommitOutcome {
  readonly head: Head
  readonly headValue: Uint8Array
  readonly replacements: readonly Replacement[]
}

/** @returns `undefined` if nothing changes. */
export function planCommit(keyring: Keyring, head: Head, transaction: Transaction): CommitPlan | undefined {
  const keys = transaction.changed
  if (keys.length === 0) return undefined
  const replacements: Replacement[] = []
  return plan(keys, function* () {
    for (const { previous, next } of transaction.sealed()) {
      yield* replacementChanges(previous, next)
      replacements.push({
        previous: previous && { rowKey: previous.rowKey, record: previous.record, element: previous.element() },
        next: next && {
          rowKey: next.rowKey,
          record: next.record,
          element: keyring.elementHash(next.rowKey, next.value),
        },
      })
    }
    return yield* headChange(keyring, nextHead(head, replacements), replacements)
  })
}

/** A commit that leads to `head` and changes no record. */
export function planHead(keyring: Keyring, head: Head): CommitPlan {
  return plan([], () => headChange(keyring, head, []))
}

function* headChange(
  keyring: Keyring,
  head: Head,
  replacements: readonly Replacement[],
): Generator<Change, CommitOutcome> {
  const row = sealHead(keyring, head)
  yield { type: 'put', ...row }
  return { head, headValue: row.value, replacements }
}

function plan(keys: readonly string[], make: () => Generator<Change, CommitOutcome>): CommitPlan {
  let made: CommitOutcome | undefined
  function* changes(): Generator<Change, void> {
    made = yield* make()
  }
  return {
    keys,
    changes: changes(),
    outcome() {
      if (made === undefined) throw new Error('commit: expected the engine to take all its changes, got fewer taken')
      return made
    },
  }
}
