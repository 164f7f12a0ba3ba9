import { checkFunction } from '../base/checks'
import { SecretStoreError, type SecretStoreErrorCode } from '../errors'
import { loadPeer } from '../platform/optional-peer'

/** The system keyring that keeps the key: it goes with the operating system. */
export type SystemKeyringBackend = 'secret-service' | 'macos-keychain' | 'windows-credential-manager'

/** @param platform - As `process.platform`. */
export function backendOf(platform: string): SystemKeyringBackend {
  if (platform === 'darwin') return 'macos-keychain'
  if (platform === 'win32') return 'windows-credential-manager'
  return 'secret-service'
}

/** Of `@napi-rs/keyring`, what is used: the module itself, version 2.1.0 or later, is one. */
export interface SystemKeyringLibrary {
  /** Gives the entry of a service and an account. */
  readonly AsyncEntry: new (
    service: string,
    account: string,
    choice: SystemKeyringSelection,
  ) => SystemKeyringEntry
}

/** Which back end it has to be: without it, the library takes the kernel's keys where there is no Secret Service. */
export interface SystemKeyringSelection {
  /** The back end on Linux; other systems have one alone. */
  readonly linux: { readonly store: 'secret-service' }
}

/** One entry of the system keyring. */
export interface SystemKeyringEntry {
  /** @returns Bytes, or nothing if there is no such entry. */
  getSecret(signal?: AbortSignal): Promise<ArrayLike<number> | null | undefined>
  /** Makes the entry, or overwrites it. */
  setSecret(secret: Uint8Array, signal?: AbortSignal): Promise<void>
}

export type EntryClass = SystemKeyringLibrary['AsyncEntry']

export function checkLibrary(library: unknown): EntryClass {
  type Given = { readonly AsyncEntry?: EntryClass } | null | undefined
  return checkFunction((library as Given)?.AsyncEntry as EntryClass, 'keyring.AsyncEntry')
}

/** The optional library, on its first use. @throws {SecretStoreError} `ERR_NO_KEYRING` if it does not load here. */
export async function loadLibrary(): Promise<EntryClass> {
  try {
    return checkLibrary(loadPeer('@napi-rs/keyring'))
  } catch (cause) {
    const expected = 'expected @napi-rs/keyring to be installed, got none that loads'
    throw new SecretStoreError('ERR_NO_KEYRING', `keyring: ${expected} (npm install @napi-rs/keyring)`, { cause })
  }
}

const NO_STORE = 'secret-store: no store has this name'

/**
 * Versions before 2.1.0 ignore the choice of a back end; later ones refuse one that they do not know.
 *
 * @throws {SecretStoreError} `ERR_NO_KEYRING` if the library is an older one.
 */
export function checkSelects(AsyncEntry: EntryClass): void {
  try {
    new AsyncEntry('secret-store', 'secret-store', { linux: { store: NO_STORE as 'secret-service' } })
  } catch {
    return
  }
  throw new SecretStoreError('ERR_NO_KEYRING', 'keyring: expected @napi-rs/keyring 2.1.0 or later, got an older one')
}

/** The library's errors have one code: its words of 2.1.2 have to do. Other words never mean "no such entry". */
const DISMISSED = /unlock prompt was dismissed|object locked/
const NO_COLLECTION = /no result found/
const AMBIGUOUS = /^Entry is matched by \d+ credentials/
const NO_ACCESS = /^Couldn't access platform storage/

/** What a failure of the library means. Its words may name other entries: they stay in the `cause`. */
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
  if (DISMISSED.test(words)) {
    return ['ERR_KEYRING_LOCKED', 'expected the system keyring to be unlocked, got a locked one']
  }
  if (NO_COLLECTION.test(words)) {
    return ['ERR_NO_KEYRING', 'expected a default system keyring, which outlives the session, got none']
  }
  return ['ERR_NO_KEYRING', 'expected a Secret Service that answers on the session bus, got none']
}

/** There always is a system keyring; it can be out of reach, as without a logon session, or not give the entry out. */
function ofPlatform(backend: SystemKeyringBackend, words: string): Meaning {
  if (NO_ACCESS.test(words)) return ['ERR_NO_KEYRING', `expected access to the ${backend}, got none`]
  return ['ERR_KEYRING_LOCKED', `expected the ${backend} to give access to the entry, got a refusal`]
}

/** @deprecated Renamed: `SystemKeyringBackend`. */
export type KeyringBackend = SystemKeyringBackend
/** @deprecated Renamed: `SystemKeyringLibrary`. */
export type KeyringLibrary = SystemKeyringLibrary
/** @deprecated Renamed: `SystemKeyringEntry`. */
export type KeyringEntry = SystemKeyringEntry
/** @deprecated Renamed: `SystemKeyringSelection`. */
export type KeyringSelection = SystemKeyringSelection
