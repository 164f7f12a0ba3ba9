import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { concat } from '../bytes'
import { KEY_BYTES, NONCE_BYTES, TAG_BYTES } from '../format/constants'
import type { Random } from './random'

/**
 * Encrypts and authenticates with XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03). Random 192-bit nonces: no counter is
 * kept, and 2^80 messages under one key are as safe as the first.
 *
 * @param key - 32 bytes.
 * @param context - Authenticated, not stored.
 * @returns nonce (24 bytes) ‖ ciphertext ‖ tag (16 bytes).
 * @throws {RangeError} If `key` is not 32 bytes.
 */
export function seal(key: Uint8Array, plaintext: Uint8Array, context: Uint8Array, random: Random): Uint8Array {
  checkKey(key)
  const nonce = random(NONCE_BYTES)
  return concat(nonce, xchacha20poly1305(key, nonce, context).encrypt(plaintext))
}

/**
 * The inverse of `seal`.
 *
 * @returns `undefined` if `sealed` was not made by `seal` with this key and context.
 * @throws {RangeError} If `key` is not 32 bytes.
 */
export function open(key: Uint8Array, sealed: Uint8Array, context: Uint8Array): Uint8Array | undefined {
  checkKey(key)
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined
  try {
    return xchacha20poly1305(key, sealed.subarray(0, NONCE_BYTES), context).decrypt(sealed.subarray(NONCE_BYTES))
  } catch {
    return undefined
  }
}

/** The library below checks too, but as late as when it decrypts, where every error means a wrong tag. */
function checkKey(key: Uint8Array): void {
  if (key.length !== KEY_BYTES) throw new RangeError(`key: expected ${KEY_BYTES} bytes, got ${key.length}`)
}
