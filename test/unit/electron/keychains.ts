import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import type { ElectronSafeStorage } from '../../../src/electron/index'
import { Keychain } from '../../../src/electron/keychain'
import { keychainKey } from '../../../src/electron/safe-storage'
import type { KeyProvider } from '../../../src/index'

/**
 * What Electron's `safeStorage` is on Linux, as far as it matters here: AES-128-CBC under a key of the keychain, without authentication, so that
 * a wrong key now and then gives other text in place of an error. In the form before Electron 41, or the one of Electron 46.
 */
export class FakeKeychain {
  /** The password in the keychain; another one is another user, app or machine. */
  password = 'first'
  backend = 'gnome_libsecret'
  /** Whether encryption can be had at all. */
  available = true
  /** Decryption fails for now, whatever the key. */
  broken = false
  /** What the asynchronous form encrypts by, whatever the name of the back end; by default as the name says. */
  protects: boolean | undefined
  /** How many times the asynchronous form says yet that it is not available, and that it cannot decrypt. */
  notYetAvailable = 0
  notYetDecrypting = 0
  readonly calls: string[] = []

  encrypt(text: string): Buffer {
    this.calls.push('encrypt')
    if (!this.available) throw new Error('Error while encrypting the text provided to safeStorage.encryptString.')
    const prefix = (this.protects ?? this.backend !== 'basic_text') ? 'v11' : 'v10'
    const iv = randomBytes(16)
    const cipher = createCipheriv('aes-128-cbc', this.#key(prefix), iv)
    return Buffer.concat([Buffer.from(prefix), iv, cipher.update(text), cipher.final()])
  }

  decrypt(encrypted: Buffer): string {
    this.calls.push('decrypt')
    const isKeyGone = this.protects === false && encrypted.subarray(0, 3).toString() === 'v11'
    if (this.broken || isKeyGone)
      throw new Error('Error while decrypting the ciphertext provided to safeStorage.decryptString.')
    const cipher = createDecipheriv(
      'aes-128-cbc',
      this.#key(encrypted.subarray(0, 3).toString()),
      encrypted.subarray(3, 19),
    )
    return cipher.update(encrypted.subarray(19), undefined, 'utf8') + cipher.final('utf8')
  }

  #key(prefix: string): Buffer {
    const password = prefix === 'v10' ? 'peanuts' : this.password
    return createHash('sha256').update(password).digest().subarray(0, 16)
  }

  get sync(): ElectronSafeStorage {
    return {
      isEncryptionAvailable: () => this.available,
      encryptString: (text) => this.encrypt(text),
      decryptString: (encrypted) => this.decrypt(encrypted),
      getSelectedStorageBackend: () => this.backend,
      setUsePlainTextEncryption: (plain) => {
        if (plain) this.available = true
      },
    }
  }

  /** @param shouldReEncrypt - Whether what it decrypts is of an older key. */
  async(shouldReEncrypt: (encrypted: Buffer) => boolean = () => false): ElectronSafeStorage {
    return {
      isAsyncEncryptionAvailable: async () => this.notYetAvailable-- <= 0 && this.available,
      encryptStringAsync: async (text) => this.encrypt(text),
      decryptStringAsync: async (encrypted) => {
        if (this.notYetDecrypting-- > 0) {
          throw new Error('safeStorage.decryptStringAsync is temporarily unavailable. Please try again.')
        }
        return { result: this.decrypt(encrypted), shouldReEncrypt: shouldReEncrypt(encrypted) }
      },
      getSelectedStorageBackend: () => this.backend,
    }
  }
}

/** As `safeStorage`; its waits take no time, and their lengths in milliseconds are in `waits`. */
export function untimedKey(
  electron: ElectronSafeStorage,
  { allowBasicText = false, waits = [] }: { readonly allowBasicText?: boolean; readonly waits?: number[] } = {},
): KeyProvider {
  const pause = async (ms: number): Promise<void> => void waits.push(ms)
  return keychainKey(new Keychain(electron, allowBasicText, pause))
}
