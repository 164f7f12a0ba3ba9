import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, utf8 } from '../../../../src/base/bytes'
import { nobleAead } from '../../../../src/crypto/aead/noble'
import { ChannelSeal, type Role } from '../../../../src/crypto/channel'
import { Connection, Pieces } from '../../../../src/storage/sharing/connection'
import { codeOf } from '../../../support/stores'
import { turnOfLoop } from '../../../support/waiting'
import { type TestWire, testWire, wirePair } from '../../../support/wires'

const FRAME_BYTES = 262_144

function sealOf(role: Role): ChannelSeal {
  const filled = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
  const nonces = { follower: filled(2), owner: filled(3) }
  return new ChannelSeal(role, { key: filled(1), endpoint: '/e' }, nonces, nobleAead)
}

interface End {
  readonly connection: Connection
  readonly messages: Uint8Array[]
  readonly ends: number
  readonly pieces: number
}

function endOf(role: Role, { wire }: TestWire, mostBytes?: number, onMessage?: () => void): End {
  const messages: Uint8Array[] = []
  const end = { messages, ends: 0, pieces: 0 }
  const take = (message: Uint8Array): void => {
    messages.push(message)
    onMessage?.()
  }
  const connection = new Connection(
    wire,
    sealOf(role),
    new Pieces(),
    take,
    () => end.ends++,
    () => end.pieces++,
    mostBytes,
  )
  return Object.assign(end, { connection })
}

/** A follower whose frames the test handles, and the owner that they go to. */
function handled(mostBytes?: number): { readonly seal: ChannelSeal; readonly at: TestWire; readonly owner: End } {
  const at = testWire()
  return { seal: sealOf('follower'), at, owner: endOf('owner', at, mostBytes) }
}

/** A whole message in one frame. */
function whole(text: string): Uint8Array {
  return concat(Uint8Array.of(1), utf8(text))
}

async function expectEnded({ at, owner }: Pick<ReturnType<typeof handled>, 'at' | 'owner'>, messages: number) {
  await turnOfLoop()
  expect([at.isEnded, owner.ends, owner.messages.length]).toEqual([true, 1, messages])
}

describe('messages', () => {
  test('of any length arrive whole, in their order, in pieces of any size', () => {
    const lengths = fc.oneof(fc.nat(300), fc.constantFrom(FRAME_BYTES - 1, FRAME_BYTES, 2 * FRAME_BYTES - 2, 600_000))
    const pieces = fc.array(fc.oneof(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 100_000 })), {
      minLength: 1,
      maxLength: 5,
    })
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), lengths), { maxLength: 6 }), pieces, (said, cuts) => {
        // Many pieces of a few bytes, of much, take their time.
        const sizes = said.some(([, length]) => length > 300) ? cuts.map((cut) => cut + 1000) : cuts
        const { follower, owner, pump } = wirePair(sizes)
        const [a, b] = [endOf('follower', follower), endOf('owner', owner)]
        const expected: { a: Buffer[]; b: Buffer[] } = { a: [], b: [] }
        said.forEach(([byOwner, length], n) => {
          const message = Buffer.alloc(length, n + 1)
          const [from, heard] = byOwner ? [b, expected.a] : [a, expected.b]
          from.connection.send(message)
          heard.push(message)
        })
        pump()
        for (const [end, messages] of [
          [a, expected.a],
          [b, expected.b],
        ] as const) {
          expect(end.messages.length).toBe(messages.length)
          messages.forEach((message, n) => {
            expect(Buffer.compare(message, end.messages[n] as Uint8Array)).toBe(0)
          })
        }
      }),
      { numRuns: 40 },
    )
  })

  test('that came with the handshake are heard, once the listener is there', async () => {
    const { seal, at } = handled()
    const early = new Pieces()
    early.push(seal.seal(whole('first')))
    early.push(seal.seal(whole('second')).subarray(0, 9))
    const messages: string[] = []
    new Connection(
      at.wire,
      sealOf('owner'),
      early,
      (message) => messages.push(Buffer.from(message).toString()),
      () => {},
    )
    expect(messages).toEqual([])
    await turnOfLoop()
    expect(messages).toEqual(['first'])
  })

  test('whose listener throws end it, and nothing after them is heard', async () => {
    const { seal, at } = handled()
    const refusing = endOf('owner', at, undefined, () => {
      throw new Error('none of ours')
    })
    at.receive(concat(seal.seal(whole('first')), seal.seal(whole('second'))))
    await expectEnded({ at, owner: refusing }, 1)
  })

  test('after the end are not heard, and none are sent', async () => {
    const { seal, at, owner } = handled()
    at.receive(seal.seal(whole('before')))
    owner.connection.finish()
    at.receive(seal.seal(whole('after')))
    owner.connection.send(utf8('answer'))
    expect(at.sent).toEqual([])
    await expectEnded({ at, owner }, 1)
    owner.connection.send(utf8('answer'))
    expect(at.sent).toEqual([])
  })

  test('that are too long are not sent, and not kept when they come', async () => {
    const [most, over] = [FRAME_BYTES + 10, FRAME_BYTES + 11]
    const { follower, owner, pump } = wirePair()
    const a = endOf('follower', follower)
    const b = endOf('owner', owner, most)
    expect(await codeOf(() => b.connection.send(new Uint8Array(over)))).toBe('ERR_IO')
    expect(owner.sent).toEqual([])
    b.connection.send(new Uint8Array(most))
    a.connection.send(new Uint8Array(most))
    pump()
    expect([a.messages.length, b.messages.length]).toEqual([1, 1])
    a.connection.send(new Uint8Array(over))
    pump()
    await expectEnded({ at: owner, owner: b }, 1)
  })
})

describe('a connection ends, without a word, over', () => {
  test('each byte of a frame that is altered', async () => {
    const frame = sealOf('follower').seal(whole('message'))
    for (let index = 0; index < frame.length; index++) {
      const one = handled()
      const altered = frame.slice()
      altered[index] = (altered[index] as number) ^ 1
      // A length that is greater now waits for more.
      one.at.receive(concat(altered, new Uint8Array(FRAME_BYTES + 16)))
      expect(one.at.sent).toEqual([])
      await expectEnded(one, 0)
    }
  })

  test('frames that are left out, doubled or exchanged', async () => {
    for (const order of [[1], [0, 0], [1, 0], [0, 2], [0, 1, 1]]) {
      const one = handled()
      const frames = ['a', 'b', 'c'].map((text) => one.seal.seal(whole(text)))
      for (const index of order) one.at.receive(frames[index] as Uint8Array)
      await expectEnded(
        one,
        order.findIndex((index, place) => index !== place),
      )
    }
  })

  test('what it has sent itself', async () => {
    const one = handled()
    one.owner.connection.send(utf8('message'))
    one.at.receive(concat(...one.at.sent))
    await expectEnded(one, 0)
  })

  test('a length of 4 GiB, and of nothing, before any more has come', async () => {
    for (const prefix of [
      [255, 255, 255, 255],
      [0, 4, 0, 17],
      [0, 0, 0, 0],
      [0, 0, 0, 16],
    ]) {
      const one = handled()
      one.at.receive(Uint8Array.from(prefix))
      await expectEnded(one, 0)
    }
  })

  test('a frame that says neither that more comes nor that it is the last, and a short one before the last', async () => {
    for (const plaintext of [Uint8Array.of(2, 7), Uint8Array.of(0), concat(Uint8Array.of(0), utf8('short'))]) {
      const one = handled()
      one.at.receive(one.seal.seal(plaintext))
      await expectEnded(one, 0)
    }
  })

  test('noise', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 4, maxLength: 500 }), async (noise) => {
        const one = handled()
        one.at.receive(noise)
        // Of some lengths more would have to come.
        one.at.receive(new Uint8Array(FRAME_BYTES + 16))
        await expectEnded(one, 0)
      }),
      { numRuns: 60 },
    )
  })
})

describe('half a frame', () => {
  test('is waited for, and leaves nothing when the other end goes', async () => {
    const one = handled()
    one.at.receive(one.seal.seal(whole('message')).subarray(0, 15))
    await turnOfLoop()
    expect(one.at.isEnded).toBe(false)
    one.at.wire.end()
    await expectEnded(one, 0)
  })
})

test('whoever has ended before somebody listened is told as well', async () => {
  const at = testWire()
  at.wire.end()
  const end = endOf('owner', at)
  await turnOfLoop()
  expect(end.ends).toBe(1)
})

test('whoever is not heard any more is still answered', async () => {
  const { seal, at, owner } = handled()
  at.receive(seal.seal(whole('asked before')))
  owner.connection.deafen()
  at.receive(seal.seal(whole('asked after')))
  owner.connection.send(utf8('answer'))
  expect([owner.messages.length, at.sent.length, at.isEnded]).toEqual([1, 1, false])
})
