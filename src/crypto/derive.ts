import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { concat, utf8 } from '../base/bytes'
import { KEY_BYTES, type LABEL } from '../format/constants'
import { nativeHmac } from '../platform/hmac'

export function sha256(bytes: Uint8Array): Uint8Array {
  return nobleSha256(bytes)
}

/** HMAC-SHA256 (RFC 2104), by the platform where it can. 32 bytes. */
export const mac: (key: Uint8Array, bytes: Uint8Array) => Uint8Array = nativeHmac ?? portableMac

/** The same without the platform: the reference it is checked against. */
export function portableMac(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return hmac(nobleSha256, key, bytes)
}

/**
 * One 32-byte key out of another, for one purpose: HKDF-SHA256 (RFC 5869) without salt, `info` = label ‖ 0x00 ‖ context.
 *
 * @param key - Input key material; uniformly random or stretched.
 * @param context - What else the derived key is bound to.
 */
export function derive(key: Uint8Array, label: (typeof LABEL)[keyof typeof LABEL], context: Uint8Array): Uint8Array {
  return hkdf(nobleSha256, key, undefined, concat(utf8(label), Uint8Array.of(0), context), KEY_BYTES)
}
