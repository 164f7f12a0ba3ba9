import { expect, onTestFinished, test, vi } from 'vitest'
import type { SharedEngine } from '../../../../src/storage/sharing/shared-engine'
import { Medium, turnsOfLoop } from '../../../support/shared-medium'
import { codeOf } from '../../../support/stores'

async function sharing(medium: Medium, count: number): Promise<SharedEngine[]> {
  const all = Array.from({ length: count }, () => medium.writer())
  for (const writer of all) await writer.open()
  return all
}

/** Whether a lock comes while messages come and go. */
async function comes(taking: Promise<() => void>): Promise<boolean> {
  let isTaken = false
  taking.then(
    () => {
      isTaken = true
    },
    () => {},
  )
  await turnsOfLoop(30)
  return isTaken
}

test('a lock is still that of a follower whose connection has ended, though others wait for it', async () => {
  const medium = new Medium()
  const [owner, follower, other] = (await sharing(medium, 3)) as [SharedEngine, SharedEngine, SharedEngine]
  const release = await follower.lock('x')
  const waiting = [owner.lock('x'), other.lock('x')] as const
  medium.links[0]?.cut()
  expect(await comes(Promise.race(waiting))).toBe(false)
  release()
  ;(await waiting[0])()
  ;(await waiting[1])()
})

test('a lock that a follower closes with is free at once', async () => {
  const medium = new Medium()
  const [owner, follower] = (await sharing(medium, 2)) as [SharedEngine, SharedEngine]
  const release = await follower.lock('x')
  const waiting = owner.lock('x')
  // What was sent before the end arrives.
  const [link] = medium.links
  vi.spyOn(link as object as { cut(): void }, 'cut').mockImplementation(() => {})
  await follower.close()
  expect(await comes(waiting)).toBe(true)
  release()
})

test('nothing keeps the process alive for a lock that is not waited for any more, nor stands in the line for it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const medium = new Medium()
  const [owner, follower, other] = (await sharing(medium, 3)) as [SharedEngine, SharedEngine, SharedEngine]
  const release = await other.lock('x')
  const before = vi.getTimerCount()
  for (const writer of [owner, follower, owner, follower]) {
    const abort = new AbortController()
    const waiting = codeOf(() => writer.lock('x', abort.signal))
    await turnsOfLoop()
    expect(vi.getTimerCount()).toBeGreaterThan(before)
    const reason = Object.assign(new Error('enough'), { code: 'ENOUGH' })
    abort.abort(reason)
    expect(await waiting).toBe('ENOUGH')
    await turnsOfLoop()
    expect(vi.getTimerCount()).toBe(before)
    expect(await codeOf(() => writer.lock('x', abort.signal))).toBe('ENOUGH')
  }
  const taking = vi.fn()
  const { owner: holder } = medium
  if (holder === undefined) throw new Error('medium: expected an owner, got none')
  holder.locks.take({}, 'x', false).then(taking)
  release()
  await turnsOfLoop()
  expect(taking).toHaveBeenCalledWith(true)
})

test('a lock that is on its way when nobody waits for it any more goes back', async () => {
  const medium = new Medium()
  const [owner, follower] = (await sharing(medium, 2)) as [SharedEngine, SharedEngine]
  const [link] = medium.links
  if (link === undefined) throw new Error('medium: expected a link, got none')
  for (const to of ['toFollower', 'toOwner'] as const) {
    link.holds[to] = true
    const abort = new AbortController()
    const waiting = codeOf(() => follower.lock('x', abort.signal))
    await turnsOfLoop()
    abort.abort(Object.assign(new Error('enough'), { code: 'ENOUGH' }))
    expect(await waiting).toBe('ENOUGH')
    // The one that is asked for next is another.
    const next = follower.lock('x')
    await turnsOfLoop()
    link.letGo()
    const release = await next
    const other = owner.lock('x')
    expect(await comes(other)).toBe(false)
    release()
    ;(await other)()
  }
})

test('what is taken out of the line without a wish is asked for anew', async () => {
  const medium = new Medium()
  const [, follower] = (await sharing(medium, 2)) as [SharedEngine, SharedEngine]
  const { owner } = medium
  if (owner === undefined) throw new Error('medium: expected an owner, got none')
  const take = vi.spyOn(owner.locks, 'take').mockResolvedValueOnce(false)
  ;(await follower.lock('x'))()
  expect(take).toHaveBeenCalledTimes(2)
})

test('of one process, too, one at a time has a lock', async () => {
  const medium = new Medium()
  for (const writer of await sharing(medium, 2)) {
    const release = await writer.lock('x')
    const abort = new AbortController()
    const [aborted, taking] = [codeOf(() => writer.lock('x', abort.signal)), writer.lock('x')]
    abort.abort(Object.assign(new Error('enough'), { code: 'ENOUGH' }))
    expect(await aborted).toBe('ENOUGH')
    expect(await comes(taking)).toBe(false)
    release()
    release()
    ;(await taking)()
  }
})
