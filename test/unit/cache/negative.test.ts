import { describe, expect, test } from 'vitest'
import { codeOf } from '../../support/stores'
import { held, KEPT, settled, setUp, TARGET } from './support'

describe('"there is none"', () => {
  test('is answered without asking again, for its time, also after a restart', async () => {
    const { cache, source, clock, restart } = setUp()
    source.reply = () => undefined
    expect(await cache.get(TARGET)).toBeUndefined()
    await cache.close()
    const next = restart()
    clock.ms += 4999
    expect(await next.get(TARGET)).toBeUndefined()
    expect(await next.getBytes(TARGET)).toBeUndefined()
    expect(source.asked).toBe(1)
    clock.ms += 1
    source.reply = () => 's1'
    expect(await next.get(TARGET)).toMatchObject({ payload: 's1' })
    expect(source.asked).toBe(2)
  })

  test('is no good value: it is not answered beyond its time when the source fails', async () => {
    const { cache, source, clock } = setUp()
    source.reply = () => undefined
    await cache.get(TARGET)
    source.down()
    clock.ms += 5000
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
  })

  test.each([5000, 0])('ends the old value, which no failure brings back (negativeTtlMs %i)', async (negativeTtlMs) => {
    const { cache, source, clock, store, restart } = setUp({ negativeTtlMs })
    source.reply = () => 's1'
    await cache.get(TARGET)
    clock.ms += 10_000
    source.reply = () => undefined
    expect(await cache.get(TARGET)).toBeUndefined()
    source.down()
    clock.ms += negativeTtlMs
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
    await cache.close()
    expect(await codeOf(() => restart().get(TARGET))).toBe('ERR_UNAVAILABLE')
    expect(await store.find(KEPT)).toBeUndefined()
  })

  test('is asked for each time with negativeTtlMs 0, and nothing is written', async () => {
    const { cache, source, store } = setUp({ negativeTtlMs: 0 })
    source.reply = () => undefined
    for (let call = 1; call <= 3; call++) {
      expect(await cache.get(TARGET)).toBeUndefined()
      expect(source.asked).toBe(call)
    }
    expect(await store.find(KEPT)).toBeUndefined()
  })

  test('is not loaded ahead of its end', async () => {
    const { cache, source, clock } = setUp()
    source.reply = () => undefined
    await cache.get(TARGET)
    clock.ms += 4500
    await cache.get(TARGET)
    await settled()
    expect(source.asked).toBe(1)
  })

  test('found in the background is the next answer', async () => {
    const { cache, source, clock } = setUp()
    source.reply = () => 's1'
    await cache.get(TARGET)
    clock.ms += 8000
    source.reply = () => undefined
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1' })
    await settled()
    expect(await cache.get(TARGET)).toBeUndefined()
  })

  test.each([
    ['time passes', 0],
    ['the clock is set ahead', 5001],
  ])('that is over before it is written ends the old value on disk as well, where %s', async (_, setMs) => {
    let monotonicMs = 0
    const { wrap, release } = held('set')
    const { cache, source, clock, errors, restart } = setUp({ monotonicNow: () => monotonicMs }, wrap)
    const pass = (ms: number): void => {
      clock.ms += ms
      monotonicMs += ms
    }
    source.reply = () => 's1'
    const first = cache.get(TARGET)
    await settled()
    release()
    await first
    pass(10_000)
    source.reply = () => undefined
    const none = cache.get(TARGET)
    await settled()
    if (setMs === 0) pass(5001)
    else clock.ms += setMs
    release()
    expect(await none).toBeUndefined()
    expect(errors).toEqual([])
    await cache.close()
    source.down()
    expect(await codeOf(() => restart().get(TARGET))).toBe('ERR_UNAVAILABLE')
  })

  test('that cannot be written still ends the old value in this process', async () => {
    let full = false
    const { cache, source, clock, errors } = setUp({}, (store) => ({
      getBytes: (params) => store.getBytes(params),
      delete: (params) => store.delete(params),
      set: (params) => (full ? Promise.reject(new Error('disk full')) : store.set(params)),
    }))
    source.reply = () => 's1'
    await cache.get(TARGET)
    clock.ms += 10_000
    full = true
    source.reply = () => undefined
    expect(await cache.get(TARGET)).toBeUndefined()
    expect(errors).toMatchObject([{ message: 'disk full' }])
    source.down()
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
    full = false
    clock.ms += 10_000
    source.reply = () => 's2'
    await cache.get(TARGET)
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's2' })
    expect(source.asked).toBe(4)
  })
})
