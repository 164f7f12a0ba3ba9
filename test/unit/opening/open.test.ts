import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { describe, expect, test, vi } from 'vitest'
import { account, SecretStoreError } from '../../../src/index'
import { LevelEngine } from '../../../src/storage/level/engine'
import { allRows, editRows, flipped, writeRow } from '../../support/raw-rows'
import { closedStoreOf, codeOf, newLocation, openStore } from '../../support/stores'

async function rowKeys(location: string, sort: string): Promise<Uint8Array[]> {
  const rows = await allRows(location)
  return [...rows.keys()].filter((key) => key.startsWith(sort)).map((key) => Buffer.from(key, 'latin1'))
}

describe('records that are missing', () => {
  test.each([1, 2, 1000])('among %i are found out as the store opens, and nothing of it is changed', async (count) => {
    const location = await closedStoreOf(count)
    const [first] = await rowKeys(location, 'r')
    await writeRow(location, first as Uint8Array, undefined)
    await expect(openStore(location)).rejects.toMatchObject({
      code: 'ERR_CORRUPT',
      message: `records: expected ${count}, got ${count - 1} (SecretStore.recover makes a store of what is left)`,
    })
    expect((await allRows(location)).has('h')).toBe(true)
    const store = await openStore(location, { verify: false })
    expect((await store.verify()).ok).toBe(false)
  })

  test('are found out as well by the process that opens the files for all that share them', async () => {
    const location = await closedStoreOf(2)
    const [first] = await rowKeys(location, 'r')
    await writeRow(location, first as Uint8Array, undefined)
    await expect(openStore(location, { shared: true })).rejects.toThrow('records: expected 2, got 1')
    const store = await openStore(location, { shared: true, verify: false })
    expect((await store.verify()).ok).toBe(false)
  })

  test('among more are found out with verify: true', async () => {
    const location = await closedStoreOf(1001)
    const [first] = await rowKeys(location, 'r')
    await writeRow(location, first as Uint8Array, undefined)
    await (await openStore(location)).close()
    await expect(openStore(location, { verify: true })).rejects.toMatchObject({
      code: 'ERR_CORRUPT',
      message: 'store: expected a whole one, got one in which records: expected 1001, got 1000',
    })
  })

  test('with as many others in their place are found out with verify: true', async () => {
    const location = await closedStoreOf(3)
    const [first] = await rowKeys(location, 'r')
    await editRows(location, async (database) => {
      await database.del(first as Uint8Array)
      await database.put(Buffer.from('rt|account|forged'), Buffer.alloc(100, 1))
    })
    await (await openStore(location)).close()
    expect(await codeOf(() => openStore(location, { verify: true }))).toBe('ERR_CORRUPT')
  })
})

test('one too many is found out as the store opens', async () => {
  const location = await closedStoreOf(3)
  await writeRow(location, Buffer.from('rt|account|more'), Buffer.alloc(100, 1))
  await expect(openStore(location)).rejects.toThrow('records: expected 3, got more')
})

test('an altered payload is found out with verify: true, which gives the store back closed', async () => {
  const location = await closedStoreOf(60)
  const [payload] = await rowKeys(location, 'p')
  await editRows(location, async (database) => {
    const value = (await database.get(payload as Uint8Array)) as Uint8Array
    await database.put(payload as Uint8Array, flipped(value))
  })
  for (let time = 0; time < 2; time++) {
    const opening = openStore(location, { verify: true })
    await expect(opening).rejects.toMatchObject({ code: 'ERR_CORRUPT', cause: [{ what: 'payload', name: 'name-0' }] })
  }
  await openStore(location)
})

describe('damage that LevelDB passes over in its log', () => {
  async function logOf(location: string): Promise<string> {
    const names = await readdir(join(location, 'data'))
    return join(location, 'data', names.find((name) => name.endsWith('.log')) as string)
  }

  /** Writes several times; the bytes of the log that the write with this number added. */
  async function written(counts: readonly number[]): Promise<{ location: string; ends: number[] }> {
    const location = await newLocation()
    const store = await openStore(location)
    const ends: number[] = []
    for (const [write, count] of counts.entries()) {
      await store.batch(
        Array.from({ length: count }, (_, n) => {
          return { type: 'set', scope: account, name: `${write} ${n}`, payload: 'p' } as const
        }),
      )
      ends.push((await readFile(await logOf(location))).length)
    }
    await store.close()
    return { location, ends }
  }

  async function damage(location: string, place: number): Promise<void> {
    const log = await logOf(location)
    await writeFile(log, flipped(await readFile(log), place))
  }

  test('is refused, where records are missing by it, however many there are', async () => {
    const { location, ends } = await written([600, 1, 300, 300])
    await damage(location, (ends[0] as number) + 20)
    await expect(openStore(location)).rejects.toMatchObject({
      code: 'ERR_CORRUPT',
      message: expect.stringMatching(/^store: expected a whole one, got one in which records: expected \d+, got \d+$/),
    })
  })

  test('is told, where what is left is whole', async () => {
    const { location, ends } = await written([3, 4])
    await damage(location, (ends[0] as number) + 20)
    const errors: unknown[] = []
    const store = await openStore(location, { onError: (error) => errors.push(error) })
    expect((await store.status()).records).toBe(3)
    expect(errors).toMatchObject([
      { code: 'ERR_CORRUPT', message: expect.stringMatching(/passed over \d+ bytes; what is left is whole/) },
    ])
    await store.close()
    // It is told when it is found: LevelDB has rewritten its files by now.
    await openStore(location, { onError: (error) => errors.push(error) })
    expect(errors).toHaveLength(1)
  })
})

test('a refusal by the system, while everything is read, is no damage', async () => {
  const location = await closedStoreOf(5)
  const store = await openStore(location)
  const refusal = new SecretStoreError('ERR_IO', 'data: expected to read its files, got a refusal by the system')
  const spy = vi.spyOn(LevelEngine.prototype, 'scan').mockRejectedValueOnce(refusal)
  await expect(store.verify()).rejects.toBe(refusal)
  await store.close()
  spy.mockRejectedValueOnce(refusal)
  await expect(openStore(location, { verify: true })).rejects.toBe(refusal)
  spy.mockRestore()
  await openStore(location, { verify: true })
})

test('a compaction keeps what was acknowledged, also where a log is gone when the files are opened again', async () => {
  const location = await closedStoreOf(5)
  const store = await openStore(location)
  await store.set({ scope: account, name: 'acknowledged', payload: 'just before' })
  // As LevelDB does with a log that it cannot read when it opens.
  const { close } = Level.prototype
  const spy = vi.spyOn(Level.prototype, 'close').mockImplementationOnce(async function (this: Level) {
    await close.call(this)
    const logs = (await readdir(join(location, 'data'))).filter((name) => name.endsWith('.log'))
    for (const name of logs) await rm(join(location, 'data', name))
    expect(logs.length).toBeGreaterThan(0)
  })
  await store.compact().catch(() => {})
  expect(spy).toHaveBeenCalled()
  spy.mockRestore()
  await store.close()
  const again = await openStore(location, { verify: false })
  expect(await again.get({ scope: account, name: 'acknowledged' })).toBe('just before')
  expect((await again.status()).records).toBe(6)
})
