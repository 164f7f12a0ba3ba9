import { describe, expect, test } from 'vitest'
import { account, SecretStoreError, user } from '../../../src/index'
import { codeOf } from '../../support/stores'
import { held, KEPT, settled, setUp, TARGET } from './support'

describe('an answer', () => {
  test('is loaded once, kept, and tells its age', async () => {
    const { cache, source, clock } = setUp()
    const begun = clock.ms
    const asking = cache.get(TARGET)
    await settled()
    clock.ms += 300
    source.last.answer('s1')
    expect(await asking).toEqual({ payload: 's1', fetchedAt: begun, ageMs: 300, stale: false })
    clock.ms += 700
    expect(await cache.get(TARGET)).toEqual({ payload: 's1', fetchedAt: begun, ageMs: 1000, stale: false })
    expect(source.asked).toBe(1)
    expect(source.last.request).toMatchObject(TARGET)
    expect(Object.keys(source.last.request)).toEqual(['scope', 'name', 'signal'])
  })

  test('is on disk before it is given', async () => {
    const { wrap, release: write } = held('set')
    const { cache, source, store } = setUp({}, wrap)
    source.reply = () => 's1'
    let given = false
    const asking = cache.get(TARGET).then(() => {
      given = true
    })
    await settled()
    expect(given).toBe(false)
    write()
    await asking
    expect(await store.find(KEPT)).toBeDefined()
  })

  test('may be bytes, which `getBytes` reads, and text as well', async () => {
    const { cache, source } = setUp()
    source.reply = ({ name }) => (name === 'bytes' ? Uint8Array.of(0xff, 0) : 'é')
    const bytes = { scope: account, name: 'bytes' }
    expect((await cache.getBytes(bytes))?.payload).toEqual(Uint8Array.of(0xff, 0))
    expect((await cache.getBytes(TARGET))?.payload).toEqual(Uint8Array.of(0xc3, 0xa9))
    await expect(cache.get(bytes)).rejects.toThrow(TypeError)
    await expect(cache.get(bytes)).rejects.toThrow('getBytes')
    const own = (await cache.getBytes(bytes))?.payload as Uint8Array
    expect(own.byteLength).toBe(own.buffer.byteLength)
  })

  test('of one scope or name is not that of another', async () => {
    const { cache, source } = setUp()
    source.reply = ({ scope, name }) => JSON.stringify([scope, name])
    const targets = [
      TARGET,
      { scope: account, name: 'api-key2' },
      { scope: user('u'), name: 'api-key' },
      { scope: user('null'), name: 'api-key' },
      { scope: user('u","x'), name: 'api-key' },
    ]
    const expected = targets.map(({ scope, name }) => JSON.stringify([scope, name]))
    expect((await Promise.all(targets.map((target) => cache.get(target)))).map((found) => found?.payload)).toEqual(
      expected,
    )
    source.down()
    expect((await Promise.all(targets.map((target) => cache.get(target)))).map((found) => found?.payload)).toEqual(
      expected,
    )
  })

  test('is loaded anew when it is not fresh any more', async () => {
    const { cache, source, clock } = setUp()
    source.reply = () => `s${source.asked}`
    await cache.get(TARGET)
    clock.ms += 7999
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1', ageMs: 7999 })
    clock.ms += 2001
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's2', ageMs: 0, stale: false })
    expect(source.asked).toBe(2)
  })
})

describe('concurrent callers', () => {
  test('share one load', async () => {
    const { cache, source } = setUp()
    const asking = Array.from({ length: 1000 }, () => cache.get(TARGET))
    await settled()
    const later = cache.get(TARGET)
    await settled()
    source.last.answer('s1')
    const payloads = new Set((await Promise.all([...asking, later])).map((found) => found?.payload))
    expect(payloads).toEqual(new Set(['s1']))
    expect(source.asked).toBe(1)
  })

  test('share one load, also if one of them has been slow to find nothing', async () => {
    const reads: (() => void)[] = []
    let slow = true
    const { cache, source } = setUp({}, (inner) => ({
      getBytes: async (params) => {
        const hold = slow
        slow = false
        const bytes = await inner.getBytes(params)
        if (hold) await new Promise<void>((resolve) => reads.push(resolve))
        return bytes
      },
      delete: (params) => inner.delete(params),
      set: (params) => inner.set(params),
    }))
    source.reply = () => `s${source.asked}`
    const first = cache.get(TARGET)
    await settled()
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1' })
    reads[0]?.()
    expect(await first).toMatchObject({ payload: 's1' })
    expect(source.asked).toBe(1)
  })

  test('share one failure', async () => {
    const { cache, source } = setUp()
    const asking = Array.from({ length: 100 }, () => cache.get(TARGET).catch((error) => error.cause.message))
    await settled()
    source.last.fail()
    expect(new Set(await Promise.all(asking))).toEqual(new Set(['source is down']))
    expect(source.asked).toBe(1)
  })
})

describe('ahead of its end an answer', () => {
  test('is given at once and loaded anew in the background, once', async () => {
    const { cache, source, clock } = setUp()
    source.reply = () => `s${source.asked}`
    await cache.get(TARGET)
    source.reply = undefined
    clock.ms += 8000
    for (let call = 0; call < 5; call++) expect(await cache.get(TARGET)).toMatchObject({ payload: 's1', stale: false })
    expect(source.asked).toBe(2)
    source.last.answer('s2')
    await settled()
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's2', ageMs: 0 })
    expect(source.asked).toBe(2)
  })

  test('stays when the background load fails, which `onError` is told of', async () => {
    const { cache, source, clock, errors } = setUp()
    source.reply = () => 's1'
    await cache.get(TARGET)
    source.down()
    clock.ms += 8000
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1', stale: false })
    await settled()
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ code: 'ERR_UNAVAILABLE', cause: { message: 'source is down' } })
    expect((errors[0] as Error).message).toBe('load: expected an answer, got a failure')
    await cache.get(TARGET)
    await settled()
    expect(source.asked).toBe(2) // in its pause
  })

  test('joins its callers to the background load once it has ended', async () => {
    const { cache, source, clock } = setUp()
    source.reply = () => 's1'
    await cache.get(TARGET)
    source.reply = undefined
    clock.ms += 9000
    await cache.get(TARGET)
    clock.ms += 1000
    const asking = cache.get(TARGET)
    await settled()
    source.last.answer('s2')
    expect(await asking).toMatchObject({ payload: 's2', ageMs: 1000 })
    expect(source.asked).toBe(2)
  })

  test('is never loaded in the first half of its time', async () => {
    const { cache, source, clock } = setUp({ refreshAheadMs: 10_000 })
    source.reply = () => 's1'
    await cache.get(TARGET)
    clock.ms += 4999
    await cache.get(TARGET)
    expect(source.asked).toBe(1)
    clock.ms += 1
    await cache.get(TARGET)
    expect(source.asked).toBe(2)
  })
})

describe('when the source fails, the last good answer', () => {
  test('is given, marked, and never from its last millisecond on', async () => {
    const { cache, source, clock, errors } = setUp()
    source.reply = () => 's1'
    await cache.get(TARGET)
    source.down()
    clock.ms += 10_000
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1', ageMs: 10_000, stale: true })
    clock.ms += 49_999
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1', ageMs: 59_999, stale: true })
    expect(errors).toHaveLength(2)
    clock.ms += 1
    const error = await cache.get(TARGET).catch((caught) => caught)
    expect(error).toBeInstanceOf(SecretStoreError)
    expect(error.code).toBe('ERR_UNAVAILABLE')
    expect(error.message).toBe(
      'cache: expected an answer of the source, or one that is kept and young enough, got neither',
    )
    expect(error.cause.message).toBe('source is down')
  })

  test('is not given if it has grown too old while the source was asked', async () => {
    const { cache, source, clock } = setUp()
    source.reply = () => 's1'
    await cache.get(TARGET)
    source.reply = undefined
    clock.ms += 59_000
    const asking = codeOf(() => cache.get(TARGET))
    await settled()
    clock.ms += 1000
    source.last.fail()
    expect(await asking).toBe('ERR_UNAVAILABLE')
  })

  test('is gone from the store, too, with the second in which its time is up', async () => {
    const { cache, source, clock, store } = setUp()
    clock.ms += 1 // 60 s later lies in the middle of a second
    source.reply = () => 's1'
    await cache.get(TARGET)
    const kept = await store.find(KEPT)
    expect(kept?.expires_at).toBe(Math.ceil((clock.ms + 60_000) / 1000))
    source.down()
    clock.ms += 59_999
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1' })
    clock.ms += 1
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
    clock.ms += 999
    await store.sweep()
    expect(await store.find(KEPT)).toBeUndefined()
  })

  test('is given again when limits of the next run are wider, and not when they are narrower', async () => {
    const { cache, source, clock, restart } = setUp()
    source.reply = () => 's1'
    await cache.get(TARGET)
    source.down()
    await cache.close()
    clock.ms += 20_000
    const narrower = restart({ maxStaleMs: 20_000 })
    expect(await codeOf(() => narrower.get(TARGET))).toBe('ERR_UNAVAILABLE')
    await narrower.close()
    expect(await restart({ ttlMs: 30_000 }).get(TARGET)).toMatchObject({ payload: 's1', stale: false, ageMs: 20_000 })
  })
})

describe("the source's own end", () => {
  test('ends an answer on the second, stale or not', async () => {
    const { cache, source, clock } = setUp()
    source.reply = () => ({ payload: 's1', expires_at: clock.seconds + 5 })
    await cache.get(TARGET)
    source.down()
    clock.ms += 4999
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1', stale: false })
    clock.ms += 1
    expect(await codeOf(() => cache.get(TARGET))).toBe('ERR_UNAVAILABLE')
  })

  test('moves the loading ahead', async () => {
    const { cache, source, clock } = setUp()
    source.reply = () => ({ payload: `s${source.asked}`, expires_at: clock.seconds + 8 })
    await cache.get(TARGET)
    clock.ms += 5999
    await cache.get(TARGET)
    expect(source.asked).toBe(1)
    clock.ms += 1
    expect(await cache.get(TARGET)).toMatchObject({ payload: 's1' })
    expect(source.asked).toBe(2)
  })

  test('may be null, and lies no further than the limits', async () => {
    const { cache, source, clock, store } = setUp()
    source.reply = () => ({ payload: 's1', expires_at: null })
    await cache.get(TARGET)
    expect((await store.find(KEPT))?.expires_at).toBe(clock.seconds + 60)
  })
})

describe('an answer that is none', () => {
  test.each([
    [null, 'payload: expected a string or a Uint8Array, got null'],
    [7, 'payload: expected a string or a Uint8Array, got a number'],
    ['', 'payload: expected at least one byte, got none (to remove it, delete)'],
    [{ payload: undefined }, 'payload: expected a string or a Uint8Array, got undefined'],
    [
      { payload: 'x', expiresAt: 1 },
      "load: expected only payload, expires_at, got 'expiresAt' (did you mean 'expires_at'?)",
    ],
    [{ payload: 'x', expires_at: 1.5 }, 'expires_at: expected whole seconds, got 1.5'],
    [{ payload: 'x', expires_at: 'keep' }, 'expires_at: expected a whole number of Unix seconds, got a string'],
    [{ payload: 'x', expires_at: 1_700_000_000 }, 'expires_at: expected a time after 1700000000, got 1700000000'],
    [
      { payload: 'x', expires_at: 1_800_000_000_000 },
      'expires_at: expected at most 100 years ahead, got 1800000000000 (milliseconds? divide by 1000 and floor)',
    ],
    ['\ud800', 'payload: expected well-formed Unicode, got a lone surrogate'],
  ])('%j is a failure', async (loaded, message) => {
    const { cache, source, store } = setUp()
    source.reply = () => loaded as string
    const error = await cache.get(TARGET).catch((caught) => caught)
    expect(error.code).toBe('ERR_UNAVAILABLE')
    expect(error.cause.message).toBe(message)
    expect(await store.find(KEPT)).toBeUndefined()
  })

  test('comes from a load that cannot change what it is asked for', async () => {
    const { cache, source, store } = setUp()
    source.reply = (request) => {
      expect(() => Object.assign(request.scope, { type: 'user', user: 'another' })).toThrow(TypeError)
      return 's1'
    }
    await cache.get(TARGET)
    expect(await store.find(KEPT)).toBeDefined()
  })

  test('thrown at once is a failure like any other', async () => {
    const { cache } = setUp({
      load: () => {
        throw new TypeError('a mistake in load')
      },
    })
    const error = await cache.get(TARGET).catch((caught) => caught)
    expect([error.code, error.cause.message]).toEqual(['ERR_UNAVAILABLE', 'a mistake in load'])
  })
})
