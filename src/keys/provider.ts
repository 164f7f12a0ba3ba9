import type { SlotContext } from '../crypto/slot'
import type { SlotParams } from '../format/keyring-file'

/**
 * One way to protect a store's root key: a passphrase, a raw key, a keychain. What it keeps in its slot of keyring.json
 * must be of no use without the secret.
 */
export interface KeyProvider {
  /** Lower-case letters, digits and `-`; slots of other kinds are passed over. */
  readonly kind: string
  /** Shown by tools, never secret. */
  readonly label?: string
  /**
   * How much work it is to open a slot with these parameters, where 1 is that of a default passphrase. The slots of one
   * kind may together ask for 128. @defaultValue none worth counting
   */
  work?(params: SlotParams): number
  /** @param rootKey - 32 bytes, overwritten afterwards. @returns What to store in the slot: text and integers. */
  wrap(rootKey: Uint8Array, context: SlotContext): Promise<SlotParams>
  /**
   * @returns The root key, 32 bytes, in a buffer of its own, which is overwritten afterwards; or `null` if the slot was
   *   made with another secret.
   * @throws {SecretStoreError} `ERR_CORRUPT` only if the slot is its own, and damaged.
   */
  unwrap(params: SlotParams, context: SlotContext): Promise<Uint8Array | null>
  /**
   * Whether the slot that `unwrap` has just opened is to be wrapped anew, as when a keychain has a newer key. That is
   * done before `open` resolves; a failure goes to `onError`. @defaultValue it never is
   */
  outdated?(context: SlotContext): boolean
}
