import { describe, expect, test } from 'vitest'
import { account, type BatchOperation, SecretStore, user } from '../../src/index'
import { codeOf, newLocation, openStore, TestClock } from '../support/stores'

const LARGE = 'x'.repeat(5000)

describe.each(['LevelDB', 'memory'] as const)('the verbs over %s', (engine) => {
  async function open(clock = new TestClock()): Promise<SecretStore> {
    const options = { now: clock.now, sweepIntervalMs: 0, compactIntervalMs: 0 }
    return engine === 'memory' ? SecretStore.memory(options) : openStore(await newLocation(), options)
  }

  test('set returns the secret without its payload unless expanded', async () => {
    const clock = new TestClock()
    const store = await open(clock)
    const secret = await store.set({ scope: account, name: 'token', payload: 'p' })
    expect(secret).toEqual({
      id: expect.stringMatching(/^appsecret_[0-9A-Za-z]{24}$/),
      object: 'apps.secret',
      created: clock.seconds,
      expires_at: null,
      livemode: false,
      name: 'token',
      scope: { type: 'account' },
    })
    const expanded = await store.set({ scope: account, name: 'token', payload: 'q', expand: ['payload'] })
    expect(expanded).toEqual({ ...secret, payload: 'q' })
  })

  test('replacing keeps id and created, and clears an expires_at that is left out', async () => {
    const clock = new TestClock()
    const store = await open(clock)
    const first = await store.set({ scope: account, name: 'n', payload: 'a', expires_at: clock.seconds + 100 })
    clock.advanceSeconds(10)
    const second = await store.set({ scope: account, name: 'n', payload: 'b' })
    expect(second).toEqual({ ...first, expires_at: null })
    clock.advanceSeconds(1000)
    expect(await store.get({ scope: account, name: 'n' })).toBe('b')
  })

  test('find, get and getBytes, with and without a promise', async () => {
    const store = await open()
    const target = { scope: user('usr_1'), name: 'n' }
    const secret = await store.set({ ...target, payload: LARGE })
    expect(await store.find(target)).toEqual(secret)
    expect(store.findSync(target)).toEqual(secret)
    expect(await store.find({ ...target, expand: ['payload'] })).toEqual({ ...secret, payload: LARGE })
    expect(store.findSync({ ...target, expand: ['payload'] })).toEqual({ ...secret, payload: LARGE })
    expect(await store.get(target)).toBe(LARGE)
    expect(store.getSync(target)).toBe(LARGE)
    expect(new TextDecoder().decode(await store.getBytes(target))).toBe(LARGE)
    for (const missing of [
      { ...target, name: 'm' },
      { ...target, scope: account },
    ]) {
      expect(await store.find(missing)).toBeUndefined()
      expect(await store.get(missing)).toBeUndefined()
      expect(await store.getBytes(missing)).toBeUndefined()
      expect(store.findSync(missing)).toBeUndefined()
      expect(store.getSync(missing)).toBeUndefined()
      expect(await store.delete(missing)).toBeUndefined()
    }
  })

  test.each([12, 5000])(
    'bytes of length %i come back through getBytes, and every text read names it',
    async (length) => {
      const store = await open()
      const target = { scope: account, name: 'key' }
      const payload = Uint8Array.from({ length }, (_, index) => index % 256)
      await store.set({ ...target, payload })
      expect(await store.getBytes(target)).toEqual(payload)
      const refusal = /expected text, got bytes \(read them with getBytes\)/
      await expect(store.get(target)).rejects.toThrow(refusal)
      await expect(store.find({ ...target, expand: ['payload'] })).rejects.toThrow(TypeError)
      expect(() => store.getSync(target)).toThrow(refusal)
      await expect(store.list({ scope: account, expand: ['data.payload'] })).rejects.toThrow(refusal)
      await expect(store.delete({ ...target, expand: ['payload'] })).rejects.toThrow(refusal)
      await expect(store.set({ ...target, payload, expand: ['payload'] })).rejects.toThrow(refusal)
      expect(await store.getBytes(target)).toEqual(payload)
    },
  )

  test('what the caller does to its bytes afterwards changes nothing', async () => {
    const store = await open()
    const payload = Uint8Array.of(1, 2, 3)
    const setting = store.set({ scope: account, name: 'n', payload })
    payload.fill(9)
    await setting
    const read = await store.getBytes({ scope: account, name: 'n' })
    expect(read).toEqual(Uint8Array.of(1, 2, 3))
    read?.fill(9)
    expect(await store.getBytes({ scope: account, name: 'n' })).toEqual(Uint8Array.of(1, 2, 3))
  })

  test('delete returns what was deleted, expanded if asked', async () => {
    const store = await open()
    for (const payload of ['short', LARGE]) {
      const secret = await store.set({ scope: account, name: 'n', payload })
      const deleted = await store.delete({ scope: account, name: 'n', expand: ['payload'] })
      expect(deleted).toEqual({ ...secret, payload, deleted: true })
      expect(await store.find({ scope: account, name: 'n' })).toBeUndefined()
      expect(await store.delete({ scope: account, name: 'n' })).toBeUndefined()
    }
    expect(await store.verify()).toEqual({ ok: true, records: 0, problems: [] })
  })

  test('a name that was deleted and set again is a new secret, also within one group of writes', async () => {
    const store = await open()
    const first = await store.set({ scope: account, name: 'n', payload: LARGE })
    const [, second] = await Promise.all([
      store.delete({ scope: account, name: 'n' }),
      store.set({ scope: account, name: 'n', payload: 'b' }),
    ])
    expect(second.id).not.toBe(first.id)
    expect((await store.verify()).ok).toBe(true)
  })

  test('a batch happens in order and returns what each part would have', async () => {
    const store = await open()
    const results = await store.batch([
      { type: 'set', scope: account, name: 'a', payload: '1' },
      { type: 'set', scope: account, name: 'b', payload: '2', expand: ['payload'] },
      { type: 'delete', scope: account, name: 'a', expand: ['payload'] },
      { type: 'delete', scope: account, name: 'never' },
    ])
    expect(results).toMatchObject([
      { name: 'a' },
      { name: 'b', payload: '2' },
      { name: 'a', payload: '1', deleted: true },
      undefined,
    ])
    expect((await store.list({ scope: account })).data.map(({ name }) => name)).toEqual(['b'])
    expect(await store.batch([])).toEqual([])
  })

  test('a batch with one bad part does nothing', async () => {
    const store = await open()
    await store.set({ scope: account, name: 'key', payload: Uint8Array.of(1) })
    const good: BatchOperation = { type: 'set', scope: account, name: 'good', payload: 'g' }
    const bad: BatchOperation = { type: 'delete', scope: account, name: 'key', expand: ['payload'] }
    await expect(store.batch([good, bad])).rejects.toThrow(TypeError)
    await expect(store.batch([good, { ...good, payload: '' }])).rejects.toThrow(TypeError)
    expect(await store.find({ scope: account, name: 'good' })).toBeUndefined()
    expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
  })

  test('pages in both directions, in order of the UTF-8 bytes', async () => {
    const store = await open()
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
    const store = await open()
    await store.batch(
      Array.from({ length: 11 }, (_, n) => ({ type: 'set', scope: account, name: `n${n}`, payload: 'p' })),
    )
    const page = await store.list({ scope: account })
    expect(page.data).toHaveLength(10)
    expect(page.has_more).toBe(true)
  })

  test('list expands payloads, inline and large', async () => {
    const store = await open()
    await store.set({ scope: account, name: 'a', payload: 'small' })
    await store.set({ scope: account, name: 'b', payload: LARGE })
    const { data } = await store.list({ scope: account, expand: ['data.payload'] })
    expect(data.map(({ payload }) => payload)).toEqual(['small', LARGE])
    const plain = await store.list({ scope: account })
    expect(plain.data.some((secret) => 'payload' in secret)).toBe(false)
  })

  test('a cursor that is gone, foreign or made up is ERR_CURSOR', async () => {
    const clock = new TestClock()
    const store = await open(clock)
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
    const store = await open()
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

  test('partitions never meet', async () => {
    const store = await open()
    const views = [
      store.view({}),
      store.view({ livemode: true }),
      store.view({ account: 'acct_1' }),
      store.view({ account: 'acct_1', livemode: true }),
    ]
    for (const [index, view] of views.entries()) await view.set({ scope: account, name: 'n', payload: `${index}` })
    for (const [index, view] of views.entries()) {
      expect(await view.get({ scope: account, name: 'n' })).toBe(`${index}`)
      expect(await view.list({ scope: account })).toMatchObject({ data: [{ livemode: index % 2 === 1 }] })
    }
    expect(store.getSync({ scope: account, name: 'n' })).toBe('0')
  })

  test("a user's view reaches the account scope and its own, by every verb", async () => {
    const store = await open()
    const view = store.view({ user: 'usr_1' })
    await view.set({ scope: account, name: 'n', payload: 'a' })
    await view.set({ scope: user('usr_1'), name: 'n', payload: 'u' })
    expect(await view.get({ scope: user('usr_1'), name: 'n' })).toBe('u')
    const foreign = { scope: user('usr_2'), name: 'n' }
    await store.set({ ...foreign, payload: 'theirs' })
    const attempts = [
      () => view.set({ ...foreign, payload: 'p' }),
      () => view.find(foreign),
      () => view.get(foreign),
      () => view.getBytes(foreign),
      () => view.findSync(foreign),
      () => view.getSync(foreign),
      () => view.delete(foreign),
      () => view.list({ scope: foreign.scope }),
      () => view.batch([{ type: 'delete', ...foreign }]),
    ]
    for (const attempt of attempts) expect(await codeOf(attempt)).toBe('ERR_ACCESS_DENIED')
    expect(await store.get(foreign)).toBe('theirs')
  })

  test('a closed store answers nothing', async () => {
    const store = await open()
    const view = store.view({ livemode: true })
    await store.set({ scope: account, name: 'n', payload: 'p' })
    const target = { scope: account, name: 'n' }
    const listing = store.list({ scope: account })
    await Promise.all([store.close(), store.close()])
    const attempts = [
      () => store.set({ ...target, payload: 'p' }),
      () => store.find(target),
      () => store.get(target),
      () => store.getBytes(target),
      () => store.findSync(target),
      () => store.getSync(target),
      () => store.delete(target),
      () => store.list({ scope: account }),
      () => listing,
      () => store.batch([{ type: 'delete', ...target }]),
      () => view.find(target),
      () => store.sweep(),
      () => store.compact(),
      () => store.verify(),
      () => store.checkpoint(),
    ]
    for (const attempt of attempts) expect(await codeOf(attempt)).toBe('ERR_CLOSED')
  })

  test('closing lets writes finish that were begun', async () => {
    const store = await open()
    const writes = Array.from({ length: 20 }, (_, n) => store.set({ scope: account, name: `n${n}`, payload: 'p' }))
    await store.close()
    expect((await Promise.allSettled(writes)).every(({ status }) => status === 'fulfilled')).toBe(true)
  })
})

test('what was set is there after reopening', async () => {
  const location = await newLocation()
  const first = await openStore(location)
  await first.set({ scope: account, name: 'token', payload: 'sk_123' })
  await first.close()
  const second = await openStore(location)
  expect(await second.get({ scope: account, name: 'token' })).toBe('sk_123')
})

test('await using closes the store', async () => {
  const location = await newLocation()
  const store = await openStore(location)
  await store[Symbol.asyncDispose]()
  expect(await codeOf(() => store.find({ scope: account, name: 'n' }))).toBe('ERR_CLOSED')
  await openStore(location)
})

test('list answers catch and finally as a promise does', async () => {
  const store = SecretStore.memory()
  let settled = 0
  const page = await store.list({ scope: account }).finally(() => settled++)
  expect(page.data).toEqual([])
  const refused = await store.list({ scope: account, limit: 0 }).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(RangeError)
  expect(settled).toBe(1)
  await expect(store.list({ scope: account, limit: 0 })[Symbol.asyncIterator]().next()).rejects.toThrow(RangeError)
})
