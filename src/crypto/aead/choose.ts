import { hex } from '@scure/base'
import { equal, utf8 } from '../../base/bytes'
import { TAG_BYTES } from '../../format/constants'
import { platformChaCha } from '../../platform/chacha20-poly1305'
import { loadSodium } from '../../platform/sodium'
import { warn } from '../../platform/warn'
import type { Aead, AeadLibrary } from './aead'
import { nobleAead } from './noble'
import { nodeAead } from './node'
import { sodiumAead } from './sodium'

/** From here on node:crypto, which has wider vectors, overtakes sodium-native (docs/performance.md, "AEAD"). */
const NODE_OVERTAKES_SODIUM_BYTES = 8192

const proved = new Map<AeadLibrary, Aead | undefined>()

/**
 * The fastest there is on this machine. Each library has to give known answers first, once a process.
 *
 * @param sodium - Whether `sodium-native` may be loaded.
 */
export function chooseAead({ sodium }: { readonly sodium: boolean }): Aead {
  const node = prove('node:crypto', () => platformChaCha && nodeAead(platformChaCha))
  const native = sodium ? prove('sodium-native', loadSodiumAead) : undefined
  if (native === undefined || node === undefined) return native ?? node ?? nobleAead
  const forLength = (bytes: number): Aead => (bytes < NODE_OVERTAKES_SODIUM_BYTES ? native : node)
  return {
    uses: [
      { library: 'sodium-native', fromBytes: 0 },
      { library: 'node:crypto', fromBytes: NODE_OVERTAKES_SODIUM_BYTES },
    ],
    encrypt: (key, nonce, plaintext, context, out) =>
      forLength(plaintext.length).encrypt(key, nonce, plaintext, context, out),
    decrypt: (key, nonce, sealed, context, out) =>
      forLength(sealed.length - TAG_BYTES).decrypt(key, nonce, sealed, context, out),
  }
}

function loadSodiumAead(): Aead | undefined {
  const sodium = loadSodium()
  return sodium && sodiumAead(sodium)
}

function prove(library: AeadLibrary, load: () => Aead | undefined): Aead | undefined {
  if (!proved.has(library)) {
    const aead = load()
    const isRight = aead !== undefined && givesKnownAnswers(aead)
    if (aead !== undefined && !isRight) {
      warn(`${library}: expected the known answers of XChaCha20-Poly1305, got others; encryption goes on without it`)
    }
    proved.set(library, isRight ? aead : undefined)
  }
  return proved.get(library)
}

/** draft-irtf-cfrg-xchacha-03, appendix A.3.1. */
const DRAFT = {
  key: counting(0x80, 32),
  nonce: counting(0x40, 24),
  context: Uint8Array.of(0x50, 0x51, 0x52, 0x53, ...counting(0xc0, 8)),
  plaintext: utf8(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  ),
  tag: 'c0875924c1c7987947deafd8780acf49',
} as const

/** Long enough for every vectorised loop, and no multiple of a block; the tag is @noble/ciphers' and libsodium's. */
const LONG = { ...DRAFT, plaintext: counting(1, 4099), tag: '76e54b035254fb9a6d44e7f07cded95a' } as const

/** A tag is right only if every byte of the ciphertext before it is. */
export function givesKnownAnswers(aead: Aead): boolean {
  try {
    return [DRAFT, LONG].every(({ key, nonce, context, plaintext, tag }) => {
      const sealed = new Uint8Array(plaintext.length + TAG_BYTES)
      aead.encrypt(key, nonce, plaintext, context, sealed)
      if (hex.encode(sealed.subarray(plaintext.length)) !== tag) return false
      const opened = aead.decrypt(key, nonce, sealed, context)
      return opened !== undefined && equal(opened, plaintext) && refuses(aead, sealed)
    })
  } catch {
    return false
  }

  function refuses({ decrypt }: Aead, sealed: Uint8Array): boolean {
    const { key, nonce, context } = DRAFT
    return [0, sealed.length - 1].every((position) => {
      const altered = sealed.slice()
      altered[position] = (altered[position] as number) ^ 1
      return decrypt(key, nonce, altered, context) === undefined
    })
  }
}

/** `length` bytes that count up from `first`. */
function counting(first: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => first + index)
}
