import { blankEnvelope, type Envelope, SEALED_OFFSET } from '../../src/format/envelope'

/** The inverse of `decodeEnvelope`. The library itself seals into a blank envelope. */
export function encodeEnvelope({ keyId, sealed }: Envelope): Uint8Array {
  const value = blankEnvelope(keyId, sealed.length)
  value.set(sealed, SEALED_OFFSET)
  return value
}
