import { concat } from '../../base/bytes'
import type { Aead } from '../../crypto/aead/aead'
import {
  type ChannelContext,
  ChannelSeal,
  decodeHello,
  encodeHello,
  isProof,
  type Nonces,
  newNonce,
  proofOf,
} from '../../crypto/channel'
import { publicRandom } from '../../crypto/random'
import { SecretStoreError } from '../../errors'
import { CHANNEL } from '../../format/constants'
import type { Wire } from '../../platform/local-socket'
import { Pieces } from './connection'

/** A wire whose other end has proved that it holds the store's keys. */
export interface Met {
  readonly seal: ChannelSeal
  /** What came behind the handshake. */
  readonly early: Pieces
}

/**
 * follower: magic ‖ version ‖ nonce; owner: nonce ‖ proof; follower: proof. Nothing is believed, and no more is kept than
 * these few bytes, before the other end has proved itself.
 */
export function meetOwner(wire: Wire, context: ChannelContext, aead: Aead, timeoutMs: number): Promise<Met> {
  const follower = newNonce(publicRandom)
  wire.send(encodeHello(follower))
  return converse(wire, timeoutMs, [CHANNEL.nonceBytes + CHANNEL.proofBytes], ([answer], early) => {
    const owner = (answer as Uint8Array).slice(0, CHANNEL.nonceBytes)
    const nonces = { follower, owner }
    if (!isProof((answer as Uint8Array).subarray(CHANNEL.nonceBytes), 'owner', context, nonces)) throw notProved()
    wire.send(proofOf('follower', context, nonces))
    return { seal: new ChannelSeal('follower', context, nonces, aead), early }
  })
}

export function meetFollower(wire: Wire, context: ChannelContext, aead: Aead, timeoutMs: number): Promise<Met> {
  let nonces: Nonces | undefined
  return converse(wire, timeoutMs, [CHANNEL.helloBytes, CHANNEL.proofBytes], ([hello, proof], early) => {
    if (nonces === undefined) {
      const found = decodeHello(hello as Uint8Array)
      if (found === undefined || found.version !== CHANNEL.version) throw notProved()
      nonces = { follower: found.nonce, owner: newNonce(publicRandom) }
      wire.send(concat(nonces.owner, proofOf('owner', context, nonces)))
    }
    if (proof === undefined) return undefined
    if (!isProof(proof, 'follower', context, nonces)) throw notProved()
    return { seal: new ChannelSeal('owner', context, nonces, aead), early }
  })
}

/** Takes messages of given lengths, and asks `answer` after each. */
function converse(
  wire: Wire,
  timeoutMs: number,
  lengths: readonly number[],
  answer: (messages: readonly Uint8Array[], early: Pieces) => Met | undefined,
): Promise<Met> {
  return new Promise((resolve, reject) => {
    const pieces = new Pieces()
    const messages: Uint8Array[] = []
    let isOver = false
    const settle = (work: () => void): void => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      work()
    }
    const fail = (error: unknown): void =>
      settle(() => {
        wire.end()
        reject(error)
      })
    const timer = setTimeout(() => fail(notProved()), timeoutMs)
    wire.onEnd(() => fail(notProved()))
    wire.onBytes((bytes) => {
      pieces.push(bytes)
      if (!isOver && pieces.bytes > MOST_EARLY_BYTES) fail(notProved())
      // It is the connection's, which goes on with the same pieces.
      if (isOver) return
      try {
        for (;;) {
          const message = pieces.take(lengths[messages.length] as number)
          if (message === undefined) return
          messages.push(message)
          const met = answer(messages, pieces)
          if (met !== undefined) return settle(() => resolve(met))
        }
      } catch (error) {
        fail(error)
      }
    })
  })
}

/** Of somebody who has not proved himself; more than the messages, since a proof may come together with requests. */
const MOST_EARLY_BYTES = 65_536

function notProved(): SecretStoreError {
  return new SecretStoreError(
    'ERR_LOCKED',
    'sharing: expected the other process to prove that it holds the keys, got no proof',
  )
}
