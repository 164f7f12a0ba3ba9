import { KEY_BYTES, NONCE_BYTES, TAG_BYTES } from '../format/constants'
import type { Aead } from './aead/aead'
import { nobleAead } from './aead/noble'
import type { Random } from './random'

/** How much longer `seal` makes what it is given. */
export const SEAL_BYTES: number = NONCE_BYTES + TAG_BYTES

/**
 * Encrypts and authenticates, with random 192-bit nonces: no counter is kept.
 *
 * @param key - 32 bytes.
 * @param context - Authenticated, not stored.
 * @param aead - @defaultValue `@noble/ciphers`, the reference
 * @param out - Where it is written; 40 bytes longer than the plaintext.
 * @returns nonce (24 bytes) ‖ ciphertext ‖ tag (16 bytes).
 * @throws {RangeError} If `key` is not 32 bytes.
 */
export function seal(
  key: Uint8Array,
  plaintext: Uint8Array,
  context: Uint8Array,
  random: Random,
  aead: Aead = nobleAead,
  out: Uint8Array = new Uint8Array(plaintext.length + SEAL_BYTES),
): Uint8Array {
  checkKey(key)
  const nonce = random(NONCE_BYTES)
  out.set(nonce)
  aead.encrypt(key, nonce, plaintext, context, out.subarray(NONCE_BYTES))
  return out
}

/**
 * The inverse of `seal`.
 *
 * @param out - Where the plaintext may be written, if it is long enough. @defaultValue memory of its own
 * @returns `undefined` if `sealed` was not made by `seal` with this key and context.
 * @throws {RangeError} If `key` is not 32 bytes.
 */
export function open(
  key: Uint8Array,
  sealed: Uint8Array,
  context: Uint8Array,
  aead: Aead = nobleAead,
  out?: Uint8Array,
): Uint8Array | undefined {
  checkKey(key)
  if (sealed.length < SEAL_BYTES) return undefined
  return aead.decrypt(key, sealed.subarray(0, NONCE_BYTES), sealed.subarray(NONCE_BYTES), context, out)
}

/** The libraries below check too, but as late as when they decrypt, where every error means a wrong tag. */
function checkKey(key: Uint8Array): void {
  if (key.length !== KEY_BYTES) throw new RangeError(`key: expected ${KEY_BYTES} bytes, got ${key.length}`)
}
