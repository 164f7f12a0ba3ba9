import { isBytes } from '../bytes'
import { KEY_BYTES } from '../format/constants'
import type { KeyProvider } from './provider'
import { randomSecret } from './random-secret'

export interface RawKeyOptions {
  /** A name for the slot, shown by tools, never secret. */
  readonly label?: string
}

/**
 * A key the app keeps itself. It is not stretched: it must be random, not a password.
 *
 * @param key - 32 bytes, copied.
 * @throws {TypeError} If it is not bytes. @throws {RangeError} If it is not 32 of them.
 */
export function rawKey(key: Uint8Array, options: RawKeyOptions = {}): KeyProvider {
  if (!isBytes(key)) throw new TypeError(`raw key: expected a Uint8Array, got ${typeof key}`)
  if (key.length !== KEY_BYTES) throw new RangeError(`raw key: expected ${KEY_BYTES} bytes, got ${key.length}`)
  return randomSecret('raw-key', Uint8Array.from(key), options, 'raw key')
}
