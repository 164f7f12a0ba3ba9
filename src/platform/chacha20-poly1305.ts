import { createCipheriv, createDecipheriv, getCiphers } from 'node:crypto'
import { TAG_BYTES } from '../format/constants'

/** ChaCha20-Poly1305 (RFC 8439) with a key of 32 bytes and a nonce of 12. */
export interface ChaCha20Poly1305 {
  /** @param out - Takes ciphertext ‖ tag. */
  encrypt(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, context: Uint8Array, out: Uint8Array): void
  /** @returns `undefined` if the tag is not that of `sealed`. */
  decrypt(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, context: Uint8Array): Uint8Array | undefined
}

const CIPHER = 'chacha20-poly1305'
const TAG = { authTagLength: TAG_BYTES }

/** `undefined` where the platform's library has none, as in Electron. */
export const platformChaCha: ChaCha20Poly1305 | undefined = getCiphers().includes(CIPHER)
  ? { encrypt, decrypt }
  : undefined

function encrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  context: Uint8Array,
  out: Uint8Array,
): void {
  const cipher = createCipheriv(CIPHER, key, nonce, TAG)
  cipher.setAAD(context, { plaintextLength: plaintext.length })
  out.set(cipher.update(plaintext))
  cipher.final()
  out.set(cipher.getAuthTag(), plaintext.length)
}

function decrypt(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, context: Uint8Array): Uint8Array | undefined {
  const length = sealed.length - TAG_BYTES
  const decipher = createDecipheriv(CIPHER, key, nonce, TAG)
  decipher.setAAD(context, { plaintextLength: length })
  decipher.setAuthTag(sealed.subarray(length))
  const plaintext = decipher.update(sealed.subarray(0, length))
  try {
    decipher.final()
  } catch {
    plaintext.fill(0) // nobody vouches for it
    return undefined
  }
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength)
}
