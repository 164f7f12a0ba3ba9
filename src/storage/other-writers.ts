/** What the port to the rows has besides where several write them: several processes, or several machines. */

import { ROW } from '../format/constants'
import type { BatchLimits } from './batch-limits'
import { prefixRange, type Span } from './keyspace'

/** The rows of the writers' sessions, and no others. */
export const SESSION_ROWS: Span = prefixRange(Uint8Array.of(ROW.session))

/** A commit of another writer; without a note, all that is known is that there may have been some. */
export interface ForeignCommit {
  readonly head: Uint8Array
  readonly note: Uint8Array | undefined
  /** keyring.json, if the commit has changed it. */
  readonly keyring: Uint8Array | undefined
}

/** A process that shares the store. */
export interface Peer {
  readonly pid: number
  /** It holds the files. */
  readonly owner: boolean
}

/** What an engine with several writers has besides. */
export interface OtherWriters {
  /** Whether this writer holds the medium, and sees to it: sweeps, compacts, keeps checkpoints. */
  readonly isOwner: boolean
  /**
   * Told of the head that is found where the medium has a new holder, before anything else is asked of it. Where the
   * listener throws, everything that this writer asks for fails with the same error.
   */
  onFound(listener: (head: Uint8Array) => void): void
  /** Called when this writer has taken the medium over from another one. */
  onOwned(listener: () => void): void
  /**
   * Waits for this writer's turn. By then every commit of the others has been told.
   *
   * @param size - Of what is to be sealed in it, as far as that is known. A turn ends after a time that suffices for it.
   * @returns Gives the turn back; a commit does so, too.
   * @throws {SecretStoreError} `ERR_BUSY` if it does not come in time.
   */
  turn(size?: BatchLimits): Promise<() => void>
  /**
   * Told of each commit of the others, in the one order of all, before whoever made it is. Where the listener throws,
   * this writer has no more part in the store: everything that it asks for fails with the same error.
   */
  onCommit(listener: (commit: ForeignCommit) => void): void
  /**
   * Takes a lock that outlives turns and owners, and ends with its writer.
   *
   * @param name - Of the lock, up to 200 characters.
   * @returns Gives it back.
   */
  lock(name: string, signal?: AbortSignal): Promise<() => void>
  /** Everybody who has the store open. */
  peers(): Promise<readonly Peer[]>
}
