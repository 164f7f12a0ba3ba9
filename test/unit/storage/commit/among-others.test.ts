import { account } from 'app-secret-store'
import { expect, test } from 'vitest'
import { utf8 } from '../../../../src/base/bytes'
import { SecretStoreError } from '../../../../src/errors'
import { EMPTY_HEAD } from '../../../../src/format/head'
import { AmongOthers } from '../../../../src/storage/commit/among-others'
import { CommitQueue } from '../../../../src/storage/commit/queue'
import type { Operation } from '../../../../src/storage/commit/transaction'
import type { Engine } from '../../../../src/storage/engine'
import { sealHead } from '../../../../src/storage/head'
import { KnownRecords } from '../../../../src/storage/known/known-records'
import { MemoryEngine } from '../../../../src/storage/memory-engine'
import type { ForeignCommit, OtherWriters } from '../../../../src/storage/other-writers'
import { encodeNote } from '../../../../src/storage/sharing/commit-note'
import { newKeyring } from '../../../support/records'

/** A queue, and how it is told of commits of others. */
function listeningQueue(): {
  queue: CommitQueue
  engine: Engine
  tell: (commit: ForeignCommit) => void
  find: (head: Uint8Array) => void
} {
  let tell: (commit: ForeignCommit) => void = () => {}
  let find: (head: Uint8Array) => void = () => {}
  const others: OtherWriters = {
    isOwner: false,
    onOwned: () => {},
    onFound: (listener) => {
      find = listener
    },
    turn: async () => () => {},
    onCommit: (listener) => {
      tell = listener
    },
    lock: async () => () => {},
    peers: async () => [],
  }
  const head = sealHead(newKeyring(), EMPTY_HEAD)
  const engine = Object.assign(new MemoryEngine([head]), { others })
  const queue = new CommitQueue(
    engine,
    newKeyring(),
    new KnownRecords(1e6),
    EMPTY_HEAD,
    head.value,
    (writing) => new AmongOthers(writing, others),
  )
  return { queue, engine, tell: (commit) => tell(commit), find: (head) => find(head) }
}

const address = { partition: { account: undefined, livemode: false }, scope: account, name: 'n' }

/** It writes nothing but the head. */
const telling: Operation<string> = {
  records: [],
  payloads: [],
  sizeBytes: 0,
  apply(transaction) {
    transaction.tell('set', { id: 'id', address })
    return 'written'
  },
}

const headValue = (sequence: number): Uint8Array => sealHead(newKeyring(), { ...EMPTY_HEAD, sequence }).value

test('a note that says nothing to this version is a gap, and the store goes on', async () => {
  const { queue, tell } = listeningQueue()
  const told: (number | undefined)[] = []
  queue.listen((replacements) => told.push(replacements?.length))
  const changes: string[] = []
  queue.onChange((some) => changes.push(...some.map(({ type }) => type)))
  const right = encodeNote({ replacements: [], told: [{ type: 'set', record: { id: 'id', address } }] })
  const notes = ['', '{', 'null', '[]', '{"rows":[[]],"told":[]}', '{"rows":[],"told":[{}]}', '{"rows":7}'].map(utf8)
  for (const [n, note] of [...notes, Uint8Array.of(0xff), right, undefined].entries()) {
    tell({ head: headValue(n + 1), note, keyring: undefined })
    expect(queue.head.sequence).toBe(n + 1)
  }
  expect(told).toEqual([...Array.from({ length: notes.length + 1 }, () => undefined), 0, undefined])
  expect(changes).toEqual(['set'])
  expect(await queue.exclusive(async () => 'on')).toBe('on')
})

test('a head that does not open ends all writing', async () => {
  const { queue, tell } = listeningQueue()
  expect(() => tell({ head: utf8('no head'), note: undefined, keyring: undefined })).toThrow()
  await expect(queue.exclusive(async () => {})).rejects.toMatchObject({ code: 'ERR_FAILED' })
})

test('a commit that is told after a later one was read changes nothing', async () => {
  const { queue, tell } = listeningQueue()
  for (const sequence of [7, 7, 6]) tell({ head: headValue(sequence), note: undefined, keyring: undefined })
  expect(queue.head.sequence).toBe(7)
  expect(await queue.exclusive(async () => 'on')).toBe('on')
})

test('what loses its turn each time is ERR_BUSY, has changed nothing, and keeps nobody from the next', async () => {
  const { queue, engine } = listeningQueue()
  let [turns, lost] = [0, Number.POSITIVE_INFINITY]
  const { batch } = engine
  engine.batch = () => {
    const made = batch.call(engine)
    turns++
    return { ...made, write: async (head) => (lost-- > 0 ? false : made.write(head)) }
  }
  const write = () => queue.exclusive(() => queue.commitHead({ ...queue.head, sequence: queue.head.sequence + 1 }))
  await expect(queue.submit(telling)).rejects.toMatchObject({ code: 'ERR_BUSY' })
  expect([turns, queue.head.sequence]).toEqual([8, 0])
  lost = 7
  expect(await queue.submit(telling)).toBe('written')
  lost = 7
  expect(await queue.submit(telling)).toBe('written')
  lost = 7
  await write()
  expect(queue.head.sequence).toBe(3)
  lost = 8
  await expect(write()).rejects.toMatchObject({ code: 'ERR_BUSY' })
  expect([queue.head.sequence, lost]).toEqual([3, 0])
})

test('a write that fails is no turn that was lost: each gets its own error', async () => {
  const { queue, engine } = listeningQueue()
  const { batch } = engine
  let fails = true
  engine.batch = () => {
    const made = batch.call(engine)
    const write = async (head: Uint8Array | undefined): Promise<boolean> => {
      if (fails) throw new SecretStoreError('ERR_OUTCOME_UNKNOWN', 'x')
      return made.write(head)
    }
    return { ...made, write }
  }
  const next = () => queue.exclusive(() => queue.commitHead({ ...queue.head, sequence: queue.head.sequence + 1 }))
  const codes = new Set<unknown>()
  for (let n = 0; n < 20; n++) {
    for (const write of [next, () => queue.submit(telling)]) {
      await write().catch((error) => codes.add(error.code))
    }
  }
  expect([...codes]).toEqual(['ERR_OUTCOME_UNKNOWN'])
  fails = false
  expect(await queue.submit(telling)).toBe('written')
})

test('a head that is found with a new holder and is older than the known one is refused: the files were put back', () => {
  const { tell, find } = listeningQueue()
  tell({ head: headValue(7), note: undefined, keyring: undefined })
  for (const sequence of [7, 8]) find(headValue(sequence))
  expect(() => find(headValue(6))).toThrow(expect.objectContaining({ code: 'ERR_ROLLBACK' }))
})
