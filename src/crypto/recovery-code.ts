import { bech32m } from '@scure/base'
import { RECOVERY_CODE } from '../format/constants'

/**
 * Bytes as text that people copy by hand: the data and checksum part of bech32m (BIP 350), in capitals and groups. Its
 * checksum finds every code with up to four wrong characters, and all but one in 2^30 of the others.
 *
 * @param secret - 21 bytes.
 */
export function formatRecoveryCode(secret: Uint8Array): string {
  const { prefix, groupCharacters } = RECOVERY_CODE
  const text = bech32m.encode(prefix, bech32m.toWords(secret)).slice(prefix.length + 1)
  return (text.toUpperCase().match(new RegExp(`.{${groupCharacters}}`, 'g')) ?? []).join('-')
}

/** The inverse of `formatRecoveryCode`. @throws {TypeError} */
export function parseRecoveryCode(code: unknown): Uint8Array {
  if (typeof code !== 'string') throw new TypeError(`recovery code: expected a string, got a ${typeof code}`)
  const { prefix, characters, groupCharacters, bytes } = RECOVERY_CODE
  const text = code
    .replaceAll(/[\s\p{Pd}]/gu, '')
    .toLowerCase()
    .replaceAll(/[oi1b]/g, (typed) => MEANT[typed] as string)
  const strange = [...text].findIndex((character) => !ALPHABET.includes(character))
  if (strange !== -1) {
    const group = Math.floor(strange / groupCharacters) + 1
    throw new TypeError(`recovery code: expected letters and digits, got something else in group ${group}`)
  }
  if (text.length !== characters) {
    throw new TypeError(`recovery code: expected ${characters} letters and digits, got ${text.length}`)
  }
  try {
    const secret = bech32m.fromWords(bech32m.decode(`${prefix}1${text}`).words)
    if (secret.length === bytes) return secret
  } catch {
    // It says the same, with the code in its message.
  }
  throw new TypeError('recovery code: expected one whose checksum is right, got a mistyped one')
}

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'

/** Characters that bech32 leaves out because they look like others. */
const MEANT: Readonly<Record<string, string>> = { o: '0', i: 'l', 1: 'l', b: '8' }
