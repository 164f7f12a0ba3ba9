/** One AEAD over XChaCha20-Poly1305 or its inner part, as five libraries have it. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { hchacha, xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { load } from './contenders/contender'
import { type Budget, type Outcome, steady } from './measure'

export const AEAD_SIZES = [16, 64, 128, 256, 352, 512, 1024, 2048, 4096, 65_536, 1_048_576] as const
export const DIRECTIONS = ['seal', 'open'] as const
export type Direction = (typeof DIRECTIONS)[number]

interface Primitive {
  seal(plaintext: Uint8Array): Uint8Array
  /** @throws If it is not authentic. */
  open(sealed: Uint8Array): Uint8Array
}

interface SodiumNative {
  crypto_aead_xchacha20poly1305_ietf_encrypt(
    out: Uint8Array,
    plaintext: Uint8Array,
    context: Uint8Array,
    nothing: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number
  crypto_aead_xchacha20poly1305_ietf_decrypt(
    out: Uint8Array,
    nothing: null,
    sealed: Uint8Array,
    context: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number
}

interface SodiumWrappers {
  readonly ready: Promise<void>
  crypto_aead_xchacha20poly1305_ietf_encrypt(
    plaintext: Uint8Array,
    context: Uint8Array,
    nothing: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): Uint8Array
  crypto_aead_xchacha20poly1305_ietf_decrypt(
    nothing: null,
    sealed: Uint8Array,
    context: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
  ): Uint8Array
}

const TAG_BYTES = 16
/** As long as what a row of ours is bound to. */
const CONTEXT: Uint8Array = new Uint8Array(60).fill(3)
const KEY: Uint8Array = Uint8Array.from({ length: 32 }, (_, index) => index + 1)
const NONCE: Uint8Array = Uint8Array.from({ length: 24 }, (_, index) => index + 101)
const CHACHA_CONSTANTS: Uint32Array = new Uint32Array(new TextEncoder().encode('expand 32-byte k').buffer)

/** With a fixed nonce: the random numbers are the same work for all, and not on the clock. */
const PRIMITIVES: Readonly<Record<string, () => Promise<Primitive>>> = {
  '@noble/ciphers': async () => ({
    seal: (plaintext) => xchacha20poly1305(KEY, NONCE, CONTEXT).encrypt(plaintext),
    open: (sealed) => xchacha20poly1305(KEY, NONCE, CONTEXT).decrypt(sealed),
  }),
  'hchacha + node:crypto': async () => nodeCrypto(subkeyAndNonce),
  'libsodium-wrappers': async () => {
    const { default: sodium } = await load<{ default: SodiumWrappers }>('libsodium-wrappers')
    await sodium.ready
    return {
      seal: (plaintext) => sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, CONTEXT, null, NONCE, KEY),
      open: (sealed) => sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, sealed, CONTEXT, NONCE, KEY),
    }
  },
  'sodium-native': async () => {
    const { default: sodium } = await load<{ default: SodiumNative }>('sodium-native')
    return {
      seal(plaintext) {
        const sealed = new Uint8Array(plaintext.length + TAG_BYTES)
        sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, plaintext, CONTEXT, null, NONCE, KEY)
        return sealed
      },
      open(sealed) {
        const plaintext = new Uint8Array(sealed.length - TAG_BYTES)
        sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plaintext, null, sealed, CONTEXT, NONCE, KEY)
        return plaintext
      },
    }
  },
  'node:crypto (12-byte nonce)': async () => nodeCrypto(() => [KEY, NONCE.subarray(12)]),
}

export const PRIMITIVE_NAMES: readonly string[] = Object.keys(PRIMITIVES)

/** Per call. */
export async function measureAead(name: string, direction: Direction, size: number, budget: Budget): Promise<Outcome> {
  const primitive = await PRIMITIVES[name]?.()
  if (primitive === undefined) throw new Error(`${name}: expected a primitive, got none of that name`)
  const plaintext = Uint8Array.from({ length: size }, (_, index) => (index * 7919) >>> 8)
  const sealed = primitive.seal(plaintext)
  if (Buffer.compare(primitive.open(sealed), plaintext) !== 0) throw new Error(`${name}: opened is not what was sealed`)
  const [act, input] = direction === 'seal' ? [primitive.seal, plaintext] : [primitive.open, sealed]
  const expected = direction === 'seal' ? sealed : plaintext
  const check = (output: Uint8Array): void => {
    if (output.length !== size + (direction === 'seal' ? TAG_BYTES : 0) || output[size >> 1] !== expected[size >> 1]) {
      throw new Error(`${name}: expected the same again, got other bytes`)
    }
  }
  const chunk = Math.max(2, Math.min(256, Math.floor(262_144 / size)))
  return steady({ next: () => input, act, check, chunk }, budget)
}

function nodeCrypto(keyAndNonce: () => [Uint8Array, Uint8Array]): Primitive {
  return {
    seal(plaintext) {
      const [key, nonce] = keyAndNonce()
      const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES })
      cipher.setAAD(CONTEXT, { plaintextLength: plaintext.length })
      const sealed = new Uint8Array(plaintext.length + TAG_BYTES)
      sealed.set(cipher.update(plaintext))
      cipher.final()
      sealed.set(cipher.getAuthTag(), plaintext.length)
      return sealed
    },
    open(sealed) {
      const [key, nonce] = keyAndNonce()
      const end = sealed.length - TAG_BYTES
      const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(CONTEXT, { plaintextLength: end })
      decipher.setAuthTag(sealed.subarray(end))
      const plaintext = decipher.update(sealed.subarray(0, end))
      decipher.final()
      return plaintext
    },
  }
}

/** What XChaCha20 does before ChaCha20 (draft-irtf-cfrg-xchacha-03, §2.3). */
function subkeyAndNonce(): [Uint8Array, Uint8Array] {
  const subkey = new Uint32Array(8)
  hchacha(CHACHA_CONSTANTS, new Uint32Array(KEY.slice().buffer), new Uint32Array(NONCE.slice(0, 16).buffer), subkey)
  const nonce = new Uint8Array(12)
  nonce.set(NONCE.subarray(16), 4)
  return [new Uint8Array(subkey.buffer), nonce]
}
