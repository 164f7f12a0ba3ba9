/** What unstorage passes on with an item, as much of it as is needed. */
export interface UnstorageItemOptions {
  /** **Seconds** after which the item ends. @defaultValue none, as with 0: it never ends */
  readonly ttl?: number | undefined
}

/** What is known of an item beside its value. An interface would not fit unstorage's own type. */
export type UnstorageItemMeta = {
  /** When the item was first set. */
  readonly birthtime: Date
  /** How many whole seconds the item still has. Left out, it never ends. */
  readonly ttl?: number
}

/** One item of `setItems`. */
export interface UnstorageItem {
  /** The key. */
  readonly key: string
  /** The text. */
  readonly value: string
  /** For this item alone. */
  readonly options?: UnstorageItemOptions | undefined
}

/** What unstorage asks of a driver. Keys are its own, such as `session:alice`. */
export interface UnstorageDriver {
  /** Always `app-secret-store`. */
  readonly name: 'app-secret-store'
  /** What unstorage leaves to the driver. */
  readonly flags: {
    /** An item ends after its `ttl`. */
    readonly ttl: true
  }
  /** The store. */
  getInstance(): object
  /** Whether there is such an item. */
  hasItem(key: string): Promise<boolean>
  /** The text of an item, or `null`. @throws {TypeError} If the item is bytes and no UTF-8. */
  getItem(key: string): Promise<string | null>
  /** The bytes of an item, text as UTF-8, or `null`. */
  getItemRaw(key: string): Promise<Uint8Array | null>
  /** Sets text. When it resolves, it is on disk. */
  setItem(key: string, value: string, options?: UnstorageItemOptions): Promise<void>
  /** Sets text or bytes. */
  setItemRaw(key: string, value: unknown, options?: UnstorageItemOptions): Promise<void>
  /** Sets several items in one durable write: all of them or none. */
  setItems(items: readonly UnstorageItem[], common?: UnstorageItemOptions): Promise<void>
  /** Deletes an item, if there is one. */
  removeItem(key: string): Promise<void>
  /** What is known of an item, or `null`. */
  getMeta(key: string): Promise<UnstorageItemMeta | null>
  /** The keys below `base`, in order. An item may be named for up to a second after its end. */
  getKeys(base?: string): Promise<string[]>
  /** Deletes the items below `base`, and no others. */
  clear(base?: string): Promise<void>
  /** Leaves the store open: it may serve others. */
  dispose(): Promise<void>
}
