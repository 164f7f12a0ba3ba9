import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { randomBytes } from '@noble/ciphers/utils.js'
import { type Contender, KEY } from './contender'
import { type Codec, levelContender } from './level'

const NONCE_BYTES = 24
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** What one writes oneself: nonce ‖ sealed JSON, bound to its row. Ids and times of expiry are in the open. */
const codec: Codec<Uint8Array> = {
  valueEncoding: 'view',
  encode(key, secret) {
    const nonce = randomBytes(NONCE_BYTES)
    const plaintext = encoder.encode(JSON.stringify(secret))
    const sealed = xchacha20poly1305(KEY, nonce, encoder.encode(key)).encrypt(plaintext)
    const value = new Uint8Array(NONCE_BYTES + sealed.length)
    value.set(nonce)
    value.set(sealed, NONCE_BYTES)
    return value
  },
  decode(key, value) {
    const nonce = value.subarray(0, NONCE_BYTES)
    const cipher = xchacha20poly1305(KEY, nonce, encoder.encode(key))
    return JSON.parse(decoder.decode(cipher.decrypt(value.subarray(NONCE_BYTES))))
  },
  encodeText: (text) => encoder.encode(text),
  decodeText: (value) => decoder.decode(value),
}

export const loadContender = (): Promise<Contender> => levelContender(codec)
