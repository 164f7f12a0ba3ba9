import { isAscii, isUtf8 } from 'node:buffer'
import { TextDecoder, TextEncoder } from 'node:util'

/** Whether bytes are UTF-8: no surrogates, no overlong forms. Several times faster than a decoder. */
export { isUtf8 }

/**
 * Text of bytes that are all ASCII, several times faster than a decoder of UTF-8 where there are many.
 *
 * @returns `undefined` if some are not.
 */
export function asciiText(bytes: Uint8Array): string | undefined {
  if (!isAscii(bytes)) return undefined
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** Loads a module that makes encoders as it is loaded: a context of jest with jsdom has none to make. */
export async function loadWithEncoders<T>(load: () => Promise<T>): Promise<T> {
  const missing = Object.entries({ TextDecoder, TextEncoder }).filter(([name]) => !(name in globalThis))
  Object.assign(globalThis, Object.fromEntries(missing))
  try {
    return await load()
  } finally {
    for (const [name] of missing) Reflect.deleteProperty(globalThis, name)
  }
}
