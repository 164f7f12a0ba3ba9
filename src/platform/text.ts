import { isAscii, isUtf8 } from 'node:buffer'

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
