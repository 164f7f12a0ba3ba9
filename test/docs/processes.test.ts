import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { account, SecretStore } from '../../src/index'
import { SecretView } from '../../src/view'
import { fromRoot } from '../support/paths'
import { codeOf, newLocation, openStore, testKey } from '../support/stores'
import { eventually } from '../support/waiting'

/** What docs/processes.md says of each verb in a follower is so. */

const PAGE = await readFile(fromRoot('docs/processes.md'), 'utf8')
const [, SECTION = ''] = /^## What each verb does in a follower\n(.*?)^## /ms.exec(PAGE) ?? []
/** The first cell of each row of its table. */
const ROWS = [...SECTION.matchAll(/^\| (`.*?) +\|/gm)].map(([, cell]) => cell as string)

interface Pair {
  readonly location: string
  readonly owner: SecretStore
  readonly follower: SecretStore
}

async function newPair(): Promise<Pair> {
  const location = await newLocation()
  const owner = await openStore(location, { shared: true })
  return { location, owner, follower: await openStore(location, { shared: true }) }
}

const token = { scope: account, name: 'token' }
const role = async (store: SecretStore) => (await store.status()).sharing?.role

/** By the first cell: each in a new pair, whose owner has set `token`. */
const CHECKS: Readonly<Record<string, (pair: Pair) => Promise<void>>> = {
  async '`get` `getBytes` `find`'({ follower, owner }) {
    expect(await follower.get(token)).toBe('of the owner')
    expect(await follower.getBytes(token)).toEqual(new TextEncoder().encode('of the owner'))
    expect(await follower.find(token)).toMatchObject({ name: 'token' })
    await owner.delete(token)
    expect(await follower.find(token)).toBeUndefined()
  },
  async '`getSync` `findSync`'({ owner, follower }) {
    expect(owner.getSync(token)).toBe('of the owner')
    expect(await codeOf(async () => follower.getSync(token))).toBe('ERR_NO_SYNC')
    expect(await codeOf(async () => follower.findSync(token))).toBe('ERR_NO_SYNC')
    await owner.close()
    expect(await role(follower)).toBe('owner')
    expect(follower.getSync(token)).toBe('of the owner')
    expect(follower.findSync(token)).toMatchObject({ name: 'token' })
  },
  async '`list` `scopes`'({ owner, follower }) {
    expect((await follower.list({ scope: account })).data.map(({ name }) => name)).toEqual(['token'])
    await owner.set({ ...token, name: 'a', payload: 'p' })
    expect((await follower.list({ scope: account })).data.map(({ name }) => name)).toEqual(['a', 'token'])
    const scopes: number[] = []
    for await (const { secrets } of follower.scopes()) scopes.push(secrets)
    expect(scopes).toEqual([2])
  },
  async '`set` `delete` `batch`'({ owner, follower }) {
    await follower.set({ ...token, payload: 'of the follower' })
    expect(await owner.get(token)).toBe('of the follower')
    await follower.batch([
      { type: 'set', scope: account, name: 'a', payload: 'p' },
      { type: 'delete', ...token },
    ])
    expect([await owner.get(token), await owner.get({ ...token, name: 'a' })]).toEqual([undefined, 'p'])
    expect((await follower.delete({ ...token, name: 'a' }))?.deleted).toBe(true)
  },
  async "`on('change')` `on('gap')`"({ owner, follower }) {
    // What was told before it has come.
    await follower.get(token)
    const heard: string[] = []
    follower.on('gap', () => heard.push('gap'))
    for (const [who, store] of Object.entries({ owner, follower })) {
      store.on('change', ({ type, name }) => heard.push(`${who}: ${type} ${name}`))
    }
    await owner.set({ ...token, payload: '2' })
    await follower.delete(token)
    await eventually(() => expect(heard).toHaveLength(4))
    const of = (who: string): string[] => heard.filter((one) => one.startsWith(who))
    expect(of('owner')).toEqual(['owner: set token', 'owner: delete token'])
    expect(of('follower')).toEqual(['follower: set token', 'follower: delete token'])
  },
  async '`verify` `backup`'({ owner, follower }) {
    expect(await follower.verify()).toEqual({ ok: true, records: 1, problems: [] })
    const [target, restored] = [`${await newLocation()}.backup`, await newLocation()]
    await Promise.all([follower.backup(target), owner.set({ ...token, name: 'a', payload: 'p' })])
    await SecretStore.restore(target, restored, { key: testKey() })
    expect(await (await openStore(restored)).get(token)).toBe('of the owner')
  },
  async '`rotate`, also with `root`'({ owner, follower }) {
    const keys = await Promise.all([follower.rotate(), owner.rotate()])
    expect(keys.map(({ dataKey }) => dataKey).sort()).toEqual([2, 3])
    await follower.rotate({ root: true, keys: [{ from: testKey(), to: testKey(8) }] })
    expect(await codeOf(() => owner.get(token))).toBe('ERR_WRONG_KEY')
  },
  async '`compact` `sweep`'({ follower, owner }) {
    await owner.delete(token)
    await follower.compact()
    expect(await follower.sweep()).toBe(0)
    expect((await owner.verify()).ok).toBe(true)
  },
  async '`keys` `addKey` `removeKey` `replaceKey`'({ location, owner, follower }) {
    const added = await follower.addKey(testKey(8))
    const replaced = await owner.replaceKey(added.id, testKey(9))
    expect((await follower.keys()).length).toBe(2)
    const third = await openStore(location, { shared: true, key: testKey(9) })
    await follower.removeKey(replaced.id)
    // It has the root key.
    expect(await third.get(token)).toBe('of the owner')
    expect(await codeOf(() => openStore(location, { shared: true, key: testKey(9) }))).toBe('ERR_WRONG_KEY')
  },
  async '`status`'({ owner, follower }) {
    expect([await role(owner), await role(follower)]).toEqual(['owner', 'follower'])
    const processes = (await follower.status()).sharing?.processes ?? []
    expect(processes.map(({ pid, owner }) => [pid, owner])).toEqual([
      [process.pid, true],
      [process.pid, false],
    ])
  },
  async '`checkpoint`'({ location, owner, follower }) {
    await owner.set({ ...token, payload: '2' })
    const minimum = await follower.checkpoint()
    expect(await (await openStore(location, { shared: true, minimum })).get(token)).toBe('2')
  },
  async '`SecretStore.restore`'({ location, follower }) {
    const target = `${await newLocation()}.backup`
    await follower.backup(target)
    expect(await codeOf(() => SecretStore.restore(target, location, { key: testKey() }))).toBe('ERR_EXISTS')
  },
  async '`SecretStore.recover`'({ location }) {
    const destination = await newLocation()
    await SecretStore.recover(location, { key: testKey(), destination })
    expect(await (await openStore(destination)).get(token)).toBe('of the owner')
  },
}

test('its table has every verb of a store', () => {
  expect(ROWS).toEqual(Object.keys(CHECKS))
  const named = new Set([...ROWS.join().matchAll(/`(?:SecretStore\.)?(\w+)/g)].map(([, name]) => name))
  const verbs = [SecretStore, SecretView].flatMap(({ prototype }) => Object.getOwnPropertyNames(prototype))
  expect(verbs.filter((verb) => !named.has(verb)).sort()).toEqual(['close', 'constructor', 'constructor', 'view'])
})

describe.each(ROWS)('in a follower %s', (row) => {
  test('does what the page says', async () => {
    const pair = await newPair()
    await pair.owner.set({ ...token, payload: 'of the owner' })
    await CHECKS[row]?.(pair)
  })
})

describe('whoever does not share', () => {
  test('is refused as long as somebody shares, and the other way round', async () => {
    const { location, owner, follower } = await newPair()
    expect(await codeOf(() => openStore(location))).toBe('ERR_LOCKED')
    expect(await codeOf(() => openStore(location, { readOnly: true }))).toBe('ERR_LOCKED')
    await owner.close()
    await follower.close()
    const alone = await openStore(location)
    expect(await codeOf(() => openStore(location, { shared: true }))).toBe('ERR_LOCKED')
    await alone.close()
    expect(await role(await openStore(location, { shared: true }))).toBe('owner')
  })

  test.each([{ readOnly: true, createIfMissing: false }, { acceptRollback: true }])(
    'with %j shares nothing',
    async (options) => {
      const { location } = await newPair()
      await expect(openStore(location, { shared: true, ...options })).rejects.toThrow(TypeError)
    },
  )
})
