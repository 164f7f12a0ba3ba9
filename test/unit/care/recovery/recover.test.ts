import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { account } from '../../../../src/index'
import { contents, dataFile, recover, sampleStore } from '../../../support/behaviour/recovery'
import { allRows, editRows, flipped, readRow } from '../../../support/raw-rows'
import { filesOf, newLocation, openStore } from '../../../support/stores'

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
