import { isError } from '../base/thrown'

/** Says something to whoever runs the process, through the channel Node has for it. */
export function warn(message: string): void {
  process.emitWarning(message, 'SecretStoreWarning')
}

/** As `warn`, for an error that reaches nobody else. */
export function warnOf(error: unknown): void {
  warn(isError(error) ? error.message : 'secret-store: something failed in the background')
}
