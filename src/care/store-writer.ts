import type { Keyring } from '../crypto/keyring'
import { corrupt } from '../errors'
import type { BackupEntry } from '../format/backup'
import { ROW } from '../format/constants'
import type { Head } from '../format/head'
import type { Change, Engine } from '../storage/engine'
import { HEAD_ROW, RowKey } from '../storage/keyspace'
import { openPayload, openRecord, replacementChanges, type SealedRecord } from '../storage/records'
import { storeParts } from '../storage/store-parts'
import { writeAlone } from '../storage/write-alone'
import { verify } from './verify/verify'

const COMMIT_ROWS = 500
const COMMIT_BYTES: number = 4 * 1024 * 1024

/** Records → the rows of a new store, with their secondary rows, in bounded commits. */
export class StoreWriter {
  readonly #engine: Engine
  readonly #keyring: Keyring
  readonly #label: string
  #changes: Change[] = []
  readonly #touched = new Set<string>()
  #bytes = 0
  #count = 0
  /** Something was written that is not part of what it leads to. */
  #hasOverwritten = false

  /** @param label - What the records come from, for messages. */
  constructor(engine: Engine, keyring: Keyring, label: string) {
    this.#engine = engine
    this.#keyring = keyring
    this.#label = label
  }

  /** How many records there are by now. */
  get count(): number {
    return this.#count
  }

  /** @returns Whether that made a commit. */
  async take(entry: BackupEntry & { readonly type: 'put' | 'delete' }): Promise<boolean> {
    const { rowKey } = entry
    if (rowKey[0] !== ROW.record) throw corrupt(`${this.#label}: expected the keys of records, got another`)
    const key = RowKey.of(rowKey).text
    // What a commit is planned on must be there already.
    const full = this.#touched.has(key) || this.#touched.size >= COMMIT_ROWS || this.#bytes >= COMMIT_BYTES
    if (full) await this.#commit()
    const value = await this.#engine.get(rowKey)
    const previous = value && this.#sealed(rowKey, value, undefined)
    const next = entry.type === 'put' ? this.#sealed(rowKey, entry.value, entry.payloadValue) : undefined
    this.#changes.push(...replacementChanges(rowKey, previous?.record, next))
    this.#touched.add(key)
    if (previous !== undefined) this.#hasOverwritten = true
    if (entry.type === 'put') this.#bytes += entry.value.length + entry.payloadValue.length
    this.#count += (next === undefined ? 0 : 1) - (previous === undefined ? 0 : 1)
    return full
  }

  /** Writes the head, and holds everything against it. @throws {SecretStoreError} `ERR_CORRUPT`. */
  async finish(head: Head, headValue: Uint8Array): Promise<void> {
    this.#changes.push({ type: 'put', key: HEAD_ROW, value: headValue })
    await this.#commit()
    const { problems } = await verify(storeParts(this.#engine, this.#keyring, { head, headValue }))
    const [first] = problems
    if (first !== undefined) throw corrupt(`${this.#label}: expected a whole store, got one in which ${first.message}`)
    if (this.#hasOverwritten) await this.#engine.erase()
  }

  async #commit(): Promise<void> {
    await writeAlone(this.#engine, this.#changes)
    this.#changes = []
    this.#touched.clear()
    this.#bytes = 0
  }

  /** @param payloadValue - Of a record that is new here: it is opened, too. */
  #sealed(rowKey: Uint8Array, value: Uint8Array, payloadValue: Uint8Array | undefined): SealedRecord {
    const record = openRecord(this.#keyring, rowKey, value)
    if (payloadValue === undefined) return { record, value }
    if (!('tag' in record.payload)) {
      if (payloadValue.length === 0) return { record, value }
      throw corrupt(`${this.#label}: expected no payload row for a record without, got one`)
    }
    openPayload(this.#keyring, rowKey, record, payloadValue)
    return { record, value, payloadValue }
  }
}
