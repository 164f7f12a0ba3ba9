import { decodeSetHash } from '../format/head'
import { mac } from './derive'

/**
 * MSet-Add-Hash (Clarke, Devadas, van Dijk, Gassend and Suh, "Incremental Multiset Hash Functions", ASIACRYPT 2003, §5):
 * the sum of HMAC-SHA256 of every element, modulo 2^256. The paper blinds the sum with a nonce because it publishes it.
 * Here it stands in the sealed head alone, and a checkpoint carries an HMAC of it.
 */
const MODULUS_MASK = (1n << 256n) - 1n

/** @param key - 32 bytes. @param element - Its encoding must be injective. */
export function elementHash(key: Uint8Array, element: Uint8Array): bigint {
  return decodeSetHash(mac(key, element))
}

/** Count and set hash of some records; of all of them, it is the head's. */
export interface RecordSum {
  readonly count: number
  readonly setHash: bigint
}

export const NO_RECORDS: RecordSum = { count: 0, setHash: 0n }

export function withElement({ count, setHash }: RecordSum, element: bigint): RecordSum {
  return { count: count + 1, setHash: (setHash + element) & MODULUS_MASK }
}

/** The inverse of `withElement`. */
export function withoutElement({ count, setHash }: RecordSum, element: bigint): RecordSum {
  return { count: count - 1, setHash: (setHash - element) & MODULUS_MASK }
}

export function isSameSum(one: RecordSum, other: RecordSum): boolean {
  return one.count === other.count && one.setHash === other.setHash
}
