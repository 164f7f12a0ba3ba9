import { execFileSync } from 'node:child_process'
import {
  chmod,
  chown,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { describe, expect, onTestFinished, type TestContext, test } from 'vitest'
import { MAX_KEYRING_BYTES } from '../../../../src/format/constants'
import { account, SecretStore } from '../../../../src/index'
import { isLockedByThisProcess } from '../../../../src/platform/process-locks'
import { LevelEngine } from '../../../../src/storage/level/engine'
import { failNextWrite } from '../../../support/engine-writes'
import { codeOf, directoryDigest, newLocation, openStore, temporaryDirectory, testKey } from '../../../support/stores'

const posix = process.platform !== 'win32'
const root = posix && process.getuid?.() === 0

const NOBODY = 65_534

/** Leaves the test out, and says why. */
function skipUnless(context: TestContext, condition: boolean, why: string): void {
  if (condition) return
  console.warn(`skipped: ${context.task.name}: ${why}`)
  context.skip(why)
}

async function newStore(): Promise<string> {
  const location = await newLocation()
  const store = await openStore(location)
  await store.set({ scope: account, name: 'n', payload: 'p' })
  await store.close()
  return location
}

/** The code and the message of a refused opening, after which nothing in or beside the location has changed. */
async function refusal(location: string, options: Parameters<typeof openStore>[1] = {}): Promise<string> {
  const listing = async (): Promise<string> =>
    JSON.stringify((await readdir(dirname(location), { recursive: true })).sort())
  const before = await listing()
  try {
    await openStore(location, options)
  } catch (error) {
    expect(await listing()).toBe(before)
    return error instanceof Error && 'code' in error ? `${error.code} ${error.message}` : String(error)
  }
  return 'opened'
}

describe('a new store', () => {
  test('is made where nothing is, below directories that are made too', async () => {
    const location = join(await temporaryDirectory(), 'a', 'b', 'secrets')
    const store = await openStore(location)
    await store.set({ scope: account, name: 'n', payload: 'p' })
    expect(await readdir(dirname(location))).toEqual(['secrets'])
    expect((await readdir(location)).sort()).toEqual(['data', 'keyring.json'])
  })

  test('is made in an empty directory', async () => {
    const location = await temporaryDirectory()
    await openStore(location)
    expect((await readdir(location)).sort()).toEqual(['data', 'keyring.json'])
  })

  test('is made for its owner alone, whatever the umask and the empty directory allow', async (context) => {
    skipUnless(context, posix, 'Windows has no modes')
    skipUnless(context, isMainThread, 'a thread cannot set the umask')
    const umask = process.umask(0)
    onTestFinished(() => void process.umask(umask))
    for (const location of [await newLocation(), await temporaryDirectory()]) {
      await chmod(dirname(location), 0o755)
      if (basename(location) !== 'secrets') await chmod(location, 0o777)
      const store = await openStore(location)
      await store.set({ scope: account, name: 'n', payload: 'p' })
      await store.compact()
      expect((await stat(location)).mode & 0o777).toBe(0o700)
      expect((await stat(join(location, 'keyring.json'))).mode & 0o777).toBe(0o600)
    }
  })

  test('is not made if createIfMissing is false', async () => {
    const absent = await newLocation()
    const options = { createIfMissing: false }
    expect(await refusal(absent, options)).toBe('ERR_NOT_FOUND location: expected a store, got none')
    const empty = await temporaryDirectory()
    expect(await codeOf(() => openStore(empty, options))).toBe('ERR_NOT_FOUND')
    expect(await readdir(empty)).toEqual([])
    const made = await newStore()
    const store = await openStore(made, options)
    expect(await store.get({ scope: account, name: 'n' })).toBe('p')
  })

  test('is not made if a checkpoint is expected', async () => {
    const store = await openStore(await newLocation())
    const minimum = await store.checkpoint()
    expect(await refusal(await newLocation(), { minimum })).toMatch(
      /^ERR_ROLLBACK location: expected a store not older/,
    )
  })

  test('that could not be finished leaves nothing behind, and the next attempt succeeds', async () => {
    const location = await newLocation()
    const fault = failNextWrite(LevelEngine.prototype, new Error('no space'))
    await expect(openStore(location)).rejects.toThrow('no space')
    expect(fault.count).toBe(1)
    fault.mockRestore()
    expect(await readdir(dirname(location))).toEqual([])
    await openStore(location)
    expect(await readdir(dirname(location))).toEqual(['secrets'])
  })

  test('below a file is ERR_IO', async () => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, 'file'), 'precious')
    expect(await codeOf(() => openStore(join(directory, 'file', 'secrets')))).toBe('ERR_IO')
    expect(await readFile(join(directory, 'file'), 'utf8')).toBe('precious')
  })

  test('below a directory that refuses is ERR_IO', async (context) => {
    skipUnless(context, posix, 'Windows directories refuse by access lists')
    skipUnless(context, !root || isMainThread, 'a thread of root stays root')
    const directory = await temporaryDirectory()
    await chmod(directory, 0o500)
    // Root may write everywhere: it acts as nobody meanwhile, who may enter this directory and no more.
    if (root) await chmod(directory, 0o555)
    if (root) process.seteuid?.(NOBODY)
    const code = await codeOf(() => openStore(join(directory, 'secrets')))
    if (root) process.seteuid?.(0)
    await chmod(directory, 0o700)
    expect(code).toBe('ERR_IO')
    expect(await readdir(directory)).toEqual([])
  })

  test('made by several at once is one store: one opens it, the others are told it is locked', async () => {
    const location = await newLocation()
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => openStore(location)))
    const codes = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'opened' : outcome.reason.code))
    expect(codes.filter((code) => code === 'opened')).toHaveLength(1)
    expect(new Set(codes)).toEqual(new Set(['opened', 'ERR_LOCKED']))
    expect(await readdir(dirname(location))).toEqual(['secrets'])
  })
})

describe('a location that is not for us', () => {
  test.each(['', 'a\0b', undefined, null, 1, {}, new URL('file:///x')])('%j is no path', async (location) => {
    await expect(SecretStore.open(location as string, { key: testKey() })).rejects.toThrow(
      new TypeError('location: expected the path of a directory, got something else'),
    )
  })

  test('a file is ERR_NOT_A_STORE', async () => {
    const location = await newLocation()
    await writeFile(location, 'precious')
    expect(await refusal(location)).toBe('ERR_NOT_A_STORE location: expected a directory, got a file')
    expect(await readFile(location, 'utf8')).toBe('precious')
  })

  test('a FIFO is ERR_NOT_A_STORE', async (context) => {
    skipUnless(context, posix, 'Windows has no FIFOs')
    const location = await newLocation()
    execFileSync('mkfifo', [location])
    expect(await refusal(location)).toBe('ERR_NOT_A_STORE location: expected a directory, got a special file')
  })

  test('a directory with other files is ERR_NOT_A_STORE', async () => {
    const location = await newLocation()
    await mkdir(location)
    await writeFile(join(location, 'notes.txt'), 'precious')
    expect(await refusal(location)).toBe(
      'ERR_NOT_A_STORE location: expected a store or an empty directory, got one with other files',
    )
    expect(await readdir(location)).toEqual(['notes.txt'])
  })

  test('a symbolic link is ERR_UNSAFE_LOCATION, to a store, to an empty directory or to nothing', async () => {
    const store = await newStore()
    for (const target of [store, await temporaryDirectory(), join(store, 'nowhere')]) {
      const link = await newLocation()
      await symlink(target, link, 'dir')
      expect(await refusal(link)).toBe('ERR_UNSAFE_LOCATION location: expected a directory, got a symbolic link')
    }
  })

  test('a store below a symbolic link is opened: only the location itself must be none', async () => {
    const store = await newStore()
    const link = await newLocation()
    await symlink(dirname(store), link, 'dir')
    const opened = await openStore(join(link, basename(store)))
    expect(await codeOf(() => openStore(store))).toBe('ERR_LOCKED')
    expect(await opened.get({ scope: account, name: 'n' })).toBe('p')
  })

  test('a directory that others may write to is ERR_UNSAFE_LOCATION', async (context) => {
    skipUnless(context, posix, 'Windows has no modes')
    const location = await newStore()
    for (const mode of [0o770, 0o720, 0o702, 0o777]) {
      await chmod(location, mode)
      expect(await refusal(location)).toBe(
        'ERR_UNSAFE_LOCATION location: expected to be writable by its owner alone, got one others may write to (chmod 700 it)',
      )
    }
    const foreign = await newLocation()
    await mkdir(foreign)
    await writeFile(join(foreign, 'notes.txt'), '')
    await chmod(foreign, 0o777)
    expect(await refusal(foreign)).toMatch(/^ERR_UNSAFE_LOCATION/)
  })

  test('a directory that others may only read is made private, but not by a wrong key', async (context) => {
    skipUnless(context, posix, 'Windows has no modes')
    const location = await newStore()
    await chmod(location, 0o755)
    expect(await codeOf(() => openStore(location, { key: testKey(8) }))).toBe('ERR_WRONG_KEY')
    expect((await stat(location)).mode & 0o777).toBe(0o755)
    await openStore(location)
    expect((await stat(location)).mode & 0o777).toBe(0o700)
  })

  test('that belongs to another user, in whole or in part, is ERR_UNSAFE_LOCATION', async (context) => {
    skipUnless(context, root, 'giving a file to another user takes root')
    for (const path of ['', 'keyring.json', 'data', 'data/CURRENT']) {
      const location = await newStore()
      await chown(join(location, path), 65_534, 65_534)
      expect(await refusal(location)).toMatch(/^ERR_UNSAFE_LOCATION .* to belong to the user of this process/)
    }
  })
})

describe('keyring.json', () => {
  const cases: readonly [string, (path: string, location: string) => Promise<unknown>, string][] = [
    [
      'missing',
      (path) => rm(path),
      'ERR_CORRUPT keyring.json: expected it beside data/, got none (restore it from a backup)',
    ],
    [
      'empty',
      (path) => truncate(path, 0),
      'ERR_CORRUPT keyring.json: expected a checksum and a MAC at its end, got none',
    ],
    [
      'a directory',
      async (path) => {
        await rm(path)
        await mkdir(path)
      },
      'ERR_CORRUPT keyring.json: expected a file, got a directory',
    ],
    [
      'a symbolic link to the real one',
      async (path, location) => {
        const elsewhere = join(dirname(location), 'elsewhere.json')
        await rename(path, elsewhere)
        await symlink(elsewhere, path)
      },
      'ERR_UNSAFE_LOCATION keyring.json: expected a file, got a symbolic link',
    ],
    [
      'a symbolic link to nothing',
      async (path) => {
        await rm(path)
        await symlink('nowhere', path)
      },
      'ERR_UNSAFE_LOCATION keyring.json: expected a file, got a symbolic link',
    ],
    [
      'too large',
      (path) => writeFile(path, ' '.repeat(MAX_KEYRING_BYTES + 100)),
      `ERR_CORRUPT keyring.json: expected at most ${MAX_KEYRING_BYTES} bytes, got ${MAX_KEYRING_BYTES + 1}`,
    ],
    [
      'other JSON',
      (path) => writeFile(path, '{}'),
      'ERR_CORRUPT keyring.json: expected a checksum and a MAC at its end, got none',
    ],
    [
      'no UTF-8',
      (path) => writeFile(path, Uint8Array.of(0xff)),
      'ERR_CORRUPT keyring.json: expected UTF-8, got other bytes',
    ],
    [
      'of a newer version',
      (path) => writeFile(path, '{"format":"secret-store","version":4}'),
      'ERR_UNSUPPORTED_VERSION keyring.json: expected format version 1, 2 or 3, got 4',
    ],
  ]

  test.each(cases)('%s is refused and left as it is', async (_, change, expected) => {
    const location = await newStore()
    await change(join(location, 'keyring.json'), location)
    const before = await directoryDigest(location)
    expect(await refusal(location)).toBe(expected)
    expect(await directoryDigest(location)).toBe(before)
  })

  test('a FIFO is refused and does not make the opening hang', async (context) => {
    skipUnless(context, posix, 'Windows has no FIFOs')
    const location = await newStore()
    const path = join(location, 'keyring.json')
    await rm(path)
    execFileSync('mkfifo', [path])
    expect(await refusal(location)).toBe('ERR_CORRUPT keyring.json: expected a file, got a special file')
  })

  test('says how names are written, and asking for another way is a TypeError', async () => {
    for (const [names, other] of [
      ['plain', 'sealed'],
      ['sealed', 'plain'],
    ] as const) {
      const location = await newLocation()
      const store = await openStore(location, { names })
      await store.set({ scope: account, name: 'n', payload: 'p' })
      await store.close()
      const before = await directoryDigest(location)
      expect(await refusal(location, { names: other })).toBe(
        `TypeError: names: expected '${names}', as the store was created, got '${other}'`,
      )
      expect(await directoryDigest(location)).toBe(before)
      const again = await openStore(location)
      expect(await again.get({ scope: account, name: 'n' })).toBe('p')
    }
  })
})

describe('data/', () => {
  test('missing is ERR_CORRUPT, and it is not made anew', async () => {
    const location = await newStore()
    await rm(join(location, 'data'), { recursive: true })
    expect(await refusal(location)).toBe('ERR_CORRUPT data/: expected a directory, got none')
    expect(await readdir(location)).toEqual(['keyring.json'])
  })

  test('a file is ERR_CORRUPT', async () => {
    const location = await newStore()
    await rm(join(location, 'data'), { recursive: true })
    await writeFile(join(location, 'data'), '')
    expect(await refusal(location)).toBe('ERR_CORRUPT data/: expected a directory, got a file')
  })

  test('empty is ERR_CORRUPT, and no database is made in it', async () => {
    const location = await newStore()
    await rm(join(location, 'data'), { recursive: true })
    await mkdir(join(location, 'data'), { mode: 0o700 })
    expect(await codeOf(() => openStore(location))).toBe('ERR_CORRUPT')
    expect(
      (await readdir(join(location, 'data'))).filter((name) => !['LOCK', 'LOG', 'LOG.old'].includes(name)),
    ).toEqual([])
    // Not even a second attempt takes what the first one left for a store.
    expect(await codeOf(() => openStore(location))).toBe('ERR_CORRUPT')
  })

  test.each(['CURRENT', 'MANIFEST'])('without its %s is ERR_CORRUPT, and nothing is made anew', async (missing) => {
    const location = await newStore()
    const names = await readdir(join(location, 'data'))
    const name = names.find((candidate) => candidate.startsWith(missing)) as string
    const kept = await readFile(join(location, 'data', name))
    await rm(join(location, 'data', name))
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(await codeOf(() => openStore(location))).toBe('ERR_CORRUPT')
      expect((await readdir(join(location, 'data'))).some((left) => left.startsWith(missing))).toBe(false)
    }
    await writeFile(join(location, 'data', name), kept)
    const store = await openStore(location)
    expect(await store.get({ scope: account, name: 'n' })).toBe('p')
  })

  test('a database of somebody else beside a good keyring is ERR_CORRUPT', async () => {
    const location = await newStore()
    const other = await newStore()
    await rm(join(location, 'data'), { recursive: true })
    await rename(join(other, 'data'), join(location, 'data'))
    expect(await codeOf(() => openStore(location))).toBe('ERR_CORRUPT')
  })

  test('a new, empty database beside a good keyring is ERR_CORRUPT, never an empty store', async () => {
    const location = await newStore()
    await rm(join(location, 'data'), { recursive: true })
    await (await LevelEngine.open(join(location, 'data'), { create: true })).close()
    await expect(openStore(location)).rejects.toThrow('head: expected one, got none (data is missing)')
    expect(await codeOf(() => openStore(location))).toBe('ERR_CORRUPT')
  })

  test('a symbolic link is ERR_UNSAFE_LOCATION', async () => {
    const location = await newStore()
    const elsewhere = join(dirname(location), 'elsewhere')
    await rename(join(location, 'data'), elsewhere)
    await symlink(elsewhere, join(location, 'data'), 'dir')
    expect(await refusal(location)).toBe('ERR_UNSAFE_LOCATION data/: expected a directory, got a symbolic link')
  })

  test('a symbolic link inside it is ERR_UNSAFE_LOCATION, and what it points to is not touched', async () => {
    for (const name of ['LOG', '000099.ldb', 'LOCK']) {
      const location = await newStore()
      const victim = join(dirname(location), 'victim')
      await writeFile(victim, 'precious')
      await rm(join(location, 'data', name), { force: true })
      await symlink(victim, join(location, 'data', name))
      expect(await refusal(location)).toBe(`ERR_UNSAFE_LOCATION data/${name}: expected a file, got a symbolic link`)
      expect(await readFile(victim, 'utf8')).toBe('precious')
    }
  })

  test('a FIFO inside it is ERR_UNSAFE_LOCATION', async (context) => {
    skipUnless(context, posix, 'Windows has no FIFOs')
    const location = await newStore()
    await rm(join(location, 'data', 'LOG'), { force: true })
    execFileSync('mkfifo', [join(location, 'data', 'LOG')])
    expect(await refusal(location)).toBe('ERR_UNSAFE_LOCATION data/LOG: expected a file, got a special file')
  })
})

describe('one opener at a time', () => {
  test('a second one in this process is ERR_LOCKED, and the first goes on', async () => {
    const location = await newStore()
    const first = await openStore(location)
    expect(await refusal(location)).toBe(
      'ERR_LOCKED store: expected to be its only opener, got another in this process',
    )
    await first.set({ scope: account, name: 'n', payload: 'q' })
    await first.close()
    const second = await openStore(location)
    expect(await second.get({ scope: account, name: 'n' })).toBe('q')
  })

  test('an opening that fails gives the location back', async () => {
    const location = await newStore()
    const store = await openStore(location)
    const minimum = await store.checkpoint()
    await store.close()
    const other = await newStore()
    expect(await codeOf(() => openStore(other, { minimum }))).toBe('ERR_ROLLBACK')
    await openStore(other)
    await openStore(location, { minimum })
  })
})

describe('a lock of this process', () => {
  test('is seen among few descriptors and among many, and no other file is taken for it', async (context) => {
    skipUnless(context, process.platform === 'linux', 'Linux alone tells of locks')
    const location = await newLocation()
    const store = await openStore(location)
    const lock = join(location, 'data', 'LOCK')
    const current = join(location, 'data', 'CURRENT')
    expect([isLockedByThisProcess(lock), isLockedByThisProcess(current)]).toEqual([true, false])
    const many = await Promise.all(Array.from({ length: 300 }, () => open(current)))
    expect([isLockedByThisProcess(lock), isLockedByThisProcess(current)]).toEqual([true, false])
    await Promise.all(many.map((file) => file.close()))
    await store.close()
    expect(isLockedByThisProcess(lock)).toBe(false)
    expect(isLockedByThisProcess(join(location, 'absent'))).toBe(false)
  })
})
