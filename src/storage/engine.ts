/** The port to whatever keeps sorted bytes. Nothing above it may assume LevelDB. */

import type { BatchLimits } from './batch-limits'
import type { OtherWriters } from './other-writers'

export type Change =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

export interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** From `gte` to below `lt`, at most `limit` rows, from the upper end if `reverse`. */
export interface Range {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
  readonly limit: number
  readonly reverse?: boolean
}

/**
 * Changes that take effect together or not at all. A batch keeps what it was given until it is closed, since an engine
 * may have to send it twice; the caller does not alter the bytes it has handed over.
 */
export interface Batch {
  put(key: Uint8Array, value: Uint8Array): void
  del(key: Uint8Array): void
  /**
   * The next keyring.json, which `write` puts in place before the changes.
   *
   * @throws {SecretStoreError} `ERR_IO`, `ERR_LOCKED`; nothing has changed then.
   */
  keyring(bytes: Uint8Array): Promise<void>
  /** What the commit does, for other writers. */
  describe(note: Uint8Array): void
  /**
   * Durable when it resolves. To be called once.
   *
   * @param expectedHead - The value of the head row on which the changes were planned.
   * @returns `false` if another writer has put another head there by now. Nothing was written then, and the changes are to
   *   be planned anew on the newer head. An engine with one writer never says so.
   */
  write(expectedHead: Uint8Array | undefined): Promise<boolean>
  /** Lets go of what it holds. Every batch is closed, whether it was written or not. */
  close(): Promise<void>
}

export interface Engine {
  readonly limits: BatchLimits
  /** Without it, this process is the only writer. */
  readonly others?: OtherWriters
  /** Whether `getSync` can answer; if not, at this moment or ever, it throws. */
  canReadSync(): boolean
  /** @throws {SecretStoreError} `ERR_NO_SYNC`, `ERR_BUSY`. */
  getSync(key: Uint8Array): Uint8Array | undefined
  /** At once, without a thread hop, where the engine can. */
  get(key: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>
  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>
  /** One bounded page, in bytewise order of the keys; nothing is held open afterwards. */
  scan(range: Range): Promise<readonly Row[]>
  /** The keys of such a page; the values, which may be large, are not read. */
  scanKeys(range: Range): Promise<readonly Uint8Array[]>
  /** An empty batch. */
  batch(): Batch
  /** @throws {SecretStoreError} `ERR_LOCKED` if another opener has got hold of the medium by now. */
  checkOwned(): void
  /** Makes deleted and replaced bytes leave the medium. Nothing is written meanwhile. */
  erase(): Promise<void>
  close(): Promise<void>
}

export function addTo(batch: Batch, changes: Iterable<Change>): void {
  for (const change of changes) {
    if (change.type === 'put') batch.put(change.key, change.value)
    else batch.del(change.key)
  }
}
