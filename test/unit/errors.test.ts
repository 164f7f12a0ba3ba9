import { readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { SecretCache } from '../../src/cache/index'
import { account, SecretStore, SecretStoreError, type SecretStoreErrorCode, user } from '../../src/index'
import { osKeyring } from '../../src/os-keyring/index'
import { MemoryEngine } from '../../src/storage/memory-engine'
import { failNextWrite } from '../support/engine-writes'
import { FakeKeyring, failed } from '../support/fake-keyring'
import { fromRoot } from '../support/paths'
import { copyStore, newLocation, openStore, temporaryDirectory, testKey } from '../support/stores'
import { turnOfLoop } from '../support/waiting'

const target = { scope: account, name: 'n' }

/** A closed store with one secret in it. */
async function closedStore(): Promise<string> {
  const location = await newLocation()
  const store = await openStore(location)
  await store.set({ ...target, payload: 'p' })
  await store.close()
  return location
}

/** Opens a store whose key is in a system keyring, after `change` of that keyring. */
async function openByKeyring(change: (keyring: FakeKeyring) => void): Promise<unknown> {
  const keyring = new FakeKeyring()
  const location = await newLocation()
  const key = () => osKeyring({ service: 'app', account: 'main', keyring: keyring.library })
  await (await openStore(location, { key: key() })).close()
  change(keyring)
  return openStore(location, { key: key() })
}

/** For each code, a call of the public interface that fails with it. */
const PRODUCERS: Readonly<
  Record<Exclude<SecretStoreErrorCode, 'ERR_NO_SYNC' | 'ERR_OUTCOME_UNKNOWN'>, () => Promise<unknown>>
> = {
  ERR_WRONG_KEY: async () => openStore(await closedStore(), { key: testKey(8) }),
  ERR_CORRUPT: async () => {
    const location = await closedStore()
    const path = join(location, 'keyring.json')
    await writeFile(path, (await readFile(path, 'utf8')).replace('"', "'"))
    return openStore(location)
  },
  ERR_ROLLBACK: async () => {
    const location = await closedStore()
    const older = await newLocation()
    await copyStore(location, older)
    const store = await openStore(location)
    await store.set({ ...target, payload: 'newer' })
    const minimum = await store.checkpoint()
    await store.close()
    return openStore(older, { minimum })
  },
  ERR_LOCKED: async () => {
    const location = await closedStore()
    await openStore(location)
    return openStore(location)
  },
  ERR_FAILED: async () => {
    const store = SecretStore.memory()
    const fault = failNextWrite(MemoryEngine.prototype, new Error('no space'))
    return store.set({ ...target, payload: 'p' }).finally(() => fault.mockRestore())
  },
  ERR_CLOSED: async () => {
    const store = SecretStore.memory()
    await store.close()
    return store.get(target)
  },
  ERR_READ_ONLY: async () => {
    const store = await openStore(await closedStore(), { readOnly: true })
    return store.set({ ...target, payload: 'p' })
  },
  ERR_BUSY: async () => {
    const store = await openStore(await closedStore())
    let isOver = false
    const compacting = store.compact().finally(() => {
      isOver = true
    })
    try {
      while (!isOver) {
        store.getSync(target)
        await turnOfLoop()
      }
    } finally {
      await compacting
    }
    return undefined
  },
  ERR_ACCESS_DENIED: async () =>
    SecretStore.memory()
      .view({ user: 'usr_1' })
      .get({ scope: user('usr_2'), name: 'n' }),
  ERR_CURSOR: async () => SecretStore.memory().list({ scope: account, starting_after: 'appsecret_none' }),
  ERR_NOT_FOUND: async () => openStore(await newLocation(), { createIfMissing: false }),
  ERR_EXISTS: async () => {
    const path = join(await temporaryDirectory(), 'backup')
    await writeFile(path, 'something')
    return (await openStore(await closedStore())).backup(path)
  },
  ERR_UNKNOWN_KEY: async () => (await openStore(await closedStore())).removeKey('AAAAAAAAAAA'),
  ERR_LAST_KEY: async () => {
    const store = await openStore(await closedStore())
    return store.removeKey(store.keys()[0]?.id as string)
  },
  ERR_NOT_A_STORE: async () => {
    const location = await newLocation()
    await writeFile(location, 'a file')
    return openStore(location)
  },
  ERR_UNSAFE_LOCATION: async () => {
    const location = await closedStore()
    const link = join(await temporaryDirectory(), 'link')
    await symlink(location, link)
    return openStore(link)
  },
  ERR_UNSUPPORTED_VERSION: async () => {
    const path = join(await temporaryDirectory(), 'backup')
    await (await openStore(await closedStore())).backup(path)
    const bytes = await readFile(path)
    // The version comes after the name of the format (docs/format.md).
    bytes[20] = 9
    await writeFile(path, bytes)
    return SecretStore.restore(path, await newLocation(), { key: testKey() })
  },
  ERR_IO: async () => {
    // A directory cannot be made below a file.
    const file = join(await temporaryDirectory(), 'file')
    await writeFile(file, '')
    return openStore(join(file, 'secrets'))
  },
  ERR_NO_BINARY: async () => {
    vi.doMock('level', () => {
      throw new Error('No native build was found')
    })
    try {
      return await openStore(await newLocation())
    } finally {
      vi.doUnmock('level')
    }
  },
  ERR_NO_KEYRING: () =>
    openByKeyring((keyring) => {
      keyring.refusal = failed('no secret service')
    }),
  ERR_KEYRING_LOCKED: () =>
    openByKeyring((keyring) => {
      keyring.before = () => {
        throw failed("Couldn't access platform storage: Secret Service: unlock prompt was dismissed")
      }
    }),
  ERR_NO_KEYRING_ENTRY: () => openByKeyring((keyring) => keyring.entries.clear()),
  ERR_FOREIGN_KEYRING_ENTRY: () => openByKeyring((keyring) => keyring.put('app/main', 'of another')),
  ERR_UNAVAILABLE: async () => {
    const load = (): never => {
      throw new Error('source is down')
    }
    const cache = new SecretCache(SecretStore.memory(), { load })
    return cache.get(target)
  },
}

const RUNS_HERE = process.platform === 'linux'
if (!RUNS_HERE)
  console.warn(`skipped: the codes of the system keyring and of links: this is ${process.platform}, not linux`)

test.skipIf(!RUNS_HERE).each(Object.entries(PRODUCERS))('%s is what this call fails with', async (code, produce) => {
  const error = await produce().then(
    () => 'no error',
    (caught: unknown) => caught,
  )
  expect(error).toBeInstanceOf(SecretStoreError)
  expect(error).toMatchObject({ name: 'SecretStoreError', code })
})

test('each code of src/errors.ts is among them, but for the one that an engine without synchronous reads is to have', async () => {
  const source = await readFile(fromRoot('src/errors.ts'), 'utf8')
  const codes = [...source.matchAll(/^ {2}\| '(ERR_\w+)'$/gm)].map(([, code]) => code)
  expect(codes.length).toBeGreaterThan(20)
  // An owner that is stopped for half a minute: test/unit/storage/sharing.
  expect([...Object.keys(PRODUCERS), 'ERR_NO_SYNC', 'ERR_OUTCOME_UNKNOWN'].sort()).toEqual(codes.sort())
})
