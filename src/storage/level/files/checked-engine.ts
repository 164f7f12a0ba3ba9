import type { BatchLimits } from '../../batch-limits'
import type { Batch, Engine, Range, Row } from '../../engine'
import type { TableChecks } from './table-checks'

/** LevelDB compacts a table, and reads all of it, after a hundred reads that it was no help to, or 4 MiB of writes. */
const MOST_READS = 64
const MOST_WRITTEN_BYTES: number = 512 * 1024
/** What LevelDB keeps beside a row. */
const ROW_BYTES = 64
const COMPLETION_DELAY_MS = 1000

/**
 * An engine over files that are too long to look at before they are opened: it has each block looked at before LevelDB
 * reads it, and all of them before LevelDB may come to read what nobody asked for.
 */
export class CheckedEngine implements Engine {
  readonly #engine: Engine
  readonly #checks: TableChecks
  readonly #timer: NodeJS.Timeout
  #reads = 0
  #writtenBytes = 0

  constructor(engine: Engine, checks: TableChecks) {
    this.#engine = engine
    this.#checks = checks
    this.#timer = setTimeout(() => void checks.complete().catch(() => {}), COMPLETION_DELAY_MS)
    this.#timer.unref()
  }

  get limits(): BatchLimits {
    return this.#engine.limits
  }

  canReadSync(): boolean {
    return this.#engine.canReadSync()
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    if (!this.#checks.isComplete) {
      if (this.#isReadMuch(1)) this.#checks.completeSync()
      else this.#checks.checkRow(key)
    }
    return this.#engine.getSync(key)
  }

  get(key: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    if (this.#checks.isComplete) return this.#engine.get(key)
    return this.#checkRows([key]).then(() => this.#engine.get(key))
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    await this.#checkRows(keys)
    return this.#engine.getMany(keys)
  }

  async scan(range: Range): Promise<readonly Row[]> {
    await this.#completed()
    return this.#engine.scan(range)
  }

  async scanKeys(range: Range): Promise<readonly Uint8Array[]> {
    await this.#completed()
    return this.#engine.scanKeys(range)
  }

  batch(): Batch {
    const batch = this.#engine.batch()
    if (this.#checks.isComplete) return batch
    return {
      put: (key, value) => {
        this.#writtenBytes += key.length + value.length + ROW_BYTES
        batch.put(key, value)
      },
      del: (key) => {
        this.#writtenBytes += key.length + ROW_BYTES
        batch.del(key)
      },
      keyring: (bytes) => batch.keyring(bytes),
      describe: (note) => batch.describe(note),
      write: async (expectedHead) => {
        if (this.#writtenBytes > MOST_WRITTEN_BYTES) await this.#completed()
        return batch.write(expectedHead)
      },
      close: () => batch.close(),
    }
  }

  checkOwned(): void {
    this.#engine.checkOwned()
  }

  async erase(): Promise<void> {
    await this.#completed()
    await this.#engine.erase()
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#checks.end()
    await this.#engine.close()
  }

  async #checkRows(keys: readonly Uint8Array[]): Promise<void> {
    if (this.#checks.isComplete) return
    if (this.#isReadMuch(keys.length)) await this.#checks.complete()
    else for (const key of keys) this.#checks.checkRow(key)
  }

  #isReadMuch(reads: number): boolean {
    this.#reads += reads
    return this.#reads > MOST_READS
  }

  async #completed(): Promise<void> {
    if (!this.#checks.isComplete) await this.#checks.complete()
  }
}
