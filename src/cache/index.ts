export type { CacheStore } from './kept-entries'
export type { BackoffOptions, CacheOptions, Loaded, LoadedSecret, LoadRequest } from './options'
export type { CacheGetParams } from './request'
export { type CacheAnswer, SecretCache } from './secret-cache'
