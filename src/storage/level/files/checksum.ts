import crc32c from 'crc-32/crc32c.js'
import { u32 } from './coding'

const MASK_DELTA = 0xa282ead8

/**
 * Whether a masked CRC-32C, as LevelDB stores it, is that of the bytes (LevelDB, doc/log_format.md, util/crc32c.h).
 *
 * @param at - Where the four bytes of the checksum are.
 */
export function hasChecksum(bytes: Uint8Array, at: number, start: number, end: number): boolean {
  const crc = crc32c.buf(bytes.subarray(start, end)) >>> 0
  const masked = (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0
  return masked === u32(bytes, at)
}
