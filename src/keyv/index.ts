export { type KeyvAdapter, type KeyvAdapterEntry, type KeyvAdapterOptions, type KeyvStore, keyv } from './adapter'
export type { KeyvValue } from './entry'
