import type { Random } from './crypto/random'
import { ID_PREFIX, ID_RANDOM_CHARACTERS } from './format/constants'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const UNBIASED_BELOW: number = 256 - (256 % ALPHABET.length)
const REQUEST_ID_CHARACTERS = 14

/** `appsecret_` and 24 letters and digits: 142 random bits. */
export function newId(random: Random): string {
  return ID_PREFIX + randomCharacters(ID_RANDOM_CHARACTERS, random)
}

/** `req_` and 14 letters and digits, as Stripe numbers requests. */
export function newRequestId(random: Random): string {
  return `req_${randomCharacters(REQUEST_ID_CHARACTERS, random)}`
}

/** Letters and digits, each as likely as any other. */
function randomCharacters(count: number, random: Random): string {
  let characters = ''
  while (characters.length < count) {
    for (const byte of random(count)) {
      if (byte < UNBIASED_BELOW && characters.length < count) characters += ALPHABET[byte % ALPHABET.length]
    }
  }
  return characters
}
