import { fromBase64url, fromUtf8, toBase64url, utf8 } from '../base/bytes'
import { SecretStoreError } from '../errors'
import { KEY_BYTES, SYSTEM_KEYRING_ENTRY } from '../format/constants'

const PREFIX = `${SYSTEM_KEYRING_ENTRY.mark}${SYSTEM_KEYRING_ENTRY.version}:`
const LATER = new RegExp(`^${SYSTEM_KEYRING_ENTRY.mark}[1-9]\\d*:`)

/** What stands in the keyring for a secret: ASCII, since some keyrings keep text alone. */
export function encodeKeyringEntry(secret: Uint8Array): Uint8Array {
  return utf8(PREFIX + toBase64url(secret))
}

/**
 * The inverse of `encodeKeyringEntry`.
 *
 * @returns 32 bytes.
 * @throws {SecretStoreError} `ERR_FOREIGN_KEYRING_ENTRY`, `ERR_UNSUPPORTED_VERSION`.
 */
export function decodeKeyringEntry(bytes: Uint8Array, name: string): Uint8Array {
  const text = textOf(bytes)
  if (text.startsWith(PREFIX)) {
    const secret = fromBase64url(text.slice(PREFIX.length))
    if (secret?.length === KEY_BYTES) return secret
  } else if (LATER.test(text)) {
    throw new SecretStoreError('ERR_UNSUPPORTED_VERSION', `${name}: expected an entry of version 1, got a later one`)
  }
  const message = `${name}: expected an entry of this library, got another (it was left as it is)`
  throw new SecretStoreError('ERR_FOREIGN_KEYRING_ENTRY', message)
}

/** Empty for what is no text: that begins with no mark either. */
function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes)
  } catch {
    return ''
  }
}
