/** What every reader refuses in a record: no verb could reach or return it (docs/format.md §6.1). */

import type { ByteReader } from '../base/byte-codec'
import { isLonger } from '../base/checks'
import { corrupt } from '../errors'
import type { PayloadType } from '../model'
import { isUtf8 } from '../platform/text'
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
