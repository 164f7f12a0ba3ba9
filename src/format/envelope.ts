import { ByteReader, ByteWriter } from '../bytes'
import { corrupt, SecretStoreError } from '../errors'
import { ENVELOPE_HEADER_BYTES, FORMAT_VERSION, TAG_BYTES } from './constants'

/** A sealed row: which data key, and what was sealed under it (docs/format.md §5). */
export interface Envelope {
  readonly keyId: number
  /** nonce ‖ ciphertext ‖ tag */
  readonly sealed: Uint8Array
}

export function encodeEnvelope({ keyId, sealed }: Envelope): Uint8Array {
  return new ByteWriter().u8(FORMAT_VERSION).u32(keyId).raw(sealed).bytes()
}

/** @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_UNSUPPORTED_VERSION`. */
export function decodeEnvelope(value: Uint8Array): Envelope {
  if (value.length < ENVELOPE_HEADER_BYTES + TAG_BYTES) {
    throw corrupt(`envelope: expected at least ${ENVELOPE_HEADER_BYTES + TAG_BYTES} bytes, got ${value.length}`)
  }
  const reader = new ByteReader(value)
  const version = reader.u8()
  if (version !== FORMAT_VERSION) {
    throw new SecretStoreError(
      'ERR_UNSUPPORTED_VERSION',
      `envelope: expected format version ${FORMAT_VERSION}, got ${version}`,
    )
  }
  return { keyId: reader.u32(), sealed: reader.rest() }
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
  return new ByteWriter().u8(FORMAT_VERSION).raw(storeId).u32(rowKey.length).raw(rowKey).bytes()
}
