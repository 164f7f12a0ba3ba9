import type { SlotContext } from '../crypto/slot'
import type { SlotParams } from '../format/keyring-file'

/**
 * One way to protect a store's root key: a passphrase, a raw key, a keychain. What it keeps in its slot of keyring.json
 * is its own business, as long as nobody can do anything with it who lacks the secret.
 */
export interface KeyProvider {
  /** Lower-case letters, digits and `-`; slots of other kinds are passed over. */
  readonly kind: string
  /** Shown by tools, never secret. */
  readonly label?: string
  /** @param rootKey - 32 bytes; must not be kept. @returns What to store in the slot. */
  wrap(rootKey: Uint8Array, context: SlotContext): Promise<SlotParams>
  /**
   * @returns The root key, 32 bytes, or `null` if the slot was made with another secret.
   * @throws {SecretStoreError} `ERR_CORRUPT` only if the slot is its own, and damaged.
   */
  unwrap(params: SlotParams, context: SlotContext): Promise<Uint8Array | null>
}
