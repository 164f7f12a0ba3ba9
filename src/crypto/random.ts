import { unmoved } from '../base/bytes'
import { ID_PREFIX, ID_RANDOM_CHARACTERS } from '../format/constants'

/** Where nonces, keys, salts and ids come from. Tests that reproduce exact bytes pass their own. */
export type Random = (lengthBytes: number) => Uint8Array

/** The platform's cryptographic generator (Web Crypto). */
export const systemRandom: Random = (lengthBytes) => unmoved(crypto.getRandomValues(new Uint8Array(lengthBytes)))

const POOL_BYTES = 4096
let pool: Uint8Array = new Uint8Array()

/**
 * The same generator, asked for much at a time; for what may be known, such as nonces and ids. What is handed out is
 * kept nowhere. Keys are not drawn from it, since what is not handed out yet lies in memory.
 */
export const publicRandom: Random = (lengthBytes) => {
  if (lengthBytes > pool.length) pool = systemRandom(Math.max(POOL_BYTES, lengthBytes))
  const bytes = pool.slice(0, lengthBytes)
  pool = pool.subarray(lengthBytes)
  return bytes
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const UNBIASED_BELOW: number = 256 - (256 % ALPHABET.length)

/** `appsecret_` and 24 letters and digits: 142 random bits. */
export function newId(random: Random): string {
  return ID_PREFIX + randomCharacters(ID_RANDOM_CHARACTERS, random)
}

/** Letters and digits, each as likely as any other. */
export function randomCharacters(count: number, random: Random): string {
  let characters = ''
  while (characters.length < count) {
    for (const byte of random(count)) {
      if (byte < UNBIASED_BELOW && characters.length < count) characters += ALPHABET[byte % ALPHABET.length]
    }
  }
  return characters
}
