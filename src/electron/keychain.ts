import { mapKey } from '../base/bytes'
import { isError } from '../base/thrown'
import { SecretStoreError } from '../errors'

/** What is used of Electron's `safeStorage`: of each pair the asynchronous one, where there is one. */
export interface ElectronSafeStorage {
  /** Whether a keychain answers. */
  isEncryptionAvailable?(): boolean
  /** Encrypts a text by the keychain. */
  encryptString?(text: string): Uint8Array
  /** The inverse of `encryptString`. */
  decryptString?(encrypted: Buffer): string
  /** As `isEncryptionAvailable`, without blocking. */
  isAsyncEncryptionAvailable?(): Promise<boolean>
  /** As `encryptString`, without blocking. */
  encryptStringAsync?(text: string): Promise<Uint8Array>
  /** The inverse of both; it also says whether the text should be encrypted anew. */
  decryptStringAsync?(encrypted: Buffer): Promise<{ readonly result: string; readonly shouldReEncrypt: boolean }>
  /** On Linux. */
  getSelectedStorageBackend?(): string
  /** On Linux: also encrypts where no keychain protects. */
  setUsePlainTextEncryption?(usePlainText: boolean): void
}

/** Electron's name for what protects nothing; also the label of a slot that was made so. */
export const BASIC_TEXT = 'basic_text'
const UNKNOWN = 'unknown'
/** Of what Chromium has encrypted on Linux by the password in its source. By a keychain it is `v11`. */
const PUBLIC_PREFIX = 'v10'
/** Between attempts, when a keychain is only starting: 3.2 s in all. */
const PAUSES_MS: readonly number[] = [25, 50, 100, 200, 400, 800, 1600]

const pauseFor = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))

/** What came out of a keychain. */
export interface Decrypted {
  readonly text: string
  /** Whether the keychain can encrypt it better than it is. */
  readonly outdated: boolean
}

/**
 * Either form of `safeStorage`. What protects is judged by what was encrypted: the asynchronous form finds keychains
 * that Electron's name for the desktop does not tell of, and says that it is available where it has none.
 */
export class Keychain {
  readonly #electron: ElectronSafeStorage
  readonly #allowBasicText: boolean
  readonly #pause: (ms: number) => Promise<void>
  readonly #isAsync: boolean
  /** What was waited for in vain. The next attempt does not wait. */
  readonly #givenUp = new Set<'available' | 'decrypts'>()
  /** Whether what was encrypted last was public, as far as anything was. */
  #isPublic: boolean | undefined

  /** @param pause - Waits for so many milliseconds. */
  constructor(electron: ElectronSafeStorage, allowBasicText: boolean, pause: (ms: number) => Promise<void> = pauseFor) {
    const given = electron as ElectronSafeStorage | null | undefined
    const isWhole = (...methods: (keyof ElectronSafeStorage)[]): boolean =>
      methods.every((method) => typeof given?.[method] === 'function')
    this.#isAsync = isWhole('isAsyncEncryptionAvailable', 'encryptStringAsync', 'decryptStringAsync')
    if (!this.#isAsync && !isWhole('isEncryptionAvailable', 'encryptString', 'decryptString')) {
      throw new TypeError("safeStorage: expected Electron's, in the main process, got something else")
    }
    this.#electron = electron
    this.#allowBasicText = allowBasicText
    this.#pause = pause
  }

  /** Which one it is, on Linux, as far as it can be told; elsewhere there is one alone. */
  get name(): string {
    if (this.#isPublic === true) return BASIC_TEXT
    const name = this.#electron.getSelectedStorageBackend?.() ?? UNKNOWN
    return name === UNKNOWN || (name === BASIC_TEXT && this.#isPublic === false) ? 'system keychain' : name
  }

  /** Whether it was encrypted by the password that everybody knows. macOS writes `v10` before what its Keychain protects. */
  isPublic(encrypted: Uint8Array): boolean {
    return this.#electron.getSelectedStorageBackend !== undefined && mapKey(encrypted.subarray(0, 3)) === PUBLIC_PREFIX
  }

  /** @throws {SecretStoreError} `ERR_NO_KEYRING`. */
  async checkAvailable(): Promise<void> {
    const electron = this.#electron
    const backend = electron.getSelectedStorageBackend?.()
    // Without it Electron encrypts nothing by `basic_text`.
    if (backend === BASIC_TEXT && this.#allowBasicText) electron.setUsePlainTextEncryption?.(true)
    // The synchronous form is what its name says.
    if (!this.#isAsync && backend === UNKNOWN) throw unready()
    if (!this.#isAsync && backend === BASIC_TEXT) {
      if (this.#allowBasicText) return
      throw unprotected()
    }
    if (await this.#isAvailable()) return
    if (electron.getSelectedStorageBackend?.() === UNKNOWN) throw unready()
    if (backend === BASIC_TEXT) throw unprotected()
    throw noKeychain('a keychain that encrypts, got none, or one that is locked')
  }

  /** @throws {SecretStoreError} `ERR_NO_KEYRING`, also if it would be encrypted by what everybody knows. */
  async encrypt(text: string, atLeast: 'as allowed' | 'protected' = 'as allowed'): Promise<Uint8Array> {
    const encrypted = await this.#encrypt(text)
    this.#isPublic = this.isPublic(encrypted)
    if (this.#isPublic && (atLeast === 'protected' || !this.#allowBasicText)) throw unprotected()
    return encrypted
  }

  /**
   * @returns `undefined` if it was not encrypted by this keychain, this app or this user.
   * @throws {SecretStoreError} `ERR_NO_KEYRING` if at the moment the keychain decrypts nothing of the kind.
   */
  async decrypt(encrypted: Uint8Array): Promise<Decrypted | undefined> {
    try {
      const { text, outdated } = await this.#patiently('decrypts', () => this.#decrypt(encrypted))
      return { text, outdated: await this.#canDoBetter(encrypted, outdated) }
    } catch (cause) {
      if (isTemporary(cause)) throw noKeychain('a keychain that decrypts, got one that cannot at the moment', cause)
      const probe = await this.#encrypt('probe')
      // Without the keychain that has encrypted it, there is no telling a wrong key.
      if (this.isPublic(probe) && !this.isPublic(encrypted) && !this.#allowBasicText) throw unprotected(cause)
      try {
        await this.#decrypt(probe)
      } catch {
        throw noKeychain('a keychain that decrypts, got an error', cause)
      }
      return undefined
    }
  }

  async #isAvailable(): Promise<boolean> {
    const electron = this.#electron
    try {
      if (!this.#isAsync) return electron.isEncryptionAvailable?.() === true
      // For a moment after the app is ready it may say that there is none.
      return await this.#patiently('available', async () => (await electron.isAsyncEncryptionAvailable?.()) === true)
    } catch (cause) {
      throw noKeychain('a keychain that answers, got an error', cause)
    }
  }

  /** Does it again while it says `false`, or that it is temporarily unavailable. */
  async #patiently<T>(goal: 'available' | 'decrypts', work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const pauseMs = this.#givenUp.has(goal) ? undefined : PAUSES_MS[attempt]
      let value: T | undefined
      let failure: { readonly error: unknown } | undefined
      try {
        value = await work()
      } catch (error) {
        failure = { error }
      }
      const isOver = failure === undefined ? value !== false : !isTemporary(failure.error)
      if (isOver) this.#givenUp.delete(goal)
      else if (pauseMs === undefined) this.#givenUp.add(goal)
      if (isOver || pauseMs === undefined) {
        if (failure !== undefined) throw failure.error
        return value as T
      }
      await this.#pause(pauseMs)
    }
  }

  /** What protects is not exchanged for what does not. */
  async #canDoBetter(encrypted: Uint8Array, isReported: boolean): Promise<boolean> {
    if (!isReported && !this.isPublic(encrypted)) return false
    try {
      return !this.isPublic(await this.#encrypt('probe'))
    } catch {
      return isReported
    }
  }

  async #encrypt(text: string): Promise<Uint8Array> {
    const electron = this.#electron
    try {
      return (await (this.#isAsync
        ? electron.encryptStringAsync?.(text)
        : electron.encryptString?.(text))) as Uint8Array
    } catch (cause) {
      throw noKeychain('a keychain that encrypts, got an error', cause)
    }
  }

  async #decrypt(encrypted: Uint8Array): Promise<Decrypted> {
    const electron = this.#electron
    const bytes = Buffer.from(encrypted)
    if (!this.#isAsync) return { text: electron.decryptString?.(bytes) as string, outdated: false }
    const decrypted = await electron.decryptStringAsync?.(bytes)
    return { text: decrypted?.result as string, outdated: decrypted?.shouldReEncrypt === true }
  }
}

/** Electron's: "safeStorage.decryptStringAsync is temporarily unavailable. Please try again." */
function isTemporary(error: unknown): boolean {
  return isError(error) && /temporarily unavailable/i.test(error.message)
}

function unready(): SecretStoreError {
  return noKeychain('the app to be ready (await app.whenReady()), got one that is not')
}

function unprotected(cause?: unknown): SecretStoreError {
  return noKeychain(
    'a keychain, got basic_text, which protects nothing; start gnome-keyring or KWallet, and where Electron does not ' +
      'find it say --password-store=gnome-libsecret or kwallet6, or open the store with another key',
    cause,
  )
}

function noKeychain(message: string, cause?: unknown): SecretStoreError {
  return new SecretStoreError('ERR_NO_KEYRING', `safeStorage: expected ${message}`, { cause })
}
