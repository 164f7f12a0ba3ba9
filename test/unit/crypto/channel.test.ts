import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, utf8 } from '../../../src/base/bytes'
import { nobleAead } from '../../../src/crypto/aead/noble'
import {
  type ChannelContext,
  ChannelSeal,
  decodeHello,
  encodeHello,
  frameBytes,
  isProof,
  type Nonces,
  proofOf,
} from '../../../src/crypto/channel'
import { mac } from '../../../src/crypto/derive'
import { codeOf } from '../../support/stores'

const filled = (fill: number, length = 32): Uint8Array => new Uint8Array(length).fill(fill)
const CONTEXT: ChannelContext = { key: filled(1), endpoint: '/run/user/1000/secret-store/AAAAAAAAAAAAAAAAAAAAAA' }
const NONCES: Nonces = { follower: filled(2), owner: filled(3) }

function ends(context = CONTEXT, nonces = NONCES): { readonly owner: ChannelSeal; readonly follower: ChannelSeal } {
  const of = (role: 'owner' | 'follower'): ChannelSeal => new ChannelSeal(role, context, nonces, nobleAead)
  return { owner: of('owner'), follower: of('follower') }
}

describe('a hello', () => {
  test('is 38 bytes, and comes back', () => {
    const bytes = encodeHello(NONCES.follower)
    expect(Buffer.from(bytes)).toEqual(Buffer.concat([Buffer.from('SSCH'), Buffer.of(0, 1), NONCES.follower]))
    expect(decodeHello(bytes)).toEqual({ version: 1, nonce: NONCES.follower })
  })

  test('of another version is known as one', () => {
    const bytes = encodeHello(NONCES.follower).slice()
    bytes.set([2, 1], 4)
    expect(decodeHello(bytes)).toEqual({ version: 513, nonce: NONCES.follower })
  })

  test('is nothing else: with another magic, shorter, longer', () => {
    const bytes = encodeHello(NONCES.follower)
    for (let index = 0; index < 4; index++) {
      const other = bytes.slice()
      other[index] = (other[index] as number) ^ 0x20
      expect(decodeHello(other)).toBeUndefined()
    }
    for (let length = 0; length < bytes.length; length++) expect(decodeHello(bytes.subarray(0, length))).toBeUndefined()
    expect(decodeHello(concat(bytes, filled(0, 1)))).toBeUndefined()
  })
})

describe('a proof', () => {
  test('is a MAC of role, version, nonces and endpoint', () => {
    const said = concat(utf8('owner\0'), Uint8Array.of(0, 1), NONCES.follower, NONCES.owner, utf8(CONTEXT.endpoint))
    expect(proofOf('owner', CONTEXT, NONCES)).toEqual(mac(CONTEXT.key, said))
  })

  test('holds for its key, role, endpoint and nonces alone', () => {
    const proof = proofOf('owner', CONTEXT, NONCES)
    expect(isProof(proof, 'owner', CONTEXT, NONCES)).toBe(true)
    expect(isProof(proof, 'follower', CONTEXT, NONCES)).toBe(false)
    expect(isProof(proof, 'owner', { ...CONTEXT, key: filled(9) }, NONCES)).toBe(false)
    expect(isProof(proof, 'owner', { ...CONTEXT, endpoint: `${CONTEXT.endpoint}B` }, NONCES)).toBe(false)
    expect(isProof(proof, 'owner', CONTEXT, { ...NONCES, follower: filled(9) })).toBe(false)
    expect(isProof(proof, 'owner', CONTEXT, { ...NONCES, owner: filled(9) })).toBe(false)
    expect(isProof(proof, 'owner', CONTEXT, { follower: NONCES.owner, owner: NONCES.follower })).toBe(false)
    expect(isProof(proof.subarray(1), 'owner', CONTEXT, NONCES)).toBe(false)
    for (let index = 0; index < proof.length; index++) {
      const other = proof.slice()
      other[index] = (other[index] as number) ^ 1
      expect(isProof(other, 'owner', CONTEXT, NONCES)).toBe(false)
    }
  })
})

describe('frames', () => {
  test('of both directions come back in their order', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 300 }))), (said) => {
        const { owner, follower } = ends()
        for (const [byOwner, plaintext] of said) {
          const [from, to] = byOwner ? [owner, follower] : [follower, owner]
          const frame = from.seal(plaintext)
          expect(frameBytes(frame)).toBe(frame.length - 4)
          expect(Buffer.compare(to.open(frame), plaintext)).toBe(0)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('that are altered in any byte do not open', async () => {
    const frame = ends().owner.seal(utf8('plaintext'))
    for (let index = 0; index < frame.length; index++) {
      const altered = frame.slice()
      altered[index] = (altered[index] as number) ^ 0x80
      expect([index, await codeOf(() => ends().follower.open(altered))]).toEqual([index, 'ERR_CORRUPT'])
    }
  })

  test('that are left out, doubled, exchanged or sent back do not open', async () => {
    const frames = (): [ChannelSeal, ChannelSeal, Uint8Array, Uint8Array] => {
      const { owner, follower } = ends()
      return [owner, follower, owner.seal(utf8('first')), owner.seal(utf8('second'))]
    }
    const [, leftOut, , second] = frames()
    expect(await codeOf(() => leftOut.open(second))).toBe('ERR_CORRUPT')
    const [, doubled, first] = frames()
    doubled.open(first)
    expect(await codeOf(() => doubled.open(first))).toBe('ERR_CORRUPT')
    const [owner, , back] = frames()
    expect(await codeOf(() => owner.open(back))).toBe('ERR_CORRUPT')
  })

  test('of another channel do not open: each of the nonces, the endpoint and the key makes it another', async () => {
    const frame = ends().owner.seal(utf8('plaintext'))
    for (const other of [
      ends({ ...CONTEXT, key: filled(9) }),
      ends({ ...CONTEXT, endpoint: '/tmp/secret-store-0/AAAAAAAAAAAAAAAAAAAAAA' }),
      ends(CONTEXT, { ...NONCES, follower: filled(9) }),
      ends(CONTEXT, { ...NONCES, owner: filled(9) }),
    ]) {
      expect(await codeOf(() => other.follower.open(frame))).toBe('ERR_CORRUPT')
    }
  })

  test('have bounded lengths: 4 GiB, none, and a tag alone are none', async () => {
    const lengthOf = (length: number): Uint8Array => {
      const prefix = Buffer.alloc(4)
      prefix.writeUInt32BE(length)
      return prefix
    }
    for (const length of [0, 1, 16, 262_161, 2 ** 31, 2 ** 32 - 1])
      expect(await codeOf(() => frameBytes(lengthOf(length)))).toBe('ERR_CORRUPT')
    for (const length of [17, 262_160]) expect(frameBytes(lengthOf(length))).toBe(length)
  })

  test('open no more once the keys were overwritten', async () => {
    const { owner, follower } = ends()
    const frame = owner.seal(utf8('plaintext'))
    follower.wipe()
    expect(await codeOf(() => follower.open(frame))).toBe('ERR_CORRUPT')
  })
})
