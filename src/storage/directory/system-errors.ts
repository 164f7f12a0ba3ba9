import { codeOf, isError } from '../../base/thrown'
import { SecretStoreError } from '../../errors'

/** Runs work on files or streams; what the system refuses gets the code `ERR_IO`, or `ERR_EXISTS`. */
export async function system<T>(label: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw systemError(label, cause)
  }
}

/** What work has failed with, with a code if it is the system's. */
export function systemError(label: string, cause: unknown): unknown {
  if (cause instanceof SecretStoreError || !(isError(cause) && 'syscall' in cause)) return cause
  if (codeOf(cause) === 'EEXIST') return alreadyThere(label, cause)
  const message = `${label}: expected to read and write it, got a refusal by the system`
  return new SecretStoreError('ERR_IO', message, { cause })
}

export function alreadyThere(label: string, cause?: unknown): SecretStoreError {
  return new SecretStoreError('ERR_EXISTS', `${label}: expected nothing there yet, got something`, { cause })
}
