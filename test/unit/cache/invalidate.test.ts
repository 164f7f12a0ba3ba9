import { describe, expect, test } from 'vitest'
import { SecretStoreError } from '../../../src/index'
import { codeOf } from '../../support/stores'
import { held, KEPT, settled, setUp, TARGET } from './support'

describe('invalidate', () => {
  test('drops what is kept, on disk', async () => {
    const { cache, source, store } = setUp()
    source.reply = () => `s${source.asked}`
    await cache.get(TARGET)
    await cache.invalidate(TARGET)
    expect(await store.find(KEPT)).toBeUndefined()
    source.down()
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
  })

  test('of nothing is nothing', async () => {
    const { cache, source } = setUp()
    await cache.invalidate(TARGET)
    expect(source.asked).toBe(0)
  })

  test('aborts the load that has begun before; who waits for it gets the answer of the next', async () => {
    const { cache, source } = setUp()
    const asking = cache.get(TARGET)
    await settled()
    const before = source.last
    await cache.invalidate(TARGET)
    expect(before.request.signal.aborted).toBe(true)
    await settled()
    expect(source.asked).toBe(2)
    before.answer('before')
    source.last.answer('after')
    expect(await asking).toMatchObject({ payload: 'after' })
    expect(await cache.get(TARGET)).toMatchObject({ payload: 'after' })
  })

  test('keeps an answer away that is being written', async () => {
    const { wrap, release } = held('set')
    const { cache, source, store } = setUp({}, wrap)
    source.reply = () => `s${source.asked}`
    const asking = cache.get(TARGET)
    await settled()
    const invalidated = cache.invalidate(TARGET)
    const later = cache.get(TARGET)
    await settled()
    expect(source.asked).toBe(1) // both wait for the write to end, one way or the other
    release()
    await invalidated
    await settled()
    expect(await store.find(KEPT)).toBeUndefined()
    release()
    expect(await asking).toMatchObject({ payload: 's2' })
    expect(await later).toMatchObject({ payload: 's2' })
  })

  test('holds from the call on, also for what has been read before', async () => {
    const reads: (() => void)[] = []
    let slow = false
    const { cache, source } = setUp({}, (inner) => ({
      getBytes: async (params) => {
        const bytes = await inner.getBytes(params)
        if (slow) await new Promise<void>((resolve) => reads.push(resolve))
        return bytes
      },
      delete: (params) => inner.delete(params),
      set: (params) => inner.set(params),
    }))
    source.reply = () => `s${source.asked}`
    await cache.get(TARGET)
    slow = true
    const asking = cache.get(TARGET)
    await settled()
    slow = false
    await cache.invalidate(TARGET)
    reads.shift()?.()
    expect(await asking).toMatchObject({ payload: 's2' })
  })

  test('keeps callers waiting until it is done', async () => {
    const { wrap, release } = held('delete')
    const { cache, source } = setUp({}, wrap)
    source.reply = () => `s${source.asked}`
    await cache.get(TARGET)
    const invalidated = cache.invalidate(TARGET)
    const asking = cache.get(TARGET)
    await settled()
    expect(source.asked).toBe(1)
    release()
    await invalidated
    expect(await asking).toMatchObject({ payload: 's2' })
  })

  test('that fails says so, and what is kept is not answered even so', async () => {
    let broken = true
    const { cache, source } = setUp({}, (inner) => ({
      getBytes: (params) => inner.getBytes(params),
      set: (params) => inner.set(params),
      delete: (params) => (broken ? Promise.reject(new Error('disk full')) : inner.delete(params)),
    }))
    source.reply = () => `s${source.asked}`
    await cache.get(TARGET)
    await expect(cache.invalidate(TARGET)).rejects.toThrow('disk full')
    source.down()
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
    broken = false
    await cache.invalidate(TARGET)
    source.reply = () => `s${source.asked}`
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's3' })
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's3' })
  })

  test('that cannot read what is there says so, and it is not answered later even so', async () => {
    let broken = false
    const { cache, source } = setUp({}, (inner) => ({
      getBytes: (params) =>
        broken ? Promise.reject(new SecretStoreError('ERR_IO', 'broken')) : inner.getBytes(params),
      set: (params) => inner.set(params),
      delete: (params) => inner.delete(params),
    }))
    source.reply = () => `s${source.asked}`
    await cache.get(TARGET)
    broken = true
    expect(await codeOf(() => cache.invalidate(TARGET))).toBe('ERR_IO')
    broken = false
    source.down()
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
    await cache.invalidate(TARGET)
    source.reply = () => `s${source.asked}`
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's3' })
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's3' })
  })

  test('several at once are several', async () => {
    const { cache, source } = setUp()
    source.reply = () => `s${source.asked}`
    await cache.get(TARGET)
    await Promise.all([cache.invalidate(TARGET), cache.invalidate(TARGET), cache.invalidate(TARGET)])
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's2' })
  })

  test('ends the pause after a failure', async () => {
    const { cache, source } = setUp()
    source.down()
    await cache.get(TARGET).catch(() => {})
    await cache.invalidate(TARGET)
    source.reply = () => 's2'
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's2' })
  })

  test('is for one secret', async () => {
    const { cache, source } = setUp()
    source.reply = () => `s${source.asked}`
    await cache.get(TARGET)
    await cache.invalidate({ ...TARGET, name: 'another' })
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1' })
  })
})

describe('a signal', () => {
  test('ends the waiting of its own caller', async () => {
    const { cache, source } = setUp()
    const controller = new AbortController()
    const asking = cache.get({ ...TARGET, signal: controller.signal }).catch((reason) => reason)
    const other = cache.get(TARGET)
    await settled()
    controller.abort('enough')
    expect(await asking).toBe('enough')
    expect(source.last.request.signal.aborted).toBe(false)
    source.last.answer('s1')
    expect(await other).toMatchObject({ payload: 's1' })
    expect(source.asked).toBe(1)
  })

  test('aborts the load when nobody else waits for it, which is no failure', async () => {
    const { cache, source, errors } = setUp()
    const first = new AbortController()
    const second = new AbortController()
    const asking = [first, second].map(({ signal }) => cache.get({ ...TARGET, signal }).catch((reason) => reason))
    await settled()
    first.abort('a')
    await settled()
    expect(source.last.request.signal.aborted).toBe(false)
    second.abort('b')
    expect(await Promise.all(asking)).toEqual(['a', 'b'])
    expect(source.last.request.signal.aborted).toBe(true)
    source.reply = () => 's2'
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's2' })
    expect(errors).toEqual([])
  })

  test('does not touch a load in the background', async () => {
    const { cache, source, clock } = setUp()
    source.reply = () => 's1'
    await cache.get(TARGET)
    source.reply = undefined
    clock.ms += 9000
    await cache.get(TARGET)
    clock.ms += 1000
    const controller = new AbortController()
    const asking = cache.get({ ...TARGET, signal: controller.signal }).catch((reason) => reason)
    await settled()
    controller.abort('enough')
    expect(await asking).toBe('enough')
    expect(source.last.request.signal.aborted).toBe(false)
    source.last.answer('s2')
    await settled()
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's2' })
  })

  test('that is aborted already asks nothing', async () => {
    const { cache, source } = setUp()
    const signal = AbortSignal.abort('before')
    expect(await cache.get({ ...TARGET, signal }).catch((reason) => reason)).toBe('before')
    expect(source.asked).toBe(0)
  })

  test('that is aborted by a caller in the same breath as another comes leaves that one its load', async () => {
    const { cache, source } = setUp()
    const controller = new AbortController()
    const asking = cache.get({ ...TARGET, signal: controller.signal }).catch((reason) => reason)
    await settled()
    controller.abort('enough')
    const other = cache.get(TARGET)
    await asking
    await settled()
    source.last.answer('s2')
    expect(await other).toMatchObject({ payload: 's2' })
  })
})

describe('close', () => {
  test('aborts loads and refuses what comes; calling it again is the same call', async () => {
    const { cache, source } = setUp()
    const asking = codeOf(() => cache.get(TARGET))
    await settled()
    const closed = cache.close()
    expect(cache.close()).toBe(closed)
    await closed
    expect(source.last.request.signal.aborted).toBe(true)
    expect(source.last.request.signal.reason).toMatchObject({
      code: 'ERR_CLOSED',
      message: 'cache: expected it open, got a closed one',
    })
    expect(await asking).toBe('ERR_CLOSED')
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_CLOSED')
    expect(await codeOf(() => cache.getBytes(TARGET))).toBe('ERR_CLOSED')
    expect(await codeOf(() => cache.invalidate(TARGET))).toBe('ERR_CLOSED')
  })

  test('waits for what is being written, and leaves the store open', async () => {
    const { wrap, release } = held('set')
    const { cache, source, store } = setUp({}, wrap)
    source.reply = () => 's1'
    const asking = codeOf(() => cache.get(TARGET))
    await settled()
    let closed = false
    const closing = cache.close().then(() => {
      closed = true
    })
    await settled()
    expect(closed).toBe(false)
    release()
    await closing
    expect(await asking).toBe('ERR_CLOSED')
    expect(await store.find(KEPT)).toBeDefined()
  })

  test('is what `await using` does', async () => {
    const { restart, cache } = setUp()
    await cache.close()
    const kept = await (async () => {
      await using inner = restart()
      return inner
    })()
    expect(await codeOf(() => kept.get(TARGET))).toBe('ERR_CLOSED')
  })
})
