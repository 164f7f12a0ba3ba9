import { TAG_BYTES } from '../../format/constants'
import type { Sodium } from '../../platform/sodium'
import type { Aead } from './aead'

/** libsodium, which works in the memory it is given: no key and no plaintext stays behind anywhere else. */
export function sodiumAead(sodium: Sodium): Aead {
  return {
    uses: [{ library: 'sodium-native', fromBytes: 0 }],
    encrypt(key, nonce, plaintext, context, out) {
      sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(out, plaintext, context, null, nonce, key)
    },
    decrypt(key, nonce, sealed, context, out) {
      const length = sealed.length - TAG_BYTES
      const plaintext = out !== undefined && out.length >= length ? out.subarray(0, length) : new Uint8Array(length)
      try {
        sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plaintext, null, sealed, context, nonce, key)
        return plaintext
      } catch {
        return undefined
      }
    },
  }
}
