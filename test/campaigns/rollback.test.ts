import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { describe, expect, test } from 'vitest'
import { account, type Scope, type SecretStore, type SecretView, user } from '../../src/index'
import type { Partition } from '../../src/model'
import { expiryRow, HEAD_ROW, idRow, payloadRow } from '../../src/storage/keyspace'
import { plainRow } from '../support/raw-rows'
import { codeOf, copyStore, newLocation, openStore, TestClock, temporaryDirectory, testKey } from '../support/stores'

const OWN: Partition = { account: undefined, livemode: false }
const SMALL = 'small'
const LARGE = 'L'.repeat(3000)

function set(store: SecretView, name: string, payload: string = name): Promise<unknown> {
  return store.set({ scope: account, name, payload })
}

describe('a checkpoint', () => {
  test('is met by the state it was taken of, and by every later one', async () => {
    const location = await newLocation()
    let store = await openStore(location)
    const tokens = [await store.checkpoint()]
    for (const step of [
      () => set(store, 'a'),
      () => set(store, 'a', 'replaced'),
      () => store.delete({ scope: account, name: 'a' }),
      () => store.compact(),
      () => set(store, 'b'),
    ]) {
      await step()
      tokens.push(await store.checkpoint())
      for (const minimum of tokens) {
        await store.close()
        store = await openStore(location, { minimum })
      }
    }
  })

  test('is not met by any earlier copy of the directory', async () => {
    const directory = await temporaryDirectory()
    const location = join(directory, 'secrets')
    const copies: string[] = []
    let minimum = ''
    for (let write = 0; write < 6; write++) {
      const store = await openStore(location)
      minimum = await store.checkpoint()
      if (write % 2 === 0) await set(store, 'same')
      else await store.delete({ scope: account, name: 'same' })
      await store.close()
      copies.push(join(directory, `copy-${write}`))
      await copyStore(location, join(directory, `copy-${write}`))
    }
    const [last, ...earlier] = copies.reverse() as [string, ...string[]]
    const store = await openStore(last, { minimum })
    minimum = await store.checkpoint()
    for (const copy of earlier) {
      expect(await codeOf(() => openStore(copy, { minimum }))).toBe('ERR_ROLLBACK')
      expect((await (await openStore(copy)).verify()).ok).toBe(true)
    }
  })

  test('taken while writes are under way is of the state after them', async () => {
    const directory = await temporaryDirectory()
    const location = join(directory, 'secrets')
    const before = await openStore(location)
    await before.close()
    await copyStore(location, join(directory, 'copy'))
    const store = await openStore(location)
    const [minimum] = await Promise.all([store.checkpoint(), set(store, 'later')])
    const writing = set(store, 'earlier')
    const after = await store.checkpoint()
    await writing
    await store.close()
    await (await openStore(join(directory, 'copy'), { minimum })).close()
    expect(await codeOf(() => openStore(join(directory, 'copy'), { minimum: after }))).toBe('ERR_ROLLBACK')
    await openStore(location, { minimum: after })
  })

  test('is not met by a store whose last files are gone', async () => {
    const location = await newLocation()
    let store = await openStore(location)
    await set(store, 'compacted')
    await store.compact()
    await set(store, 'in the log')
    const minimum = await store.checkpoint()
    await store.close()
    const logs = (await readdir(join(location, 'data'))).filter((name) => name.endsWith('.log'))
    expect(logs).toHaveLength(1)
    await rm(join(location, 'data', logs[0] as string))
    expect(await codeOf(() => openStore(location, { minimum }))).toBe('ERR_ROLLBACK')
    store = await openStore(location)
    expect(await store.get({ scope: account, name: 'compacted' })).toBe('compacted')
  })

  test('is not met by another store, or by none', async () => {
    const [location, other, absent] = [await newLocation(), await newLocation(), await newLocation()]
    const minimum = await (await openStore(location)).checkpoint()
    const otherStore = await openStore(other)
    for (const name of ['a', 'b', 'c']) await set(otherStore, name)
    await otherStore.close()
    expect(await codeOf(() => openStore(other, { minimum }))).toBe('ERR_ROLLBACK')
    expect(await codeOf(() => openStore(absent, { minimum }))).toBe('ERR_ROLLBACK')
    expect(await codeOf(() => openStore(absent, { createIfMissing: false }))).toBe('ERR_NOT_FOUND')
  })

  test('is not met by a fork that has had as many writes', async () => {
    const directory = await temporaryDirectory()
    const location = join(directory, 'secrets')
    const fork = join(directory, 'fork')
    await (await openStore(location)).close()
    await copyStore(location, fork)
    const tokens: string[] = []
    for (const path of [location, fork]) {
      const store = await openStore(path)
      await set(store, 'name', 'the same name and payload')
      tokens.push(await store.checkpoint())
      await store.close()
    }
    const [minimum, ofFork] = tokens
    expect(minimum).not.toBe(ofFork)
    expect(await codeOf(() => openStore(fork, { minimum: minimum as string }))).toBe('ERR_ROLLBACK')
    await openStore(location, { minimum: minimum as string })
  })

  test('that is malformed is a TypeError, and touches nothing', async () => {
    const location = await newLocation()
    const minimum = await checkpointOfNew(location)
    const version3 = Buffer.from(minimum, 'base64url')
    version3[0] = 3
    const malformed = ['', 'x', minimum.slice(1), minimum.slice(0, -1), `${minimum}A`, `${minimum}=`, ` ${minimum}`]
    malformed.push(version3.toString('base64url'), Buffer.alloc(57, 0xff).toString('base64url'))
    for (const token of malformed) {
      await expect(openStore(await newLocation(), { minimum: token }), token).rejects.toThrow(
        new TypeError('minimum: expected a token from checkpoint(), got something else'),
      )
    }
    await openStore(location, { minimum })
  })

  test('with any one character changed is refused', async () => {
    const location = await newLocation()
    const minimum = await checkpointOfNew(location)
    for (let index = 0; index < minimum.length; index++) {
      const other = minimum[index] === 'A' ? 'Q' : 'A'
      const changed = minimum.slice(0, index) + other + minimum.slice(index + 1)
      const code = await codeOf(async () => (await openStore(location, { minimum: changed })).close())
      expect(code === 'ERR_ROLLBACK' || code.startsWith('TypeError'), `character ${index}: ${code}`).toBe(true)
    }
  })
})

/** Creates a store at `location`, with one secret, and closes it. */
async function checkpointOfNew(location: string): Promise<string> {
  const store = await openStore(location)
  await set(store, 'name')
  const token = await store.checkpoint()
  await store.close()
  return token
}

/** What the attacks are made on. */
interface Place {
  readonly partition: Partition
  readonly scope: Scope
  readonly name: string
}

const PLACES = {
  small: { partition: OWN, scope: account, name: 'small' },
  'other small': { partition: OWN, scope: account, name: 'other small' },
  large: { partition: OWN, scope: account, name: 'large' },
  'other large': { partition: OWN, scope: account, name: 'other large' },
  "a user's": { partition: OWN, scope: user('usr_1'), name: 'small' },
  "another user's": { partition: OWN, scope: user('usr_2'), name: 'small' },
  'live mode': { partition: { account: undefined, livemode: true }, scope: account, name: 'small' },
  "another account's": { partition: { account: 'acct_1', livemode: false }, scope: account, name: 'small' },
  expiring: { partition: OWN, scope: account, name: 'expiring' },
  replaced: { partition: OWN, scope: account, name: 'replaced' },
  'replaced large': { partition: OWN, scope: account, name: 'replaced large' },
} satisfies Record<string, Place>

type PlaceName = keyof typeof PLACES

const recordRow = (place: PlaceName): Uint8Array => plainRow(PLACES[place])
const largeRow = (place: PlaceName): Uint8Array => payloadRow(recordRow(place))

function payloadAt(place: PlaceName): string {
  return `${place} ${place.includes('large') ? LARGE : SMALL}`
}

function viewOf(store: SecretStore, { partition: { account, livemode } }: Place): SecretView {
  return store.view({ livemode, ...(account === undefined ? {} : { account }) })
}

/** LevelDB itself, with the tools of the attack. */
interface Rows {
  get(key: Uint8Array): Promise<Uint8Array>
  put(key: Uint8Array, value: Uint8Array): Promise<void>
  del(key: Uint8Array): Promise<void>
  swap(a: Uint8Array, b: Uint8Array): Promise<void>
}

/** Gives `work` the rows of a closed store. */
async function edit<T>(location: string, work: (rows: Rows) => Promise<T>): Promise<T> {
  const database = new Level<Uint8Array, Uint8Array>(join(location, 'data'), {
    keyEncoding: 'view',
    valueEncoding: 'view',
    createIfMissing: false,
  })
  await database.open()
  const get = async (key: Uint8Array): Promise<Uint8Array> => {
    const value = (await database.get(key)) as Uint8Array | undefined
    if (value === undefined) throw new Error('attack: expected the row, got none')
    return Uint8Array.from(value)
  }
  const rows: Rows = {
    get,
    put: (key, value) => database.put(key, value),
    del: async (key) => {
      await get(key)
      await database.del(key)
    },
    async swap(a, b) {
      const [valueA, valueB] = [await get(a), await get(b)]
      await database.put(a, valueB)
      await database.put(b, valueA)
    },
  }
  try {
    return await work(rows)
  } finally {
    await database.close()
  }
}

interface Attacked {
  readonly clock: TestClock
  readonly location: string
  /** Rows as they were before the `replaced` ones were replaced, and before the last write. */
  readonly old: ReadonlyMap<PlaceName | 'head' | 'payload', Uint8Array>
  readonly ids: ReadonlyMap<PlaceName, string>
  readonly expiresAt: number
}

/** A closed store with a secret at every place. */
async function storeToAttack(): Promise<Attacked> {
  const location = await newLocation()
  const clock = new TestClock()
  const expiresAt = clock.seconds + 1000
  const old = new Map<PlaceName | 'head' | 'payload', Uint8Array>()
  const ids = new Map<PlaceName, string>()
  let store = await openStore(location, { now: clock.now })
  for (const [place, { scope, name, partition }] of Object.entries(PLACES) as [PlaceName, Place][]) {
    const payload = place.startsWith('replaced') ? `old ${payloadAt(place)}` : payloadAt(place)
    const expires_at = place === 'expiring' ? expiresAt : null
    const { id } = await viewOf(store, { partition, scope, name }).set({ scope, name, payload, expires_at })
    ids.set(place, id)
  }
  await store.close()
  await edit(location, async (rows) => {
    for (const place of ['replaced', 'replaced large'] as const) old.set(place, await rows.get(recordRow(place)))
    old.set('payload', await rows.get(largeRow('replaced large')))
    old.set('head', await rows.get(HEAD_ROW))
  })
  store = await openStore(location, { now: clock.now })
  for (const place of ['replaced', 'replaced large'] as const) await set(store, place, payloadAt(place))
  await store.close()
  return { clock, location, old, ids, expiresAt }
}

/** How each place that does not read right reads: the code of an error, `'missing'`, or the payload that is wrong. */
async function misreadings(store: SecretStore): Promise<Record<string, string>> {
  const wrong: Record<string, string> = {}
  for (const [place, { scope, name, partition }] of Object.entries(PLACES) as [PlaceName, Place][]) {
    const view = viewOf(store, { partition, scope, name })
    const readings = await Promise.all(
      [
        async () => (await view.find({ scope, name, expand: ['payload'] }))?.payload,
        () => view.get({ scope, name }),
        async () => view.getSync({ scope, name }),
      ].map((read) =>
        read().then(
          (payload) => payload ?? 'missing',
          (error: unknown) => codeOf(() => Promise.reject(error)),
        ),
      ),
    )
    expect(new Set(readings).size, `${place} reads in one way only`).toBe(1)
    if (readings[0] !== payloadAt(place)) wrong[place] = readings[0] as string
  }
  return wrong
}

interface Attack {
  readonly name: string
  readonly make: (rows: Rows, store: Attacked) => Promise<unknown>
  /** The places that do not read right afterwards; all others do. */
  readonly misread?: Partial<Record<PlaceName, string>>
  readonly problems: readonly string[]
}

const between = (a: PlaceName, b: PlaceName): Attack => ({
  name: `swapping the record rows of ${a} and ${b}`,
  make: (rows) => rows.swap(recordRow(a), recordRow(b)),
  misread: { [a]: 'ERR_CORRUPT', [b]: 'ERR_CORRUPT' },
  problems: ['altered record'],
})

function flipLast(value: Uint8Array): Uint8Array {
  const flipped = Uint8Array.from(value)
  flipped[flipped.length - 1] = (flipped.at(-1) as number) ^ 1
  return flipped
}

const ATTACKS: readonly Attack[] = [
  between('small', 'other small'),
  between('small', "a user's"),
  between("a user's", "another user's"),
  between('small', 'live mode'),
  between('small', "another account's"),
  between('large', 'other large'),
  {
    name: 'copying a record to a name that has none',
    make: async (rows) =>
      rows.put(Buffer.concat([recordRow('small'), Buffer.from('!')]), await rows.get(recordRow('small'))),
    problems: ['altered record', 'stray records'],
  },
  {
    name: 'moving a record to another name',
    make: async (rows) => {
      await rows.put(recordRow('other small'), await rows.get(recordRow('small')))
      await rows.del(recordRow('small'))
    },
    misread: { small: 'missing', 'other small': 'ERR_CORRUPT' },
    problems: ['altered record', 'missing records', 'stray id'],
  },
  {
    name: 'putting an old value of a record back',
    make: (rows, { old }) => rows.put(recordRow('replaced'), old.get('replaced') as Uint8Array),
    // Authentic, and its own: only all records together tell that it is not the last one.
    misread: { replaced: `old ${payloadAt('replaced')}` },
    problems: ['altered records'],
  },
  {
    name: 'putting an old value of a record with a large payload back',
    make: (rows, { old }) => rows.put(recordRow('replaced large'), old.get('replaced large') as Uint8Array),
    misread: { 'replaced large': 'ERR_CORRUPT' },
    problems: ['altered payload', 'altered records'],
  },
  {
    name: 'putting an old large payload back',
    make: (rows, { old }) => rows.put(largeRow('replaced large'), old.get('payload') as Uint8Array),
    misread: { 'replaced large': 'ERR_CORRUPT' },
    problems: ['altered payload'],
  },
  {
    name: 'putting an old record and its old large payload back',
    make: async (rows, { old }) => {
      await rows.put(recordRow('replaced large'), old.get('replaced large') as Uint8Array)
      await rows.put(largeRow('replaced large'), old.get('payload') as Uint8Array)
    },
    misread: { 'replaced large': `old ${payloadAt('replaced large')}` },
    problems: ['altered records'],
  },
  {
    name: 'putting an old head back',
    make: (rows, { old }) => rows.put(HEAD_ROW, old.get('head') as Uint8Array),
    problems: ['altered records'],
  },
  {
    name: 'removing a record',
    make: (rows) => rows.del(recordRow('small')),
    misread: { small: 'missing' },
    problems: ['missing records', 'stray id'],
  },
  {
    name: 'removing a record and all that leads to it',
    make: async (rows, { ids }) => {
      await rows.del(recordRow('large'))
      await rows.del(largeRow('large'))
      await rows.del(idRow(ids.get('large') as string))
    },
    misread: { large: 'missing' },
    problems: ['missing records'],
  },
  {
    name: 'altering a record',
    make: async (rows) => rows.put(recordRow('small'), flipLast(await rows.get(recordRow('small')))),
    misread: { small: 'ERR_CORRUPT' },
    problems: ['altered record'],
  },
  {
    name: 'emptying a record',
    make: (rows) => rows.put(recordRow('small'), new Uint8Array()),
    misread: { small: 'ERR_CORRUPT' },
    problems: ['altered record'],
  },
  {
    name: 'swapping large payloads',
    make: (rows) => rows.swap(largeRow('large'), largeRow('other large')),
    misread: { large: 'ERR_CORRUPT', 'other large': 'ERR_CORRUPT' },
    problems: ['altered payload'],
  },
  {
    name: 'removing a large payload',
    make: (rows) => rows.del(largeRow('large')),
    misread: { large: 'ERR_CORRUPT' },
    problems: ['missing payload'],
  },
  {
    name: 'lengthening a large payload in front of its tag',
    make: async (rows) => {
      const value = await rows.get(largeRow('large'))
      await rows.put(largeRow('large'), Buffer.concat([value.subarray(0, -16), Buffer.alloc(1), value.subarray(-16)]))
    },
    misread: { large: 'ERR_CORRUPT' },
    problems: ['altered payload'],
  },
  {
    name: 'a large payload for a secret that has a small one',
    make: async (rows) => rows.put(largeRow('small'), await rows.get(largeRow('large'))),
    problems: ['stray payload'],
  },
  {
    name: 'removing an expiry row',
    make: (rows, { ids, expiresAt }) => rows.del(expiryRow(expiresAt, ids.get('expiring') as string)),
    problems: ['missing expiry'],
  },
  {
    name: 'moving an expiry row to an earlier time',
    make: async (rows, { ids, expiresAt, clock }) => {
      await rows.del(expiryRow(expiresAt, ids.get('expiring') as string))
      await rows.put(expiryRow(clock.seconds - 1, ids.get('expiring') as string), recordRow('expiring'))
    },
    problems: ['missing expiry', 'stray expiry'],
  },
  {
    name: 'an expiry row, in the past, for a secret that never expires',
    make: (rows, { ids, clock }) =>
      rows.put(expiryRow(clock.seconds - 1, ids.get('small') as string), recordRow('small')),
    problems: ['stray expiry'],
  },
  {
    name: 'leading an expiry row to another secret',
    make: (rows, { ids, expiresAt }) =>
      rows.put(expiryRow(expiresAt, ids.get('expiring') as string), recordRow('small')),
    problems: ['altered expiry', 'stray expiry'],
  },
  {
    name: 'leading an id row to another secret',
    make: (rows, { ids }) => rows.put(idRow(ids.get('small') as string), recordRow('other small')),
    problems: ['altered id', 'stray id'],
  },
  {
    name: 'leading an id row to a large payload',
    make: (rows, { ids }) => rows.put(idRow(ids.get('small') as string), largeRow('large')),
    problems: ['altered id'],
  },
  {
    name: 'leading an id row to the head',
    make: (rows, { ids }) => rows.put(idRow(ids.get('small') as string), HEAD_ROW),
    problems: ['altered id'],
  },
  {
    name: 'removing an id row',
    make: (rows, { ids }) => rows.del(idRow(ids.get('small') as string)),
    problems: ['missing id'],
  },
  {
    name: 'an id row for an id there is none of',
    make: (rows) => rows.put(idRow('appsecret_forged'), recordRow('small')),
    problems: ['stray id'],
  },
  {
    name: 'a row of an unknown sort',
    make: (rows) => rows.put(Buffer.from('zzz'), new Uint8Array(10)),
    problems: ['stray row'],
  },
  {
    name: 'a row behind all others',
    make: (rows) => rows.put(Buffer.alloc(70, 0xff), new Uint8Array(10)),
    problems: ['stray row'],
  },
]

describe('direct access to LevelDB', () => {
  test('changes nothing by itself', async () => {
    const { location, clock } = await storeToAttack()
    await edit(location, async () => {})
    const store = await openStore(location, { now: clock.now })
    expect(await misreadings(store)).toEqual({})
    expect(await store.verify()).toEqual({ ok: true, records: Object.keys(PLACES).length, problems: [] })
  })

  test.each(ATTACKS.map((attack) => [attack.name, attack] as const))('%s is found out', async (_, attack) => {
    const { make, misread = {}, problems } = attack
    const attacked = await storeToAttack()
    await edit(attacked.location, (rows) => make(rows, attacked))
    const options = { now: attacked.clock.now }
    expect(await codeOf(() => openStore(attacked.location, { ...options, verify: true }))).toBe('ERR_CORRUPT')
    const store = await openStore(attacked.location, { ...options, verify: false })
    expect(await misreadings(store)).toEqual(misread)
    const report = await store.verify()
    expect(report.ok).toBe(false)
    const kinds = new Set(report.problems.map(({ kind, what }) => `${kind} ${what}`))
    for (const problem of problems) expect([...kinds]).toContain(problem)

    // Nothing that goes on afterwards hides it, or makes it worse.
    await codeOf(() => store.sweep())
    expect(await misreadings(store)).toEqual(misread)
    await set(store, 'unconcerned')
    await store.compact().catch(() => {})
    expect((await store.verify()).ok).toBe(false)
  })

  test('a cursor whose id row was led elsewhere is ERR_CORRUPT', async () => {
    for (const target of [recordRow('other small'), largeRow('large'), HEAD_ROW, Buffer.from('nowhere')]) {
      const { location, clock, ids } = await storeToAttack()
      const starting_after = ids.get('small') as string
      await edit(location, (rows) => rows.put(idRow(starting_after), target))
      const store = await openStore(location, { now: clock.now })
      const code = await codeOf(() => store.list({ scope: account, starting_after }))
      expect(code, Buffer.from(target).toString('latin1')).toBe('ERR_CORRUPT')
    }
  })

  test('an expired secret whose expiry row was removed is still gone', async () => {
    const { location, clock, ids, expiresAt } = await storeToAttack()
    await edit(location, (rows) => rows.del(expiryRow(expiresAt, ids.get('expiring') as string)))
    clock.advanceSeconds(1000)
    const store = await openStore(location, { now: clock.now })
    expect(await store.sweep()).toBe(0)
    expect(await store.get({ scope: account, name: 'expiring' })).toBeUndefined()
    expect((await store.list({ scope: account, limit: 100 })).data.map(({ name }) => name)).not.toContain('expiring')
  })

  test('a store without its head, or with one of another store, does not open', async () => {
    for (const make of [
      (rows: Rows) => rows.del(HEAD_ROW),
      async (rows: Rows) => rows.put(HEAD_ROW, flipLast(await rows.get(HEAD_ROW))),
      async (rows: Rows) => rows.put(HEAD_ROW, await rows.get(recordRow('small'))),
    ]) {
      const { location, clock } = await storeToAttack()
      await edit(location, make)
      expect(await codeOf(() => openStore(location, { now: clock.now }))).toBe('ERR_CORRUPT')
      expect(await codeOf(() => openStore(location, { now: clock.now }))).toBe('ERR_CORRUPT')
    }
  })

  test('rows of another store under the same key are refused', async () => {
    const [here, there] = [await storeToAttack(), await storeToAttack()]
    const stolen = await edit(there.location, async (rows) => ({
      record: await rows.get(recordRow('small')),
      payload: await rows.get(largeRow('large')),
      head: await rows.get(HEAD_ROW),
    }))
    await edit(here.location, async (rows) => {
      await rows.put(recordRow('small'), stolen.record)
      await rows.put(largeRow('large'), stolen.payload)
    })
    const store = await openStore(here.location, { now: here.clock.now, key: testKey() })
    expect(await misreadings(store)).toEqual({ small: 'ERR_CORRUPT', large: 'ERR_CORRUPT' })
    expect((await store.verify()).ok).toBe(false)
    await store.close()
    await edit(here.location, (rows) => rows.put(HEAD_ROW, stolen.head))
    expect(await codeOf(() => openStore(here.location, { now: here.clock.now }))).toBe('ERR_CORRUPT')
  })

  test('the data of another store under the same key is refused whole', async () => {
    const [here, there] = [await storeToAttack(), await storeToAttack()]
    await rm(join(here.location, 'data'), { recursive: true })
    await copyStore(join(there.location, 'data'), join(here.location, 'data'))
    expect(await codeOf(() => openStore(here.location, { now: here.clock.now }))).toBe('ERR_CORRUPT')
  })
})
