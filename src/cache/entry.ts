import { ByteReader, ByteWriter } from '../base/byte-codec'
import { concat, equal, utf8 } from '../base/bytes'
import { corrupt, SecretStoreError } from '../errors'
import type { Payload, PayloadType } from '../model'

/** What a cache keeps of an answer. All that decides its age is in here, and here is inside the seal of the store. */
export interface CacheEntry {
  readonly stamp: Stamp
  /** `undefined`: the source said that there is none. */
  readonly payload: Payload | undefined
  /** The source's own end, in Unix **seconds**, or `null`. */
  readonly expires_at: number | null
}

/** When a load began, by two clocks. */
export interface Stamp {
  /** Unix milliseconds, by the wall clock, which may be set. */
  readonly fetchedAt: number
  /** Which cache it was, among all that ever ran: 8 random bytes. */
  readonly run: Uint8Array
  /** Milliseconds since that cache was made, by a clock that is never set. */
  readonly runMs: number
}

export const RUN_BYTES = 8

/** The layout is docs/cache.md, "What is stored"; a change here is a change of version. */
const MAGIC = utf8('ss-cache')
const VERSION = 1
const KINDS: readonly (PayloadType | 'none')[] = ['none', 'text', 'bytes']

export function encodeCacheEntry({ stamp, payload, expires_at }: CacheEntry): Uint8Array {
  const header = new ByteWriter()
    .raw(MAGIC)
    .u8(VERSION)
    .u8(KINDS.indexOf(payload?.type ?? 'none'))
    .u64(stamp.fetchedAt)
    .raw(stamp.run)
    .u64(stamp.runMs)
    .u64(expires_at ?? 0)
  return concat(header.bytes(), payload?.bytes ?? new Uint8Array())
}

/** @throws {SecretStoreError} `ERR_EXISTS` if no cache has written it, `ERR_UNSUPPORTED_VERSION`, `ERR_CORRUPT`. */
export function decodeCacheEntry(bytes: Uint8Array): CacheEntry {
  if (!equal(bytes.subarray(0, MAGIC.length), MAGIC)) {
    const message = "cache entry: expected one that a cache has written, got the app's own secret"
    throw new SecretStoreError('ERR_EXISTS', message)
  }
  const reader = new ByteReader(bytes.subarray(MAGIC.length))
  try {
    checkVersion(reader.u8())
    return readEntry(reader)
  } catch (error) {
    throw error instanceof RangeError ? corrupt('cache entry: expected its fields, got others', error) : error
  }
}

function checkVersion(version: number): void {
  if (version === VERSION) return
  throw new SecretStoreError('ERR_UNSUPPORTED_VERSION', `cache entry: expected version ${VERSION}, got ${version}`)
}

function readEntry(reader: ByteReader): CacheEntry {
  const type = KINDS[reader.u8()]
  const stamp: Stamp = { fetchedAt: reader.u64(), run: reader.raw(RUN_BYTES), runMs: reader.u64() }
  const expiresAt = reader.u64()
  const bytes = reader.rest()
  if (type === undefined || (type === 'none') !== (bytes.length === 0)) {
    throw new RangeError('kind: expected one that goes with the payload, got another')
  }
  return {
    stamp,
    payload: type === 'none' ? undefined : { type, bytes },
    expires_at: expiresAt === 0 ? null : expiresAt,
  }
}
