import { getU32, setU32 } from '../base/byte-codec'
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

/** An envelope with room for what is to be sealed. */
export function blankEnvelope(keyId: number, sealedBytes: number): Uint8Array {
  const value = new Uint8Array(SEALED_OFFSET + sealedBytes)
  value[0] = FORMAT_VERSION
  setU32(value, 1, keyId)
  return value
}

/** @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_UNSUPPORTED_VERSION`. */
export function decodeEnvelope(value: Uint8Array): Envelope {
  if (value.length < IDENTITY_BYTES) {
    throw corrupt(`envelope: expected at least ${IDENTITY_BYTES} bytes, got ${value.length}`)
  }
  const version = value[0]
  if (version !== FORMAT_VERSION) {
    const message = `envelope: expected format version ${FORMAT_VERSION}, got ${version}`
    throw new SecretStoreError('ERR_UNSUPPORTED_VERSION', message)
  }
  return { keyId: getU32(value, 1), sealed: value.subarray(SEALED_OFFSET) }
}

/** Header ‖ tag: what tells an envelope from every other one for its row. No envelope is shorter. */
export const IDENTITY_BYTES: number = ENVELOPE_HEADER_BYTES + TAG_BYTES

/** The data key that an envelope says it is sealed under. */
export function envelopeKeyId(value: Uint8Array): number {
  return getU32(value, 1)
}

export function envelopeTag(value: Uint8Array): Uint8Array {
  return value.subarray(value.length - TAG_BYTES)
}

/**
 * What a row's seal is bound to besides its content: version ‖ store id ‖ length of the row key ‖ row key. A value moved
 * to another row, or to another store, does not open.
 */
export class RowContext {
  /** Begins with what all have in common. */
  #buffer: Uint8Array
  readonly #prefixBytes: number

  constructor(storeId: Uint8Array) {
    this.#prefixBytes = 1 + storeId.length
    this.#buffer = new Uint8Array(this.#prefixBytes + 4 + USUAL_ROW_KEY_BYTES)
    this.#buffer[0] = FORMAT_VERSION
    this.#buffer.set(storeId, 1)
  }

  /** @returns It is good until the next call. */
  of(rowKey: Uint8Array): Uint8Array {
    const start = this.#prefixBytes + 4
    this.#buffer = withRoom(this.#buffer, start + rowKey.length)
    setU32(this.#buffer, this.#prefixBytes, rowKey.length)
    this.#buffer.set(rowKey, start)
    return this.#buffer.subarray(0, start + rowKey.length)
  }
}

/** What the set hash covers of a record: length of the row key ‖ row key ‖ identity of the envelope. */
export class SetElement {
  #buffer: Uint8Array = new Uint8Array(4 + USUAL_ROW_KEY_BYTES + IDENTITY_BYTES)

  /** @returns It is good until the next call. */
  of(rowKey: Uint8Array, value: Uint8Array): Uint8Array {
    const start = 4 + rowKey.length
    this.#buffer = withRoom(this.#buffer, start + IDENTITY_BYTES)
    setU32(this.#buffer, 0, rowKey.length)
    this.#buffer.set(rowKey, 4)
    this.#buffer.set(value.subarray(0, ENVELOPE_HEADER_BYTES), start)
    this.#buffer.set(envelopeTag(value), start + ENVELOPE_HEADER_BYTES)
    return this.#buffer.subarray(0, start + IDENTITY_BYTES)
  }
}

const USUAL_ROW_KEY_BYTES = 256

function withRoom(buffer: Uint8Array, length: number): Uint8Array {
  if (buffer.length >= length) return buffer
  const larger = new Uint8Array(2 * length)
  larger.set(buffer)
  return larger
}
