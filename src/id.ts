import type { Random } from './crypto/random'
import { ID_PREFIX, ID_RANDOM_CHARACTERS } from './format/constants'

const ID_ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_UNBIASED_BELOW: number = 256 - (256 % ID_ALPHABET.length)

/** `appsecret_` and 24 letters and digits: 142 random bits. */
export function newId(random: Random): string {
  let id = ''
  while (id.length < ID_RANDOM_CHARACTERS) {
    for (const byte of random(ID_RANDOM_CHARACTERS)) {
      if (byte < ID_UNBIASED_BELOW && id.length < ID_RANDOM_CHARACTERS) id += ID_ALPHABET[byte % ID_ALPHABET.length]
    }
  }
  return ID_PREFIX + id
}
