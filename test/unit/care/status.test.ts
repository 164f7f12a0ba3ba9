import { expect, test } from 'vitest'
import { account } from '../../../src/index'
import { flipped, readRow, recordRow, writeRow } from '../../support/raw-rows'
import { newLocation, openStore, setMany } from '../../support/stores'

// Status opens no record: what it counts under a key says that it is sealed under that key.

test.each<[string, (value: Uint8Array) => Uint8Array, number]>([
  ['a record of which a byte is altered counts as it did', (value) => flipped(value), 3],
  ['a record that names a key there is none of counts under no key', (value) => flipped(value, 1), 2],
  ['a row that is no envelope counts under no key', () => new Uint8Array(), 2],
])('%s', async (_, damage, counted) => {
  const location = await newLocation()
  const store = await openStore(location)
  await setMany(store, 3, (n) => ({ scope: account, name: `${n}`, payload: 'p' }))
  await store.close()
  const row = recordRow('1')
  await writeRow(location, row, damage(await readRow(location, row)))
  const { records, dataKeys } = await (await openStore(location)).status()
  expect([records, dataKeys.map((key) => key.records)]).toEqual([3, [counted]])
})
