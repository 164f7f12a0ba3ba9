import { loadPeer } from './optional-peer'
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
 * The app's `sodium-native`. If it does not load there is a warning.
 *
 * @param here - A file of the app. @defaultValue one of this library
 */
export function loadSodium(here?: string): Sodium | undefined {
  try {
    return loadPeer(PACKAGE, here) as Sodium | undefined
  } catch {
    warn(`${PACKAGE}: expected it to load, as it is installed, got an error; encryption goes on without it`)
    return undefined
  }
}
