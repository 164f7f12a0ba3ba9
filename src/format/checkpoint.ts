import { ByteReader, ByteWriter } from '../base/byte-codec'
import { fromBase64url, toBase64url } from '../base/bytes'
import { KEY_BYTES, MAC_BYTES, STORE_ID_BYTES, TOKEN_VERSION } from './constants'

/** A moment in the life of one store, small enough to keep anywhere else (docs/format.md §9). */
export type Checkpoint = FormerCheckpoint | RootedCheckpoint

/** Version 1, as 0.7 made them. It names no root key. */
export interface FormerCheckpoint {
  readonly version: typeof TOKEN_VERSION.former
  readonly storeId: Uint8Array
  readonly sequence: number
  /** Of the head, so that the token tells nothing of what is stored. */
  readonly mac: Uint8Array
}

/** What a token of version 2 says, in the order of its bytes. */
export interface CheckpointFields {
  readonly storeId: Uint8Array
  /** Names the root key. */
  readonly rootId: Uint8Array
  /** Of keyring.json. */
  readonly generation: number
  /** Of the head. */
  readonly sequence: number
  /** A MAC of the head. */
  readonly state: Uint8Array
}

export interface RootedCheckpoint extends CheckpointFields {
  readonly version: typeof TOKEN_VERSION.rooted
  /** What the MAC is of. */
  readonly macInput: Uint8Array
  /** Under the root that is named. */
  readonly mac: Uint8Array
}

/** What the MAC of a token is of: everything before it. 97 bytes. */
export function checkpointMacInput({ storeId, rootId, generation, sequence, state }: CheckpointFields): Uint8Array {
  const writer = new ByteWriter(97).u8(TOKEN_VERSION.rooted).raw(storeId).raw(rootId)
  return writer.u64(generation).u64(sequence).raw(state).bytes()
}

/** @param macInput - From `checkpointMacInput`. @param mac - Of it. */
export function encodeCheckpoint(macInput: Uint8Array, mac: Uint8Array): string {
  return toBase64url(new ByteWriter().raw(macInput).raw(mac).bytes())
}

/** @returns `undefined` if `token` is none. */
export function decodeCheckpoint(token: string): Checkpoint | undefined {
  const bytes = fromBase64url(token)
  if (bytes === undefined) return undefined
  const reader = new ByteReader(bytes)
  try {
    const version = reader.u8()
    const storeId = reader.raw(STORE_ID_BYTES)
    if (version === TOKEN_VERSION.former) {
      const checkpoint = { version, storeId, sequence: reader.u64(), mac: reader.raw(MAC_BYTES) }
      return reader.offset === bytes.length ? checkpoint : undefined
    }
    if (version !== TOKEN_VERSION.rooted) return undefined
    const rootId = reader.raw(KEY_BYTES)
    const fields = { version, storeId, rootId, generation: reader.u64(), sequence: reader.u64() }
    const checkpoint = { ...fields, state: reader.raw(MAC_BYTES), macInput: bytes.subarray(0, reader.offset) }
    const mac = reader.raw(MAC_BYTES)
    return reader.offset === bytes.length ? { ...checkpoint, mac } : undefined
  } catch {
    return undefined
  }
}
