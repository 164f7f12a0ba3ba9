import { SecretStoreError, type SecretStoreErrorCode } from '../errors'
import type { SystemKeyringBackend } from './library'

/**
 * All the library's errors have one code, so that its words have to do. Seen in 2.1.2, the first of them and that of no
 * bus in 2.1.0 and 2.1.1, too. What they do not fit is an error all the same, and never "no such entry".
 */
const DISMISSED = /unlock prompt was dismissed|object locked/
const NO_COLLECTION = /no result found/
const AMBIGUOUS = /^Entry is matched by \d+ credentials/
const NO_ACCESS = /^Couldn't access platform storage/

/** What a failure of the library's means. Its words may name other entries: they stay in the `cause`. */
export function keyringFailure(backend: SystemKeyringBackend, name: string, cause: unknown): SecretStoreError {
  const [code, message] = meaning(backend, String((cause as { message?: unknown } | null)?.message))
  return new SecretStoreError(code, `${name}: ${message}`, { cause })
}

type Meaning = readonly [code: SecretStoreErrorCode, message: string]

function meaning(backend: SystemKeyringBackend, words: string): Meaning {
  if (AMBIGUOUS.test(words)) {
    return ['ERR_FOREIGN_KEYRING_ENTRY', 'expected one entry, got several (they were left as they are)']
  }
  return backend === 'secret-service' ? ofSecretService(words) : ofPlatform(backend, words)
}

function ofSecretService(words: string): Meaning {
  if (DISMISSED.test(words))
    return ['ERR_KEYRING_LOCKED', 'expected the system keyring to be unlocked, got a locked one']
  if (NO_COLLECTION.test(words)) {
    return ['ERR_NO_KEYRING', 'expected a default system keyring, which outlives the session, got none']
  }
  return ['ERR_NO_KEYRING', 'expected a Secret Service that answers on the session bus, got none']
}

/** There always is a keyring; it can be out of reach, as without a logon session, or not give the entry out. */
function ofPlatform(backend: SystemKeyringBackend, words: string): Meaning {
  if (NO_ACCESS.test(words)) return ['ERR_NO_KEYRING', `expected access to the ${backend}, got none`]
  return ['ERR_KEYRING_LOCKED', `expected the ${backend} to give access to the entry, got a refusal`]
}
