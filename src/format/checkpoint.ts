import { ByteReader, ByteWriter } from '../base/byte-codec'
import { fromBase64url, toBase64url } from '../base/bytes'
import { FORMAT_VERSION, MAC_BYTES, STORE_ID_BYTES } from './constants'

/** A moment in the life of one store, small enough to keep anywhere else (docs/format.md §9). */
export interface Checkpoint {
  readonly storeId: Uint8Array
  readonly sequence: number
  /** HMAC of the set hash, so that the token tells nothing of what is stored. */
  readonly mac: Uint8Array
}

const CHECKPOINT_BYTES = 1 + STORE_ID_BYTES + 8 + MAC_BYTES

export function encodeCheckpoint({ storeId, sequence, mac }: Checkpoint): string {
  return toBase64url(new ByteWriter().u8(FORMAT_VERSION).raw(storeId).u64(sequence).raw(mac).bytes())
}

/** @returns `undefined` if `token` is not one that `encodeCheckpoint` makes. */
export function decodeCheckpoint(token: string): Checkpoint | undefined {
  const bytes = fromBase64url(token)
  if (bytes === undefined || bytes.length !== CHECKPOINT_BYTES || bytes[0] !== FORMAT_VERSION) return undefined
  const reader = new ByteReader(bytes.subarray(1))
  const storeId = reader.raw(STORE_ID_BYTES)
  try {
    return { storeId, sequence: reader.u64(), mac: reader.raw(MAC_BYTES) }
  } catch {
    return undefined
  }
}
