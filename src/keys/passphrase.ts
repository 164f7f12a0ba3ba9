import { isBytes, toBase64url, utf8 } from '../base/bytes'
import { checkText, optionsOf } from '../base/checks'
import { costProblem, type Kdf, stretch } from '../crypto/kdf'
import { systemRandom } from '../crypto/random'
import { unwrapRootKey, wrapRootKey } from '../crypto/slot'
import { corrupt } from '../errors'
import { ARGON2ID, SALT_BYTES, SCRYPT, SLOT_KIND } from '../format/constants'
import { base64url } from '../format/json'
import type { SlotParams } from '../format/keyring-file'
import { holdSecret } from './held-secret'
import type { KeyProvider } from './provider'

/** How a passphrase is stretched, and what its slot is called. */
export interface PassphraseOptions {
  /** How a *new* slot stretches the passphrase; an existing one says so itself. @defaultValue `'scrypt'` */
  readonly kdf?: 'scrypt' | 'argon2id'
  /** scrypt: CPU and memory cost, a power of two from 2^14 to 2^20; memory is 128·N·r bytes. @defaultValue `131072` */
  readonly N?: number
  /** scrypt: block size, 8 to 16. @defaultValue `8` */
  readonly r?: number
  /** scrypt: parallelism, 1 to 16; Argon2id: lanes, always 1. @defaultValue `1` */
  readonly p?: number
  /** Argon2id: memory in KiB, 19,456 to 1,048,576. @defaultValue `65536` */
  readonly m?: number
  /** Argon2id: passes, 2 to 16. @defaultValue `3` */
  readonly t?: number
  /** A name for the slot, shown by tools, never secret. */
  readonly label?: string
}

/**
 * A passphrase, stretched with scrypt N=2^17, r=8, p=1 (128 MiB), or with Argon2id (RFC 9106) on request. Text is
 * normalised to NFC, so that the same characters typed on another system are the same passphrase.
 *
 * @param secret - Text or bytes; not empty.
 * @throws {TypeError} If it is empty, or text that is not well-formed.
 * @throws {RangeError} If a cost is out of bounds.
 */
export function passphrase(secret: string | Uint8Array, options: PassphraseOptions = {}): KeyProvider {
  const held = holdSecret(passwordBytes(secret))
  const names = ['kdf', 'N', 'r', 'p', 'm', 't', 'label'] as const
  const { kdf = 'scrypt', label, ...cost } = optionsOf<PassphraseOptions>(options, 'passphrase options', names)
  if (label !== undefined) checkText(label, 'label', 200)
  const chosen = chooseKdf(kdf, cost)
  return {
    kind: SLOT_KIND.passphrase,
    ...(label === undefined ? {} : { label }),
    work,
    async wrap(rootKey, context) {
      const salt = systemRandom(SALT_BYTES)
      const secret = await stretch(held.bytes, salt, chosen)
      const wrapped = wrapRootKey(secret, rootKey, context, systemRandom)
      secret.fill(0)
      return { ...chosen, salt: toBase64url(salt), ...wrapped }
    },
    async unwrap(params, context) {
      const salt = base64url(params['salt'], 'slot salt', SALT_BYTES)
      const secret = await stretch(held.bytes, salt, storedKdf(params))
      try {
        return unwrapRootKey(secret, params, context)
      } finally {
        secret.fill(0)
      }
    },
  }
}

function passwordBytes(secret: unknown): Uint8Array {
  if (isBytes(secret) && secret.length > 0) return Uint8Array.from(secret)
  if (typeof secret !== 'string' || secret === '' || !secret.isWellFormed()) {
    throw new TypeError('passphrase: expected well-formed text or bytes, not empty, got something else')
  }
  return utf8(secret.normalize('NFC'))
}

function chooseKdf(kdf: unknown, cost: Readonly<Record<string, number | undefined>>): Kdf {
  if (kdf !== 'scrypt' && kdf !== 'argon2id') throw new TypeError("kdf: expected 'scrypt' or 'argon2id', got another")
  const defaults = kdf === 'scrypt' ? SCRYPT.default : ARGON2ID.default
  for (const [name, value] of Object.entries(cost)) {
    if (value !== undefined && !Object.hasOwn(defaults, name)) {
      throw new TypeError(`passphrase options: expected the costs of ${kdf}, got '${name}'`)
    }
  }
  const given = Object.fromEntries(Object.entries(cost).filter(([, value]) => value !== undefined))
  const chosen = { kdf, ...defaults, ...given } as Kdf
  const problem = costProblem(chosen)
  if (problem !== undefined) throw new RangeError(problem)
  return chosen
}

/** In default passphrases. A slot whose numbers are none, or negative, asks for nothing: it is refused. */
function work({ kdf, N, r, p, m, t }: SlotParams): number {
  const { scrypt, argon2id } = { scrypt: SCRYPT.default, argon2id: ARGON2ID.default }
  const asked =
    kdf === 'scrypt'
      ? (Number(N) * Number(r) * Number(p)) / (scrypt.N * scrypt.r * scrypt.p)
      : (Number(m) * Number(t)) / (argon2id.m * argon2id.t)
  return Number.isFinite(asked) ? Math.max(0, asked) : 0
}

/** The numbers a slot asks for; `stretch` holds them against the bounds. */
function storedKdf(params: SlotParams): Kdf {
  const { kdf, N, r, p, m, t } = params as Readonly<Record<string, number>> & { readonly kdf: unknown }
  if (kdf === 'scrypt') return { kdf, N, r, p } as Kdf
  if (kdf === 'argon2id') return { kdf, m, t, p } as Kdf
  throw corrupt("slot kdf: expected 'scrypt' or 'argon2id', got another")
}
