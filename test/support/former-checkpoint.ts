import { ByteWriter } from '../../src/base/byte-codec'
import { toBase64url } from '../../src/base/bytes'

/** A checkpoint of version 1, as 0.7 made them (docs/format.md §9). */
export function formerToken(fields: {
  readonly storeId: Uint8Array
  readonly sequence: number
  readonly mac: Uint8Array
}): string {
  const { storeId, sequence, mac } = fields
  return toBase64url(new ByteWriter().u8(1).raw(storeId).u64(sequence).raw(mac).bytes())
}
