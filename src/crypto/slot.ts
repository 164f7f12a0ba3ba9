import { concat, equalConstantTime, toBase64url, unmoved, utf8 } from '../base/bytes'
import { corrupt } from '../errors'
import { KEY_BYTES, LABEL, SLOT_ID_BYTES } from '../format/constants'
import { base64url } from '../format/json'
import { type SlotParams, WRAPPED_KEY_BYTES } from '../format/keyring-file'
import { derive } from './derive'
import type { Random } from './random'
import { open, seal } from './seal'

/** What ties a slot to its place: a slot copied into another store, or under another id or kind, does not open. */
export interface SlotContext {
  /** 16 bytes. */
  readonly storeId: Uint8Array
  /** 8 bytes. */
  readonly slotId: Uint8Array
  /** The `kind` of the key provider that made the slot. */
  readonly kind: string
}

/** 8 random bytes whose base64url does not begin with `-`: a command line would take that for an option. */
export function newSlotId(random: Random): Uint8Array {
  const id = random(SLOT_ID_BYTES)
  if (toBase64url(id).startsWith('-')) id[0] = (id[0] ?? 0) ^ 0x80
  return id
}

function slotContext({ storeId, slotId, kind }: SlotContext): Uint8Array {
  return concat(storeId, slotId, utf8(kind))
}

/**
 * Wraps a root key under a secret of full entropy. XChaCha20-Poly1305 does not commit to its key (Len, Grubbs and
 * Ristenpart, "Partitioning Oracle Attacks", USENIX Security 2021), so a commitment to the secret stands beside it.
 *
 * @param secret - 32 bytes: a random key, or a stretched passphrase.
 */
export function wrapRootKey(
  secret: Uint8Array,
  rootKey: Uint8Array,
  context: SlotContext,
  random: Random,
): { readonly commitment: string; readonly wrapped: string } {
  const bound = slotContext(context)
  const wrappingKey = derive(secret, LABEL.slotWrap, bound)
  const wrapped = seal(wrappingKey, rootKey, bound, random)
  wrappingKey.fill(0)
  return { commitment: toBase64url(derive(secret, LABEL.slotCommitment, bound)), wrapped: toBase64url(wrapped) }
}

/**
 * The inverse of `wrapRootKey`.
 *
 * @returns 32 bytes, or `null` if `secret` is not the one the slot commits to.
 * @throws {SecretStoreError} `ERR_CORRUPT` if it is, and the wrapped key does not open all the same.
 */
export function unwrapRootKey(secret: Uint8Array, params: SlotParams, context: SlotContext): Uint8Array | null {
  const commitment = base64url(params['commitment'], 'slot commitment', KEY_BYTES)
  const wrapped = base64url(params['wrapped'], 'slot wrapped', WRAPPED_KEY_BYTES)
  const bound = slotContext(context)
  if (!equalConstantTime(derive(secret, LABEL.slotCommitment, bound), commitment)) return null
  const wrappingKey = derive(secret, LABEL.slotWrap, bound)
  const rootKey = open(wrappingKey, wrapped, bound)
  wrappingKey.fill(0)
  if (rootKey !== undefined) return unmoved(rootKey)
  throw corrupt('slot wrapped: expected the root key under the committed key, got other bytes')
}
