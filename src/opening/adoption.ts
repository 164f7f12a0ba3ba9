import { equal, toBase64url } from '../base/bytes'
import { type Keyring, readKeyringFile, verifyKeyringFile } from '../crypto/keyring'
import { Lineage } from '../crypto/lineage'
import { SecretStoreError } from '../errors'
import type { KeyringFile, UnverifiedKeyringFile } from '../format/keyring-file'
import type { KeyProvider } from '../keys/provider'
import { unlock } from '../keys/unlock'
import type { KeyringStorage } from '../storage/directory/keyring-json'
import { type Location, readKeyring } from '../storage/directory/location'

/** What takes keys over. */
export interface AdoptionOptions {
  readonly location: Location
  readonly keyring: Keyring
  readonly keyringStorage: KeyringStorage
  readonly key: KeyProvider
}

/** Takes over the keys of a keyring.json that others have put in place, if it was made after the one that is in use. */
export class Adoption {
  readonly #options: AdoptionOptions
  /** By MAC. Asking for a key may be a question to somebody, and is done once at a time. */
  readonly #asked = new Map<string, Promise<boolean>>()

  #isSilent = false

  constructor(options: AdoptionOptions) {
    this.#options = options
  }

  /**
   * @param given - Read from the location, if nobody sent it.
   * @returns Whether there was anything to take over.
   * @throws {SecretStoreError} `ERR_WRONG_KEY`, `ERR_CORRUPT`; `ERR_ROLLBACK` for one that was made before it, or that is
   *   of another store.
   */
  async take(given?: Uint8Array): Promise<boolean> {
    const { location, keyring, keyringStorage } = this.#options
    const bytes = given ?? (await readKeyring(location))
    const unverified = readKeyringFile(bytes)
    // Those may be in place whose keys are not in use: the commit with which they come into use may have failed.
    const isInUse = equal(bytes, keyringStorage.bytes) && generationOf(unverified.file) === generationOf(keyring.file)
    const isUsed = await keyring.lendRootKey((rootKey) => {
      if (!isUnder(rootKey, bytes)) return undefined
      // An owner has put those in place itself that another process sent, and has their keys not yet.
      return (given === undefined && isInUse) || this.#use(unverified.file, rootKey, bytes)
    })
    if (isUsed === true) return !(given === undefined && isInUse)
    if (isUsed === undefined && !this.#isOlder(unverified.file) && (await this.#ask(unverified, bytes))) return true
    // What was made after it may have come first, but for the one that is there and stays.
    if (given === undefined && equal(await readKeyring(location), bytes)) throw notAfter()
    return false
  }

  /** Whether the key was waited for in vain, and has not answered since. */
  get isSilent(): boolean {
    return this.#isSilent
  }

  /** What was asked of the key by now is waited for no more. */
  giveUp(): void {
    this.#isSilent = this.#asked.size > 0
  }

  /** What became of a keyring.json that this process has made, and that is in place if it took effect. */
  outcomeOf(made: Uint8Array): 'done' | 'overtaken' | 'unknown' {
    const { keyring, keyringStorage } = this.#options
    if (equal(made, keyringStorage.bytes)) return 'done'
    // One of a later generation may have come after it, or after another one of its own.
    const isLast = generationOf(readKeyringFile(made).file) >= generationOf(keyring.file)
    return isLast ? 'overtaken' : 'unknown'
  }

  #ask(unverified: UnverifiedKeyringFile, bytes: Uint8Array): Promise<boolean> {
    const name = toBase64url(unverified.mac)
    const asked = this.#asked.get(name)
    if (asked !== undefined) return asked
    const asking = this.#unlock(unverified, bytes).finally(() => {
      this.#asked.delete(name)
      this.#isSilent = false
    })
    this.#asked.set(name, asking)
    return asking
  }

  async #unlock(unverified: UnverifiedKeyringFile, bytes: Uint8Array): Promise<boolean> {
    const { file, rootKey } = await unlock(unverified, this.#options.key)
    try {
      return this.#use(file, rootKey, bytes)
    } finally {
      rootKey.fill(0)
    }
  }

  /** @returns `false` if one is in use that was made after it. */
  #use(file: KeyringFile, rootKey: Uint8Array, bytes: Uint8Array): boolean {
    const { keyring, keyringStorage } = this.#options
    if (this.#isOlder(file)) return false
    if (!continues(file, rootKey, keyring)) throw notAfter()
    keyring.adopt(file, rootKey)
    keyringStorage.bytes = bytes
    return true
  }

  #isOlder(file: KeyringFile): boolean {
    return generationOf(file) < generationOf(this.#options.keyring.file)
  }
}

function generationOf({ change }: KeyringFile): number {
  return change?.generation ?? 0
}

/** Whether a keyring.json has the MAC of this root key. */
export function isUnder(rootKey: Uint8Array, bytes: Uint8Array): boolean {
  try {
    verifyKeyringFile(readKeyringFile(bytes), rootKey)
    return true
  } catch {
    return false
  }
}

/**
 * Whether a file can be one that came after that of a keyring: it is of the same store, and knows the present root. Whoever
 * had a former root alone can make no such file.
 *
 * @param rootKey - The file's, which vouches for it.
 */
export function continues(file: KeyringFile, rootKey: Uint8Array, { storeId, names, rootId }: Keyring): boolean {
  if (!equal(file.storeId, storeId) || file.names !== names) return false
  const lineage = new Lineage(file, rootKey)
  try {
    return lineage.has(rootId)
  } finally {
    lineage.wipe()
  }
}

function notAfter(): SecretStoreError {
  return new SecretStoreError(
    'ERR_ROLLBACK',
    'keyring.json: expected one that came after the one whose keys are in use, got another',
  )
}
