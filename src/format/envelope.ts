import { getU32, setU32 } from '../bytes'
import { corrupt, SecretStoreError } from '../errors'
import { ENVELOPE_HEADER_BYTES, FORMAT_VERSION, NONCE_BYTES, TAG_BYTES } from './constants'

/** A sealed row: which data key, and what was sealed under it (docs/format.md §5). */
export interface Envelope {
  readonly keyId: number
  /** nonce ‖ ciphertext ‖ tag */
  readonly sealed: Uint8Array
}

/** Where `sealed` begins. */
export const SEALED_OFFSET: number = ENVELOPE_HEADER_BYTES - NONCE_BYTES

export function encodeEnvelope({ keyId, sealed }: Envelope): Uint8Array {
  const value = blankEnvelope(keyId, sealed.length)
  value.set(sealed, SEALED_OFFSET)
  return value
}

/** An envelope with room for what is to be sealed. */
export function blankEnvelope(keyId: number, sealedBytes: number): Uint8Array {
  const value = new Uint8Array(SEALED_OFFSET + sealedBytes)
  value[0] = FORMAT_VERSION
  setU32(value, 1, keyId)
  return value
}

/** @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_UNSUPPORTED_VERSION`. */
export function decodeEnvelope(value: Uint8Array): Envelope {
  if (value.length < ENVELOPE_HEADER_BYTES + TAG_BYTES) {
    throw corrupt(`envelope: expected at least ${ENVELOPE_HEADER_BYTES + TAG_BYTES} bytes, got ${value.length}`)
  }
  const version = value[0]
  if (version !== FORMAT_VERSION) {
    throw new SecretStoreError(
      'ERR_UNSUPPORTED_VERSION',
      `envelope: expected format version ${FORMAT_VERSION}, got ${version}`,
    )
  }
  return { keyId: getU32(value, 1), sealed: value.subarray(SEALED_OFFSET) }
}

/** What tells this envelope from every other one for its row: header ‖ tag. It is what the set hash covers. */
export function envelopeIdentity(value: Uint8Array): Uint8Array {
  const identity = new Uint8Array(ENVELOPE_HEADER_BYTES + TAG_BYTES)
  identity.set(value.subarray(0, ENVELOPE_HEADER_BYTES))
  identity.set(envelopeTag(value), ENVELOPE_HEADER_BYTES)
  return identity
}

export function envelopeTag(value: Uint8Array): Uint8Array {
  return value.subarray(value.length - TAG_BYTES)
}

/**
 * What a row's seal is bound to besides its content: version ‖ store id ‖ length of the row key ‖ row key. A value moved
 * to another row, or to another store, does not open.
 */
export function rowContext(storeId: Uint8Array, rowKey: Uint8Array): Uint8Array {
  const context = new Uint8Array(1 + storeId.length + 4 + rowKey.length)
  context[0] = FORMAT_VERSION
  context.set(storeId, 1)
  setU32(context, 1 + storeId.length, rowKey.length)
  context.set(rowKey, 1 + storeId.length + 4)
  return context
}

/** What the set hash covers of a record: length of the row key ‖ row key ‖ identity of the envelope. */
export function setElement(rowKey: Uint8Array, value: Uint8Array): Uint8Array {
  const element = new Uint8Array(4 + rowKey.length + ENVELOPE_HEADER_BYTES + TAG_BYTES)
  setU32(element, 0, rowKey.length)
  element.set(rowKey, 4)
  element.set(envelopeIdentity(value), 4 + rowKey.length)
  return element
}
