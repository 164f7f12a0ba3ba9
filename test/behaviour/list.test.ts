import { account, user } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import { codeOf, openOver, stores, TestClock } from '../support/stores'

const LARGE = 'x'.repeat(5000)

describe.each(['LevelDB', 'memory'] as const)('the verbs over %s', (engine) => {
  test('pages in both directions, in order of the UTF-8 bytes', async () => {
    const store = await openOver(engine)
    const names = ['B', 'a', 'aa', 'a|b', 'é', '\u{ff5e}', '\u{1f600}']
    for (const name of [...names].reverse()) await store.set({ scope: account, name, payload: 'p' })
    await store.set({ scope: user('account'), name: 'other', payload: 'p' })
    const all = await store.list({ scope: account, limit: 100 })
    expect(all).toMatchObject({ object: 'list', url: '/v1/apps/secrets', has_more: false })
    expect(all.data.map(({ name }) => name)).toEqual(names)

    const forward = await store.list({ scope: account, limit: 3, starting_after: all.data[1]?.id ?? '' })
    expect(forward.has_more).toBe(true)
    expect(forward.data).toEqual(all.data.slice(2, 5))
    const last = await store.list({ scope: account, limit: 3, starting_after: all.data[3]?.id ?? '' })
    expect(last).toMatchObject({ has_more: false, data: all.data.slice(4) })
    const backward = await store.list({ scope: account, limit: 3, ending_before: all.data[5]?.id ?? '' })
    expect(backward).toMatchObject({ has_more: true, data: all.data.slice(2, 5) })
    const first = await store.list({ scope: account, limit: 3, ending_before: all.data[2]?.id ?? '' })
    expect(first).toMatchObject({ has_more: false, data: all.data.slice(0, 2) })

    const walked: string[] = []
    for await (const { name } of store.list({ scope: account, limit: 2, ending_before: all.data[4]?.id ?? '' })) {
      walked.push(name)
    }
    expect(walked).toEqual(names.slice(0, 4).reverse())
  })

  test('ten to a page unless asked otherwise', async () => {
    const store = await openOver(engine)
    await store.batch(
      Array.from({ length: 11 }, (_, n) => ({ type: 'set', scope: account, name: `n${n}`, payload: 'p' })),
    )
    const page = await store.list({ scope: account })
    expect(page.data).toHaveLength(10)
    expect(page.has_more).toBe(true)
  })

  test('list expands payloads, inline and large', async () => {
    const store = await openOver(engine)
    await store.set({ scope: account, name: 'a', payload: 'small' })
    await store.set({ scope: account, name: 'b', payload: LARGE })
    const { data } = await store.list({ scope: account, expand: ['data.payload'] })
    expect(data.map(({ payload }) => payload)).toEqual(['small', LARGE])
    const plain = await store.list({ scope: account })
    expect(plain.data.some((secret) => 'payload' in secret)).toBe(false)
  })

  test('a prefix, in UTF-8 bytes, with cursors within and outside of it', async () => {
    const store = await openOver(engine)
    const ids = new Map<string, string>()
    const names = ['a', 'a.', 'a.1', 'a.2', 'a.3', 'a.\u{10ffff}', 'a/', 'b', '\u{10ffff}', '\u{10ffff}1']
    for (const name of names) ids.set(name, (await store.set({ scope: account, name, payload: 'p' })).id)
    await store.set({ scope: user('a.'), name: 'a.1', payload: 'p' })
    const list = async (prefix: string, more = {}) => {
      const page = await store.list({ scope: account, prefix, limit: 100, ...more })
      return page.data.map(({ name }) => name)
    }
    const within = ['a.', 'a.1', 'a.2', 'a.3', 'a.\u{10ffff}']
    expect(await list('a.')).toEqual(within)
    expect(await list('')).toEqual(names)
    expect(await list('\u{10ffff}')).toEqual(names.slice(-2))
    expect(await list('c')).toEqual([])
    expect(await list('a.', { limit: 2 })).toEqual(within.slice(0, 2))
    for (const [index, name] of names.entries()) {
      const id = ids.get(name)
      const rest = names.slice(index + 1).filter((later) => within.includes(later))
      const before = names.slice(0, index).filter((earlier) => within.includes(earlier))
      expect(await list('a.', { starting_after: id })).toEqual(rest)
      expect(await list('a.', { ending_before: id })).toEqual(before)
      expect(await list('a.', { ending_before: id, limit: 2 })).toEqual(before.slice(-2))
      const walked: string[] = []
      for await (const secret of store.list({ scope: account, prefix: 'a.', ending_before: id ?? '' }))
        walked.push(secret.name)
      expect(walked).toEqual(before.reverse())
    }
    const page = await store.list({ scope: account, prefix: 'a.', limit: 5, expand: ['data.payload'] })
    expect(page).toMatchObject({ has_more: false, data: Array(5).fill({ payload: 'p' }) })
    const sealed = await openOver(engine, { names: 'sealed' })
    const refusal = 'prefix: expected a store with plain names, got one with sealed names'
    await expect(sealed.list({ scope: account, prefix: 'a' })).rejects.toThrow(new TypeError(refusal))
    expect((await sealed.list({ scope: account, prefix: '' })).data).toEqual([])
  })

  test('a cursor that is gone, foreign or made up is ERR_CURSOR', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { now: clock.now })
    const other = await store.set({ scope: user('u'), name: 'n', payload: 'p' })
    const live = await store.view({ livemode: true }).set({ scope: account, name: 'n', payload: 'p' })
    const gone = await store.set({ scope: account, name: 'gone', payload: 'p' })
    const expiring = await store.set({ scope: account, name: 'e', payload: 'p', expires_at: clock.seconds + 1 })
    await store.delete({ scope: account, name: 'gone' })
    clock.advanceSeconds(1)
    for (const id of [other.id, live.id, gone.id, expiring.id, 'appsecret_nonsense', 'i', '\0']) {
      expect(await codeOf(() => store.list({ scope: account, starting_after: id }))).toBe('ERR_CURSOR')
      expect(await codeOf(() => store.list({ scope: account, ending_before: id }))).toBe('ERR_CURSOR')
    }
  })

  test('deleting every secret while iterating over them visits each exactly once', async () => {
    const store = await openOver(engine)
    const names = Array.from({ length: 250 }, (_, n) => `n${n}`)
    await store.batch(names.map((name) => ({ type: 'set', scope: account, name, payload: 'p' })))
    const visited: string[] = []
    for await (const { name } of store.list({ scope: account })) {
      visited.push(name)
      await store.delete({ scope: account, name })
    }
    expect(visited).toEqual(names.toSorted())
    expect((await store.list({ scope: account })).data).toEqual([])
  })
})

test('list answers catch and finally as a promise does', async () => {
  const store = stores.memory()
  let settled = 0
  const page = await store.list({ scope: account }).finally(() => settled++)
  expect(page.data).toEqual([])
  const refused = await store.list({ scope: account, limit: 0 }).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(RangeError)
  expect(settled).toBe(1)
  await expect(store.list({ scope: account, limit: 0 })[Symbol.asyncIterator]().next()).rejects.toThrow(RangeError)
})
