import { compare, concat, mapKey } from '../bytes'
import type { StoreContext } from '../context'
import { addElement, removeElement } from '../crypto/set-hash'
import { corrupt } from '../errors'
import type { BackupEntry } from '../format/backup'
import { ROW } from '../format/constants'
import type { Row } from '../storage/engine'
import { payloadRow, prefixRange } from '../storage/keyspace'
import { getNow, openPayload, openRecord } from '../storage/records'

/** Bounds how long writers wait for one step. */
const STEP_ROWS = 64
const STEP_BYTES: number = 1024 * 1024

/**
 * Copies a store at work. It walks over the records in steps, between which writes go on; what changes behind it is
 * copied again, the last of it in one step with the head. No snapshot of LevelDB is held, which would
 * keep what is deleted meanwhile on disk.
 *
 * It keeps count, and the set hash, of what it has copied, as the head does for all records. In the end the two must
 * agree: then every record is there, in its last version, and each was opened.
 */
export class StoreCopy {
  readonly #context: StoreContext
  readonly #emit: (entries: readonly BackupEntry[]) => Promise<void>
  /** All rows below it have been copied. */
  #position: Uint8Array
  /** Rows below the position that are no longer as they were copied. */
  readonly #changed = new Map<string, Uint8Array>()
  #count = 0
  #setHash = 0n

  /** @param emit - Takes the entries of one step. */
  constructor(context: StoreContext, emit: (entries: readonly BackupEntry[]) => Promise<void>) {
    this.#context = context
    this.#emit = emit
    this.#position = prefixRange(Uint8Array.of(ROW.record)).gte
  }

  get count(): number {
    return this.#count
  }

  /** @throws {SecretStoreError} `ERR_CORRUPT` if a record is damaged or missing, `ERR_CLOSED`. */
  async run(onStep: () => void): Promise<void> {
    const { queue, keyring } = this.#context
    const stop = queue.listen((replacements) => {
      for (const { previous, next } of replacements) {
        const rowKey = (previous ?? next)?.rowKey
        if (rowKey === undefined || compare(rowKey, this.#position) >= 0) continue
        this.#changed.set(mapKey(rowKey), rowKey)
        if (previous !== undefined) this.#subtract(keyring.elementHash(rowKey, previous.value))
        if (next !== undefined) this.#add(keyring.elementHash(rowKey, next.value))
      }
    })
    try {
      while (await this.#walk()) onStep()
      for (let round = 0, complete = false; !complete; round++) {
        for (let left = this.#changed.size; left >= 0 && !complete; left -= STEP_ROWS) {
          const step = await queue.exclusive(() => this.#catchUp(2 ** round))
          complete = step.complete
          await this.#emit(step.entries)
          onStep()
        }
      }
    } finally {
      stop()
    }
  }

  /** @returns Whether there is more. */
  async #walk(): Promise<boolean> {
    const { lt } = prefixRange(Uint8Array.of(ROW.record))
    const entries = await this.#context.queue.exclusive(async () => {
      const rows = await this.#context.engine.scan({ gte: this.#position, lt, limit: STEP_ROWS })
      const step: BackupEntry[] = []
      let bytes = 0
      for (const row of rows) {
        const entry = await this.#putEntry(row)
        step.push(entry)
        this.#add(this.#context.keyring.elementHash(row.key, row.value))
        this.#position = concat(row.key, Uint8Array.of(0))
        bytes += entry.value.length + entry.payloadValue.length
        if (bytes >= STEP_BYTES) break
      }
      if (rows.length === 0) this.#position = lt
      return step
    })
    await this.#emit(entries)
    return entries.length > 0
  }

  /**
   * The state of rows that have changed; and, if no others have, the head. Whoever takes these may be slow, so they are
   * taken after the turn, and the writers need not wait for that. Should they be faster than the copy all the same, each
   * round takes twice as much.
   */
  async #catchUp(factor: number): Promise<{ readonly entries: readonly BackupEntry[]; readonly complete: boolean }> {
    const entries: BackupEntry[] = []
    let bytes = 0
    for (const [key, rowKey] of this.#changed) {
      if (entries.length >= STEP_ROWS * factor || bytes >= STEP_BYTES * factor) return { entries, complete: false }
      this.#changed.delete(key)
      const value = await getNow(this.#context.engine, rowKey)
      const entry =
        value === undefined ? ({ type: 'delete', rowKey } as const) : await this.#putEntry({ key: rowKey, value })
      entries.push(entry)
      if (entry.type === 'put') bytes += entry.value.length + entry.payloadValue.length
    }
    this.#checkComplete()
    entries.push({ type: 'head', value: this.#context.queue.headValue })
    return { entries, complete: true }
  }

  async #putEntry({ key: rowKey, value }: Row): Promise<BackupEntry & { readonly type: 'put' }> {
    const { keyring, engine } = this.#context
    const record = openRecord(keyring, rowKey, value)
    if (!('tag' in record.payload)) return { type: 'put', rowKey, value, payloadValue: new Uint8Array() }
    const payloadValue = await getNow(engine, payloadRow(rowKey))
    openPayload(keyring, rowKey, record, payloadValue)
    return { type: 'put', rowKey, value, payloadValue: payloadValue as Uint8Array }
  }

  #checkComplete(): void {
    const { count, setHash } = this.#context.queue.head
    if (this.#count === count && this.#setHash === setHash) return
    throw corrupt(`backup: expected the ${count} records of the head, got ${this.#count}, or older ones (see verify)`)
  }

  #add(element: bigint): void {
    this.#count++
    this.#setHash = addElement(this.#setHash, element)
  }

  #subtract(element: bigint): void {
    this.#count--
    this.#setHash = removeElement(this.#setHash, element)
  }
}
