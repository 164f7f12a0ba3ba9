import { account, type SecretStore, user } from 'app-secret-store'
import fc from 'fast-check'
import { brief, heard } from '../support/behaviour/changes'
import { describe, expect, test } from '../support/runner'
import { codeOf, memoryStore, newLocation, openStore, stores, TestClock } from '../support/stores'

const target = { scope: account, name: 'token' }

describe('what is told', () => {
  test('of each set and delete, once, with no payload, before the call resolves', async () => {
    const store = memoryStore()
    const changes = heard(store)
    const { id } = await store.set({ ...target, payload: 'example', expand: ['payload'] })
    expect(changes).toEqual([{ type: 'set', id, name: 'token', scope: { type: 'account' } }])
    await store.set({ ...target, payload: 'again' })
    await store.delete({ ...target, expand: ['payload'] })
    await store.delete(target)
    expect(changes.map(({ type }) => type)).toEqual(['set', 'set', 'delete'])
    expect(new Set(changes.map((change) => change.id))).toEqual(new Set([id]))
    for (const change of changes) expect(Object.keys(change).sort()).toEqual(['id', 'name', 'scope', 'type'])
  })

  test('of a batch, its parts in order; of one that is refused, nothing', async () => {
    const store = memoryStore()
    const changes = heard(store)
    await store.batch([
      { type: 'set', scope: account, name: 'a', payload: 'x' },
      { type: 'set', scope: account, name: 'b', payload: 'x' },
      { type: 'delete', scope: account, name: 'a' },
      { type: 'set', scope: account, name: 'a', payload: 'y' },
    ])
    expect(changes.map(brief)).toEqual(['set a', 'set b', 'delete a', 'set a'])
    expect(changes[0]?.id).not.toBe(changes[3]?.id)
    await store.set({ scope: account, name: 'bytes', payload: Uint8Array.of(1) })
    changes.length = 0
    // Bytes cannot be expanded, which is found out in the middle of the batch.
    const refused = store.batch([
      { type: 'set', scope: account, name: 'c', payload: 'x' },
      { type: 'delete', scope: account, name: 'bytes', expand: ['payload'] },
    ])
    await expect(refused).rejects.toThrow(TypeError)
    expect(changes).toEqual([])
    expect(await store.get({ scope: account, name: 'c' })).toBeUndefined()
  })

  test.each([
    ['a read', (store: SecretStore) => store.get(target)],
    ['a page', (store: SecretStore) => store.list({ scope: account })],
    ['a sweep', (store: SecretStore) => store.sweep()],
    ['a delete', (store: SecretStore) => store.delete(target)],
    ['a rotation', (store: SecretStore) => store.rotate()],
  ])('of an expired secret that %s meets: that it expired', async (_, meet) => {
    const clock = new TestClock()
    const store = memoryStore({ now: clock.now })
    const { id } = await store.set({ ...target, payload: 'x', expires_at: clock.seconds + 10 })
    await store.set({ scope: account, name: 'zz', payload: 'x' })
    const changes = heard(store)
    clock.advanceSeconds(10)
    await meet(store)
    await store.sweep()
    expect(changes).toEqual([{ type: 'expire', id, name: 'token', scope: account }])
  })

  test('of a set in the place of an expired secret: the end of that one, and the new one', async () => {
    const clock = new TestClock()
    const store = memoryStore({ now: clock.now })
    const old = await store.set({ ...target, payload: 'x', expires_at: clock.seconds + 10 })
    const changes = heard(store)
    clock.advanceSeconds(10)
    const fresh = await store.set({ ...target, payload: 'x' })
    expect(changes.map(({ type, id }) => [type, id])).toEqual([
      ['expire', old.id],
      ['set', fresh.id],
    ])
  })

  test('nothing of sealing anew', async () => {
    const store = memoryStore()
    await store.set({ ...target, payload: 'x' })
    const changes = heard(store)
    expect((await store.rotate()).resealed).toBe(1)
    expect(changes).toEqual([])
  })

  test('in the order of the writes, whatever is written at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            name: fc.constantFrom('a', 'b', 'c'),
            type: fc.constantFrom('set', 'delete'),
            wait: fc.boolean(),
          }),
          { maxLength: 30 },
        ),
        async (steps) => {
          const store = stores.memory()
          const changes = heard(store)
          const calls: Promise<unknown>[] = []
          const there = new Set<string>()
          const expected: string[] = []
          for (const { name, type, wait } of steps) {
            const secret = { scope: account, name }
            if (type === 'set' || there.has(name)) expected.push(`${type} ${name}`)
            if (type === 'set') there.add(name)
            else there.delete(name)
            calls.push(type === 'set' ? store.set({ ...secret, payload: 'x' }) : store.delete(secret))
            if (wait) await calls.at(-1)
          }
          await Promise.all(calls)
          expect(changes.map(brief)).toEqual(expected)
          await store.close()
        },
      ),
    )
  })
})

describe('when', () => {
  test('what was begun before the end of the store is told of, and nothing after it', async () => {
    const store = await openStore(await newLocation())
    const changes = heard(store)
    const writing = store.set({ ...target, payload: 'x' })
    await Promise.all([writing, store.close()])
    expect(changes.map(brief)).toEqual(['set token'])
    expect(await codeOf(() => store.on('change', () => {}))).toBe('ERR_CLOSED')
  })
})

describe('who is told', () => {
  test('a view of what it may see, of its own account and mode', async () => {
    const store = memoryStore()
    const views = {
      own: store.view({}),
      ada: store.view({ user: 'ada' }),
      live: store.view({ livemode: true }),
      other: store.view({ account: 'acct_1' }),
    }
    const told = Object.entries(views).map(([name, view]) => [name, heard(view)] as const)
    await store.set({ ...target, payload: 'x' })
    await store.set({ scope: user('ada'), name: 'hers', payload: 'x' })
    await store.set({ scope: user('bob'), name: 'his', payload: 'x' })
    await views.live.set({ ...target, name: 'live', payload: 'x' })
    await views.other.set({ ...target, name: 'other', payload: 'x' })
    expect(Object.fromEntries(told.map(([name, changes]) => [name, changes.map((change) => change.name)]))).toEqual({
      own: ['token', 'hers', 'his'],
      ada: ['token', 'hers'],
      live: ['live'],
      other: ['other'],
    })
  })

  test('nobody who has ended it, also in the middle of a commit', async () => {
    const store = memoryStore()
    const once: string[] = []
    const stop = store.on('change', ({ name }) => {
      once.push(name)
      stop()
    })
    const [a, b] = ['a', 'b'].map((name) => ({ type: 'set' as const, scope: account, name, payload: 'x' }))
    await store.batch([a, b] as never)
    await store.set({ ...target, payload: 'x' })
    expect(once).toEqual(['a'])
    stop()
  })

  test('all others, if a listener throws, or its promise is rejected; `onError` is told', async () => {
    const errors: unknown[] = []
    const store = memoryStore({ onError: (error) => errors.push(error) })
    store.on('change', () => {
      throw new Error('at once')
    })
    store.on('change', async () => {
      throw new Error('later')
    })
    const changes = heard(store)
    await expect(store.set({ ...target, payload: 'x' })).resolves.toBeDefined()
    await store.get(target)
    expect(changes.map(brief)).toEqual(['set token'])
    expect(errors.map(String)).toEqual(['Error: at once', 'Error: later'])
  })

  test('with an object of which no listener can change what the next one sees', async () => {
    const store = memoryStore()
    store.on('change', (change) => {
      expect(() => Object.assign(change, { name: 'altered' })).toThrow(TypeError)
      expect(() => Object.assign(change.scope, { type: 'user' })).toThrow(TypeError)
    })
    const changes = heard(store)
    await store.set({ ...target, payload: 'x' })
    expect(changes).toMatchObject([{ name: 'token', scope: account }])
  })

  test('a listener may write', async () => {
    const store = memoryStore()
    const done = new Promise<void>((resolve) => {
      store.on('change', async ({ name }) => {
        if (name !== 'token') return resolve()
        await store.set({ scope: account, name: 'echo', payload: 'x' })
      })
    })
    await store.set({ ...target, payload: 'x' })
    await done
    expect(await store.get({ scope: account, name: 'echo' })).toBe('x')
  })
})

test('another event, or no listener, is a mistake', () => {
  const store = memoryStore()
  expect(() => store.on('changes' as 'change', () => {})).toThrow("on: expected 'change' or 'gap', got another")
  expect(() => store.on('change', undefined as never)).toThrow('listener: expected a function, got undefined')
})
