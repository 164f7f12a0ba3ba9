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
import { type Random, systemRandom } from '../../crypto/random'
import { SecretStoreError } from '../../errors'
import { CHANNEL } from '../../format/constants'
import type { Wire } from '../../platform/local-socket'
import { Pieces } from './connection'

/** A wire whose other end has proved that it holds the store's keys. */
export interface Met {
  readonly seal: ChannelSeal
  /** What came after the handshake. */
  readonly early: Pieces
}

/**
 * How to meet. The context is asked for at each use, and its key is overwritten after it: a store whose keys change in the
 * middle of a handshake takes in nobody by its former keys.
 */
export interface Meeting {
  readonly context: () => ChannelContext
  readonly aead: Aead
  /** For all of it, in milliseconds. */
  readonly timeoutMs: number
  /** @defaultValue the system's */
  readonly random?: Random
}

/** The other end has ended the connection before it said anything. */
export class HungUp extends SecretStoreError {}

/** All that is kept of an end that has not proved itself: the messages, and requests that came together with its proof. */
const MOST_EARLY_BYTES = 65_536

/**
 * Follower: magic ‖ version ‖ nonce. Owner: nonce ‖ proof. Follower: proof (docs/format.md §16.3). Nothing is believed
 * before the other end has proved itself, and no more is kept than 64 KiB.
 *
 * @returns Once the owner has proved itself. The process waits for it.
 * @throws {SecretStoreError} `ERR_LOCKED` without a proof in time, and `HungUp` without an answer; the wire is ended then.
 */
export function meetOwner(wire: Wire, meeting: Meeting): Promise<Met> {
  const follower = newNonce(meeting.random ?? systemRandom)
  wire.send(encodeHello(follower))
  return converse(wire, setTimeout, meeting, [CHANNEL.nonceBytes + CHANNEL.proofBytes], ([answer], early) => {
    const [owner, proof] = halves(answer as Uint8Array)
    const nonces = { follower, owner }
    return withContext(meeting, (context) => {
      if (!isProof(proof, 'owner', context, nonces)) throw notProved()
      wire.send(proofOf('follower', context, nonces))
      return { seal: new ChannelSeal('follower', context, nonces, meeting.aead), early }
    })
  })
}

/**
 * The other side of it. The process does not wait for it.
 *
 * @throws {SecretStoreError} `ERR_LOCKED` as above, and at once for the hello of another version.
 */
export function meetFollower(wire: Wire, meeting: Meeting): Promise<Met> {
  let nonces: Nonces | undefined
  const unwatched = (work: () => void, ms: number): NodeJS.Timeout => setTimeout(work, ms).unref()
  return converse(wire, unwatched, meeting, [CHANNEL.helloBytes, CHANNEL.proofBytes], ([hello, proof], early) =>
    withContext(meeting, (context) => {
      if (nonces === undefined) {
        const found = decodeHello(hello as Uint8Array)
        if (found?.version !== CHANNEL.version) throw notProved()
        nonces = { follower: found.nonce, owner: newNonce(meeting.random ?? systemRandom) }
        wire.send(concat(nonces.owner, proofOf('owner', context, nonces)))
      }
      if (proof === undefined) return undefined
      if (!isProof(proof, 'follower', context, nonces)) throw notProved()
      return { seal: new ChannelSeal('owner', context, nonces, meeting.aead), early }
    }),
  )
}

function halves(answer: Uint8Array): readonly [nonce: Uint8Array, proof: Uint8Array] {
  return [answer.slice(0, CHANNEL.nonceBytes), answer.subarray(CHANNEL.nonceBytes)]
}

function withContext<T>({ context }: Meeting, work: (context: ChannelContext) => T): T {
  const current = context()
  try {
    return work(current)
  } finally {
    current.key.fill(0)
  }
}

/** Takes messages of given lengths, and asks `answer` after each. */
function converse(
  wire: Wire,
  after: (work: () => void, ms: number) => NodeJS.Timeout,
  { timeoutMs }: Meeting,
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
        wire.onBytes(() => {})
        wire.end()
        reject(error)
      })
    const timer = after(() => fail(notProved()), timeoutMs)
    wire.onEnd(() => fail(messages.length === 0 && pieces.bytes === 0 ? hungUp() : notProved()))
    wire.onBytes((bytes) => {
      pieces.push(bytes)
      // The connection goes on with the same pieces.
      if (isOver) return
      if (pieces.bytes > MOST_EARLY_BYTES) return fail(notProved())
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

function notProved(): SecretStoreError {
  return new SecretStoreError(
    'ERR_LOCKED',
    'sharing: expected the other process to prove that it holds the keys, got no proof',
  )
}

function hungUp(): HungUp {
  return new HungUp('ERR_LOCKED', 'sharing: expected the other process to answer, got the end of the connection')
}
