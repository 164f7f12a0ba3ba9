export type { UnstorageDriver, UnstorageItem, UnstorageItemMeta, UnstorageItemOptions } from './contract'
export { type UnstorageDriverOptions, type UnstorageStore, unstorage } from './driver'
