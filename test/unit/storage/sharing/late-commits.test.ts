import { account } from 'app-secret-store'
import { expect, onTestFinished, test, vi } from 'vitest'
import { rotate } from '../../../../src/care/rekey/rotate'
import { HEAD_ROW } from '../../../../src/storage/keyspace'
import type { SharedEngine } from '../../../../src/storage/sharing/shared-engine'
import { bytes, commit, Medium, text, turnsOfLoop, write } from '../../../support/shared-medium'
import { openShared, type SharedStore, storesMedium } from '../../../support/shared-stores'
import { codeOf } from '../../../support/stores'
import { eventually, newGate } from '../../../support/waiting'

/** A commit takes effect after its writer was told that its outcome is unknown. */

const a = { scope: account, name: 'a' }
const b = { scope: account, name: 'b' }

async function three(medium: Medium): Promise<[SharedStore, SharedStore, SharedStore]> {
  return [await openShared(medium), await openShared(medium), await openShared(medium)]
}

/** The files keep the write of `work` waiting until its outcome is unknown, and let it go on after `meanwhile`. */
async function late(medium: Medium, work: () => Promise<unknown>, meanwhile: () => Promise<unknown>): Promise<void> {
  const gate = newGate()
  medium.beforeWrite = () => gate.opened
  expect(await codeOf(work)).toBe('ERR_OUTCOME_UNKNOWN')
  await meanwhile()
  medium.beforeWrite = () => {}
  gate.open()
}

test('what its writer has read meanwhile is forgotten, as what any other commit has replaced', async () => {
  const medium = await storesMedium()
  medium.deadlineMs = 400
  const [owner, follower, other] = await three(medium)
  await owner.view.set({ ...a, payload: 'old', expires_at: 5000 })
  const told: (string | undefined)[] = []
  follower.store.queue.onChange((changes) => told.push(...changes.map(({ record }) => record.address.name)))
  await late(
    medium,
    () => follower.view.set({ ...a, payload: 'new', expires_at: 9000 }),
    async () => expect((await follower.view.find(a))?.expires_at).toBe(5000),
  )
  await other.view.set({ ...b, payload: 'b' })
  for (const { view } of [owner, follower, other]) {
    expect((await view.find(a))?.expires_at).toBe(9000)
    expect((await view.list({ scope: account })).data.map(({ expires_at }) => expires_at)).toEqual([9000, null])
  }
  // The owner's own, this one, and the other's.
  expect(told).toEqual(['a', 'a', 'b'])
})

test('its writer knows no secret any more that it has deleted', async () => {
  const medium = await storesMedium()
  medium.deadlineMs = 400
  const [owner, follower, other] = await three(medium)
  await owner.view.set({ ...a, payload: 'old' })
  await late(
    medium,
    () => follower.view.delete(a),
    async () => expect((await follower.view.list({ scope: account })).data).toHaveLength(1),
  )
  await other.view.set({ ...b, payload: 'b' })
  expect((await follower.view.list({ scope: account })).data.map(({ name }) => name)).toEqual(['b'])
  expect([await follower.view.find(a), await follower.view.get(a)]).toEqual([undefined, undefined])
})

test('its writer takes over the keys that it has put in place', async () => {
  const medium = await storesMedium()
  medium.deadlineMs = 400
  const [owner, follower, other] = await three(medium)
  await owner.view.set({ ...a, payload: 'a' })
  await late(
    medium,
    () => rotate(follower.store, {}),
    async () => expect(await follower.view.get(a)).toBe('a'),
  )
  await other.view.set({ ...b, payload: 'b' })
  expect(await follower.view.get(b)).toBe('b')
  await follower.view.set({ ...b, payload: 'c' })
  expect(await other.view.get(b)).toBe('c')
  // It goes on with the key that is there.
  expect(await rotate(follower.store, {})).toMatchObject({ dataKey: 2, records: 2 })
})

test('a store whose calls nobody answers closes in 30 seconds, however many there are', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const medium = await storesMedium()
  medium.deadlineMs = 29_000
  const [, follower] = await three(medium)
  const [link] = medium.links
  if (link === undefined) throw new Error('medium: expected a link, got none')
  link.holds.toOwner = true
  const { queue } = follower.store
  const calls = [
    follower.view.set({ ...a, payload: 'p' }),
    ...Array.from({ length: 5 }, () => queue.exclusive(async () => {})),
    follower.view.delete(a),
  ]
  const codes = Promise.all(calls.map((call) => codeOf(() => call)))
  let isClosed = false
  const closing = follower.store.close().finally(() => {
    isClosed = true
  })
  await vi.advanceTimersByTimeAsync(29_500)
  await turnsOfLoop()
  expect(isClosed).toBe(false)
  await vi.advanceTimersByTimeAsync(1000)
  await closing
  expect(new Set(await codes)).toEqual(new Set(['ERR_BUSY', 'ERR_CLOSED']))
})

test('it is told in its place, also where later ones come in one piece with its answer; one not written is not', async () => {
  const medium = new Medium()
  medium.deadlineMs = 200
  const all = [medium.writer(), medium.writer()]
  for (const writer of all) await writer.open()
  const [owner, follower] = all as [SharedEngine, SharedEngine]
  const [link] = medium.links
  if (link === undefined) throw new Error('medium: expected a link, got none')
  const told: (string | undefined)[] = []
  follower.onCommit(({ head }) => told.push(text(head)))
  const unknown = async (value: string, expected: string): Promise<void> => {
    const pass = await follower.turn()
    link.holds.toFollower = true
    expect(await codeOf(() => write(follower, bytes(expected), 'a', value))).toBe('ERR_OUTCOME_UNKNOWN')
    pass()
  }
  await unknown('1', 'head 0')
  expect(await commit(owner, 'a', '2')).toBe(true)
  link.letGo()
  expect(told).toEqual(['head 1', 'head 2'])
  // On a head that is none.
  await unknown('3', 'head 0')
  expect(await commit(owner, 'a', '4')).toBe(true)
  link.letGo()
  expect(told).toEqual(['head 1', 'head 2', 'head 4'])
  expect(text(await follower.get(HEAD_ROW))).toBe('head 4')
})

test('one whose connection has ended by then is told by the next', async () => {
  const medium = new Medium()
  medium.deadlineMs = 200
  const all = [medium.writer(), medium.writer()]
  for (const writer of all) await writer.open()
  const [, follower] = all as [SharedEngine, SharedEngine]
  const told: (string | undefined)[] = []
  follower.onCommit(({ head }) => told.push(text(head)))
  const gate = newGate()
  medium.beforeWrite = () => gate.opened
  const pass = await follower.turn()
  expect(await codeOf(() => write(follower, bytes('head 0'), 'a', '1'))).toBe('ERR_OUTCOME_UNKNOWN')
  pass()
  medium.links[0]?.cut()
  expect(text(await follower.get(HEAD_ROW))).toBe('head 0')
  gate.open()
  await eventually(() => expect(told.at(-1)).toBe('head 1'))
})
