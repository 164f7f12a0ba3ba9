import { hchacha } from '@noble/ciphers/chacha.js'
import { KEY_BYTES, NONCE_BYTES } from '../../format/constants'
import type { ChaCha20Poly1305 } from '../../platform/chacha20-poly1305'
import type { Aead } from './aead'

/** HChaCha20 takes this much of the nonce; the rest, after four zeros, is the nonce of ChaCha20 (RFC 8439). */
const HCHACHA_NONCE_BYTES = 16
const CHACHA_NONCE_BYTES = 12

/** "expand 32-byte k" (RFC 8439 §2.3), as the words of the machine. */
const SIGMA: Uint32Array = words(new TextEncoder().encode('expand 32-byte k'))

/**
 * XChaCha20-Poly1305 over the platform's ChaCha20-Poly1305: its key and nonce are HChaCha20 of the key and the first 16
 * bytes of the nonce, and the other 8 bytes (draft-irtf-cfrg-xchacha-03, §2.3).
 */
export function nodeAead({ encrypt, decrypt }: ChaCha20Poly1305): Aead {
  return {
    uses: [{ library: 'node:crypto', fromBytes: 0 }],
    encrypt(key, nonce, plaintext, context, out) {
      const subkey = deriveSubkey(key, nonce)
      encrypt(subkey, chachaNonce(nonce), plaintext, context, out)
      subkey.fill(0)
    },
    decrypt(key, nonce, sealed, context) {
      const subkey = deriveSubkey(key, nonce)
      const plaintext = decrypt(subkey, chachaNonce(nonce), sealed, context)
      subkey.fill(0)
      return plaintext
    },
  }
}

function deriveSubkey(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const keyWords = words(key)
  const subkey = new Uint32Array(KEY_BYTES / 4)
  hchacha(SIGMA, keyWords, words(nonce.subarray(0, HCHACHA_NONCE_BYTES)), subkey)
  keyWords.fill(0)
  return new Uint8Array(subkey.buffer)
}

function chachaNonce(nonce: Uint8Array): Uint8Array {
  const rest = new Uint8Array(CHACHA_NONCE_BYTES)
  rest.set(nonce.subarray(HCHACHA_NONCE_BYTES, NONCE_BYTES), CHACHA_NONCE_BYTES - (NONCE_BYTES - HCHACHA_NONCE_BYTES))
  return rest
}

/** A copy, at an address that words may have. */
function words(bytes: Uint8Array): Uint32Array {
  const copy = new Uint32Array(bytes.length / 4)
  new Uint8Array(copy.buffer).set(bytes)
  return copy
}
