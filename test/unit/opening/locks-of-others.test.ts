import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { account, type SecretStore } from '../../../src/index'
import { codeOf, newLocation, openStore, testKey } from '../../support/stores'
import { eventually } from '../../support/waiting'

/** Another process works under a named lock, for as long as it likes. */

/** Backs it up into a stream that takes nothing, under the lock of the keys. @returns The stream. */
async function backUpForEver(store: SecretStore): Promise<Writable> {
  await store.set({ scope: account, name: 'large', payload: 'x'.repeat(300_000) })
  const stalled = new Writable({ highWaterMark: 1, write: () => void stalled.emit('stalled') })
  const isStalled = once(stalled, 'stalled')
  store.backup(stalled).catch(() => {})
  await isStalled
  return stalled
}

test('the process that holds the files closes while another one has a lock that it waits for', async () => {
  const location = await newLocation()
  const [owner, follower] = [await openStore(location, { shared: true }), await openStore(location, { shared: true })]
  await backUpForEver(follower)
  const { signal } = new AbortController()
  const calls = [codeOf(() => owner.addKey(testKey())), codeOf(() => owner.addKey(testKey(), { signal }))]
  await new Promise((resolve) => setTimeout(resolve, 50))
  await owner.close()
  expect(await Promise.all(calls)).toEqual(['ERR_CLOSED', 'ERR_CLOSED'])
})

test('a follower that closes does not wait for a lock of the process that holds the files', async () => {
  const location = await newLocation()
  const [owner, follower] = [await openStore(location, { shared: true }), await openStore(location, { shared: true })]
  await backUpForEver(owner)
  const rotating = codeOf(() => follower.rotate())
  await new Promise((resolve) => setTimeout(resolve, 50))
  await follower.close()
  expect(await rotating).toBe('ERR_CLOSED')
})

test('a store opens though its slots cannot be renewed: another process has the lock', async () => {
  const location = await newLocation()
  const stalled = await backUpForEver(await openStore(location, { shared: true }))
  const errors: unknown[] = []
  const onError = (error: unknown): void => void errors.push(error)
  const outdated = { ...testKey(), outdated: () => true }
  const store = await openStore(location, { shared: true, key: outdated, onError })
  expect(errors).toEqual([expect.objectContaining({ code: 'ERR_BUSY' })])
  expect(await codeOf(() => store.set({ scope: account, name: 'small', payload: 'x' }))).toBe('no error')
  stalled.destroy()
  const before = await readFile(join(location, 'keyring.json'))
  await eventually(async () => {
    await (await openStore(location, { shared: true, key: outdated, onError: () => {} })).close()
    expect((await readFile(join(location, 'keyring.json'))).equals(before)).toBe(false)
  })
})

test('two processes that replace the root key, and one that replaces a data key, do so one after another', async () => {
  const location = await newLocation()
  const stores = [
    await openStore(location, { shared: true }),
    await openStore(location, { shared: true }),
    await openStore(location, { shared: true }),
  ]
  const [owner, one, other] = stores as [SecretStore, SecretStore, SecretStore]
  const names = Array.from({ length: 60 }, (_, n) => `n${n}`)
  await owner.batch(names.map((name) => ({ type: 'set', scope: account, name, payload: name })))
  const root = { root: true, keys: [testKey()] } as const
  for (let round = 0; round < 2; round++) {
    const reports = await Promise.all([one.rotate(root), owner.rotate(root), other.rotate()])
    expect(reports.map(({ resealed }) => resealed)).toEqual([60, 60, 60])
    const keys = reports.map(({ dataKey }) => dataKey)
    expect(keys.toSorted((a, b) => a - b)).toEqual([2, 3, 4].map((key) => key + 3 * round))
  }
  for (const store of stores) expect(await store.verify()).toMatchObject({ ok: true, records: 60 })
})
