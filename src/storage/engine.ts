/** The port to whatever keeps sorted bytes. Nothing above it may assume LevelDB. */

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

export interface Engine {
  /** Whether `getSync` can answer; if not, at this moment or ever, it throws. */
  canReadSync(): boolean
  /** @throws {SecretStoreError} `ERR_NO_SYNC`, `ERR_BUSY`. */
  getSync(key: Uint8Array): Uint8Array | undefined
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>
  /** One bounded page, in bytewise order of the keys; nothing is held open afterwards. */
  scan(range: Range): Promise<readonly Row[]>
  /** The keys of such a page; the values, which may be large, are not read. */
  scanKeys(range: Range): Promise<readonly Uint8Array[]>
  /**
   * All or nothing, durable when it resolves.
   *
   * @param changes - Taken one by one before anything is written; what taking them throws is thrown as it is.
   * @param expectedHead - The value of the head row this commit was planned on. An engine with several writers refuses
   *   the commit if there is another one by now; with one writer there cannot be.
   */
  commit(changes: Iterable<Change>, expectedHead: Uint8Array | undefined): Promise<void>
  /** @throws {SecretStoreError} `ERR_LOCKED` if another opener has got hold of the medium by now. */
  checkOwned(): void
  /** Makes deleted and replaced bytes leave the medium. Nothing is committed meanwhile. */
  erase(): Promise<void>
  close(): Promise<void>
}
