import { systemRandom } from '../crypto/random'
import { unwrapRootKey, wrapRootKey } from '../crypto/slot'
import { checkText, optionsOf } from '../validate'
import type { KeyProvider } from './provider'

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
  return {
    kind,
    ...(label === undefined ? {} : { label }),
    wrap: async (rootKey, context) => wrapRootKey(secret, rootKey, context, systemRandom),
    unwrap: async (params, context) => unwrapRootKey(secret, params, context),
  }
}
