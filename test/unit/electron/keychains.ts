import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import type { ElectronSafeStorage } from '../../../src/electron/index'

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
  readonly calls: string[] = []

  encrypt(text: string): Buffer {
    this.calls.push('encrypt')
    if (!this.available) throw new Error('Error while encrypting the text provided to safeStorage.encryptString.')
    const prefix = this.backend === 'basic_text' ? 'v10' : 'v11'
    const iv = randomBytes(16)
    const cipher = createCipheriv('aes-128-cbc', this.#key(prefix), iv)
    return Buffer.concat([Buffer.from(prefix), iv, cipher.update(text), cipher.final()])
  }

  decrypt(encrypted: Buffer): string {
    this.calls.push('decrypt')
    if (this.broken) throw new Error('Error while decrypting the ciphertext provided to safeStorage.decryptString.')
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
      isAsyncEncryptionAvailable: async () => this.available,
      encryptStringAsync: async (text) => this.encrypt(text),
      decryptStringAsync: async (encrypted) => ({
        result: this.decrypt(encrypted),
        shouldReEncrypt: shouldReEncrypt(encrypted),
      }),
      getSelectedStorageBackend: () => this.backend,
    }
  }
}
