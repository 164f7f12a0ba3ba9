import { checkFunction } from '../base/checks'
import { SecretStoreError } from '../errors'
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
    selection: SystemKeyringSelection,
  ) => SystemKeyringEntry
}

/**
 * Which back end it has to be. Left to itself, the library takes the kernel's keys where there is no Secret Service.
 */
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

/**
 * The optional library, on its first use. Whether it is there is a fact of the machine, as it is with a keyring, and an
 * app that can do without wants to know it by the same code.
 *
 * @throws {SecretStoreError} `ERR_NO_KEYRING` if it is not installed, or not for this machine.
 */
export async function loadLibrary(): Promise<EntryClass> {
  try {
    return checkLibrary(loadPeer('@napi-rs/keyring'))
  } catch (cause) {
    throw new SecretStoreError(
      'ERR_NO_KEYRING',
      'keyring: expected @napi-rs/keyring to be installed, got none that loads (npm install @napi-rs/keyring)',
      { cause },
    )
  }
}

const NO_STORE = 'secret-store: no store has this name'

/**
 * Versions before 2.1.0 take no notice of the choice of a back end. Those that do refuse one that they do not know, and
 * that before they look for any keyring.
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

/** @deprecated Renamed: `SystemKeyringBackend`. */
export type KeyringBackend = SystemKeyringBackend
/** @deprecated Renamed: `SystemKeyringLibrary`. */
export type KeyringLibrary = SystemKeyringLibrary
/** @deprecated Renamed: `SystemKeyringEntry`. */
export type KeyringEntry = SystemKeyringEntry
/** @deprecated Renamed: `SystemKeyringSelection`. */
export type KeyringSelection = SystemKeyringSelection
