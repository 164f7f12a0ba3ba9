import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import type { Aead } from './aead'

/** The reference: runs wherever JavaScript does, and the others are held against it. */
export const nobleAead: Aead = {
  uses: [{ library: '@noble/ciphers', fromBytes: 0 }],
  encrypt(key, nonce, plaintext, context, out) {
    xchacha20poly1305(key, nonce, context).encrypt(plaintext, out)
  },
  decrypt(key, nonce, sealed, context) {
    try {
      return xchacha20poly1305(key, nonce, context).decrypt(sealed)
    } catch {
      return undefined
    }
  },
}
