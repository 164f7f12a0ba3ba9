import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concat, unmoved, utf8 } from '../base/bytes'
import { KEY_BYTES, type Label } from '../format/constants'

export { mac } from '../platform/hmac'
export { sha256 }

/**
 * One 32-byte key out of another, for one purpose: HKDF-SHA256 (RFC 5869) without salt, `info` = label ‖ 0x00 ‖ context.
 *
 * @param key - Uniformly random or stretched.
 * @param context - What else the derived key is bound to.
 */
export function derive(key: Uint8Array, label: Label, context: Uint8Array): Uint8Array {
  return unmoved(hkdf(sha256, key, undefined, concat(utf8(label), Uint8Array.of(0), context), KEY_BYTES))
}
