import { join } from 'node:path'
import { Level } from 'level'
import { mapKey } from '../../src/base/bytes'
import { type Address, account, type Scope } from '../../src/model'
import { keyspace } from '../../src/storage/keyspace'

/** The row of a record in a store with plain names. */
export function plainRow(address: Address): Uint8Array {
  return keyspace({ names: 'plain', nameHash: () => new Uint8Array(32) }).record(address).bytes
}

/** The same of a secret of the app's own account, in test mode. */
export function recordRow(name: string, scope: Scope = account): Uint8Array {
  return plainRow({ partition: { account: undefined, livemode: false }, scope, name })
}

/** LevelDB itself, without a store around it. */
export type RawDatabase = Level<Uint8Array, Uint8Array>

/** Gives `work` the database of a closed store. */
export async function editRows<T>(location: string, work: (database: RawDatabase) => Promise<T>): Promise<T> {
  const database: RawDatabase = new Level<Uint8Array, Uint8Array>(join(location, 'data'), {
    keyEncoding: 'view',
    valueEncoding: 'view',
    createIfMissing: false,
    compression: false,
  })
  await database.open()
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

/** The value of a row of a closed store. */
export function readRow(location: string, key: Uint8Array): Promise<Uint8Array> {
  return editRows(location, async (database) => {
    const value = (await database.get(key)) as Uint8Array | undefined
    if (value === undefined) throw new Error('row: expected one, got none')
    return Uint8Array.from(value)
  })
}

/** Puts one row of a closed store, or removes it. */
export function writeRow(location: string, key: Uint8Array, value: Uint8Array | undefined): Promise<void> {
  return editRows(location, (database) => (value === undefined ? database.del(key) : database.put(key, value)))
}

/** Every row of a closed store, by key. */
export function allRows(location: string): Promise<Map<string, Buffer>> {
  return editRows(location, async (database) => {
    const rows = await database.iterator().all()
    return new Map(rows.map(([key, value]) => [mapKey(key), Buffer.from(value)] as const))
  })
}

/** The same bytes with one of them changed; a negative place counts from the end. */
export function flipped(bytes: Uint8Array, place = -1): Uint8Array {
  const copy = Uint8Array.from(bytes)
  const index = place < 0 ? copy.length + place : place
  copy[index] = (copy[index] as number) ^ 1
  return copy
}
