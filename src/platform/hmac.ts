import { createHmac } from 'node:crypto'

/** HMAC-SHA256 (RFC 2104). 32 bytes. */
export function mac(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac('sha256', key).update(bytes).digest())
}
