import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GRACE_MS, NamedLocks } from '../../../../src/storage/sharing/named-locks'

const [one, other, third] = [{ is: 'one' }, { is: 'other' }, { is: 'third' }]

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** What became of a lock that was asked for. */
function asked(taking: Promise<boolean>): { outcome: string } {
  const seen = { outcome: 'waits' }
  taking.then(
    (isTaken) => {
      seen.outcome = isTaken ? 'taken' : 'released'
    },
    (error: Error) => {
      seen.outcome = error.message
    },
  )
  return seen
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms)

describe('a holder whose connection has ended', () => {
  test('keeps its lock while it may come back, and takes it again by the next', async () => {
    const locks = new NamedLocks(0)
    await locks.take(one, 'x', false)
    const waiting = asked(locks.take(other, 'x', false))
    locks.leave(one)
    const [late, again] = [asked(locks.take(third, 'x', false)), { is: 'one again' }]
    await pass(GRACE_MS - 1)
    expect([waiting.outcome, late.outcome]).toEqual(['waits', 'waits'])
    expect(await locks.take(again, 'x', true)).toBe(true)
    await pass(10 * GRACE_MS)
    expect([waiting.outcome, late.outcome]).toEqual(['waits', 'waits'])
    locks.release(one, 'x')
    await pass(0)
    expect(waiting.outcome).toBe('waits')
    locks.release(again, 'x')
    await pass(0)
    expect([waiting.outcome, late.outcome]).toEqual(['taken', 'waits'])
  })

  test('loses it if it does not', async () => {
    const locks = new NamedLocks(0)
    await locks.take(one, 'x', false)
    await locks.take(one, 'y', false)
    const waiting = asked(locks.take(other, 'x', false))
    locks.leave(one)
    locks.leave(one)
    await pass(GRACE_MS)
    expect(waiting.outcome).toBe('taken')
    const late = asked(locks.take(one, 'x', true))
    await pass(10 * GRACE_MS)
    expect([late.outcome, await locks.take(other, 'y', false)]).toEqual(['waits', true])
  })

  test('has it at once where the end of the connection before is seen after the next one has come', async () => {
    const locks = new NamedLocks(0)
    await locks.take(one, 'x', false)
    const waiting = asked(locks.take(other, 'x', false))
    const again = asked(locks.take(third, 'x', true))
    await pass(0)
    expect(again.outcome).toBe('waits')
    locks.leave(one)
    await pass(0)
    expect([again.outcome, waiting.outcome]).toEqual(['taken', 'waits'])
    // What it waited for, too, has an end with its connection.
    locks.leave(other)
    await pass(0)
    expect(waiting.outcome).toBe('released')
  })
})

test('who releases a lock that it waits for is out of the line', async () => {
  const locks = new NamedLocks(0)
  await locks.take(one, 'x', false)
  const waiting = [other, third].map((holder) => asked(locks.take(holder, 'x', false)))
  locks.release(other, 'x')
  locks.release(other, 'y')
  await pass(0)
  expect(waiting.map(({ outcome }) => outcome)).toEqual(['released', 'waits'])
  locks.release(one, 'x')
  await pass(0)
  expect(waiting.map(({ outcome }) => outcome)).toEqual(['released', 'taken'])
})

test('a new owner gives a lock to whoever had it before, and to others after a while; one that ends, to nobody', async () => {
  const locks = new NamedLocks(GRACE_MS)
  const waiting = ['x', 'y', 'x'].map((name) => asked(locks.take(one, name, false)))
  expect(await locks.take(other, 'y', true)).toBe(true)
  const later = asked(locks.take(third, 'y', true))
  await pass(GRACE_MS - 1)
  expect(waiting.map(({ outcome }) => outcome)).toEqual(['waits', 'waits', 'waits'])
  locks.release(other, 'y')
  await pass(0)
  expect([later.outcome, waiting[1]?.outcome]).toEqual(['taken', 'waits'])
  await pass(1)
  expect(waiting.map(({ outcome }) => outcome)).toEqual(['taken', 'waits', 'waits'])
  locks.leave(third)
  locks.end(new Error('over'))
  await pass(10 * GRACE_MS)
  expect(waiting.map(({ outcome }) => outcome)).toEqual(['taken', 'over', 'over'])
  await expect(locks.take(other, 'z', false)).rejects.toThrow('over')
  expect(vi.getTimerCount()).toBe(0)
})
