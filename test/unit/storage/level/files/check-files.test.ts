import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { account } from 'app-secret-store'
import { Level } from 'level'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { utf8 } from '../../../../../src/base/bytes'
import { SecretStore } from '../../../../../src/index'
import { RandomAccess } from '../../../../../src/platform/random-access'
import { HEAD_ROW } from '../../../../../src/storage/keyspace'
import { LevelEngine } from '../../../../../src/storage/level/engine'
import { checkFiles } from '../../../../../src/storage/level/files/check-files'
import { forgeBatch, forgeLog, recordsOf } from '../../../../support/level-forge'
import { type Files, RECIPES } from '../../../../support/level-recipes'
import { openStore, temporaryDirectory, testKey } from '../../../../support/stores'

let made: Promise<{ readonly keyring: Uint8Array; readonly files: Files }> | undefined

/** A store with a table in the lower levels, one in the topmost, and a log of several writes; it is closed. */
async function closedStore(): Promise<string> {
  made ??= makeStore()
  const { keyring, files } = await made
  const location = join(await temporaryDirectory(), 'store')
  mkdirSync(join(location, 'data'), { recursive: true, mode: 0o700 })
  writeFileSync(join(location, 'keyring.json'), keyring)
  putFiles(location, files)
  return location
}

async function makeStore(): Promise<{ readonly keyring: Uint8Array; readonly files: Files }> {
  const location = join(await temporaryDirectory(), 'store')
  let store = await openStore(location)
  for (let n = 0; n < 30; n++) await store.set({ scope: account, name: `name ${n}`, payload: 'p'.repeat(300) })
  await store.compact()
  for (let n = 0; n < 9; n++) await store.set({ scope: account, name: `name ${n}`, payload: 'q' })
  await store.close()
  store = await openStore(location)
  for (let n = 0; n < 9; n++) await store.set({ scope: account, name: `name ${n}`, payload: 'r' })
  await store.close()
  return { keyring: readFileSync(join(location, 'keyring.json')), files: filesIn(location) }
}

function filesIn(location: string): Files {
  const names = readdirSync(join(location, 'data')).filter((name) => name !== 'LOCK')
  return new Map(names.map((name) => [name, new Uint8Array(readFileSync(join(location, 'data', name)))]))
}

/** In the place of those that are there. */
function putFiles(location: string, files: Files): void {
  rmSync(join(location, 'data'), { recursive: true })
  mkdirSync(join(location, 'data'), { mode: 0o700 })
  for (const [name, bytes] of files) writeFileSync(join(location, 'data', name), bytes)
}

const options = { key: testKey(), sweepIntervalMs: 0, compactIntervalMs: 0 }
const codeAndMessage = (error: unknown): unknown => {
  const { code, message } = error as { code: string; message: string }
  return { code, message }
}

describe('what LevelDB would end the process over, or read outside of its files for', () => {
  test.each(Object.keys(RECIPES))('%s is ERR_CORRUPT, and what is left is recovered', async (name) => {
    const location = await closedStore()
    const files = filesIn(location)
    const [pattern, spoil] = RECIPES[name] as (typeof RECIPES)[string]
    spoil(files)
    putFiles(location, files)
    const before = filesIn(location)
    const refusal = codeAndMessage(await SecretStore.open(location, options).catch((error: unknown) => error))
    expect(refusal).toMatchObject({
      code: 'ERR_CORRUPT',
      message: expect.stringMatching(/^data\/[\w.-]+: expected a file/),
    })
    const [, file] = /^data\/([\w.-]+):/.exec((refusal as { message: string }).message) as unknown as [string, string]
    expect(file).toMatch(pattern)
    // It was only read.
    expect(filesIn(location)).toEqual(before)
    const destination = join(await temporaryDirectory(), 'recovered')
    const report = await SecretStore.recover(location, { key: testKey(), destination })
    expect(report.kept).toBeGreaterThan(0)
  })
})

describe('a database that is sound, though not as usual,', () => {
  test('is opened: tables with the old suffix, no LOCK, no LOG, files of other programs, old logs and MANIFESTs', async () => {
    const location = await closedStore()
    const files = filesIn(location)
    for (const [name, bytes] of [...files]) {
      if (/^LOG/.test(name)) files.delete(name)
      if (!name.endsWith('.ldb')) continue
      files.delete(name)
      files.set(name.replace('.ldb', '.sst'), bytes)
    }
    for (const name of [
      'note.txt',
      '000001.log',
      'MANIFEST-000001',
      '18446744073709551616.log',
      '000999.ldb',
      '7.dbtmp',
    ]) {
      files.set(name, utf8(name))
    }
    putFiles(location, files)
    mkdirSync(join(location, 'data', 'lost'))
    const store = await openStore(location)
    expect((await store.verify()).ok).toBe(true)
  })

  test('is opened: a log that ends in a batch without writes, in half a record, or in zeros', async () => {
    const endings: readonly ((log: Uint8Array) => Uint8Array)[] = [
      (log) => forgeLog([...recordsOf(log), forgeBatch(9999, [])]),
      (log) => new Uint8Array([...log, ...new Uint8Array(40_000)]),
      (log) => log.subarray(0, -1),
    ]
    for (const ending of endings) {
      const location = await closedStore()
      const files = filesIn(location)
      const name = [...files.keys()].find((one) => one.endsWith('.log')) as string
      files.set(name, ending(files.get(name) as Uint8Array))
      putFiles(location, files)
      const store = await openStore(location, { verify: false })
      // Half a record is no write: that is the store as it was before it.
      expect((await store.verify()).ok).toBe(true)
    }
  })

  test('is opened: one that LevelDB has compressed, and one that its repair has made', async () => {
    const directory = join(await temporaryDirectory(), 'data')
    const database = new Level<string, string>(directory, { compression: true })
    await database.open()
    for (let n = 0; n < 2000; n++)
      await database.put(`r some key ${n}`, 'a value that repeats itself. '.repeat(1 + (n % 40)))
    await (database as never as { compactRange(a: string, b: string): Promise<void> }).compactRange('a', 'z')
    await database.close()
    const bytes = readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)
    expect(bytes).toBeLessThan(400_000) // of more than a million
    const open = async (): Promise<number> => {
      const checked = await checkFiles(directory)
      const engine = checked(await LevelEngine.open(directory))
      const rows = await engine.scan({ gte: utf8('r'), lt: utf8('s'), limit: 5000 })
      await engine.close()
      return rows.length
    }
    expect(await open()).toBe(2000)
    const { ClassicLevel } = await import('classic-level')
    await ClassicLevel.repair(directory)
    expect(await open()).toBe(2000)
  })
})

describe('tables that are too long to look at before they are opened', () => {
  /** An engine over the tables of a store, of which nothing is looked at but what has to be. */
  async function lateEngine(
    spoil: (table: Buffer) => void,
  ): Promise<ReturnType<Awaited<ReturnType<typeof checkFiles>>>> {
    const location = await closedStore()
    const directory = join(location, 'data')
    const [name] = readdirSync(directory)
      .filter((one) => one.endsWith('.ldb'))
      .sort() as [string]
    const table = readFileSync(join(directory, name))
    spoil(table)
    writeFileSync(join(directory, name), table)
    const checked = await checkFiles(directory, 0)
    const engine = checked(await LevelEngine.open(directory))
    onTestFinished(() => engine.close())
    return engine
  }

  const row = (n: number): Uint8Array => utf8(`rt|account|name ${n}`)
  const isCorrupt = { code: 'ERR_CORRUPT' }

  /** In the second block of data or the third one. */
  const spoil = (table: Buffer): void => void table.fill(0, 6000, 6400)

  test('give rows of whole blocks, and none of a damaged one', async () => {
    const engine = await lateEngine(spoil)
    expect(engine.getSync(HEAD_ROW)).toBeDefined()
    const readAll = (): void => {
      for (let n = 0; n < 30; n++) engine.getSync(row(n))
    }
    expect(readAll).toThrow(expect.objectContaining(isCorrupt))
    // LevelDB reads whole tables by itself: it is asked nothing more.
    expect(() => engine.getSync(HEAD_ROW)).toThrow(expect.objectContaining(isCorrupt))
    await expect(engine.get(HEAD_ROW)).rejects.toMatchObject(isCorrupt)
    await expect(engine.getMany([HEAD_ROW])).rejects.toMatchObject(isCorrupt)
    await expect(engine.scan({ gte: utf8('h'), lt: utf8('i'), limit: 1 })).rejects.toMatchObject(isCorrupt)
    await expect(engine.erase()).rejects.toMatchObject(isCorrupt)
  })

  test.each(['scan', 'scanKeys'] as const)('are looked at as a whole before a %s', async (method) => {
    const engine = await lateEngine((table) => void table.fill(0, 0, 40))
    await expect(engine[method]({ gte: utf8('x'), lt: utf8('y'), limit: 1 })).rejects.toMatchObject(isCorrupt)
  })

  test('are looked at as a whole before many reads, and many writes', async () => {
    const read = await lateEngine(spoil)
    const head = read.getSync(HEAD_ROW)
    for (let n = 2; n <= 64; n++) expect(read.getSync(HEAD_ROW)).toEqual(head)
    expect(() => read.getSync(HEAD_ROW)).toThrow(expect.objectContaining(isCorrupt))
    const written = await lateEngine(spoil)
    const write = async (): Promise<unknown> => {
      const batch = written.batch()
      batch.put(utf8('z'), new Uint8Array(300_000))
      if (head !== undefined) batch.put(HEAD_ROW, head)
      try {
        return await batch.write(await written.get(HEAD_ROW))
      } finally {
        await batch.close()
      }
    }
    expect(await write()).toBe(true)
    await expect(write()).rejects.toMatchObject(isCorrupt)
  })

  test('are looked at as a whole a second later, and not after they are closed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const engine = await lateEngine(() => {})
    expect(vi.getTimerCount()).toBe(1)
    await engine.close()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a file that is gone as it is read', () => {
  const gone = (): Error =>
    Object.assign(new Error('ENOENT: no such file or directory'), { code: 'ENOENT', syscall: 'open' })

  /** A database whose tables are read in a thread: too long for one look, and short enough to be read whole. */
  async function directoryOf(): Promise<string> {
    const location = await closedStore()
    const store = await openStore(location)
    await store.set({ scope: account, name: 'long', payload: new Uint8Array(300_000).fill(1) })
    await store.compact()
    await store.close()
    return join(location, 'data')
  }

  test('was exchanged by whoever has the store open: it is looked at again, and then is somebody\u2019s', async () => {
    const directory = await directoryOf()
    let exchanges = 0
    const open = vi.spyOn(RandomAccess, 'open')
    onTestFinished(() => open.mockRestore())
    const exchange = async (): Promise<never> => {
      writeFileSync(join(directory, `note ${exchanges++}`), '')
      throw gone()
    }
    open.mockImplementationOnce(exchange)
    expect(await checkFiles(directory)).toBeInstanceOf(Function)
    expect(exchanges).toBe(1)
    open.mockImplementation(exchange)
    await expect(checkFiles(directory)).rejects.toMatchObject({ code: 'ERR_LOCKED', cause: { code: 'ERR_IO' } })
  })

  test('is a refusal by the system where nothing else has changed', async () => {
    const directory = await directoryOf()
    const open = vi.spyOn(RandomAccess, 'open').mockRejectedValue(gone())
    onTestFinished(() => open.mockRestore())
    await expect(checkFiles(directory)).rejects.toMatchObject({ code: 'ERR_IO' })
    expect(open).toHaveBeenCalledTimes(1)
  })
})
