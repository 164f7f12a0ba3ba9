import { toBase64url } from '../base/bytes'
import type { KeySlot } from '../format/keyring-file'

/** A key slot as `keys` lists it. Nothing in it is secret. */
export interface KeySlotInfo {
  /** 11 characters of base64url; given once and never again. */
  readonly id: string
  /** Which sort of key opens it: `passphrase`, `raw-key`, `recovery-code`, … */
  readonly kind: string
  /** The name that was given to the slot, or `null`. */
  readonly label: string | null
  /** Unix seconds. */
  readonly created: number
}

export function slotInfo({ id, kind, label, created }: KeySlot): KeySlotInfo {
  return { id: toBase64url(id), kind, label, created }
}
