import { createHmac } from 'node:crypto'

/** HMAC-SHA256 (RFC 2104) of the platform; `undefined` where it has none. The same bytes as any other implementation. */
export const nativeHmac: ((key: Uint8Array, bytes: Uint8Array) => Uint8Array) | undefined =
  typeof createHmac === 'function'
    ? (key, bytes) => new Uint8Array(createHmac('sha256', key).update(bytes).digest())
    : undefined
