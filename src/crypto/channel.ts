import { ByteReader, ByteWriter, getU32, setU32 } from '../base/byte-codec'
import { concat, equal, equalConstantTime, utf8 } from '../base/bytes'
import { corrupt } from '../errors'
import { CHANNEL, LABEL, NONCE_BYTES, TAG_BYTES } from '../format/constants'
import type { Aead } from './aead/aead'
import { derive, mac } from './derive'
import type { Random } from './random'

/**
 * A channel between two processes that hold the keys of one store (docs/format.md §16.3): both prove it by a MAC over
 * their roles, the nonces of both and the endpoint, and seal every frame under keys of this one channel.
 */

export type Role = 'owner' | 'follower'

/** What both ends know before they meet. */
export interface ChannelContext {
  /** 32 bytes, of the root key (`Keyring.channelKey`). */
  readonly key: Uint8Array
  /** Where they meet: a channel is good for no other place. */
  readonly endpoint: string
}

/** The first message, of the follower: magic (4 bytes) ‖ version (2) ‖ nonce (32). */
export interface Hello {
  readonly version: number
  readonly nonce: Uint8Array
}

/** @param nonce - 32 bytes, never used before. @returns 38 bytes. */
export function encodeHello(nonce: Uint8Array): Uint8Array {
  return new ByteWriter(CHANNEL.helloBytes).raw(utf8(CHANNEL.magic)).u16(CHANNEL.version).raw(nonce).bytes()
}

/** The inverse, of any version. @returns `undefined` for anything else. */
export function decodeHello(bytes: Uint8Array): Hello | undefined {
  if (bytes.length !== CHANNEL.helloBytes) return undefined
  const reader = new ByteReader(bytes)
  if (!equal(reader.raw(CHANNEL.magic.length), utf8(CHANNEL.magic))) return undefined
  return { version: reader.u16(), nonce: reader.rest().slice() }
}

/** 32 bytes. */
export function newNonce(random: Random): Uint8Array {
  return random(CHANNEL.nonceBytes)
}

/** The nonces of both, 32 bytes each. */
export interface Nonces {
  readonly follower: Uint8Array
  readonly owner: Uint8Array
}

/** What an end says to prove that it holds the key, 32 bytes: HMAC-SHA256 of role ‖ 0x00 ‖ version ‖ nonces ‖ endpoint. */
export function proofOf(role: Role, { key, endpoint }: ChannelContext, { follower, owner }: Nonces): Uint8Array {
  const said = new ByteWriter().raw(utf8(`${role}\0`)).u16(CHANNEL.version)
  return mac(key, said.raw(follower).raw(owner).raw(utf8(endpoint)).bytes())
}

/** Whether it is what `proofOf` returns, in constant time. A proof of the other role never is. */
export function isProof(proof: Uint8Array, role: Role, context: ChannelContext, nonces: Nonces): boolean {
  return equalConstantTime(proof, proofOf(role, context, nonces))
}

/**
 * Seals the frames of one end and opens those of the other, with XChaCha20-Poly1305. Each direction has a key of its own,
 * and each frame its number in it as the nonce: a frame that is left out, doubled, moved or sent back does not open.
 */
export class ChannelSeal {
  readonly #aead: Aead
  readonly #keys: { readonly out: Uint8Array; readonly in: Uint8Array }
  #sent = 0
  #received = 0

  /** @param role - Of this end. */
  constructor(role: Role, { key, endpoint }: ChannelContext, { follower, owner }: Nonces, aead: Aead) {
    const context = concat(follower, owner, utf8(endpoint))
    const byRole = {
      owner: derive(key, LABEL.channelOwner, context),
      follower: derive(key, LABEL.channelFollower, context),
    }
    this.#keys = { out: byRole[role], in: byRole[role === 'owner' ? 'follower' : 'owner'] }
    this.#aead = aead
  }

  /** A frame: the length of what follows in 4 bytes, which is authenticated, then ciphertext ‖ tag. */
  seal(plaintext: Uint8Array): Uint8Array {
    const frame = new Uint8Array(CHANNEL.lengthBytes + plaintext.length + TAG_BYTES)
    setU32(frame, 0, plaintext.length + TAG_BYTES)
    const prefix = frame.subarray(0, CHANNEL.lengthBytes)
    this.#aead.encrypt(this.#keys.out, nonceOf(this.#sent++), plaintext, prefix, frame.subarray(CHANNEL.lengthBytes))
    return frame
  }

  /** The inverse, of the next frame of the other end. @throws {SecretStoreError} `ERR_CORRUPT`. */
  open(frame: Uint8Array): Uint8Array {
    const prefix = frame.subarray(0, CHANNEL.lengthBytes)
    const sealed = frame.subarray(CHANNEL.lengthBytes)
    const plaintext = this.#aead.decrypt(this.#keys.in, nonceOf(this.#received++), sealed, prefix)
    if (plaintext === undefined) throw corrupt('channel: expected the next frame of the other end, got altered bytes')
    return plaintext
  }

  /** Overwrites the keys. Nothing may be sealed or opened afterwards. */
  wipe(): void {
    for (const key of Object.values(this.#keys)) key.fill(0)
  }
}

/**
 * How many bytes a frame has after its length: 17 to 262,160. It is not authenticated yet, so it is bounded before it is
 * waited for.
 *
 * @param prefix - The first 4 bytes of the frame.
 * @throws {SecretStoreError} `ERR_CORRUPT` if no frame is that long.
 */
export function frameBytes(prefix: Uint8Array): number {
  const length = getU32(prefix, 0)
  if (length > TAG_BYTES && length <= CHANNEL.mostFrameBytes + TAG_BYTES) return length
  throw corrupt(`channel: expected a frame of 1 to ${CHANNEL.mostFrameBytes} bytes, got another length`)
}

/** Never used twice under one key, which is of one channel and direction: 16 zero bytes, then the number, from 0. */
function nonceOf(counter: number): Uint8Array {
  return new ByteWriter(NONCE_BYTES)
    .raw(new Uint8Array(NONCE_BYTES - 8))
    .u64(counter)
    .bytes()
}
