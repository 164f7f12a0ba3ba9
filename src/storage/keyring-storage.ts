import { equal } from '../bytes'
import { SecretStoreError } from '../errors'
import { installKeyring, type Location, readKeyring, stageKeyring } from './location'

/** Where keyring.json is kept while the store is open. */
export interface KeyringStorage {
  /** As it was last read or written. */
  readonly bytes: Uint8Array
  /** Whether it is still there as it was last read or written. @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_IO`, … */
  isUnchanged(): Promise<boolean>
  /** Gets everything ready for another one. @throws {SecretStoreError} `ERR_IO`, `ERR_LOCKED`; then nothing has changed. */
  stage(bytes: Uint8Array): Promise<void>
  /** Puts it in place, on disk when it resolves. If it throws, either may be there. */
  install(): Promise<void>
}

export class LocationKeyring implements KeyringStorage {
  readonly #location: Location
  #bytes: Uint8Array
  #staged: Uint8Array

  constructor(location: Location, bytes: Uint8Array) {
    this.#location = location
    this.#bytes = bytes
    this.#staged = bytes
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  async isUnchanged(): Promise<boolean> {
    return equal(await readKeyring(this.#location), this.#bytes)
  }

  async stage(bytes: Uint8Array): Promise<void> {
    // Whoever else wrote it may have put keys there that rows depend on.
    if (!(await this.isUnchanged())) {
      throw new SecretStoreError('ERR_LOCKED', 'keyring.json: expected it as it was last written, got another')
    }
    await stageKeyring(this.#location, bytes)
    this.#staged = bytes
  }

  async install(): Promise<void> {
    await installKeyring(this.#location)
    this.#bytes = this.#staged
  }
}

/** Of a store that dies with the process. */
export class MemoryKeyring implements KeyringStorage {
  #bytes: Uint8Array
  #staged: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#staged = bytes
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  async isUnchanged(): Promise<boolean> {
    return true
  }

  async stage(bytes: Uint8Array): Promise<void> {
    this.#staged = bytes
  }

  async install(): Promise<void> {
    this.#bytes = this.#staged
  }
}
