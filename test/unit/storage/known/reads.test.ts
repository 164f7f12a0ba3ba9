import { Session } from 'node:inspector'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { equal } from '../../../../src/base/bytes'
import type { StoreContext } from '../../../../src/context'
import { Keyring } from '../../../../src/crypto/keyring'
import {
  account,
  type OpenOptions,
  type Scope,
  type Secret,
  SecretStore,
  type SecretView,
  user,
} from '../../../../src/index'
import type { Change } from '../../../../src/storage/engine'
import { HEAD_ROW, payloadRow } from '../../../../src/storage/keyspace'
import { LevelEngine } from '../../../../src/storage/level/engine'
import { partsOf } from '../../../../src/view'
import { Draws } from '../../../support/campaign'
import { interceptWrites, writeTo } from '../../../support/engine-writes'
import { atLength } from '../../../support/lengths'
import { codeOf, newLocation, openStore, TestClock } from '../../../support/stores'
import { newGate, turnOfLoop } from '../../../support/waiting'

const LARGE = 'L'.repeat(3000)
const names = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n).padStart(4, '0'))

function fill(view: SecretView, some: readonly string[], scope: Scope = account): Promise<unknown> {
  return view.batch(some.map((name) => ({ type: 'set', scope, name, payload: `payload of ${name}` })))
}

/** A store in which nothing has been read yet. */
async function filled(count: number, options: Partial<OpenOptions> = {}): Promise<SecretStore> {
  const location = await newLocation()
  const store = await openStore(location, options)
  await fill(store, names(count))
  await store.close()
  return openStore(location, options)
}

interface Reads {
  /** How often the engine was asked for rows; the head, which a commit looks at, aside. */
  asked: number
  opened: number
}

const NONE: Reads = { asked: 0, opened: 0 }

/** What `work` costs of what a known record is to save. */
async function readsOf(work: () => unknown): Promise<Reads> {
  // What `get` answers at once it asks `getSync` for.
  const engine = (['getSync', 'getMany', 'scan', 'scanKeys'] as const).map((method) =>
    vi.spyOn(LevelEngine.prototype, method as 'getMany'),
  )
  const open = vi.spyOn(Keyring.prototype, 'openRow')
  try {
    await work()
    const calls = engine.flatMap((spy) => spy.mock.calls as unknown[][])
    const isHead = (key: unknown): boolean => key instanceof Uint8Array && equal(key, HEAD_ROW)
    return { asked: calls.filter(([key]) => !isHead(key)).length, opened: open.mock.calls.length }
  } finally {
    for (const spy of [...engine, open]) spy.mockRestore()
  }
}

async function walked(view: SecretView, cursor: { starting_after?: string; ending_before?: string } = {}) {
  const found: Secret[] = []
  for await (const secret of view.list({ scope: account, ...cursor })) found.push(secret)
  return found
}

const namesOf = (secrets: readonly Secret[]): string[] => secrets.map(({ name }) => name)
const page = async (view: SecretView, limit = 100): Promise<string[]> =>
  namesOf((await view.list({ scope: account, limit })).data)

function contextIn(store: SecretView): StoreContext {
  return partsOf(store)?.context as StoreContext
}

describe.each(['plain', 'sealed'] as const)('once it was read, with %s names,', (mode) => {
  test('a secret is found without being read again', async () => {
    const store = await filled(3, { names: mode })
    const target = { scope: account, name: '0001' }
    let first: Secret | undefined
    expect(await readsOf(async () => (first = await store.find(target)))).toEqual({ asked: 1, opened: 1 })
    expect(first).toMatchObject({ name: '0001' })
    expect(await readsOf(async () => expect(await store.find(target)).toEqual(first))).toEqual(NONE)
    expect(await readsOf(() => expect(store.findSync(target)).toEqual(first))).toEqual(NONE)
  })

  test('a secret is found without being read again, however many commits went before', async () => {
    const store = await filled(3, { names: mode })
    for (let n = 0; n < 100; n++) await store.set({ scope: user('usr_1'), name: 'other', payload: `${n}` })
    await store.find({ scope: account, name: '0001' })
    expect(await readsOf(() => store.find({ scope: account, name: '0001' }))).toEqual(NONE)
    await store.list({ scope: account })
    expect(await readsOf(() => store.list({ scope: account }))).toEqual(NONE)
  })

  test('a page is given again, and any part of it, without a read', async () => {
    const store = await filled(40, { names: mode })
    const whole = await page(store)
    expect(whole.toSorted()).toEqual(names(40))
    for (const limit of [1, 10, 39, 40, 41, 100]) {
      expect(await readsOf(async () => expect(await page(store, limit)).toEqual(whole.slice(0, limit)))).toEqual(NONE)
    }
    expect(await readsOf(() => Promise.all(names(40).map((name) => store.find({ scope: account, name }))))).toEqual(
      NONE,
    )
  })

  test('a page of ten is given again though there are more behind it', async () => {
    const store = await filled(40, { names: mode })
    const ten = await store.list({ scope: account })
    expect(ten.has_more).toBe(true)
    expect(await readsOf(async () => expect(await store.list({ scope: account })).toEqual(ten))).toEqual(NONE)
    expect((await readsOf(() => page(store, 11))).asked).toBeGreaterThan(0)
  })

  test('a walk costs nothing the second time, either way, from any cursor but for the id', async () => {
    const store = await filled(350, { names: mode })
    const all = await walked(store)
    expect(all).toHaveLength(350)
    expect(await readsOf(async () => expect(await walked(store)).toEqual(all))).toEqual(NONE)
    const id = (n: number): string => (all[n] as Secret).id
    // Where an id leads is asked of its row.
    const one = { asked: 1, opened: 0 }
    for (const at of [0, 1, 99, 100, 250, 349]) {
      const after = { starting_after: id(at) }
      const before = { ending_before: id(at) }
      expect(await readsOf(async () => expect(await walked(store, after)).toEqual(all.slice(at + 1)))).toEqual(one)
      expect(
        await readsOf(async () => expect(await walked(store, before)).toEqual(all.slice(0, at).reverse())),
      ).toEqual(one)
      const behind = async (): Promise<void> =>
        expect((await store.list({ scope: account, limit: 20, ...after })).data).toEqual(all.slice(at + 1, at + 21))
      const ahead = async (): Promise<void> =>
        expect((await store.list({ scope: account, limit: 20, ...before })).data).toEqual(
          all.slice(Math.max(0, at - 20), at),
        )
      expect(await readsOf(behind)).toEqual(one)
      expect(await readsOf(ahead)).toEqual(one)
    }
  })

  test('a walk backward serves one forward', async () => {
    const store = await filled(250, { names: mode })
    const last = (await store.list({ scope: account, limit: 100 })).data.at(-1) as Secret
    const upTo = (await walked(store, { ending_before: last.id })).toReversed()
    expect(upTo).toHaveLength(99)
    expect(await readsOf(async () => expect(await page(store, 99)).toEqual(namesOf(upTo)))).toEqual(NONE)
  })

  test('it stays known whatever is written', async () => {
    const clock = new TestClock()
    const store = await filled(20, { names: mode, now: clock.now })
    const expires_at = clock.seconds + 10
    const before = await walked(store)
    const reads = await readsOf(async () => {
      await store.set({ scope: account, name: '0005', payload: 'again', expires_at })
      await store.set({ scope: account, name: '0005a', payload: LARGE })
      await store.delete({ scope: account, name: '0007' })
      await store.batch([
        { type: 'set', scope: account, name: 'z', payload: 'new' },
        { type: 'delete', scope: account, name: '0000' },
        { type: 'set', scope: account, name: '0000', payload: 'new again' },
      ])
    })
    // Those that were only read are not known well enough to be replaced without their rows.
    expect(reads.opened).toBeLessThanOrEqual(3)
    let after: Secret[] = []
    expect(await readsOf(async () => (after = await walked(store)))).toEqual(NONE)
    expect(namesOf(after).toSorted()).toEqual([...names(20).filter((name) => name !== '0007'), '0005a', 'z'].toSorted())
    const found = (name: string, some: Secret[]): Secret | undefined => some.find((secret) => secret.name === name)
    expect(found('0005', after)).toEqual({ ...found('0005', before), expires_at })
    expect(found('0000', after)?.id).not.toBe(found('0000', before)?.id)
    expect(await readsOf(() => store.find({ scope: account, name: '0005a' }))).toEqual(NONE)
    // What expires is met by a read, which has it deleted, and the next one knows that, too.
    clock.advanceSeconds(10)
    expect(await page(store)).not.toContain('0005')
    await store.checkpoint()
    expect(await readsOf(async () => expect(await page(store)).toHaveLength(20))).toEqual(NONE)
  })

  test('what this process has written is replaced and deleted without its row being read', async () => {
    const store = await filled(10, { names: mode })
    await page(store)
    const target = { scope: account, name: '0003' }
    const first = await store.set({ ...target, payload: LARGE })
    for (const payload of ['short', LARGE, 'short again']) {
      expect(await readsOf(async () => expect((await store.set({ ...target, payload })).id).toBe(first.id))).toEqual(
        NONE,
      )
    }
    expect(await readsOf(async () => expect((await store.delete(target))?.id).toBe(first.id))).toEqual(NONE)
    expect(await store.find(target)).toBeUndefined()
    expect(await store.verify()).toEqual({ ok: true, records: 9, problems: [] })
  })

  test('the sweep opens nothing that is known', async () => {
    const clock = new TestClock()
    const store = await filled(1, { names: mode, now: clock.now })
    const expires_at = clock.seconds + 5
    await store.batch(
      names(30).map((name) => ({ type: 'set', scope: account, name: `x${name}`, payload: 'p', expires_at }) as const),
    )
    await page(store)
    await store.batch(
      names(30).map((name) => ({ type: 'set', scope: account, name: `x${name}`, payload: 'q', expires_at }) as const),
    )
    clock.advanceSeconds(5)
    expect((await readsOf(async () => expect(await store.sweep()).toBe(30))).opened).toBe(0)
    expect(await page(store)).toEqual(['0000'])
    expect(await store.verify()).toEqual({ ok: true, records: 1, problems: [] })
  })
})

test('partitions and scopes are known each for itself', async () => {
  const store = await openStore(await newLocation())
  const views = [
    store,
    store.view({ livemode: true }),
    store.view({ account: 'acct_1' }),
    store.view({ account: 'acct' }),
  ]
  const scopes = [account, user('usr_1'), user('account'), user('usr_11')]
  for (const [v, view] of views.entries()) {
    for (const [s, scope] of scopes.entries()) await fill(view, [`${v}${s}`, 'shared'], scope)
  }
  const lists = (): Promise<string[][]> =>
    Promise.all(views.flatMap((view) => scopes.map(async (scope) => namesOf((await view.list({ scope })).data))))
  const expected = views.flatMap((_, v) => scopes.map((_, s) => [`${v}${s}`, 'shared']))
  expect(await lists()).toEqual(expected)
  expect(await readsOf(async () => expect(await lists()).toEqual(expected))).toEqual(NONE)
  const owners = views.flatMap((_, v) => scopes.map((scope) => ({ livemode: v === 1, scope })))
  const found = (): Promise<unknown[]> =>
    Promise.all(views.flatMap((view) => scopes.map((scope) => view.find({ scope, name: 'shared' }))))
  const listed = (): Promise<unknown[]> =>
    Promise.all(views.flatMap((view) => scopes.map(async (scope) => (await view.list({ scope })).data[1])))
  for (const shown of [found, listed]) {
    expect(await readsOf(async () => expect(await shown()).toMatchObject(owners))).toEqual(NONE)
  }
  await (views[2] as SecretView).delete({ scope: user('usr_1'), name: 'shared' })
  await (views[1] as SecretView).set({ scope: account, name: '0', payload: 'first' })
  const changed = expected.map((list, index) => (index === 9 ? ['21'] : index === 4 ? ['0', ...list] : list))
  expect(await readsOf(async () => expect(await lists()).toEqual(changed))).toEqual(NONE)
  const own = store.view({ account: 'acct_1', user: 'usr_1' })
  expect(await codeOf(() => own.list({ scope: user('usr_11') }))).toBe('ERR_ACCESS_DENIED')
  expect(await codeOf(() => own.find({ scope: user('usr_11'), name: 'shared' }))).toBe('ERR_ACCESS_DENIED')
})

test('what a caller does to an answer changes no later one', async () => {
  const store = await openStore(await newLocation())
  const target = { scope: user('usr_1'), name: 'n' }
  const scope = { type: 'user' as const, user: 'usr_1' }
  const set = store.set({ scope, name: 'n', payload: 'p' })
  scope.user = 'usr_2'
  const secret = await set
  const expected = structuredClone(secret)
  const spoil = (one: Secret): void => {
    Object.assign(one, { name: 'spoilt', expires_at: 1 })
    Object.assign(one.scope, { type: 'user', user: 'spoilt' })
  }
  spoil(secret)
  for (let n = 0; n < 3; n++) {
    const found = (await store.find(target)) as Secret
    expect(found).toEqual(expected)
    spoil(found)
    const [listed] = (await store.list({ scope: target.scope })).data as [Secret]
    expect(listed).toEqual(expected)
    spoil(listed)
  }
})

/** Reads take the slow way, over which a commit may overtake them. */
function readSlowly(): void {
  const spy = vi.spyOn(LevelEngine.prototype, 'canReadSync').mockReturnValue(false)
  onTestFinished(() => spy.mockRestore())
}

/** Holds back one answer of the engine: the next one, from now on. */
function hold(method: 'scan' | 'get' | 'getMany' | 'write', when: 'before' | 'after' = 'after') {
  const [reached, gate] = [newGate(), newGate()]
  let isFirst = true
  interposeOn(method, async (work) => {
    const isHeld = isFirst
    isFirst = false
    if (isHeld && when === 'before') {
      reached.open()
      await gate.opened
    }
    const answer = await work()
    if (isHeld && when === 'after') {
      reached.open()
      await gate.opened
    }
    return answer
  })
  return { held: reached.opened, release: gate.open }
}

/** Stands between the engine and those who await one of its answers, until the end of the test. */
function interposeOn(
  method: 'scan' | 'get' | 'getMany' | 'write',
  handle: <T>(work: () => Promise<T>) => Promise<T>,
): void {
  if (method === 'write') {
    const spy = interceptWrites(LevelEngine.prototype, (_, write) => handle(write))
    onTestFinished(() => spy.mockRestore())
    return
  }
  const original = LevelEngine.prototype[method] as (...args: unknown[]) => Promise<unknown>
  const spy = vi.spyOn(LevelEngine.prototype, method as 'get').mockImplementation(async function (
    this: LevelEngine,
    ...args: unknown[]
  ) {
    return (await handle(() => original.apply(this, args))) as never
  })
  onTestFinished(() => spy.mockRestore())
}

describe('a read that a commit overtakes', () => {
  test('leaves nothing of a page behind that is no longer so', async () => {
    readSlowly()
    const store = await filled(6)
    const { held, release } = hold('scan')
    const old = Promise.all([store.list({ scope: account, limit: 100 })])
    await held
    await store.delete({ scope: account, name: '0001' })
    await store.set({ scope: account, name: '0002', payload: 'again', expires_at: 4_000_000_000 })
    await store.set({ scope: account, name: '0002a', payload: 'new' })
    release()
    await old
    const { data } = await store.list({ scope: account, limit: 100 })
    expect(namesOf(data)).toEqual(['0000', '0002', '0002a', '0003', '0004', '0005'])
    expect(data[1]?.expires_at).toBe(4_000_000_000)
    expect(await store.find({ scope: account, name: '0001' })).toBeUndefined()
    expect((await store.find({ scope: account, name: '0002' }))?.expires_at).toBe(4_000_000_000)
    expect((await store.find({ scope: account, name: '0002a' }))?.name).toBe('0002a')
  })

  test.each(['delete', 'replace'])('leaves nothing of one secret behind that is no longer so: %s', async (change) => {
    readSlowly()
    const store = await filled(3)
    const target = { scope: account, name: '0001' }
    const { held, release } = hold('get')
    const old = store.find(target)
    await held
    if (change === 'delete') await store.delete(target)
    else await store.set({ ...target, payload: 'again', expires_at: 4_000_000_000 })
    release()
    await old
    const expires_at = change === 'delete' ? undefined : 4_000_000_000
    for (let n = 0; n < 2; n++) {
      expect((await store.find(target))?.expires_at).toBe(expires_at)
      expect((await store.list({ scope: account })).data.find(({ name }) => name === '0001')?.expires_at).toBe(
        expires_at,
      )
    }
  })

  test('is overtaken by a hundred as by one', async () => {
    readSlowly()
    const store = await filled(6)
    const { held, release } = hold('scan')
    const old = Promise.all([store.list({ scope: account, limit: 100 })])
    await held
    await store.delete({ scope: account, name: '0003' })
    for (let n = 0; n < 100; n++) await store.set({ scope: user('usr_1'), name: 'other', payload: `${n}` })
    release()
    await old
    expect(await page(store)).toEqual(names(6).filter((name) => name !== '0003'))
    expect(await store.find({ scope: account, name: '0003' })).toBeUndefined()
  })

  test('a commit that is under way when the read begins overtakes it, too', async () => {
    readSlowly()
    const store = await filled(6)
    const commit = hold('write', 'before')
    const deleting = store.delete({ scope: account, name: '0003' })
    await commit.held
    const scan = hold('scan')
    const old = Promise.all([store.list({ scope: account, limit: 100 })])
    await scan.held
    commit.release()
    await deleting
    scan.release()
    expect(namesOf((await old)[0].data)).toEqual(names(6))
    expect(await page(store)).toEqual(names(6).filter((name) => name !== '0003'))
  })
})

describe('a place up to which, or from which on, a page was read', () => {
  /** Does `work` when the engine has read the nth page from now on, before it is handed on. */
  function whenScanned(nth: number, work: () => Promise<unknown>): void {
    const { scan } = LevelEngine.prototype
    let calls = 0
    const spy = vi.spyOn(LevelEngine.prototype, 'scan').mockImplementation(async function (this: LevelEngine, range) {
      const rows = await scan.call(this, range)
      if (++calls === nth) await work()
      return rows
    })
    onTestFinished(() => spy.mockRestore())
  }

  test.each([1500, 1800, 2100, 2300, 2500, 2800, 3200, 4000, 1_000_000])(
    'does not hide the secret there that was let go of meanwhile, with %i bytes',
    async (indexBytes) => {
      const store = await filled(3, { indexBytes })
      const others = names(30).map((name) => ({ scope: user('usr_1'), name }))
      await fill(store, names(30), user('usr_1'))
      const { id } = (await store.find({ scope: account, name: '0001' })) as Secret
      whenScanned(1, () => Promise.all(others.map((other) => store.find(other))))
      expect(namesOf((await store.list({ scope: account, ending_before: id })).data)).toEqual(['0000'])
      expect(namesOf((await store.list({ scope: account, starting_after: id })).data)).toEqual(['0002'])
      for (let n = 0; n < 2; n++) {
        expect(await page(store)).toEqual(names(3))
        expect(await store.find({ scope: account, name: '0001' })).toBeDefined()
      }
      const last = (await store.find({ scope: account, name: '0002' })) as Secret
      expect(namesOf((await store.list({ scope: account, ending_before: last.id })).data)).toEqual(['0000', '0001'])
    },
  )

  test('does not hide the secret that is set there afterwards', async () => {
    const clock = new TestClock()
    const store = await filled(1, { now: clock.now })
    await store.set({ scope: account, name: 'a', payload: 'p', expires_at: clock.seconds + 5 })
    clock.advanceSeconds(5)
    // The page goes on right behind `a`, which has expired, and is deleted before it is through.
    whenScanned(2, () => store.checkpoint())
    expect(namesOf((await store.list({ scope: account, limit: 1 })).data)).toEqual(['0000'])
    const { id } = await store.set({ scope: account, name: 'a', payload: 'p' })
    await store.set({ scope: account, name: 'a\0', payload: 'p' })
    expect(namesOf((await store.list({ scope: account, starting_after: id })).data)).toEqual(['a\0'])
    expect(await page(store)).toEqual(['0000', 'a', 'a\0'])
  })
})

describe('while a commit is on its way', () => {
  test.each([true, false])(
    'nobody sees the old after somebody has seen the new (known before: %s)',
    async (isKnown) => {
      const store = await filled(6)
      if (isKnown) await walked(store)
      const commit = hold('write', 'after')
      const writing = store.batch([
        { type: 'delete', scope: account, name: '0001' },
        { type: 'set', scope: account, name: '0002', payload: 'again', expires_at: 4_000_000_000 },
        { type: 'set', scope: account, name: '0002a', payload: 'new' },
      ])
      await commit.held
      expect(await store.get({ scope: account, name: '0002' })).toBe('again')
      expect(await store.get({ scope: account, name: '0001' })).toBeUndefined()
      for (let n = 0; n < 2; n++) {
        expect(await store.find({ scope: account, name: '0001' })).toBeUndefined()
        expect((await store.find({ scope: account, name: '0002' }))?.expires_at).toBe(4_000_000_000)
        expect(await store.find({ scope: account, name: '0002a' })).toBeDefined()
        expect(await page(store)).toEqual(['0000', '0002', '0002a', '0003', '0004', '0005'])
        expect(namesOf(await walked(store))).toHaveLength(6)
      }
      commit.release()
      await writing
      expect(await page(store)).toEqual(['0000', '0002', '0002a', '0003', '0004', '0005'])
    },
  )

  test('what it does not touch is answered from memory', async () => {
    const store = await filled(6)
    await fill(store, ['a', 'b'], user('usr_1'))
    await walked(store)
    await store.list({ scope: user('usr_1') })
    const commit = hold('write', 'before')
    const writing = store.delete({ scope: account, name: '0001' })
    await commit.held
    expect(await readsOf(() => store.find({ scope: account, name: '0002' }))).toEqual(NONE)
    expect(await readsOf(() => store.list({ scope: user('usr_1') }))).toEqual(NONE)
    expect((await readsOf(() => store.find({ scope: account, name: '0001' }))).asked).toBe(1)
    expect((await readsOf(() => store.list({ scope: account }))).asked).toBeGreaterThan(0)
    commit.release()
    await writing
  })

  test.each([1, 2, 3])('every reader goes forward in time, seed %i', async (seed) => {
    readSlowly()
    const store = await openStore(await newLocation(), { indexBytes: seed === 3 ? 2500 : 1_000_000 })
    await disturbEngine(seed)
    const draws = new Draws(seed)
    const some = ['a', 'b', 'c', 'd']
    const base = 4_000_000_000
    // Version n of a name expires at base + n; every third one is that there is none.
    const submitted = new Map(some.map((name) => [name, 0]))
    const seen = new Map(some.map((name) => [name, 0]))
    let observations = 0
    const observe = (name: string, least: number, expires_at: number | null | undefined): void => {
      observations++
      const most = submitted.get(name) as number
      let version = least
      if (expires_at === undefined) while (version % 3 !== 0) version++
      else version = (expires_at as number) - base
      expect(version).toBeGreaterThanOrEqual(least)
      expect(version).toBeLessThanOrEqual(most)
      if (version > (seen.get(name) as number)) seen.set(name, version)
    }
    const writer = async (name: string): Promise<void> => {
      for (let version = 1; version <= 40; version++) {
        submitted.set(name, version)
        if (version % 3 === 0) await store.delete({ scope: account, name })
        else await store.set({ scope: account, name, payload: `${version}`, expires_at: base + version })
        if ((seen.get(name) as number) < version) seen.set(name, version)
      }
    }
    let writing = some.length
    const reader = async (): Promise<void> => {
      while (writing > 0) {
        const least = new Map(seen)
        const name = draws.pick(some)
        const kind = draws.below(4)
        if (kind === 0) {
          const payload = await store.get({ scope: account, name })
          observe(name, least.get(name) as number, payload === undefined ? undefined : base + Number(payload))
        } else if (kind === 1) {
          const found = await store.find({ scope: account, name })
          observe(name, least.get(name) as number, found?.expires_at)
        } else {
          const { data } = await store.list({ scope: account, limit: 100 })
          for (const one of some) {
            observe(one, least.get(one) as number, data.find((secret) => secret.name === one)?.expires_at)
          }
        }
      }
    }
    const writers = some.map((name) => writer(name).finally(() => writing--))
    await Promise.all([...writers, reader(), reader(), reader()])
    expect(observations).toBeGreaterThan(100)
  })
})

/** Every answer of the engine takes its time, some turns before and some after the work. */
async function disturbEngine(seed: number): Promise<void> {
  const draws = new Draws(seed)
  const wait = async (): Promise<void> => {
    for (let turns = draws.below(4); turns > 0; turns--) await turnOfLoop()
  }
  for (const method of ['get', 'getMany', 'scan', 'write'] as const) {
    interposeOn(method, async (work) => {
      await wait()
      const answer = await work()
      await wait()
      return answer
    })
  }
}

describe('a commit that fails', () => {
  test.each([
    ['after it was written', true],
    ['before', false],
  ])('%s: what it touched is asked of the rows from then on', async (_, isWritten) => {
    const location = await newLocation()
    const store = await openStore(location)
    await fill(store, names(5))
    const before = await walked(store)
    const fail = async (_: unknown, write: () => Promise<boolean>): Promise<never> => {
      if (isWritten) expect(await write()).toBe(true)
      throw new Error('disk full')
    }
    const fault = interceptWrites(LevelEngine.prototype, fail, 1)
    const failing = store.batch([
      { type: 'delete', scope: account, name: '0001' },
      { type: 'set', scope: account, name: '0002', payload: 'again', expires_at: 4_000_000_000 },
      { type: 'set', scope: account, name: '0002a', payload: 'new' },
    ])
    expect(await codeOf(() => failing)).toBe('ERR_FAILED')
    fault.mockRestore()
    const agree = async (reader: SecretStore): Promise<void> => {
      const expected = isWritten ? ['0000', '0002', '0002a', '0003', '0004'] : names(5)
      for (let n = 0; n < 3; n++) {
        expect(await page(reader)).toEqual(expected)
        for (const name of [...names(5), '0002a']) {
          const found = await reader.find({ scope: account, name })
          const payload = await reader.get({ scope: account, name })
          expect(found === undefined).toBe(payload === undefined)
          expect(found !== undefined).toBe(expected.includes(name))
          if (name === '0002') expect(found?.expires_at === 4_000_000_000).toBe(payload === 'again')
          if (name === '0003') expect(found).toEqual(before[3])
        }
      }
    }
    await agree(store)
    expect((await readsOf(() => store.find({ scope: account, name: '0002' }))).asked).toBe(1)
    expect((await readsOf(() => store.find({ scope: account, name: '0002' }))).asked).toBe(1)
    expect((await readsOf(() => page(store))).asked).toBeGreaterThan(0)
    expect(await readsOf(() => store.find({ scope: account, name: '0003' }))).toEqual(NONE)
    await store.close()
    const again = await openStore(location)
    await agree(again)
    expect(await again.verify()).toMatchObject({ ok: true, records: 5 })
  })

  test('to be sealed reaches no row, and everything stays known', async () => {
    const store = await filled(5)
    await walked(store)
    const fault = vi.spyOn(Keyring.prototype, 'sealRow').mockImplementationOnce(() => {
      throw new Error('no randomness')
    })
    await expect(store.set({ scope: account, name: '0002', payload: 'again' })).rejects.toThrow('no randomness')
    fault.mockRestore()
    expect(await readsOf(async () => expect(await page(store)).toEqual(names(5)))).toEqual(NONE)
    await store.set({ scope: account, name: '0002', payload: 'again', expires_at: 4_000_000_000 })
    expect((await store.find({ scope: account, name: '0002' }))?.expires_at).toBe(4_000_000_000)
    expect(await store.verify()).toMatchObject({ ok: true, records: 5 })
  })
})

describe('payloads', () => {
  test('are nowhere in what is known, and after close nothing is', async () => {
    const store = await openStore(await newLocation())
    const target = { scope: account, name: 'the name' }
    const secret = 'never to be kept in memory'
    await store.list({ scope: account })
    await store.set({ ...target, payload: secret })
    await store.set({ scope: account, name: 'large', payload: `${secret}${LARGE}` })
    await store.find({ ...target, expand: ['payload'] })
    await store.get(target)
    await store.list({ scope: account, expand: ['data.payload'] })
    await page(store)
    await store.set({ ...target, payload: `${secret} again` })
    const { known } = contextIn(store)
    expect(known.bytes).toBeGreaterThan(0)
    const kept = everythingIn(known)
    expect(kept).toContain('the name')
    expect(kept).not.toContain(secret)
    expect(kept).not.toContain('LLLLLLLL')
    await store.close()
    expect(known.bytes).toBe(0)
    expect(known.scan({ gte: '', lt: '\xff', limit: 100, reverse: false })).toBeUndefined()
  })
})

/** All text and all bytes that can be reached from an object, through its private fields, too, as Latin-1. */
function everythingIn(object: object): string {
  const session = new Session()
  session.connect()
  const found: string[] = []
  const seen = new Set<unknown>()
  const meet = (value: unknown): void => {
    if (typeof value === 'string') found.push(value)
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    if (ArrayBuffer.isView(value)) {
      found.push(Buffer.from(value.buffer as ArrayBuffer).toString('latin1'))
      return
    }
    if (value instanceof Map || value instanceof Set)
      for (const [key, item] of value.entries()) [key, item].forEach(meet)
    for (const key of Reflect.ownKeys(value)) meet(Reflect.get(value, key))
    for (const field of privateFieldsOf(session, value)) meet(field)
  }
  meet(object)
  session.disconnect()
  return found.join('\n')
}

/** Through the debugger, which alone may look there. It answers at once within the same thread. */
function privateFieldsOf(session: Session, object: object): unknown[] {
  const held: { object: object; fields: unknown[] } = { object, fields: [] }
  const place = Symbol.for('test.held')
  Object.assign(globalThis, { [place]: held })
  const evaluate = "globalThis[Symbol.for('test.held')]"
  let ids: string[] = []
  session.post('Runtime.evaluate', { expression: `${evaluate}.object` }, (error, { result }) => {
    if (error !== null) throw error
    session.post('Runtime.getProperties', { objectId: result.objectId as string, ownProperties: true }, (_, answer) => {
      const { privateProperties = [] } = answer as { privateProperties?: { value?: { objectId?: string } }[] }
      ids = privateProperties.flatMap(({ value }) => value?.objectId ?? [])
    })
  })
  for (const objectId of ids) {
    const take = `function () { ${evaluate}.fields.push(this) }`
    session.post('Runtime.callFunctionOn', { objectId, functionDeclaration: take })
  }
  Reflect.deleteProperty(globalThis, place)
  return held.fields
}

type Damage = (key: Uint8Array, value: Uint8Array) => Change

describe('damage under an open store', () => {
  async function damage(store: SecretStore, change: Damage, what: 'record' | 'payload', name: string): Promise<void> {
    const { engine, keyspace, queue } = contextIn(store)
    const row = keyspace.record({ partition: { account: undefined, livemode: false }, scope: account, name }).bytes
    const key = what === 'record' ? row : payloadRow(row)
    const damaging = change(key, engine.getSync(key) as Uint8Array)
    expect(await writeTo(engine, [damaging], queue.headValue)).toBe(true)
  }
  async function damaged(change: Damage, what: 'record' | 'payload', name: string): Promise<SecretStore> {
    const store = await openStore(await newLocation())
    await fill(store, names(3))
    await store.set({ scope: account, name: 'large', payload: LARGE })
    await walked(store)
    await damage(store, change, what, name)
    return store
  }
  const flip = (key: Uint8Array, value: Uint8Array): Change => {
    const flipped = value.slice()
    flipped[flipped.length - 1] = (flipped[flipped.length - 1] as number) ^ 1
    return { type: 'put', key, value: flipped }
  }
  const remove = (key: Uint8Array): Change => ({ type: 'del', key })

  test.each([
    ['record', '0001'],
    ['payload', 'large'],
  ] as const)('of a %s is met by whoever wants its payload', async (what, name) => {
    const store = await damaged(flip, what, name)
    const target = { scope: account, name }
    expect(await codeOf(() => store.find({ ...target, expand: ['payload'] }))).toBe('ERR_CORRUPT')
    expect(await codeOf(() => store.findSync({ ...target, expand: ['payload'] }))).toBe('ERR_CORRUPT')
    expect(await codeOf(() => store.get(target))).toBe('ERR_CORRUPT')
    expect(await codeOf(() => store.getBytes(target))).toBe('ERR_CORRUPT')
    expect(await codeOf(() => store.list({ scope: account, expand: ['data.payload'] }))).toBe('ERR_CORRUPT')
    expect(await codeOf(() => store.delete({ ...target, expand: ['payload'] }))).toBe('ERR_CORRUPT')
  })

  test.each([
    ['altered record', flip, 'record', '0001'],
    ['altered record of a large payload', flip, 'record', 'large'],
    ['altered payload', flip, 'payload', 'large'],
    ['missing record', remove, 'record', '0001'],
    ['missing record of a large payload', remove, 'record', 'large'],
    ['missing payload', remove, 'payload', 'large'],
  ] as const)('is found by verify, which goes by nothing that is known: %s', async (_, change, what, name) => {
    const store = await damaged(change, what, name)
    await walked(store)
    const report = await store.verify()
    expect(report.ok).toBe(false)
    expect(report.problems.map((problem) => problem.what)).toContain(
      change === remove && what === 'record' ? 'records' : what,
    )
  })

  test.each([
    ['altered', flip],
    ['gone', remove],
  ] as const)(
    'a row that is %s is damage to whoever deletes its known secret and wants the payload',
    async (_, change) => {
      const store = await openStore(await newLocation())
      await page(store)
      await fill(store, names(3))
      await damage(store, change, 'record', '0001')
      const deleting = store.delete({ scope: account, name: '0001', expand: ['payload'] })
      expect(await codeOf(() => deleting)).toBe('ERR_CORRUPT')
    },
  )
})

describe('indexBytes', () => {
  test.each([
    ['1', TypeError, 'indexBytes: expected a number, got a string'],
    [null, undefined, ''],
    [true, TypeError, 'indexBytes: expected a number, got a boolean'],
    [1n, TypeError, 'indexBytes: expected a number, got a bigint'],
    [-1, RangeError, `indexBytes: expected an integer from 0 to ${Number.MAX_SAFE_INTEGER}, got -1`],
    [0.5, RangeError, `indexBytes: expected an integer from 0 to ${Number.MAX_SAFE_INTEGER}, got 0.5`],
    [Number.NaN, RangeError, `indexBytes: expected an integer from 0 to ${Number.MAX_SAFE_INTEGER}, got NaN`],
    [Number.POSITIVE_INFINITY, RangeError, 'got Infinity'],
  ])('given as %s', async (indexBytes, kind, message) => {
    const options = { indexBytes: indexBytes as number }
    if (kind === undefined) {
      await SecretStore.memory(options).close()
      return
    }
    const making = (): SecretStore => SecretStore.memory(options)
    expect(making).toThrow(kind)
    expect(making).toThrow(message)
    await expect(openStore(await newLocation(), options)).rejects.toThrow(message)
  })

  test('spelt wrong is named', () => {
    expect(() => SecretStore.memory({ indexbytes: 1 } as never)).toThrow("(did you mean 'indexBytes'?)")
  })

  test('of nothing keeps nothing', async () => {
    const store = await filled(5, { indexBytes: 0 })
    for (let n = 0; n < 2; n++) {
      expect(await readsOf(() => walked(store))).toEqual({ asked: 1, opened: 5 })
      expect(await readsOf(() => store.find({ scope: account, name: '0001' }))).toEqual({ asked: 1, opened: 1 })
      await store.set({ scope: account, name: '0001', payload: 'again' })
    }
    expect(contextIn(store).known.bytes).toBe(0)
  })

  test('bounds what is known of thousands, and every answer is right', async () => {
    const bounds = [2000, 20_000, 200_000]
    for (const indexBytes of bounds) {
      const store = SecretStore.memory({ indexBytes, sweepIntervalMs: 0, compactIntervalMs: 0 })
      const { known } = contextIn(store)
      const all = names(atLength(4000, 20_000))
      const check = (): void => {
        expect(known.bytes).toBeGreaterThanOrEqual(0)
        expect(known.bytes).toBeLessThanOrEqual(indexBytes + 1000)
      }
      for (let start = 0; start < all.length; start += 1000) {
        await fill(store, all.slice(start, start + 1000))
        check()
      }
      const draws = new Draws(indexBytes)
      const sorted = all.toSorted()
      for (let n = 0; n < 150; n++) {
        const at = draws.below(sorted.length)
        const found = await store.find({ scope: account, name: sorted[at] as string })
        expect(found?.name).toBe(sorted[at])
        const after = await store.list({ scope: account, limit: 20, starting_after: (found as Secret).id })
        expect(namesOf(after.data)).toEqual(sorted.slice(at + 1, at + 21))
        const before = await store.list({ scope: account, limit: 20, ending_before: (found as Secret).id })
        expect(namesOf(before.data)).toEqual(sorted.slice(Math.max(0, at - 20), at))
        check()
      }
      if (indexBytes === 20_000) expect(namesOf(await walked(store))).toEqual(sorted)
      check()
      await store.close()
      expect(known.bytes).toBe(0)
    }
  })
})
