import { optionsOf } from '../base/checks'
import { orAborted } from '../base/waiting'
import { isPath } from '../input/params'
import type { Scope } from '../model'
import { refusal } from '../storage/refusal'

/** What a source has: a secret, one that cannot be read, or one that is left out on purpose. */
export type SourceEntry =
  | {
      /** Where it is in the source; its name in the store, unless `rename` gives it another. */
      readonly name: string
      /** Text or bytes, not empty. */
      readonly payload: string | Uint8Array
      /** Unix **seconds**, or `null` for never. @defaultValue none: the source says nothing about it */
      readonly expires_at?: number | null
      /** @defaultValue the scope of the import */
      readonly scope?: Scope
    }
  | {
      /** The place of the entry in the source. */
      readonly name: string
      /** Why it cannot be read. It gets into the report as it is: it must repeat nothing secret. */
      readonly problem: string
      /** @defaultValue the scope of the import */
      readonly scope?: Scope
    }
  | {
      /** The place of the entry in the source. */
      readonly name: string
      /** Always `true`: the source leaves the entry out on purpose. */
      readonly skipped: true
      /** @defaultValue the scope of the import */
      readonly scope?: Scope
    }

/** Where secrets come from. It is read, and never changed. */
export interface SecretSource {
  /** Such as `keytar`; for messages. */
  readonly kind: string
  /** Everything there is, anew at each call. What it throws ends the import, before anything is written. */
  read(): AsyncIterable<SourceEntry> | Promise<readonly SourceEntry[]>
}

const ENTRY_FIELDS = ['name', 'payload', 'expires_at', 'scope', 'problem', 'skipped'] as const

/** Every field that an entry may have. What is wrong with a payload, name, scope or time is for the store to say. */
export interface ReadEntry {
  readonly name: string
  readonly payload?: string | Uint8Array
  readonly expires_at?: number | null
  readonly scope?: Scope
  readonly problem?: string
  readonly skipped?: true
}

/** @throws {TypeError} If it is no source. */
export function checkSource(source: SecretSource): SecretSource {
  if (typeof source?.read === 'function' && typeof source.kind === 'string') return source
  throw new TypeError('source: expected one such as keytar({ … }) or dotenv({ … }), got something else')
}

/** @throws {TypeError} If something in it is no entry. @throws What the source throws, or `signal` is aborted with. */
export async function readSource(source: SecretSource, signal: AbortSignal | undefined): Promise<ReadEntry[]> {
  const read: unknown = await orAborted(signal, Promise.resolve(source.read()))
  const iterator = iteratorOf(read)
  const entries: ReadEntry[] = []
  try {
    for (;;) {
      signal?.throwIfAborted()
      const { done, value } = await orAborted(signal, Promise.resolve(iterator.next()))
      if (done) return entries
      entries.push(checkEntry(value))
    }
  } catch (error) {
    // Not awaited: a source that hangs would keep the abort waiting.
    void Promise.resolve(iterator.return?.()).catch(() => {})
    throw error
  }
}

function iteratorOf(read: unknown): AsyncIterator<unknown> | Iterator<unknown> {
  const given = (typeof read === 'object' && read !== null ? read : {}) as Partial<
    AsyncIterable<unknown> & Iterable<unknown>
  >
  const iterator = given[Symbol.asyncIterator]?.() ?? given[Symbol.iterator]?.()
  if (iterator === undefined) throw new TypeError('source: expected entries from read(), got something else')
  return iterator
}

function checkEntry(value: unknown): ReadEntry {
  const entry = optionsOf<ReadEntry>(value, 'source entry', ENTRY_FIELDS)
  const { name, problem, skipped } = entry
  if (typeof name !== 'string') throw new TypeError('source entry: expected a name, got none')
  if (problem !== undefined && (typeof problem !== 'string' || problem === '')) {
    throw new TypeError('source entry: expected a problem in words, got something else')
  }
  if (skipped !== undefined && skipped !== true) {
    throw new TypeError('source entry: expected skipped to be true, got something else')
  }
  return entry
}

/** Runs what reads files; what the system refuses gets the code `ERR_IO`. */
export async function readingFiles<T>(label: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw refusal(`${label}: expected to read it`, cause)
  }
}

export function checkPath(path: unknown, label: string): string {
  if (isPath(path)) return path
  throw new TypeError(`${label}: expected a path, got something else`)
}
