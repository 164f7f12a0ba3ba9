/** What every reader refuses in a record: no verb could reach or return it (docs/format.md §6.1). */

import type { ByteReader } from '../base/byte-codec'
import { fromUtf8 } from '../base/bytes'
import { isLonger } from '../base/checks'
import { corrupt } from '../errors'
import type { Payload, PayloadType } from '../model'
import { asciiText, isUtf8 } from '../platform/text'
import { ID_PREFIX, ID_RANDOM_CHARACTERS, MAX_CHARACTERS } from './constants'

const ID = new RegExp(`^${ID_PREFIX}[0-9A-Za-z]{${ID_RANDOM_CHARACTERS}}$`)

/** Whether a text is an id as a writer draws it. */
export function isId(text: string): boolean {
  return ID.test(text)
}

/** A name, a user or an account. */
export function nameOf(reader: ByteReader): string {
  const text = reader.text16()
  if (text !== '' && !isLonger(text, MAX_CHARACTERS)) return text
  throw new RangeError('name: expected 1 to 5,000 characters, got others')
}

/** @returns The bytes. @throws {SecretStoreError} `ERR_CORRUPT` for a text that is not UTF-8. */
export function checkPayload(type: PayloadType, bytes: Uint8Array): Uint8Array {
  if (type === 'text' && !isUtf8(bytes)) throw corrupt('payload: expected UTF-8, got other bytes')
  return bytes
}

/** A payload of bytes was asked for as text. */
export class BytesPayloadError extends TypeError {
  constructor() {
    super('payload: expected text, got bytes (read them with getBytes)')
  }
}

/** From here on it pays to look whether all of it is ASCII. */
const LONG_TEXT_BYTES = 8192

/** @throws {BytesPayloadError} If the payload is bytes. @throws {SecretStoreError} `ERR_CORRUPT` if it is not UTF-8. */
export function payloadText({ type, bytes }: Payload): string {
  if (type === 'bytes') throw new BytesPayloadError()
  try {
    return (bytes.length >= LONG_TEXT_BYTES ? asciiText(bytes) : undefined) ?? fromUtf8(bytes)
  } catch (cause) {
    throw corrupt('payload: expected UTF-8, got other bytes', cause)
  }
}
