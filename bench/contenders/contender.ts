import type { Secret } from '../data'
import type { MaybePromise } from '../measure'

/** The same work, as each library does it best. Whatever is written is on disk when the promise resolves. */
export interface Store {
  find(name: string): MaybePromise<Found | undefined>
  /** Without the payload, if that is less work here. */
  findBare(name: string): MaybePromise<Listed | undefined>
  get(name: string): MaybePromise<string | undefined>
  /** `get` without a promise, where there is one. */
  getSync?(name: string): string | undefined
  /** Creates a secret or replaces its payload: id and `created` stay. */
  set(secret: Secret): MaybePromise<unknown>
  /** As many callers do it that do not know of one another, or in one transaction if that is what a library has for it. */
  setAtOnce(secrets: readonly Secret[]): MaybePromise<unknown>
  /** All or nothing. */
  batch(secrets: readonly Secret[]): MaybePromise<unknown>
  /** Without payloads, in order of name. */
  page(limit: number, after?: Listed): MaybePromise<Page>
  /** Without payloads, everything. */
  walk(visit: (secret: Listed) => void): MaybePromise<void>
  /** Deletes what has expired. @returns How many secrets that were. */
  sweep(nowSeconds: number): MaybePromise<number>
  /** Everything under a new key. */
  rotate?(): MaybePromise<unknown>
  /** @throws If anything is damaged. */
  verify?(): MaybePromise<void>
  /** What a library does to have its files in order after many writes. */
  settle?(): MaybePromise<void>
  /** What is in a row, unread. Only the floor has it. */
  getRow?(name: string): Uint8Array | undefined
  close(): MaybePromise<void>
}

export interface Listed {
  readonly id: string
  readonly name: string
}

export interface Found extends Listed {
  readonly payload: string
}

export interface Page {
  readonly rows: readonly Listed[]
  readonly hasMore: boolean
}

export interface Opening {
  /** Milliseconds. @defaultValue `Date.now` */
  readonly now?: () => number
  /** Whether other processes have it open at the same time. @defaultValue `false` */
  readonly shared?: boolean
}

/** A library that has been loaded. */
export interface Contender {
  open(directory: string, opening: Opening): MaybePromise<Store>
  /** @throws If it is not what it is called. */
  prove?(): Promise<void>
}

/** One more than asked for was read, to tell whether there is more. */
export function pageOf(rows: Listed[], limit: number): Page {
  const hasMore = rows.length > limit
  if (hasMore) rows.length = limit
  return { rows, hasMore }
}

/** Loads a package that need not be installed where types are checked. */
export async function load<Module>(specifier: string): Promise<Module> {
  return (await import(specifier)) as Module
}

/** How long one process waits for another one, before that is a failure. */
export const MOST_WAIT_MS = 60_000

/** 32 bytes, the same in every process. */
export const KEY: Uint8Array<ArrayBuffer> = Uint8Array.from({ length: 32 }, (_, index) => index * 7 + 1)
