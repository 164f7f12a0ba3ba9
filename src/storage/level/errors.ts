import { codeOf, isError } from '../../base/thrown'
import { corrupt, SecretStoreError } from '../../errors'
import { refusal } from '../refusal'

/** What LevelDB's errors are in the store's codes. */

export function lockLost(other: string): SecretStoreError {
  return new SecretStoreError('ERR_LOCKED', `store: expected to be its only opener, got ${other}`)
}

export function noBinary(cause: unknown): SecretStoreError {
  const todo = "in a bundle, put classic-level's folder prebuilds beside it (docs/bundling.md)"
  return new SecretStoreError('ERR_NO_BINARY', `LevelDB: expected its native binary, got none that loads; ${todo}`, {
    cause,
  })
}

/** Files that are missing, and what LevelDB itself finds wrong with them. */
const DAMAGE = /No such file|does not exist|Corruption|corrupted|exists \(error_if_exists/

export function openError(error: unknown): SecretStoreError {
  if (error instanceof SecretStoreError) return error
  const cause = isError(error) && isError(error.cause) ? error.cause : (error as Error)
  const code = codeOf(cause)
  if (code === 'LEVEL_LOCKED') {
    return new SecretStoreError('ERR_LOCKED', 'store: expected to be its only opener, got another one', { cause })
  }
  if (code === 'LEVEL_IO_ERROR' && !DAMAGE.test(cause.message)) {
    return refusal('data: expected to open its files', cause)
  }
  return corrupt('data: expected a whole database, got a damaged one', cause)
}

export function readError(error: unknown): Error {
  if (error instanceof SecretStoreError) return error
  const code = codeOf(error)
  if (code === 'LEVEL_DATABASE_NOT_OPEN' || code === 'LEVEL_ITERATOR_NOT_OPEN') {
    return closed(error)
  }
  if (code === 'LEVEL_CORRUPTION' || DAMAGE.test(String(error)))
    return corrupt('data: expected whole files, got damaged ones', error)
  return refusal('data: expected to read its files', error)
}

export function closed(cause?: unknown): SecretStoreError {
  return new SecretStoreError('ERR_CLOSED', 'store: expected it open, got a closed one', { cause })
}
