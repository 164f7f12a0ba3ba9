import { SecretStoreError, type SecretStoreErrorCode } from '../../errors'
import type { SlotParams } from '../../format/keyring-file'
import type { MessagePortMain } from '../bridge/sender'

/** What is used of Electron's `MessagePortMain`, which utility processes have as well. */
export interface KeyPort extends MessagePortMain {
  /** Tells when the other end is closed. */
  on(event: 'close', listener: () => void): unknown
  /** Tells of a message of the other end. */
  on(event: 'message', listener: (event: { readonly data: unknown }) => void): unknown
}

/** What a process asks the main process for. Whoever has the port may say anything instead. */
export type Ask =
  | { readonly ask: 'location' }
  | { readonly ask: 'unwrap'; readonly slot: AskedSlot; readonly params: SlotParams }
  | { readonly ask: 'wrap'; readonly slot: AskedSlot; readonly rootKey: Uint8Array }

/** As the `SlotContext` of a key provider. */
export interface AskedSlot {
  readonly storeId: Uint8Array
  readonly slotId: Uint8Array
  readonly kind: string
}

export type Reply = { readonly value: unknown } | { readonly error: ToldError }

interface ToldError {
  readonly code: SecretStoreErrorCode | 'TypeError' | 'RangeError' | 'Error'
  readonly message: string
}

export function checkPort(port: KeyPort): KeyPort {
  const isPort = (['on', 'postMessage', 'start', 'close'] as const).every((name) => typeof port?.[name] === 'function')
  if (isPort) return port
  throw new TypeError("port: expected Electron's MessagePortMain, got something else")
}

/** Of a stranger's error its words are kept back: they may say anything. */
export function toldError(error: unknown): ToldError {
  if (error instanceof SecretStoreError) return { code: error.code, message: error.message }
  if (error instanceof TypeError) return { code: 'TypeError', message: error.message }
  if (error instanceof RangeError) return { code: 'RangeError', message: error.message }
  return { code: 'Error', message: 'key: expected the main process to have it, got an error there' }
}

export function heardError(told: unknown): Error {
  const { code, message } = (told ?? {}) as Partial<ToldError>
  const text = typeof message === 'string' ? message : 'key: expected the main process to answer, got something else'
  if (code === 'TypeError') return new TypeError(text)
  if (code === 'RangeError') return new RangeError(text)
  return typeof code === 'string' && code.startsWith('ERR_')
    ? new SecretStoreError(code as SecretStoreErrorCode, text)
    : new Error(text)
}

/** The number of an ask or a reply; `undefined` if it is neither. */
export function numberOf(message: unknown): number | undefined {
  const { number } = (message ?? {}) as { readonly number?: unknown }
  return Number.isSafeInteger(number) ? (number as number) : undefined
}
