import { createHash } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import {
  account,
  type BatchOperation,
  type MemoryOptions,
  type OpenOptions,
  rawKey,
  SecretStore,
  type SecretStoreErrorCode,
  type SetParams,
} from 'app-secret-store'
import { onTestFinished } from './runner'

/** A key for tests: every byte is `fill`. */
export function testKey(fill = 7): ReturnType<typeof rawKey> {
  return rawKey(new Uint8Array(32).fill(fill))
}

/** A new empty directory that goes away with the test. */
export async function temporaryDirectory(parent: string = tmpdir()): Promise<string> {
  const directory = await mkdtemp(join(parent, 'secret-store-test-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** A path in a new directory at which nothing is yet. */
export async function newLocation(): Promise<string> {
  return join(await temporaryDirectory(), 'secrets')
}

/** Whether stores on disk are followers: another store of the same process holds the files (`npm run test:followers`). */
export const areFollowers: boolean = process.env['STORES'] === 'followers'

/** Whether synchronous reads are answered. */
export const readsAtOnce: boolean = !areFollowers

/**
 * Where every store of test/behaviour comes from, with its options as they are: what is to hold of stores that are opened
 * in another way (as a follower, over a network) is run by having them opened so here.
 */
export const stores: {
  open(location: string, options: OpenOptions): Promise<SecretStore>
  memory(options?: MemoryOptions): SecretStore
} = {
  open: areFollowers ? openFollower : (location, options) => SecretStore.open(location, options),
  memory: (options) => (options === undefined ? SecretStore.memory() : SecretStore.memory(options)),
}

/**
 * A store whose files another store of this process holds, which keeps the checkpoints; that one is closed with it. What is
 * read only or accepts a rollback is nothing that followers can be, and is opened as it is.
 */
async function openFollower(location: string, options: OpenOptions): Promise<SecretStore> {
  if (!options || options.readOnly || options.acceptRollback) return SecretStore.open(location, options)
  const owner = await SecretStore.open(location, { sweepIntervalMs: 0, compactIntervalMs: 0, ...options, shared: true })
  const { checkpoints: _, ...others } = options
  const follower = await SecretStore.open(location, { ...others, shared: true }).catch(async (error: unknown) => {
    await owner.close()
    throw error
  })
  const close = follower.close.bind(follower)
  follower.close = async () => {
    await close()
    await owner.close()
  }
  return follower
}

/** Opens a store without background timers; it is closed with the test if it is still open then. */
export async function openStore(location: string, options: Partial<OpenOptions> = {}): Promise<SecretStore> {
  const store = await stores.open(location, {
    key: testKey(),
    sweepIntervalMs: 0,
    compactIntervalMs: 0,
    ...options,
  })
  onTestFinished(() => store.close().catch(() => {}))
  return store
}

/** A store in memory without background timers; it is closed with the test. */
export function memoryStore(options: MemoryOptions = {}): SecretStore {
  const store = stores.memory({ sweepIntervalMs: 0, compactIntervalMs: 0, ...options })
  onTestFinished(() => store.close())
  return store
}

/**
 * A new store over one of the two engines, without background timers. Its clock stands still unless given another.
 *
 * @param location - Of a store of LevelDB. @defaultValue a new one
 */
export async function openOver(
  engine: 'LevelDB' | 'memory',
  options: MemoryOptions = {},
  location?: string,
): Promise<SecretStore> {
  const settings = { now: new TestClock().now, ...options }
  return engine === 'memory' ? memoryStore(settings) : openStore(location ?? (await newLocation()), settings)
}

/** Sets as many secrets, 500 in a batch. */
export async function setMany(store: SecretStore, count: number, secretOf: (n: number) => SetParams): Promise<void> {
  for (let start = 0; start < count; start += 500) {
    const length = Math.min(500, count - start)
    await store.batch(Array.from({ length }, (_, n): BatchOperation => ({ type: 'set', ...secretOf(start + n) })))
  }
}

/** A closed store of `'name-0'`, `'name-1'`, …, of which every fiftieth is too large for the record's own row. */
export async function closedStoreOf(count: number): Promise<string> {
  const location = await newLocation()
  const store = await openStore(location)
  await setMany(store, count, (n) => ({
    scope: account,
    name: `name-${n}`,
    payload: n % 50 === 0 ? 'x'.repeat(2000) : 'small',
  }))
  await store.close()
  return location
}

/** A clock that stands still until it is moved. Starts at a fixed time, in milliseconds. */
export class TestClock {
  ms = 1_700_000_000_000
  readonly now = (): number => this.ms

  get seconds(): number {
    return Math.floor(this.ms / 1000)
  }

  advanceSeconds(seconds: number): void {
    this.ms += seconds * 1000
  }
}

/** Every regular file below a directory, by relative path, without LevelDB's LOCK, which an owner must not touch. */
export async function filesOf(directory: string): Promise<Map<string, Buffer>> {
  for (;;) {
    try {
      return await readFiles(directory)
    } catch (error) {
      // LevelDB, at work in the background, has moved something to another file: look at all of them again.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
}

async function readFiles(directory: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === 'LOCK') continue
    const path = join(entry.parentPath, entry.name)
    found.set(path.slice(directory.length + 1), await readFile(path))
  }
  return found
}

/** One digest over the names and contents of all files. */
export async function directoryDigest(directory: string): Promise<string> {
  const hash = createHash('sha256')
  for (const [path, bytes] of [...(await filesOf(directory))].sort())
    hash.update(`${path}\0${bytes.length}\0`).update(bytes)
  return hash.digest('hex')
}

/** A copy of a store's directory, private as a store must be, without LOCK. */
export async function copyStore(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, filter: (path) => basename(path) !== 'LOCK' })
}

/** The code of the `SecretStoreError` that `work` fails with, or what happened instead. */
export async function codeOf(work: () => unknown): Promise<SecretStoreErrorCode | string> {
  try {
    await work()
    return 'no error'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}
