import type { StoreContext } from '../../context'
import { SecretStoreError, type SecretStoreErrorCode } from '../../errors'
import type { Scope } from '../../model'

/** What `verify` looks at, and what it holds that against. A keyring.json that was checked already is left out. */
export type Verifiable = Pick<StoreContext, 'engine' | 'keyring' | 'keyspace' | 'queue'> &
  Partial<Pick<StoreContext, 'keyringStorage'>>

/** What can be wrong with a store. */
export interface VerifyProblem {
  /**
   * - `missing`: something that should be there is not.
   * - `altered`: something is there that was not written that way, or is older than it should be.
   * - `stray`: something is there that nothing leads to.
   * - `unsupported`: something is there of a version that this library does not know. Reading it is
   *   `ERR_UNSUPPORTED_VERSION`.
   */
  readonly kind: 'missing' | 'altered' | 'stray' | 'unsupported'
  /** What it is about. `records` is all of them together: the head counts them and sums their hashes. */
  readonly what: 'record' | 'records' | 'payload' | 'id' | 'expiry' | 'head' | 'row' | 'keyring'
  /** For people. Never a payload. */
  readonly message: string
  /** The row's key, in base64url. */
  readonly rowKey?: string
  /** The secret, where it is known. */
  readonly id?: string
  /** The secret's name, where it is known. */
  readonly name?: string
  /** The secret's scope, where it is known. */
  readonly scope?: Scope
}

/** What `verify` found. */
export interface VerifyReport {
  /** Whether there is no problem at all. */
  readonly ok: boolean
  /** How many records were read and found authentic. */
  readonly records: number
  /** The first 1,000. */
  readonly problems: readonly VerifyProblem[]
  /** How many problems there are besides, if there are. */
  readonly unlisted?: number
}

/**
 * These say nothing of what is stored: it was closed, the system refused to let it be read, or whoever holds the files ended,
 * did not answer, or has other keys by now.
 */
const NO_PROBLEM: ReadonlySet<string> = new Set([
  'ERR_CLOSED',
  'ERR_FAILED',
  'ERR_IO',
  'ERR_BUSY',
  'ERR_LOCKED',
  'ERR_OUTCOME_UNKNOWN',
  'ERR_ROLLBACK',
  'ERR_WRONG_KEY',
])

/** What is wrong with something that does not open: an unknown version is no damage. */
export function kindOfFailure(error: unknown): 'altered' | 'unsupported' {
  const isUnknown = error instanceof SecretStoreError && error.code === 'ERR_UNSUPPORTED_VERSION'
  return isUnknown ? 'unsupported' : 'altered'
}

/** With which code a store is refused that must have no problem. */
export function codeOfProblems(problems: readonly VerifyProblem[]): SecretStoreErrorCode {
  return problems.every(({ kind }) => kind === 'unsupported') ? 'ERR_UNSUPPORTED_VERSION' : 'ERR_CORRUPT'
}

/** Of what says that something is wrong with the store. @throws Everything else. */
export function messageOf(error: unknown): string {
  if (error instanceof SecretStoreError && !NO_PROBLEM.has(error.code)) return error.message
  throw error
}
