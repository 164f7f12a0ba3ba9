import { SecretStoreError } from '../../errors'

/** Runs work on files or streams; what the system refuses gets the code `ERR_IO`, or `ERR_EXISTS`. */
export async function system<T>(label: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof SecretStoreError || !(cause instanceof Error && 'syscall' in cause)) throw cause
    if ('code' in cause && cause.code === 'EEXIST') throw alreadyThere(label, cause)
    const message = `${label}: expected to read and write it, got a refusal by the system`
    throw new SecretStoreError('ERR_IO', message, { cause })
  }
}

export function alreadyThere(label: string, cause?: unknown): SecretStoreError {
  return new SecretStoreError('ERR_EXISTS', `${label}: expected nothing there yet, got something`, { cause })
}
