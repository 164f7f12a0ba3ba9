import { account, type CallOptions, type KeyProvider, rawKey, type SecretStore } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import { openOver } from '../support/stores'

const target = { scope: account, name: 'token' }
const other = rawKey(new Uint8Array(32).fill(8))

async function all<T>(walk: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of walk) items.push(item)
  return items
}

/** Every call that takes a signal after its parameters. */
const CALLS: readonly (readonly [
  name: string,
  call: (store: SecretStore, options: CallOptions) => Promise<unknown>,
])[] = [
  ['set', (store, options) => store.set({ ...target, payload: 'new' }, options)],
  ['find', (store, options) => store.find(target, options)],
  ['get', (store, options) => store.get(target, options)],
  ['getBytes', (store, options) => store.getBytes(target, options)],
  ['delete', (store, options) => store.delete(target, options)],
  ['batch', (store, options) => store.batch([{ type: 'delete', ...target }], options)],
  ['list', (store, options) => store.list({ scope: account }, options).then()],
  ['a walk', (store, options) => all(store.list({ scope: account }, options))],
  ['set of a view', (store, options) => store.view({ livemode: true }).set({ ...target, payload: 'p' }, options)],
  ['scopes', (store, options) => all(store.scopes(options))],
  ['sweep', (store, options) => store.sweep(options)],
  ['compact', (store, options) => store.compact(options)],
  ['checkpoint', (store, options) => store.checkpoint(options)],
  ['status', (store, options) => store.status(options)],
  ['verify', (store, options) => store.verify(options)],
  ['rotate', (store, options) => store.rotate(options)],
  ['addKey', (store, options) => store.addKey(other, options)],
  ['removeKey', (store, options) => store.removeKey(store.keys()[0]?.id ?? '', options)],
  ['replaceKey', (store, options) => store.replaceKey(store.keys()[0]?.id ?? '', other, options)],
]

const outcomeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error) => error,
  )

/** Everything there is to see. */
async function stateOf(store: SecretStore): Promise<unknown> {
  const { data } = await store.list({ scope: account, expand: ['data.payload'] })
  const { dataKeys } = await store.status()
  return { data, keys: store.keys(), dataKeys, scopes: await all(store.scopes()) }
}

describe.each(['LevelDB', 'memory'] as const)('a signal, over %s', (engine) => {
  test('that is aborted already has every call reject with its reason, and change nothing', async () => {
    const store = await openOver(engine)
    await store.set({ ...target, payload: 'old' })
    const before = await stateOf(store)
    const reason = new Error('enough')
    const changes: unknown[] = []
    store.on('change', (change) => changes.push(change))
    for (const [name, call] of CALLS) {
      expect([name, await outcomeOf(call(store, { signal: AbortSignal.abort(reason) }))]).toEqual([name, reason])
    }
    expect([await stateOf(store), changes]).toEqual([before, []])
    expect((await store.verify()).ok).toBe(true)
  })

  test('that is no AbortSignal is a TypeError, and so are other options, and nothing changes', async () => {
    const store = await openOver(engine)
    await store.set({ ...target, payload: 'old' })
    const before = await stateOf(store)
    for (const [name, call] of CALLS) {
      for (const wrong of [
        { signal: 'soon' },
        { signal: null },
        { signal: {} },
        { signals: undefined },
        new AbortController().signal,
      ]) {
        const outcome = await outcomeOf(call(store, wrong as never))
        expect([name, wrong, outcome instanceof TypeError]).toEqual([name, wrong, true])
      }
    }
    expect(await stateOf(store)).toEqual(before)
  })

  test('that is not aborted, or later, or for nothing, changes no outcome', async () => {
    const store = await openOver(engine)
    const controller = new AbortController()
    const { signal } = controller
    expect(await store.set({ ...target, payload: 'p' }, { signal })).toMatchObject({ name: 'token' })
    expect(await store.get(target, { signal })).toBe('p')
    expect(await store.get(target, {})).toBe('p')
    expect(await store.get(target, { signal: undefined } as never)).toBe('p')
    expect((await store.list({ scope: account }, { signal })).data).toHaveLength(1)
    controller.abort()
    expect(await store.get(target)).toBe('p')
  })

  test('a write that rejects with the reason has not happened, and any other has, whenever it is aborted', async () => {
    const store = await openOver(engine)
    const reason = new Error('enough')
    const seen: string[] = []
    store.on('change', ({ name }) => seen.push(name))
    const kept: string[] = []
    for (let wait = 0; wait < 80; wait++) {
      const controller = new AbortController()
      const name = `n${wait}`
      const writing = outcomeOf(store.set({ scope: account, name, payload: 'p' }, { signal: controller.signal }))
      // At first so many steps of promises, then so many turns of the event loop.
      for (let step = 0; step < wait && step < 40; step++) await undefined
      for (let turn = 40; turn < wait; turn++) await new Promise((resolve) => setImmediate(resolve))
      controller.abort(reason)
      const outcome = await writing
      expect([name, outcome === 'done' || outcome === reason]).toEqual([name, true])
      expect([name, await store.get({ scope: account, name })]).toEqual([name, outcome === 'done' ? 'p' : undefined])
      if (outcome === 'done') kept.push(name)
    }
    expect(kept).not.toContain('n0')
    expect(seen).toEqual(kept)
    expect(await store.verify()).toEqual({ ok: true, records: kept.length, problems: [] })
  })

  test('ends a walk between two pages', async () => {
    const store = await openOver(engine)
    await store.batch(
      Array.from({ length: 250 }, (_, n) => ({ type: 'set', scope: account, name: `${n}`, payload: 'p' })),
    )
    const controller = new AbortController()
    const reason = new Error('enough')
    let seen = 0
    const walking = (async () => {
      for await (const _ of store.list({ scope: account }, { signal: controller.signal })) {
        seen++
        if (seen === 50) controller.abort(reason)
      }
    })()
    expect(await outcomeOf(walking)).toBe(reason)
    expect(seen).toBe(100)
  })

  test('ends a change of keys that waits for another one, or for its provider, and the others go on', async () => {
    const store = await openOver(engine)
    const never: KeyProvider = { kind: 'silent', wrap: () => new Promise(() => {}), unwrap: async () => null }
    const [first, second] = [new AbortController(), new AbortController()]
    const reason = new Error('enough')
    const hanging = outcomeOf(store.addKey(never, { signal: first.signal }))
    const waiting = outcomeOf(store.addKey(other, { signal: second.signal }))
    const last = store.addKey(rawKey(new Uint8Array(32).fill(9)))
    second.abort(reason)
    expect(await waiting).toBe(reason)
    first.abort(reason)
    expect(await hanging).toBe(reason)
    const { id } = await last
    expect(store.keys().map((slot) => slot.id)).toContain(id)
    expect(store.keys()).toHaveLength(2)
  })
})
