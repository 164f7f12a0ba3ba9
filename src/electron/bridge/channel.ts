import type { SecretStoreErrorCode } from '../../errors'

/** What main and preload have to agree on. Nothing here is a secret: a renderer may say what it likes on these channels. */

export const CALL_CHANNEL = 'secret-store:call'
export const CHANGE_CHANNEL = 'secret-store:change'

/** What a renderer may be allowed to do. */
export type BridgeVerb = 'find' | 'list' | 'get' | 'set' | 'delete' | 'watch'

/** What can be called. */
export type BridgeCall = 'find' | 'list' | 'get' | 'getBytes' | 'set' | 'delete' | 'watch' | 'unwatch'

/** Errors cross as what they say: of an `Error` Electron passes on the text alone. */
export type Answer =
  | { readonly value: unknown }
  | {
      readonly error: {
        readonly code: SecretStoreErrorCode | 'TypeError' | 'RangeError' | 'Error'
        readonly message: string
      }
    }
