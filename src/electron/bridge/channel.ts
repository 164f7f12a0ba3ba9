import type { SecretStoreErrorCode } from '../../errors'

/** What main and preload have to agree on. A renderer may say what it likes on these channels. */

/** The call, its parameters, and the URL that the document was loaded as. */
export const CALL_CHANNEL = 'secret-store:call'

/** Carries the port for changes, before the call `watch`: a port ends with its document, a frame gets another one. */
export const PORT_CHANNEL = 'secret-store:port'

/** What a renderer may be allowed to do. */
export type BridgeVerb = 'find' | 'list' | 'get' | 'set' | 'delete' | 'watch'

/** What can be called. */
export type BridgeCall = 'find' | 'list' | 'get' | 'getBytes' | 'set' | 'delete' | 'watch'

/** Errors cross as what they say: of an `Error` Electron passes on the text alone. */
export type Answer =
  | { readonly value: unknown }
  | {
      readonly error: {
        readonly code: SecretStoreErrorCode | 'TypeError' | 'RangeError' | 'Error'
        readonly message: string
      }
    }
