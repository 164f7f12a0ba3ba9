import { appendFile, cp, mkdir, open, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { account, rawKey, SecretStore } from 'app-secret-store'
import { contents, dataFile, recover, sampleStore } from '../support/behaviour/recovery'
import { describe, expect, test, vi } from '../support/runner'
import { areFollowers, codeOf, copyStore, filesOf, newLocation, openStore, testKey } from '../support/stores'

const WHOLE = { complete: true, lost: [], resurrected: [], older: [], missing: 0, surplus: 0 }

describe.each(['plain', 'sealed'] as const)('with %s names', (names) => {
  test('of a whole store everything is kept, at the same write', async () => {
    const { location, state } = await sampleStore(names)
    const store = await openStore(location)
    const minimum = await store.checkpoint()
    await store.close()
    const { report, destination } = await recover(location)
    expect(report).toMatchObject({ ...WHOLE, kept: Object.keys(state).length, damage: [] })
    expect(await contents(destination)).toEqual(state)
    await (await openStore(destination, { minimum })).close()
  })

  test.each([
    ['CURRENT is gone', (at: string) => rm(join(at, 'data', 'CURRENT'))],
    ['CURRENT is empty', (at: string) => truncate(join(at, 'data', 'CURRENT'))],
    ['the MANIFEST is gone', async (at: string) => rm(await dataFile(at, /^MANIFEST/))],
    ['the MANIFEST is damaged', async (at: string) => truncate(await dataFile(at, /^MANIFEST/), 20)],
    ['LevelDB has no LOG', (at: string) => rm(join(at, 'data', 'LOG'))],
    [
      'all files have other names',
      async (at: string) => {
        const files = (await readdir(join(at, 'data'))).filter((name) => /^\d/.test(name))
        for (const [index, name] of files.entries()) await rename(join(at, 'data', name), join(at, 'data', `x${index}`))
      },
    ],
    [
      'the end of a table is cut off, and with it its index',
      async (at: string) => {
        const table = await dataFile(at, /\.ldb$/)
        await truncate(table, (await readFile(table)).length - 60)
      },
    ],
  ])('everything is kept where %s', async (_, damage) => {
    const { location, state } = await sampleStore(names)
    await damage(location)
    const { report, destination } = await recover(location)
    expect(report).toMatchObject({ ...WHOLE, kept: Object.keys(state).length })
    expect(await contents(destination)).toEqual(state)
  })
})

test('what was deleted stays deleted, where the deletion is whole; where it is not, the head tells', async () => {
  const { location, state } = await sampleStore()
  await rm(join(location, 'data', 'CURRENT'))
  const whole = await recover(location)
  // Where more is read of the files, as by a follower, LevelDB may have compacted them by itself: then no trace is left.
  if (areFollowers) expect([0, 10]).toContain(whole.report.deleted)
  else expect(whole.report.deleted).toBe(10)
  expect(await contents(whole.destination)).toEqual(state)
})

test('a secret that only an abandoned file holds is left out where the head says so, else kept and named', async () => {
  const location = await newLocation()
  let store = await openStore(location)
  for (const name of ['kept', 'deleted']) await store.set({ scope: account, name, payload: name })
  await store.close()
  store = await openStore(location)
  await store.close()
  const old = await dataFile(location, /\.ldb$/)
  const copy = await readFile(old)
  store = await openStore(location)
  await store.delete({ scope: account, name: 'deleted' })
  await store.compact()
  await store.close()
  await writeFile(old, copy)

  const { report, destination } = await recover(location)
  expect(report).toMatchObject({ ...WHOLE, kept: 1, deleted: 1 })
  expect(await contents(destination)).toEqual({ 'account kept': 'kept' })

  // Without the head of the last state there is nothing to tell by.
  await rm(await dataFile(location, /\.ldb$/))
  await rm(await dataFile(location, /\.log$/))
  const blind = await recover(location)
  expect(blind.report).toMatchObject({ complete: false, outdated: true })
  expect(await contents(blind.destination)).toMatchObject({ 'account kept': 'kept' })
  expect(blind.report.resurrected.map(({ name }) => name)).toContain('deleted')
})

describe('a rotated store', () => {
  async function rotated(): Promise<{ location: string; state: Record<string, string> }> {
    const { location } = await sampleStore()
    const store = await openStore(location)
    await store.rotate()
    await store.set({ scope: account, name: 'after', payload: 'rotation' })
    await store.close()
    return { location, state: await contents(location) }
  }

  test('is recovered, and opens under its keys', async () => {
    const { location, state } = await rotated()
    await rm(join(location, 'data', 'CURRENT'))
    const { report, destination } = await recover(location)
    expect(report).toMatchObject(WHOLE)
    expect(await contents(destination)).toEqual(state)
  })

  test('uses keyring.json.new where keyring.json is damaged', async () => {
    const { location, state } = await rotated()
    await cp(join(location, 'keyring.json'), join(location, 'keyring.json.new'))
    await truncate(join(location, 'keyring.json'), 100)
    const { report, destination } = await recover(location)
    expect(report).toMatchObject(WHOLE)
    expect(await contents(destination)).toEqual(state)
  })
})

describe('checkpoints', () => {
  test('of a write that is lost refuse the new store', async () => {
    const location = await newLocation()
    let store = await openStore(location)
    await store.set({ scope: account, name: 'early', payload: '1' })
    const early = await store.checkpoint()
    await store.close()
    store = await openStore(location)
    await store.set({ scope: account, name: 'late', payload: '2' })
    const between = await store.checkpoint()
    await store.set({ scope: account, name: 'later', payload: '3' })
    const late = await store.checkpoint()
    await store.close()
    await rm(await dataFile(location, /\.log$/))
    const { report, destination } = await recover(location)
    expect(report).toMatchObject({ complete: true, kept: 1, damage: [{ bytes: 0 }] })
    expect(await codeOf(() => openStore(destination, { minimum: late }))).toBe('ERR_ROLLBACK')
    expect(await codeOf(() => openStore(destination, { minimum: between }))).toBe('ERR_ROLLBACK')
    await (await openStore(destination, { minimum: early })).close()
  })
})

describe('refusals', () => {
  test('a wrong key', async () => {
    const { location } = await sampleStore()
    const destination = await newLocation()
    expect(await codeOf(() => SecretStore.recover(location, { key: testKey(8), destination }))).toBe('ERR_WRONG_KEY')
    expect(await codeOf(() => openStore(destination, { createIfMissing: false }))).toBe('ERR_NOT_FOUND')
  })

  test('a destination where something is, or in the store itself', async () => {
    const { location } = await sampleStore()
    const other = await sampleStore()
    const key = testKey()
    expect(await codeOf(() => SecretStore.recover(location, { key, destination: other.location }))).toBe('ERR_EXISTS')
    expect(await codeOf(() => SecretStore.recover(location, { key, destination: location }))).toBe('ERR_EXISTS')
    const inside = join(location, 'new')
    await expect(SecretStore.recover(location, { key, destination: inside })).rejects.toThrow(
      'outside the damaged store',
    )
  })

  test.each([
    ['nothing', async () => newLocation(), 'ERR_NOT_FOUND'],
    [
      'a directory without keyring.json',
      async () => {
        const { location } = await sampleStore()
        await rm(join(location, 'keyring.json'))
        return location
      },
      'ERR_CORRUPT',
    ],
    [
      'a store without data',
      async () => {
        const { location } = await sampleStore()
        await rm(join(location, 'data'), { recursive: true })
        return location
      },
      'ERR_CORRUPT',
    ],
    [
      'a store of which nothing opens',
      async () => {
        const { location } = await sampleStore()
        for (const [path, bytes] of await filesOf(location)) {
          if (path.startsWith('data')) await writeFile(join(location, path), Buffer.alloc(bytes.length, 0x72))
        }
        return location
      },
      'ERR_CORRUPT',
    ],
  ])('%s', async (_, make, code) => {
    const location = await make()
    const destination = await newLocation()
    expect(await codeOf(() => SecretStore.recover(location, { key: testKey(), destination }))).toBe(code)
    expect(await readdir(dirname(destination))).toEqual([])
  })

  test('a store that is written to meanwhile', async () => {
    const { location } = await sampleStore()
    const log = await dataFile(location, /\.log$/)
    const destination = await newLocation()
    let told = 0
    const onProgress = (): void => {
      if (told++ === 1) void appendFile(log, 'more')
    }
    const recovering = SecretStore.recover(location, { key: testKey(), destination, onProgress })
    expect(await codeOf(() => recovering)).toBe('ERR_LOCKED')
  })

  test.each([
    [{ key: rawKey(new Uint8Array(32)) }, 'destination: expected'],
    [{ key: 'text', destination: 'x' }, 'key: expected'],
    [{ key: rawKey(new Uint8Array(32)), destination: 'x', force: true }, 'recover: expected only'],
  ])('bad options', async (options, message) => {
    await expect(SecretStore.recover('nowhere', options as never)).rejects.toThrow(message)
  })
})

test('progress is told in bytes, and an abort leaves nothing behind', async () => {
  const { location } = await sampleStore()
  const seen: number[] = []
  await recover(location, {
    onProgress: ({ done, total }: { done: number; total: number }) => seen.push(done / total),
  })
  expect(seen[0]).toBe(0)
  expect(seen.at(-1)).toBe(1)
  expect([...seen].sort((a, b) => a - b)).toEqual(seen)
  const destination = await newLocation()
  const abort = new AbortController()
  const options = { key: testKey(), destination, signal: abort.signal, onProgress: () => abort.abort('enough') }
  await expect(SecretStore.recover(location, options)).rejects.toBe('enough')
  expect(await readdir(dirname(destination))).toEqual([])
})

test('a copy without LOCK is recovered, and what is beside the files does not matter', async () => {
  const { location, state } = await sampleStore()
  const copy = await newLocation()
  await copyStore(location, copy)
  await mkdir(join(copy, 'data', 'lost'))
  await mkdir(join(copy, 'data', 'stray directory'))
  await rename(await dataFile(copy, /\.ldb$/), join(copy, 'data', 'lost', '000099.ldb'))
  const { report, destination } = await recover(copy)
  expect(report.complete).toBe(true)
  expect(await contents(destination)).toEqual(state)
})

test('a keyring.json that the disk cannot read is made up for by the one beside it', async () => {
  const { location, state } = await sampleStore()
  await cp(join(location, 'keyring.json'), join(location, 'keyring.json.new'))
  const file = await open(join(location, 'keyring.json'), 'r')
  await file.close()
  const badSector = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', syscall: 'read' })
  const spy = vi.spyOn(Object.getPrototypeOf(file) as typeof file, 'read').mockRejectedValueOnce(badSector)
  const destination = await newLocation()
  const report = await SecretStore.recover(location, { key: testKey(), destination })
  expect(spy).toHaveBeenCalled()
  spy.mockRestore()
  expect(report).toMatchObject(WHOLE)
  expect(await contents(destination)).toEqual(state)
})
