import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SecretStoreError } from '../../../src/errors'
import { whenFree } from '../../../src/opening/when-free'
import { startChild } from '../../support/programs'
import { codeOf, newLocation, openStore } from '../../support/stores'
import { eventually, turnOfLoop } from '../../support/waiting'

const NO_LOCK = join('/nowhere', 'LOCK')
const locked = (): SecretStoreError => new SecretStoreError('ERR_LOCKED', 'store: expected to be its only opener')

describe('files that nobody is seen to hold', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  async function advance(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 5) {
      await vi.advanceTimersByTimeAsync(5)
      await turnOfLoop()
    }
  }

  test('are opened at once', async () => {
    expect(await whenFree(NO_LOCK, 0, async () => 'opened')).toBe('opened')
  })

  test('and are refused, are tried again at growing intervals, and for the last time at the end', async () => {
    const at: number[] = []
    const start = performance.now()
    const opening = whenFree(NO_LOCK, 1000, async () => {
      at.push(performance.now() - start)
      throw locked()
    })
    opening.catch(() => {})
    await advance(1200)
    expect(await codeOf(() => opening)).toBe('ERR_LOCKED')
    expect(at).toEqual([0, 25, 75, 175, 375, 775, 1000])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('are not opened if somebody shares them, at once or after a refusal', async () => {
    expect(
      await whenFree(
        NO_LOCK,
        0,
        async () => 'opened',
        async () => true,
      ),
    ).toBeUndefined()
    let refusals = 0
    const opening = whenFree(
      NO_LOCK,
      1000,
      async () => {
        refusals++
        throw locked()
      },
      async () => refusals === 2,
    )
    await advance(200)
    expect(await opening).toBeUndefined()
  })

  test('and fail in another way, fail at once', async () => {
    const opening = whenFree(NO_LOCK, 1000, async () => {
      throw new SecretStoreError('ERR_CORRUPT', 'data: expected a whole database')
    })
    expect(await codeOf(() => opening)).toBe('ERR_CORRUPT')
  })
})

describe.runIf(process.platform === 'linux')('files that another process holds', () => {
  test('are not opened before it lets go', async () => {
    const location = await newLocation()
    await (await openStore(location)).close()
    const holder = startChild('opener', ['run'])
    const ask = (command: object): Promise<unknown> =>
      new Promise((resolve) => {
        holder.once('message', resolve)
        holder.send(command)
      })
    expect(await ask({ do: 'open', location })).toEqual({ value: 'opened' })
    let openings = 0
    const lock = join(location, 'data', 'LOCK')
    const opening = whenFree(lock, 600_000, async () => ++openings)
    for (let n = 0; n < 50; n++) await turnOfLoop()
    expect(openings).toBe(0)
    expect(await codeOf(() => whenFree(lock, 60, async () => ++openings))).toBe('ERR_LOCKED')
    expect(openings).toBe(0)
    holder.kill('SIGKILL')
    await eventually(() => expect(openings).toBe(1))
    expect(await opening).toBe(1)
  })
})
