import { account, user } from 'app-secret-store'
import { describe, expect, test, turnOfLoop } from '../support/runner'
import { codeOf, filesOf, newLocation, openOver, openStore, readsAtOnce, setMany, TestClock } from '../support/stores'

/** Which of the texts stand in any file of a store. */
async function textsOnDisk(location: string, texts: readonly string[]): Promise<string[]> {
  const files = [...(await filesOf(location)).values()]
  return texts.filter((text) => files.some((bytes) => bytes.includes(text)))
}

async function bytesOnDisk(location: string): Promise<number> {
  return [...(await filesOf(location)).values()].reduce((sum, { length }) => sum + length, 0)
}

describe.each(['LevelDB', 'memory'] as const)('compact over %s', (engine) => {
  test('deletes what has expired, in every partition, and keeps everything else', async () => {
    const clock = new TestClock()
    const store = await openOver(engine, { now: clock.now })
    const views = [store, store.view({ livemode: true }), store.view({ account: 'acct_1' })]
    const kept = { scope: user('u'), name: 'kept' }
    for (const view of views) {
      await view.set({ scope: user('u'), name: 'due', payload: 'p', expires_at: clock.seconds + 5 })
      await view.set({ ...kept, payload: 'x'.repeat(5000), expires_at: clock.seconds + 6 })
    }
    const before = await Promise.all(views.map((view) => view.find({ ...kept, expand: ['payload'] })))
    clock.advanceSeconds(5)
    expect(await store.compact()).toBeUndefined()
    expect(await store.sweep()).toBe(0)
    expect(await store.verify()).toEqual({ ok: true, records: 3, problems: [] })
    expect(await Promise.all(views.map((view) => view.find({ ...kept, expand: ['payload'] })))).toEqual(before)
  })

  test('changes the state that a checkpoint names once, and only where something was deleted or replaced', async () => {
    const store = await openOver(engine)
    const tokens = [await store.checkpoint()]
    const after = async (work: () => Promise<unknown>): Promise<boolean> => {
      await work()
      tokens.push(await store.checkpoint())
      return tokens.at(-1) !== tokens.at(-2)
    }
    expect(await after(() => store.compact())).toBe(false)
    expect(await after(() => store.set({ scope: account, name: 'n', payload: 'a' }))).toBe(true)
    expect(await after(() => store.compact())).toBe(false)
    for (const change of [
      () => store.set({ scope: account, name: 'n', payload: 'b' }),
      () => store.delete({ scope: account, name: 'n' }),
    ]) {
      expect(await after(change)).toBe(true)
      expect(await after(() => store.compact())).toBe(true)
      expect(await after(() => store.compact())).toBe(false)
    }
  })

  test('may be called with writes and other compactions under way; all of them happen', async () => {
    const store = await openOver(engine)
    await Promise.all([
      store.set({ scope: account, name: 'a', payload: '1' }),
      store.compact(),
      store.set({ scope: account, name: 'a', payload: '2' }),
      store.compact(),
      store.delete({ scope: account, name: 'a' }),
      store.set({ scope: account, name: 'b', payload: '3' }),
      store.compact(),
    ])
    expect(await store.get({ scope: account, name: 'a' })).toBeUndefined()
    expect(await store.get({ scope: account, name: 'b' })).toBe('3')
    expect(await store.verify()).toEqual({ ok: true, records: 1, problems: [] })
  })

  test('lets reads and walks go on', async () => {
    const store = await openOver(engine, { indexBytes: 0 })
    await setMany(store, 300, (n) => ({ scope: account, name: `${1000 + n}`, payload: `${n}` }))
    for (let n = 0; n < 100; n++) await store.delete({ scope: account, name: `${1200 + n}` })
    const walk = store.list({ scope: account })[Symbol.asyncIterator]()
    const walked = [(await walk.next()).value?.name]
    let isOver = false
    const compacting = store.compact().finally(() => {
      isOver = true
    })
    let reads = 0
    do {
      expect(await store.get({ scope: account, name: '1007' })).toBe('7')
      expect((await store.list({ scope: account, limit: 2 })).data).toHaveLength(2)
      reads++
    } while (!isOver)
    await compacting
    expect(reads).toBeGreaterThan(0)
    for (let one = await walk.next(); one.done !== true; one = await walk.next()) walked.push(one.value.name)
    expect(walked).toEqual(Array.from({ length: 200 }, (_, n) => `${1000 + n}`))
  })

  test('ends with the store: it is done, or ERR_CLOSED', async () => {
    const store = await openOver(engine)
    await store.set({ scope: account, name: 'n', payload: 'p' })
    const compacting = codeOf(() => store.compact())
    await store.close()
    expect(['no error', 'ERR_CLOSED']).toContain(await compacting)
    expect(await codeOf(() => store.compact())).toBe('ERR_CLOSED')
  })
})

describe('what was deleted or replaced', () => {
  test('is in the files before compact; after it no name, user or id is', async () => {
    const location = await newLocation()
    const clock = new TestClock()
    const store = await openStore(location, { now: clock.now })
    const gone: string[] = ['name-deleted', 'name-expired', 'user-deleted', 'name-theirs']
    const deleted = await store.set({ scope: account, name: 'name-deleted', payload: 'p' })
    const expired = await store.set({
      scope: account,
      name: 'name-expired',
      payload: 'x'.repeat(5000),
      expires_at: clock.seconds + 5,
    })
    const theirs = await store.set({ scope: user('user-deleted'), name: 'name-theirs', payload: 'p' })
    const kept = await store.set({ scope: account, name: 'name-kept', payload: 'p' })
    await store.delete({ scope: account, name: 'name-deleted' })
    await store.delete({ scope: user('user-deleted'), name: 'name-theirs' })
    clock.advanceSeconds(5)
    const ids = [deleted.id, expired.id, theirs.id]
    expect(await textsOnDisk(location, gone)).toEqual(gone)
    expect(await textsOnDisk(location, ids)).toEqual(ids)
    await store.compact()
    expect(await textsOnDisk(location, [...gone, ...ids])).toEqual([])
    expect(await textsOnDisk(location, ['name-kept', kept.id])).toEqual(['name-kept', kept.id])
  })

  test('leaves the disk also where its deletion was under way when compact was called', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    await store.set({ scope: account, name: 'name-deleted', payload: 'p' })
    expect(await textsOnDisk(location, ['name-deleted'])).toEqual(['name-deleted'])
    await Promise.all([store.delete({ scope: account, name: 'name-deleted' }), store.compact()])
    expect(await textsOnDisk(location, ['name-deleted'])).toEqual([])
  })

  test('gives its room back', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    for (let n = 0; n < 5; n++) await store.set({ scope: account, name: 'n', payload: 'x'.repeat(200_000) })
    expect(await bytesOnDisk(location)).toBeGreaterThan(1_000_000)
    await store.compact()
    // One payload, its padding, and what LevelDB keeps of itself.
    expect(await bytesOnDisk(location)).toBeLessThan(300_000)
    expect(await store.get({ scope: account, name: 'n' })).toBe('x'.repeat(200_000))
  })
})

test('a compacted store opens with the tokens of before, and its own', async () => {
  const location = await newLocation()
  let store = await openStore(location)
  await store.set({ scope: account, name: 'n', payload: 'a' })
  await store.set({ scope: account, name: 'n', payload: 'b' })
  const before = await store.checkpoint()
  await store.compact()
  const after = await store.checkpoint()
  await store.close()
  for (const minimum of [before, after]) {
    store = await openStore(location, { minimum, verify: true })
    expect(await store.get({ scope: account, name: 'n' })).toBe('b')
    await store.close()
  }
})

test('synchronous reads while a store on disk compacts are answered or ERR_BUSY, never anything else', async () => {
  const store = await openStore(await newLocation(), { indexBytes: 0 })
  const target = { scope: account, name: 'n' }
  await store.set({ ...target, payload: 'p' })
  let isOver = false
  const compacting = store.compact().finally(() => {
    isOver = true
  })
  const seen = new Set<unknown>()
  while (!isOver) {
    seen.add(await codeOf(() => expect(store.getSync(target)).toBe('p')))
    await turnOfLoop()
  }
  await compacting
  expect([...seen].sort()).toEqual(readsAtOnce ? ['ERR_BUSY', 'no error'] : ['ERR_NO_SYNC'])
  if (readsAtOnce) expect(store.getSync(target)).toBe('p')
})
