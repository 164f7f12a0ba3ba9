import { createRequire } from 'node:module'
import { warn } from './warn'

/** Of `sodium-native`, what is used. Both write into the memory they are given. */
export interface Sodium {
  crypto_aead_xchacha20poly1305_ietf_encrypt(
    out: Uint8Array,
    plaintext: Uint8Array,
    context: Uint8Array,
    secretNonce: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): void
  /** @throws If the tag is wrong. */
  crypto_aead_xchacha20poly1305_ietf_decrypt(
    out: Uint8Array,
    secretNonce: null,
    sealed: Uint8Array,
    context: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
  ): void
}

const PACKAGE = 'sodium-native'

/**
 * The app's `sodium-native`. Asked for in a way that no bundler sees, since it is not there for most.
 *
 * @returns `undefined` if it is not installed, or not for this machine; the latter with a warning.
 */
export function loadSodium(): Sodium | undefined {
  const load = createRequire(import.meta.url)
  try {
    load.resolve(PACKAGE)
  } catch {
    return undefined
  }
  try {
    return load(PACKAGE) as Sodium
  } catch {
    warn(`${PACKAGE}: expected it to load, as it is installed, got an error; encryption goes on without it`)
    return undefined
  }
}
