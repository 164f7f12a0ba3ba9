import { describe, expect, test } from 'vitest'
import { type CacheOptions, SecretCache } from '../../../src/cache/index'
import { account, SecretStore } from '../../../src/index'
import { setUp, TARGET } from './support'

const load = (): string => 's1'
const DAYS_36500_MS = 36_500 * 86_400_000

describe('options', () => {
  test.each<[unknown, string]>([
    [undefined, 'options: expected an object, got undefined'],
    [{}, 'load: expected a function, got undefined'],
    [{ load, ttl: 1 }, "(did you mean 'ttlMs'?)"],
    [{ load, ttlMs: 0 }, `ttlMs: expected an integer from 1 to ${DAYS_36500_MS}, got 0`],
    [{ load, ttlMs: '1' }, 'ttlMs: expected a number, got a string'],
    [{ load, maxStaleMs: 299_999 }, `maxStaleMs: expected an integer from 300000 to ${DAYS_36500_MS}, got 299999`],
    [{ load, ttlMs: 5, refreshAheadMs: 6 }, 'refreshAheadMs: expected an integer from 0 to 5, got 6'],
    [{ load, negativeTtlMs: -1 }, `negativeTtlMs: expected an integer from 0 to ${DAYS_36500_MS}, got -1`],
    [{ load, loadTimeoutMs: 2 ** 31 }, 'loadTimeoutMs: expected an integer from 1 to 2147483647, got 2147483648'],
    [{ load, backoff: 5 }, 'backoff: expected an object, got a number'],
    [{ load, backoff: { min: 5 } }, "backoff: expected only minMs, maxMs, got 'min' (did you mean 'minMs'?)"],
    [{ load, backoff: { minMs: 0 } }, `backoff.minMs: expected an integer from 1 to ${DAYS_36500_MS}, got 0`],
    [{ load, backoff: { minMs: 9, maxMs: 8 } }, `backoff.maxMs: expected an integer from 9 to ${DAYS_36500_MS}, got 8`],
    [{ load, prefix: '' }, 'prefix: expected at least one character, got none'],
    [{ load, prefix: 'p'.repeat(101) }, 'prefix: expected at most 100 characters, got more'],
    [{ load, now: 5 }, 'now: expected a function, got a number'],
    [{ load, monotonicNow: 5 }, 'monotonicNow: expected a function, got a number'],
    [{ load, random: 5 }, 'random: expected a function, got a number'],
    [{ load, onError: 5 }, 'onError: expected a function, got a number'],
  ])('%j is refused', async (options, message) => {
    await using store = SecretStore.memory()
    expect(() => new SecretCache(store, options as CacheOptions)).toThrow(message)
  })

  test.each([undefined, null, {}, new Map()])('a store that is none is refused', (store) => {
    expect(() => new SecretCache(store as never, { load })).toThrow(
      'store: expected a SecretStore or a view of one, got something else',
    )
  })

  test('have defaults that go with one another', async () => {
    await using store = SecretStore.memory()
    for (const options of [{}, { ttlMs: 1 }, { ttlMs: DAYS_36500_MS }, { backoff: { minMs: DAYS_36500_MS } }]) {
      await using cache = new SecretCache(store, { load, ...options })
      expect(await cache.get(TARGET)).toMatchObject({ payload: 's1' })
    }
  })

  test('let two caches of one store have two prefixes, and not one', async () => {
    await using store = SecretStore.memory()
    const first = new SecretCache(store, { load: () => 'first' })
    await using second = new SecretCache(store, { load: () => 'second', prefix: 'other:' })
    for (const prefix of ['cache:', 'cache:db:', 'cach', 'other:x', 'o']) {
      expect(() => new SecretCache(store, { load, prefix }), prefix).toThrow(
        "prefix: expected one that neither begins another open cache's nor is begun by it, got another",
      )
    }
    expect([(await first.get(TARGET))?.payload, (await second.get(TARGET))?.payload]).toEqual(['first', 'second'])
    await first.close()
    await using third = new SecretCache(store, { load })
    expect(await third.get(TARGET)).toMatchObject({ payload: 'first' })
  })
})

describe('parameters', () => {
  test.each<[unknown, string]>([
    [undefined, 'get: expected an object, got undefined'],
    [{ ...TARGET, expand: [] }, "get: expected only scope, name, signal, got 'expand'"],
    [{ scope: account }, 'name: expected a string, got undefined'],
    [{ scope: account, name: 'n'.repeat(4995) }, 'name: expected at most 4994 characters, got more'],
    [{ ...TARGET, signal: {} }, 'signal: expected an AbortSignal, got something else'],
  ])('%j of get are refused', async (params, message) => {
    const { cache, source } = setUp()
    await expect(cache.get(params as typeof TARGET)).rejects.toThrow(message)
    expect(source.asked).toBe(0)
  })

  test('of invalidate are refused like those of get', async () => {
    const { cache } = setUp()
    await expect(cache.invalidate({ ...TARGET, signal: 1 } as never)).rejects.toThrow(
      "invalidate: expected only scope, name, got 'signal'",
    )
  })

  test('may be as long as they fit', async () => {
    const { cache, source } = setUp()
    source.reply = () => 's1'
    expect(await cache.get({ scope: account, name: '\u{1f600}'.repeat(4994) })).toMatchObject({ payload: 's1' })
  })
})

describe('a clock that gives no time', () => {
  test('is refused', async () => {
    await using store = SecretStore.memory()
    expect(() => new SecretCache(store, { load, now: () => Number.NaN, monotonicNow: () => 0 })).toThrow(
      'now: expected milliseconds since the Unix epoch, got something else',
    )
    expect(() => new SecretCache(store, { load, monotonicNow: () => Number.NaN })).toThrow(
      'monotonicNow: expected milliseconds, got something else',
    )
  })

  test('later on makes nothing fresh', async () => {
    let monotonicMs = 0
    const { cache, source } = setUp({ monotonicNow: () => monotonicMs })
    source.reply = () => 's1'
    await cache.get(TARGET)
    monotonicMs = Number.NaN
    await expect(cache.get(TARGET)).rejects.toThrow('monotonicNow: expected milliseconds, got something else')
  })
})
