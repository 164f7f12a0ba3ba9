/**
 * Every way the world can fail a store. The caller's own mistakes are plain `TypeError` and `RangeError` and carry no
 * code. docs/errors.md says what to do about each.
 */
export type SecretStoreErrorCode =
  /** No key slot opens with the key that was given. Nothing on disk was changed. */
  | 'ERR_WRONG_KEY'
  /** Something on disk is damaged, altered, or missing though it should be there. */
  | 'ERR_CORRUPT'
  /** The store is older than the checkpoint passed as `minimum`, or is another store. */
  | 'ERR_ROLLBACK'
  /** Another opener, in this process or another one, holds the store. */
  | 'ERR_LOCKED'
  /** A write failed, so no more are accepted: close the store and open it again. */
  | 'ERR_FAILED'
  /** The store was closed. */
  | 'ERR_CLOSED'
  /** A synchronous read met a compaction; the asynchronous one waits and succeeds. */
  | 'ERR_BUSY'
  /** The engine below has no synchronous reads. */
  | 'ERR_NO_SYNC'
  /** A view was asked for a scope outside what it may see. */
  | 'ERR_ACCESS_DENIED'
  /** `starting_after` or `ending_before` names no secret of the listed scope. */
  | 'ERR_CURSOR'
  /** There is no store at the location, and `createIfMissing` is `false`. */
  | 'ERR_NOT_FOUND'
  /** The location is a file, or a directory with something else in it. */
  | 'ERR_NOT_A_STORE'
  /** The location is a symbolic link, belongs to somebody else, or others may write to it. */
  | 'ERR_UNSAFE_LOCATION'
  /** Written by a newer version of the format. */
  | 'ERR_UNSUPPORTED_VERSION'
  /** The file system refused: permission, space, file handles. */
  | 'ERR_IO'

/** A fault of the world: `code` is stable, the message is for people, `cause` is what was caught. */
export class SecretStoreError extends Error {
  override readonly name = 'SecretStoreError'
  readonly code: SecretStoreErrorCode

  constructor(code: SecretStoreErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

export function corrupt(message: string, cause?: unknown): SecretStoreError {
  return new SecretStoreError('ERR_CORRUPT', message, cause === undefined ? undefined : { cause })
}
