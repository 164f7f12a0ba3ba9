import type { StoreContext } from '../../context'
import { corrupt } from '../../errors'
import type { BackupEntry } from '../../format/backup'
import type { Row } from '../../storage/engine'
import { payloadRow, type RowKey } from '../../storage/keyspace'
import { openPayload, openRecord } from '../../storage/records'
import { RecordTally } from '../../storage/tally'

/** Bounds how long writers wait for one step, and what is held in memory. */
const STEP_ROWS = 64
const STEP_BYTES: number = 1024 * 1024
/** A step of the rounds that follow may become this many times as large. */
const MOST_FACTOR = 16
/** If writers are faster than the copy for so long, they are made to wait for it. */
const MOST_ROUNDS = 16

interface Step {
  readonly entries: readonly BackupEntry[]
  /** Nothing has changed that is not copied, and the head is the last of the entries. */
  readonly complete: boolean
}

/**
 * Copies a store at work. It walks over the records in steps, between which writes go on. What changes after it was
 * passed is copied again, the last of it in one step with the head. A snapshot of LevelDB would keep deleted bytes on
 * disk. In the end the tally of the copy must be the head's: every record is there, in its last version, and opens.
 */
export class StoreCopy {
  readonly #context: StoreContext
  readonly #emit: (entries: readonly BackupEntry[]) => Promise<void>
  readonly #tally: RecordTally
  /** Rows that have changed since they were copied. */
  readonly #changed = new Map<string, RowKey>()

  /** @param emit - Takes the entries of one step. */
  constructor(context: StoreContext, emit: (entries: readonly BackupEntry[]) => Promise<void>) {
    this.#context = context
    this.#emit = emit
    this.#tally = new RecordTally(context, ({ rowKey }) => this.#changed.set(rowKey.text, rowKey))
  }

  get count(): number {
    return this.#tally.count
  }

  /** @throws {SecretStoreError} `ERR_CORRUPT` if a record is damaged or missing, `ERR_CLOSED`. */
  async run(onStep: () => void): Promise<void> {
    try {
      while (await this.#walk()) onStep()
      for (let round = 0; round < MOST_ROUNDS; round++) {
        for (let left = this.#changed.size; left >= 0; left -= STEP_ROWS) {
          const { entries, complete } = await this.#turn(() => this.#catchUp(Math.min(2 ** round, MOST_FACTOR)))
          // Whoever takes these may be slow; after the turn, the writers need not wait for that.
          await this.#emit(entries)
          onStep()
          if (complete) return
        }
      }
      await this.#turn(async () => {
        for (let complete = false; !complete; ) {
          const step = await this.#catchUp(1)
          await this.#emit(step.entries)
          complete = step.complete
        }
      })
    } finally {
      this.#tally.stop()
    }
  }

  #turn<T>(work: () => Promise<T>): Promise<T> {
    return this.#context.queue.exclusive(work)
  }

  /** @returns Whether there is more. */
  async #walk(): Promise<boolean> {
    const entries: BackupEntry[] = []
    const more = await this.#turn(() =>
      this.#tally.step({ rows: STEP_ROWS, bytes: STEP_BYTES }, async (row) => {
        const entry = await this.#putEntry(row)
        entries.push(entry)
        return entry.payloadValue.length
      }),
    )
    await this.#emit(entries)
    return more
  }

  /** The state of rows that have changed; and, if no others have, the head. */
  async #catchUp(factor: number): Promise<Step> {
    const entries: BackupEntry[] = []
    let bytes = 0
    for (const [text, rowKey] of this.#changed) {
      if (entries.length >= STEP_ROWS * factor || bytes >= STEP_BYTES * factor) return { entries, complete: false }
      this.#changed.delete(text)
      const { bytes: key } = rowKey
      const value = await this.#context.engine.get(key)
      const entry =
        value === undefined ? ({ type: 'delete', rowKey: key } as const) : await this.#putEntry({ key, value })
      entries.push(entry)
      if (entry.type === 'put') bytes += entry.value.length + entry.payloadValue.length
    }
    if (!this.#tally.isComplete()) {
      const { count } = this.#context.queue.head
      throw corrupt(`backup: expected the ${count} records of the head, got ${this.count}, or older ones (see verify)`)
    }
    entries.push({ type: 'head', value: this.#context.queue.headValue })
    return { entries, complete: true }
  }

  async #putEntry({ key: rowKey, value }: Row): Promise<BackupEntry & { readonly type: 'put' }> {
    const { keyring, engine } = this.#context
    const record = openRecord(keyring, rowKey, value)
    if (!('tag' in record.payload)) return { type: 'put', rowKey, value, payloadValue: new Uint8Array() }
    const payloadValue = await engine.get(payloadRow(rowKey))
    openPayload(keyring, rowKey, record, payloadValue)
    return { type: 'put', rowKey, value, payloadValue: payloadValue as Uint8Array }
  }
}
