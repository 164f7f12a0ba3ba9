import { codeOf, isError } from '../base/thrown'
import { SecretStoreError } from '../errors'

/** What LevelDB passes on in words (strerror) where Node has a name. */
const IN_WORDS: Readonly<Record<string, string>> = {
  'Read-only file system': 'EROFS',
  'No space left on device': 'ENOSPC',
  'Disk quota exceeded': 'EDQUOT',
  'Permission denied': 'EACCES',
  'Operation not permitted': 'EPERM',
  'Too many open files': 'EMFILE',
  'Input/output error': 'EIO',
}

/** What the system calls its refusal, such as `EROFS`: of an error, or of what caused it. `undefined` if it does not say. */
export function systemCode(thrown: unknown): string | undefined {
  if (!isError(thrown)) return undefined
  const code = codeOf(thrown)
  if (code !== undefined && /^E[A-Z0-9]+$/.test(code)) return code
  const words = Object.keys(IN_WORDS).find((one) => thrown.message.includes(one))
  return words === undefined ? systemCode(thrown.cause) : IN_WORDS[words]
}

/**
 * `ERR_IO`, with the system's own name for the reason.
 *
 * @param what - `label: expected X`.
 */
export function refusal(what: string, cause: unknown): SecretStoreError {
  const code = systemCode(cause)
  const got = `a refusal by the system${code === undefined ? '' : ` (${code})`}`
  return new SecretStoreError('ERR_IO', `${what}, got ${got}`, { cause })
}

/** Of a walk that has to begin anew. */
export function takenOver(cause?: unknown): SecretStoreError {
  const expected = 'store: expected one process to hold the files meanwhile, got another that took them over'
  return new SecretStoreError('ERR_BUSY', `${expected}; call it again`, { cause })
}
