import { isBytes } from '../base/bytes'
import { checkText, optionsOf } from '../base/checks'
import { systemRandom } from '../crypto/random'
import { unwrapRootKey, wrapRootKey } from '../crypto/slot'
import { KEY_BYTES, SLOT_KIND } from '../format/constants'
import { holdSecret } from './held-secret'
import type { KeyProvider } from './provider'

/** What `rawKey` takes beside the key. */
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
  return randomSecret(SLOT_KIND.rawKey, Uint8Array.from(key), options, 'raw key')
}

/**
 * The provider of a secret that is random, so that it needs no stretching.
 *
 * @param secret - The provider's own from now on.
 * @param name - What messages call it.
 */
export function randomSecret(kind: string, secret: Uint8Array, options: unknown, name: string): KeyProvider {
  type Options = { readonly label?: string }
  const { label } = optionsOf<Options>(options as Options, `${name} options`, ['label'])
  if (label !== undefined) checkText(label, 'label', 200)
  const held = holdSecret(secret)
  return {
    kind,
    ...(label === undefined ? {} : { label }),
    wrap: async (rootKey, context) => wrapRootKey(held.bytes, rootKey, context, systemRandom),
    unwrap: async (params, context) => unwrapRootKey(held.bytes, params, context),
  }
}
