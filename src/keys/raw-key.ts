import { isBytes } from '../bytes'
import { systemRandom } from '../crypto/random'
import { unwrapRootKey, wrapRootKey } from '../crypto/slot'
import { KEY_BYTES } from '../format/constants'
import { checkText, optionsOf } from '../validate'
import type { KeyProvider } from './provider'

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
  const { label } = optionsOf<RawKeyOptions>(options, 'raw key options', ['label'])
  if (label !== undefined) checkText(label, 'label', 200)
  const secret = Uint8Array.from(key)
  return {
    kind: 'raw-key',
    ...(label === undefined ? {} : { label }),
    wrap: async (rootKey, context) => wrapRootKey(secret, rootKey, context, systemRandom),
    unwrap: async (params, context) => unwrapRootKey(secret, params, context),
  }
}
