import type { Keyring } from '../crypto/keyring'
import type { Head } from '../format/head'
import type { Standing, Writing } from './commit/alone'
import { CommitQueue } from './commit/queue'
import type { Engine } from './engine'
import { type Keyspace, keyspace } from './keyspace'
import { KnownRecords } from './known/known-records'

/** A store's rows, its keys, and what goes between the two. */
export interface StoreParts {
  readonly engine: Engine
  readonly keyring: Keyring
  readonly keyspace: Keyspace
  readonly known: KnownRecords
  readonly queue: CommitQueue
}

/**
 * @param indexBytes - How much memory known records may take. @defaultValue none
 * @param stand - How the engine is written to. @defaultValue alone
 */
export function storeParts(
  engine: Engine,
  keyring: Keyring,
  { head, headValue }: { readonly head: Head; readonly headValue: Uint8Array },
  indexBytes = 0,
  stand?: (writing: Writing) => Standing,
): StoreParts {
  const known = new KnownRecords(indexBytes)
  const queue = new CommitQueue(engine, keyring, known, head, headValue, stand)
  return { engine, keyring, keyspace: keyspace(keyring), known, queue }
}
