import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { concat, utf8 } from '../../../../src/base/bytes'
import { nobleAead } from '../../../../src/crypto/aead/noble'
import { type ChannelContext, encodeHello, proofOf } from '../../../../src/crypto/channel'
import { Connection } from '../../../../src/storage/sharing/connection'
import { type Meeting, type Met, meetFollower, meetOwner } from '../../../../src/storage/sharing/handshake'
import { codeOf } from '../../../support/stores'
import { turnOfLoop } from '../../../support/waiting'
import { type TestWire, testWire, wirePair } from '../../../support/wires'

const TIMEOUT_MS = 2000
const ENDPOINT = '/run/user/1000/secret-store/AAAAAAAAAAAAAAAAAAAAAA'
const KEY = new Uint8Array(32).fill(1)

function meeting(change: Partial<ChannelContext> = {}): Meeting {
  const context = (): ChannelContext => ({ key: KEY.slice(), endpoint: ENDPOINT, ...change })
  return { context, aead: nobleAead, timeoutMs: TIMEOUT_MS }
}

/** A meeting that a test waits for: nobody else does. */
function begun(work: Promise<Met>): Promise<Met> {
  work.catch(() => {})
  return work
}

/** A follower and an owner, and what became of their meeting. */
async function met(follower: Meeting, owner: Meeting, lengths?: readonly number[]) {
  const ends = wirePair(lengths)
  const [asFollower, asOwner] = [
    begun(meetOwner(ends.follower.wire, follower)),
    begun(meetFollower(ends.owner.wire, owner)),
  ]
  ends.pump()
  return { ...ends, asFollower, asOwner }
}

/** Whoever does not prove himself is not told why, and is not kept. */
async function expectRefused(at: TestWire, meeting: Promise<Met>, most = 0): Promise<void> {
  expect(await codeOf(() => meeting)).toBe('ERR_LOCKED')
  expect(at.isEnded).toBe(true)
  expect(at.sent.length).toBeLessThanOrEqual(most)
}

/** The messages of a whole handshake: hello, answer, proof. */
async function recorded(): Promise<readonly [Uint8Array, Uint8Array, Uint8Array]> {
  const [follower, owner] = [testWire(), testWire()]
  begun(meetOwner(follower.wire, meeting()))
  begun(meetFollower(owner.wire, meeting()))
  const hello = follower.sent[0] as Uint8Array
  owner.receive(hello)
  const answer = owner.sent[0] as Uint8Array
  follower.receive(answer)
  return [hello, answer, follower.sent[1] as Uint8Array]
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('two who hold the same key', () => {
  test('meet over pieces of any size, leave no timer, and say something to each other', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(sizes, async (lengths) => {
        const ends = await met(meeting(), meeting(), lengths)
        const heard: string[] = []
        const [a, b] = [await ends.asFollower, await ends.asOwner].map(({ seal, early }, index) => {
          const { wire } = [ends.follower, ends.owner][index] as TestWire
          return new Connection(
            wire,
            seal,
            early,
            (message) => heard.push(Buffer.from(message).toString()),
            () => {},
          )
        })
        a?.send(utf8('to the owner'))
        b?.send(utf8('to the follower'))
        ends.pump()
        expect(heard.sort()).toEqual(['to the follower', 'to the owner'])
        expect(vi.getTimerCount()).toBe(0)
      }),
      { numRuns: 40 },
    )
  })

  test('meet even if a request comes together with the proof', async () => {
    const ends = wirePair()
    const asFollower = begun(meetOwner(ends.follower.wire, meeting()))
    const asOwner = begun(meetFollower(ends.owner.wire, meeting()))
    ends.owner.receive(ends.follower.sent.shift() as Uint8Array)
    ends.follower.receive(ends.owner.sent.shift() as Uint8Array)
    const { seal, early } = await asFollower
    const a = new Connection(
      ends.follower.wire,
      seal,
      early,
      () => {},
      () => {},
    )
    a.send(utf8('request'))
    ends.owner.receive(Buffer.concat(ends.follower.sent))
    const heard: string[] = []
    const owner = await asOwner
    new Connection(
      ends.owner.wire,
      owner.seal,
      owner.early,
      (one) => heard.push(Buffer.from(one).toString()),
      () => {},
    )
    await turnOfLoop()
    expect(heard).toEqual(['request'])
  })

  test('do not say the same twice: each meeting has nonces of its own', async () => {
    const [first, second] = [await recorded(), await recorded()]
    first.forEach((message, index) => {
      expect(Buffer.compare(message, second[index] as Uint8Array)).not.toBe(0)
    })
  })
})

describe('a follower', () => {
  test.each([
    ['with a wrong key, or of another store', meeting({ key: new Uint8Array(32).fill(9) })],
    ['at another endpoint', meeting({ endpoint: `${ENDPOINT}B` })],
  ])('%s is refused, and refuses', async (_, follower) => {
    const { asFollower, asOwner, follower: at } = await met(follower, meeting())
    await expectRefused(at, asFollower)
    // That the follower has gone is all that the owner hears.
    vi.advanceTimersByTime(TIMEOUT_MS)
    expect(await codeOf(() => asOwner)).toBe('ERR_LOCKED')
  })

  test('does not believe an owner by a recorded answer, by its own proof, or by noise', async () => {
    const [, answer] = await recorded()
    const noise = new Uint8Array(64).fill(7)
    for (const said of [answer, noise]) {
      const at = testWire()
      const asFollower = begun(meetOwner(at.wire, meeting()))
      at.receive(said)
      await expectRefused(at, asFollower, 1)
    }
  })

  test('proves nothing to whoever has not proved himself', async () => {
    const at = testWire()
    const asFollower = begun(meetOwner(at.wire, meeting({ key: new Uint8Array(32).fill(9) })))
    const owner = testWire()
    begun(meetFollower(owner.wire, meeting()))
    owner.receive(at.sent[0] as Uint8Array)
    at.receive(owner.sent[0] as Uint8Array)
    await expectRefused(at, asFollower, 1)
    expect(at.sent.map(({ length }) => length)).toEqual([38])
  })

  test('does not take the proof of a follower for that of an owner: what it says, sent back', async () => {
    const at = testWire()
    const asFollower = begun(meetOwner(at.wire, meeting()))
    const nonce = (at.sent[0] as Uint8Array).subarray(6)
    // Somebody who has got a follower to prove itself over the same nonces.
    const proof = proofOf('follower', { key: KEY, endpoint: ENDPOINT }, { follower: nonce, owner: nonce })
    at.receive(concat(nonce, proof))
    await expectRefused(at, asFollower, 1)
  })

  test('ends by the time limit, if nothing or too little comes', async () => {
    for (const said of [new Uint8Array(), new Uint8Array(63)]) {
      const at = testWire()
      const asFollower = begun(meetOwner(at.wire, meeting()))
      at.receive(said)
      vi.advanceTimersByTime(TIMEOUT_MS - 1)
      expect(at.isEnded).toBe(false)
      vi.advanceTimersByTime(1)
      await expectRefused(at, asFollower, 1)
    }
  })
})

describe('an owner', () => {
  async function asOwner(said: (answerOf: (bytes: Uint8Array) => Uint8Array | undefined) => void, own = meeting()) {
    const at = testWire()
    const meets = begun(meetFollower(at.wire, own))
    said((bytes) => {
      at.receive(bytes)
      return at.sent.at(-1)
    })
    return { at, meets }
  }

  test('is not convinced by a recorded handshake, nor by its own proof sent back', async () => {
    const [hello, , proof] = await recorded()
    const replayed = await asOwner((say) => {
      say(hello)
      say(proof)
    })
    await expectRefused(replayed.at, replayed.meets, 1)
    const reflected = await asOwner((say) => {
      const answer = say(hello) as Uint8Array
      say(answer.subarray(32))
    })
    await expectRefused(reflected.at, reflected.meets, 1)
  })

  test('says nothing to noise, and to another version', async () => {
    const older = encodeHello(new Uint8Array(32)).slice()
    older[5] = 0
    for (const said of [
      older,
      new Uint8Array(38).fill(0x53),
      utf8(`GET / HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(2)),
    ]) {
      const { at, meets } = await asOwner((say) => say(said))
      await expectRefused(at, meets, 0)
    }
  })

  test('ends by the time limit, for silence and for half a proof; the process does not wait for it', async () => {
    const [hello] = await recorded()
    for (const said of [[], [hello], [hello, new Uint8Array(31)], [hello.subarray(0, 37)]]) {
      const { at, meets } = await asOwner((say) => {
        for (const one of said) say(one)
      })
      vi.advanceTimersByTime(TIMEOUT_MS)
      await expectRefused(at, meets, 1)
    }
    // A spy on a timer that is not real would bring it back whenever all spies are taken away, in other files, too.
    vi.useRealTimers()
    const timers = vi.spyOn(globalThis, 'setTimeout')
    begun(meetFollower(testWire().wire, meeting()))
    const timer = timers.mock.results[0]?.value as NodeJS.Timeout
    timers.mockRestore()
    expect(timer.hasRef()).toBe(false)
    clearTimeout(timer)
  })

  test('keeps no more than 64 KiB of somebody who has not proved himself', async () => {
    const [hello] = await recorded()
    const { at, meets } = await asOwner((say) => {
      say(hello)
      for (let n = 0; n < 3; n++) say(new Uint8Array(10))
    })
    at.receive(new Uint8Array(65_536))
    await expectRefused(at, meets, 1)
    // Nor of somebody who says nothing but that.
    const loud = await asOwner((say) => say(new Uint8Array(65_537)))
    await expectRefused(loud.at, loud.meets, 0)
  })

  test('goes by the key of the moment: whoever began by a former key does not come in', async () => {
    let key = KEY
    const own = { ...meeting(), context: () => ({ key: key.slice(), endpoint: ENDPOINT }) }
    const [follower, owner] = [testWire(), testWire()]
    begun(meetOwner(follower.wire, meeting()))
    const meets = begun(meetFollower(owner.wire, own))
    owner.receive(follower.sent[0] as Uint8Array)
    follower.receive(owner.sent[0] as Uint8Array)
    // The root key is replaced between the answer and the proof.
    key = new Uint8Array(32).fill(9)
    owner.receive(follower.sent[1] as Uint8Array)
    await expectRefused(owner, meets, 1)
  })
})

test('each byte of each message that is altered ends the meeting for whoever receives it', async () => {
  for (const [message, length] of [38, 64, 32].entries()) {
    for (let index = 0; index < length; index++) {
      const [follower, owner] = [testWire(), testWire()]
      const asFollower = begun(meetOwner(follower.wire, meeting()))
      const meets = begun(meetFollower(owner.wire, meeting()))
      const carry = (from: TestWire, to: TestWire, nth: number): void => {
        const bytes = from.sent.shift()
        if (bytes === undefined) return
        if (nth === message) bytes[index] = (bytes[index] as number) ^ 1
        to.receive(bytes)
      }
      carry(follower, owner, 0)
      carry(owner, follower, 1)
      carry(follower, owner, 2)
      vi.advanceTimersByTime(TIMEOUT_MS)
      expect([message, index, await codeOf(() => meets)]).toEqual([message, index, 'ERR_LOCKED'])
      // The last message is the owner's to check.
      if (message < 2) expect([message, index, await codeOf(() => asFollower)]).toEqual([message, index, 'ERR_LOCKED'])
    }
  }
})

test('the key is overwritten as soon as it was used', async () => {
  const keys: Uint8Array[] = []
  const watched = (): Meeting => ({
    ...meeting(),
    context: () => {
      const key = KEY.slice()
      keys.push(key)
      return { key, endpoint: ENDPOINT }
    },
  })
  const { asFollower, asOwner } = await met(watched(), watched())
  await Promise.all([asFollower, asOwner])
  expect(keys.length).toBe(3)
  for (const key of keys) expect(key.every((byte) => byte === 0)).toBe(true)
})
