import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { account, type RecoveryReport, SecretStore, user } from '../../../../src/index'
import { allRows, editRows, flipped, readRow } from '../../../support/raw-rows'
import { directoryDigest, filesOf, newLocation, openStore, testKey } from '../../../support/stores'

async function recover(location: string, more: object = {}): Promise<{ report: RecoveryReport; destination: string }> {
  const destination = await newLocation()
  const before = await directoryDigest(location)
  const report = await SecretStore.recover(location, { key: testKey(), destination, ...more })
  expect(await directoryDigest(location)).toBe(before)
  // Nothing is left beside it.
  const beside = (await readdir(dirname(destination))).filter((name) => name.startsWith('.'))
  expect(beside).toEqual([])
  return { report, destination }
}

/** What a store holds, by name; bytes in base64. */
async function contents(location: string): Promise<Record<string, string>> {
  const store = await openStore(location, { verify: true })
  const found: Record<string, string> = {}
  for (const scope of [account, user('usr_1')]) {
    for await (const { name, payload } of store.list({ scope, expand: ['data.payload'] })) {
      found[`${scope.type} ${name}`] = payload as string
    }
  }
  await store.close()
  return found
}

/** A store with rows of every sort, in a table and in a log, some replaced and some deleted. */
async function sampleStore(
  names: 'plain' | 'sealed' = 'plain',
): Promise<{ location: string; state: Record<string, string> }> {
  const location = await newLocation()
  let store = await openStore(location, { names })
  for (let n = 0; n < 40; n++) await store.set({ scope: account, name: `a-${n}`, payload: `one ${n}` })
  await store.set({ scope: account, name: 'large', payload: 'L'.repeat(5000) })
  await store.set({ scope: user('usr_1'), name: 'theirs', payload: 'u', expires_at: 3_000_000_000 })
  await store.compact()
  await store.close()
  store = await openStore(location)
  for (let n = 0; n < 40; n += 4) await store.delete({ scope: account, name: `a-${n}` })
  for (let n = 1; n < 40; n += 4) await store.set({ scope: account, name: `a-${n}`, payload: `two ${n}` })
  await store.set({ scope: account, name: 'late', payload: 'M'.repeat(70_000) })
  await store.close()
  return { location, state: await contents(location) }
}

async function dataFile(location: string, pattern: RegExp): Promise<string> {
  const names = (await readdir(join(location, 'data'))).filter((name) => pattern.test(name)).sort()
  return join(location, 'data', names.at(-1) as string)
}

/** Flips a byte of a row's value in all files that hold it. */
async function damageValue(location: string, key: string): Promise<void> {
  const value = await readRow(location, Buffer.from(key))
  for (const [path, bytes] of await filesOf(location)) {
    const at = bytes.indexOf(value)
    if (at >= 0) await writeFile(join(location, path), flipped(bytes, at + 40))
  }
}

test('what is damaged is lost by its name, and the rest is kept', async () => {
  const { location, state } = await sampleStore()
  await damageValue(location, 'rt|account|a-2')
  const { report, destination } = await recover(location)
  expect(report).toMatchObject({ complete: false, kept: 32, missing: 0, surplus: 0, resurrected: [], older: [] })
  expect(report.lost).toMatchObject([{ name: 'a-2', scope: account, livemode: false }])
  expect(report.lost[0]?.id).toMatch(/^appsecret_/)
  expect(report.damage.length).toBe(1)
  const { 'account a-2': _, ...others } = state
  expect(await contents(destination)).toEqual(others)
})

test('with sealed names it is lost without one', async () => {
  const location = await newLocation()
  const store = await openStore(location, { names: 'sealed' })
  for (const name of ['a', 'b', 'c']) await store.set({ scope: account, name, payload: name })
  await store.close()
  const rows = await allRows(location)
  const [row] = [...rows.keys()].filter((key) => key.startsWith('r'))
  const value = rows.get(row as string) as Buffer
  for (const [path, bytes] of await filesOf(location)) {
    const at = bytes.indexOf(value)
    if (at >= 0) await writeFile(join(location, path), flipped(bytes, at + 40))
  }
  const { report } = await recover(location)
  expect(report).toMatchObject({ complete: false, kept: 2, lost: [{ rowKey: expect.any(String) }] })
  expect(report.lost[0]?.name).toBeUndefined()
})

test('a payload that is lost takes its secret with it, and an older version is taken where there is one', async () => {
  const location = await newLocation()
  let store = await openStore(location)
  await store.set({ scope: account, name: 'both', payload: 'first '.repeat(300) })
  await store.set({ scope: account, name: 'one', payload: 'only '.repeat(300) })
  await store.close()
  store = await openStore(location)
  await store.set({ scope: account, name: 'both', payload: 'second'.repeat(300) })
  await store.close()
  const log = await dataFile(location, /\.log$/)
  const bytes = await readFile(log)
  await writeFile(log, flipped(bytes, bytes.indexOf('pt|account|both') + 200))
  const { report, destination } = await recover(location)
  expect(report).toMatchObject({ complete: false, kept: 2, lost: [], older: [{ name: 'both' }] })
  expect(await contents(destination)).toEqual({
    'account both': 'first '.repeat(300),
    'account one': 'only '.repeat(300),
  })
})

test('of more than a thousand that are lost the first are named, and the others counted; so it is with problems', async () => {
  const location = await newLocation()
  const store = await openStore(location)
  const names = Array.from({ length: 1010 }, (_, n) => `name-${n}`)
  await store.batch(names.map((name) => ({ type: 'set', scope: account, name, payload: 'x'.repeat(1100) }) as const))
  await store.close()
  await editRows(location, async (database) => {
    for (const name of names) {
      const key = Buffer.from(`pt|account|${name}`)
      await database.put(key, flipped((await database.get(key)) as Uint8Array))
    }
  })
  const damaged = await openStore(location)
  const verified = await damaged.verify()
  expect([verified.problems.length, verified.unlisted]).toEqual([1000, 10])
  await damaged.close()
  // The whole payloads are in the log still; without it there are none.
  await editRows(location, (database) =>
    (database as unknown as { compactRange(start: Uint8Array, end: Uint8Array): Promise<void> }).compactRange(
      Buffer.of(0),
      Buffer.of(0xff),
    ),
  )
  const { report } = await recover(location)
  expect(report).toMatchObject({ complete: false, kept: 0, unlisted: 10 })
  expect(report.lost).toHaveLength(1000)
})
