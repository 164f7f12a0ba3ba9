import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { every } from '../../../src/base/timer'
import { turnOfLoop } from '../../support/waiting'

const neverFails = (error: unknown): never => expect.unreachable(String(error))

/** Work that is counted and ends when it is told to. */
function heldWork(): { readonly work: () => Promise<void>; readonly runs: (() => void)[] } {
  const runs: (() => void)[] = []
  return { work: () => new Promise((resolve) => runs.push(resolve)), runs }
}

describe('work at intervals', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
  afterEach(() => void vi.useRealTimers())

  test('runs after each interval, not before the first', async () => {
    const work = vi.fn(async () => {})
    const stop = every(1000, work, neverFails)
    await vi.advanceTimersByTimeAsync(999)
    expect(work).toHaveBeenCalledTimes(0)
    for (const times of [1, 2, 3]) {
      await vi.advanceTimersByTimeAsync(times === 1 ? 1 : 1000)
      await turnOfLoop()
      expect(work).toHaveBeenCalledTimes(times)
    }
    await stop()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(work).toHaveBeenCalledTimes(3)
  })

  test('is never done at an interval of 0, for which there is no timer', async () => {
    const work = vi.fn(async () => {})
    const stop = every(0, work, neverFails)
    expect(vi.getTimerCount()).toBe(0)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(work).not.toHaveBeenCalled()
    await stop()
  })

  test('is not begun again while it is still being done', async () => {
    const { work, runs } = heldWork()
    const stop = every(1000, work, neverFails)
    await vi.advanceTimersByTimeAsync(5000)
    expect(runs).toHaveLength(1)
    runs[0]?.()
    await turnOfLoop()
    await vi.advanceTimersByTimeAsync(1000)
    expect(runs).toHaveLength(2)
    runs[1]?.()
    await stop()
  })

  test('is over when its end resolves', async () => {
    const { work, runs } = heldWork()
    const stop = every(1000, work, neverFails)
    await vi.advanceTimersByTimeAsync(1000)
    let stopped = false
    const stopping = stop().then(() => {
      stopped = true
    })
    await turnOfLoop()
    expect(stopped).toBe(false)
    runs[0]?.()
    await stopping
    await vi.advanceTimersByTimeAsync(10_000)
    expect(runs).toHaveLength(1)
  })

  test('goes on after a failure, which is told', async () => {
    const errors: unknown[] = []
    const stop = every(
      1000,
      async () => {
        throw new Error(`run ${errors.length + 1}`)
      },
      (error) => errors.push(error),
    )
    for (let run = 0; run < 2; run++) {
      await vi.advanceTimersByTimeAsync(1000)
      await turnOfLoop()
    }
    expect(errors).toEqual([new Error('run 1'), new Error('run 2')])
    await stop()
  })

  test('is not done at once because its interval is longer than a timer can hold', async () => {
    const work = vi.fn(async () => {})
    const stop = every(2 ** 31, work, neverFails)
    await vi.advanceTimersByTimeAsync(2 ** 31 - 2)
    expect(work).toHaveBeenCalledTimes(0)
    await vi.advanceTimersByTimeAsync(1)
    expect(work).toHaveBeenCalledTimes(1)
    await stop()
  })
})

test('a timer does not keep the process alive', async () => {
  const timers: NodeJS.Timeout[] = []
  const { setInterval: real } = globalThis
  const spy = vi.spyOn(globalThis, 'setInterval').mockImplementation(((work: () => void, ms: number) => {
    const timer = real(work, ms)
    timers.push(timer)
    return timer
  }) as typeof setInterval)
  onTestFinished(() => spy.mockRestore())
  const stop = every(1000, async () => {}, neverFails)
  expect(timers.map((timer) => timer.hasRef())).toEqual([false])
  await stop()
})

test.each([[7], [null], [{}]])('a timer that is %j, as elsewhere than on Node, will do', async (timer) => {
  const set = vi.spyOn(globalThis, 'setInterval').mockReturnValue(timer as never)
  const clear = vi.spyOn(globalThis, 'clearInterval').mockReturnValue()
  onTestFinished(() => void [set.mockRestore(), clear.mockRestore()])
  await every(1000, async () => {}, neverFails)()
  expect(clear.mock.calls).toEqual([[timer]])
})
