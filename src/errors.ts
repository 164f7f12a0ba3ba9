import { isError } from './base/thrown'

/**
 * Every way the world can fail a store. The caller's own mistakes are plain `TypeError` and `RangeError` and carry no
 * code. docs/errors.md says what to do about each.
 */
export type SecretStoreErrorCode =
  /** No key slot opens with the key that was given. Nothing on disk was changed. */
  | 'ERR_WRONG_KEY'
  /** Something on disk is damaged, altered, or missing though it should be there. */
  | 'ERR_CORRUPT'
  /**
   * Older than the checkpoint it is opened with, or another store; or keyring.json and the data are of different times.
   */
  | 'ERR_ROLLBACK'
  /** Another opener, in this process or another one, holds the store. */
  | 'ERR_LOCKED'
  /** A write failed, so no more are accepted: close the store and open it again. */
  | 'ERR_FAILED'
  /** The store was closed. */
  | 'ERR_CLOSED'
  /** The store was opened with `readOnly`. */
  | 'ERR_READ_ONLY'
  /**
   * A synchronous read met a compaction; the asynchronous one waits and succeeds. Or the process that holds the files of a
   * store that is shared did not answer in time.
   */
  | 'ERR_BUSY'
  /** Of a store that is shared: the answer to a write was lost, and nobody could tell in time whether it took effect. */
  | 'ERR_OUTCOME_UNKNOWN'
  /** The engine below has no synchronous reads, or another process holds the files. */
  | 'ERR_NO_SYNC'
  /** A view was asked for a scope outside what it may see. */
  | 'ERR_ACCESS_DENIED'
  /** `starting_after` or `ending_before` names no secret of the listed scope. */
  | 'ERR_CURSOR'
  /** There is no store at the location, and `createIfMissing` is `false`. */
  | 'ERR_NOT_FOUND'
  /** Something is there already, and would be overwritten. */
  | 'ERR_EXISTS'
  /** There is no key slot of that id. */
  | 'ERR_UNKNOWN_KEY'
  /** It is the last key slot: without it nothing would open the store. */
  | 'ERR_LAST_KEY'
  /** The location is a file, or a directory with something else in it; or the file is no backup of a store. */
  | 'ERR_NOT_A_STORE'
  /** The location is a symbolic link, belongs to somebody else, or others may write to it; or it is shared over a network. */
  | 'ERR_UNSAFE_LOCATION'
  /** Written by a newer version of the format, or shared by a process that speaks another version. */
  | 'ERR_UNSUPPORTED_VERSION'
  /** The file system refused: permission, space, file handles. */
  | 'ERR_IO'
  /** LevelDB's native binary is not where the app looks for it, or not for this system. */
  | 'ERR_NO_BINARY'
  /** The system has no keyring that could keep a key: none runs, or what there is would not outlive a reboot. */
  | 'ERR_NO_KEYRING'
  /** The system keyring is locked, and was not unlocked in time. */
  | 'ERR_KEYRING_LOCKED'
  /** The entry of the system keyring that holds the key is not there. */
  | 'ERR_NO_KEYRING_ENTRY'
  /** The entry of the system keyring is there, and holds something that this library did not put there. */
  | 'ERR_FOREIGN_KEYRING_ENTRY'
  /** A cache could not load a secret, and has none that is young enough. */
  | 'ERR_UNAVAILABLE'

/**
 * A fault of the world: `code` is stable, the message is for people, `cause` is what was caught. `instanceof` holds for
 * errors of any copy of the library in the process, such as its CommonJS and its ES module.
 */
export class SecretStoreError extends Error {
  /** Always `SecretStoreError`. */
  override readonly name = 'SecretStoreError'
  /** Which fault it is. Stable across versions. */
  readonly code: SecretStoreErrorCode

  /**
   * @param code - Which fault it is.
   * @param message - For people: what was expected and what was met, without secret material.
   * @param options - `cause`: the error that was caught.
   */
  constructor(code: SecretStoreErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** By the name, whichever copy of the library made it; of a class that extends this one, as usual. */
Object.defineProperty(SecretStoreError, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    if (this !== SecretStoreError) return Reflect.apply(Function.prototype[Symbol.hasInstance], this, [value])
    return isError(value) && value.name === 'SecretStoreError' && 'code' in value
  },
})

/** The most frequent of them. */
export function corrupt(message: string, cause?: unknown): SecretStoreError {
  return new SecretStoreError('ERR_CORRUPT', message, cause === undefined ? undefined : { cause })
}
