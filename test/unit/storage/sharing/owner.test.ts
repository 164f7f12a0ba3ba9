import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { HEAD_ROW } from '../../../../src/storage/keyspace'
import { MemoryEngine } from '../../../../src/storage/memory-engine'
import type { Connection } from '../../../../src/storage/sharing/connection'
import { decodeFromOwner, encodeRequest, type Request } from '../../../../src/storage/sharing/messages'
import { Owner, type Served } from '../../../../src/storage/sharing/owner'
import { bytes, turnsOfLoop } from '../../../support/shared-medium'

const MIB = 1024 * 1024

/** A connection that takes what it is given when the test says so. */
class Slow {
  sentBytes = 0
  waitingBytes = 0
  hasEnded = false
  readonly sent: Uint8Array[] = []

  send(message: Uint8Array): void {
    this.sent.push(message)
    this.sentBytes += message.length
    this.waitingBytes += message.length
  }

  end(): void {
    this.hasEnded = true
  }
}

function served(engine: MemoryEngine = new MemoryEngine([{ key: HEAD_ROW, value: bytes('head 0') }])): {
  owner: Owner
  follower: Served
  connection: Slow
} {
  const owner = new Owner(engine, () => {})
  const connection = new Slow()
  return { owner, connection, follower: owner.serve(() => connection as unknown as Connection) }
}

/** A commit of the owner itself, whose note has so many bytes. */
async function commitOf(owner: Owner, noteBytes: number): Promise<void> {
  const turn = await owner.turn()
  const changes = [{ type: 'put', key: HEAD_ROW, value: bytes('head 0') } as const]
  const request = { expectedHead: bytes('head 0'), changes, note: new Uint8Array(noteBytes), keyring: undefined }
  expect(await owner.commit({ pid: undefined, onCommit() {} }, turn, request)).toBe(true)
}

test('a follower that is told more than it takes is cut off at 64 MiB, and a large answer on its way does not count', async () => {
  const big = { key: bytes('big'), value: new Uint8Array(200 * MIB) }
  const { owner, follower, connection } = served(new MemoryEngine([big, { key: HEAD_ROW, value: bytes('head 0') }]))
  follower.onMessage(encodeRequest(1, { type: 'get', key: big.key }))
  await turnsOfLoop()
  expect(connection.waitingBytes).toBeGreaterThan(200 * MIB)
  for (let n = 0; n < 7; n++) await commitOf(owner, 10 * MIB)
  expect(connection.hasEnded).toBe(false)
  // It takes all but the last three.
  connection.waitingBytes = 30 * MIB
  for (let n = 0; n < 4; n++) await commitOf(owner, 10 * MIB)
  expect(connection.hasEnded).toBe(false)
  connection.waitingBytes = 70 * MIB + 200
  await commitOf(owner, 1)
  expect(connection.hasEnded).toBe(true)
})

describe('a turn of a follower', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  const commit: Request = {
    type: 'commit',
    expectedHead: bytes('head 0'),
    changes: [{ type: 'put', key: HEAD_ROW, value: bytes('head 1') }],
    note: bytes(''),
    keyring: undefined,
  }

  test.each([
    ['lasts as long as pieces of its commit arrive', 1500, true],
    ['is over where there is a pause of 2 seconds', 2001, false],
  ])('%s', async (_, pauseMs, isDone) => {
    const { follower, connection } = served()
    follower.onMessage(encodeRequest(1, { type: 'turn', wantedMs: 0 }))
    await turnsOfLoop()
    for (let piece = 0; piece < 10; piece++) {
      vi.advanceTimersByTime(pauseMs)
      follower.onPiece()
    }
    follower.onMessage(encodeRequest(2, commit))
    await turnsOfLoop()
    expect(connection.sent.map(decodeFromOwner).at(-1)).toMatchObject({ id: 2, answer: { type: 'done', isDone } })
  })

  test.each([
    [0, 1999, true],
    [0, 2001, false],
    [5000, 4999, true],
    [5000, 5001, false],
    [2 ** 32 - 1, 19_999, true],
    [2 ** 32 - 1, 20_001, false],
  ])('for %d ms, after %d: %s', async (wantedMs, afterMs, isDone) => {
    const { follower, connection } = served()
    follower.onMessage(encodeRequest(1, { type: 'turn', wantedMs }))
    await turnsOfLoop()
    vi.advanceTimersByTime(afterMs)
    follower.onMessage(encodeRequest(2, commit))
    await turnsOfLoop()
    expect(connection.sent.map(decodeFromOwner).at(-1)).toMatchObject({ id: 2, answer: { type: 'done', isDone } })
  })
})
