import { type Random, randomCharacters } from '../crypto/random'

const CHARACTERS = 14

/** `req_` and 14 letters and digits, as Stripe numbers requests. */
export function newRequestId(random: Random): string {
  return `req_${randomCharacters(CHARACTERS, random)}`
}
