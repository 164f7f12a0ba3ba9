import { compare, equal } from '../base/bytes'
import { SecretStoreError } from '../errors'
import { type BatchLimits, LOCAL_LIMITS } from './batch-limits'
import type { Batch, Change, Engine, Range, Row } from './engine'
import { HEAD_ROW } from './keyspace'

const NO_BYTES: Uint8Array = new Uint8Array()

/** Rows in one sorted array. For tests, and for secrets that are to die with the process. */
export class MemoryEngine implements Engine {
  #rows: Row[]
  #closed = false
  #keyring: Uint8Array | undefined

  constructor(
    rows: readonly Row[],
    readonly limits: BatchLimits = LOCAL_LIMITS,
  ) {
    this.#rows = [...rows]
  }

  /** The last keyring.json that was committed. */
  get keyring(): Uint8Array | undefined {
    return this.#keyring
  }

  canReadSync(): boolean {
    return true
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    const row = this.#rows[this.#position(key)]
    return row !== undefined && equal(row.key, key) ? row.value : undefined
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.getSync(key)
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    return keys.map((key) => this.getSync(key))
  }

  async scan({ gte, lt, limit, reverse = false }: Range): Promise<readonly Row[]> {
    const start = this.#position(gte)
    const end = this.#position(lt)
    return reverse
      ? this.#rows.slice(Math.max(start, end - limit), Math.max(start, end)).reverse()
      : this.#rows.slice(start, Math.min(end, start + limit))
  }

  async scanKeys(range: Range): Promise<readonly Uint8Array[]> {
    return (await this.scan(range)).map(({ key }) => key)
  }

  batch(): Batch {
    const changes: Change[] = []
    let keyring: Uint8Array | undefined
    return {
      put: (key, value) => void changes.push({ type: 'put', key, value }),
      del: (key) => void changes.push({ type: 'del', key }),
      keyring: async (bytes) => {
        keyring = bytes
      },
      describe() {},
      write: async (expectedHead) => {
        if (!equal(this.getSync(HEAD_ROW) ?? NO_BYTES, expectedHead ?? NO_BYTES)) return false
        for (const change of changes) this.#apply(change)
        this.#keyring = keyring ?? this.#keyring
        return true
      },
      close: async () => {},
    }
  }

  #apply(change: Change): void {
    const position = this.#position(change.key)
    const row = this.#rows[position]
    const found = row !== undefined && equal(row.key, change.key) ? 1 : 0
    const put = change.type === 'put' ? [{ key: change.key.slice(), value: change.value.slice() }] : []
    this.#rows.splice(position, found, ...put)
  }

  checkOwned(): void {}

  async erase(): Promise<void> {}

  async close(): Promise<void> {
    this.#closed = true
    this.#rows = []
  }

  /** Of the first row whose key is not below `key`. */
  #position(key: Uint8Array): number {
    if (this.#closed) throw new SecretStoreError('ERR_CLOSED', 'store: expected it open, got a closed one')
    let low = 0
    let high = this.#rows.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compare((this.#rows[middle] as Row).key, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
