import { chmod, chown, lchown, lstat, mkdir, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { account, SecretStore } from 'app-secret-store'
import { describe, expect, test, vi } from 'vitest'
import * as files from '../../src/platform/files'
import { unsafeFolderAbove } from '../../src/platform/folders'
import { codeOf, openStore, temporaryDirectory, testKey } from '../support/stores'

vi.mock('../../src/platform/files', { spy: true })

/** A folder above a store in which others could put something else in its place, while it is made or later. */

const STRANGER = 12_345
const key = testKey()
const isRoot = process.getuid?.() === 0
const forRoot = test.skipIf(!isRoot)
if (!isRoot) console.warn('skipped: folders of another user (needs root)')
const isPosix = process.platform !== 'win32'

type Make = (location: string, allowUnsafeLocation?: boolean) => Promise<unknown>

async function makers(): Promise<Record<string, Make>> {
  const files = await temporaryDirectory()
  const store = await openStore(join(files, 'source'), { key })
  await store.set({ scope: account, name: 'n', payload: 'p' })
  await store.backup(join(files, 'backup'))
  await store.close()
  const unsafe = (allow?: boolean) => (allow === undefined ? {} : { allowUnsafeLocation: allow })
  return {
    open: async (location, allow) => (await openStore(location, { key, ...unsafe(allow) })).close(),
    restore: (location, allow) => SecretStore.restore(join(files, 'backup'), location, { key, ...unsafe(allow) }),
    recover: (location, allow) =>
      SecretStore.recover(join(files, 'source'), { key, destination: location, ...unsafe(allow) }),
  }
}

/** Each of them is refused with nothing left behind, and made if the app says so. */
async function expectRefused(folder: string, below = 'store'): Promise<void> {
  const before = await readdir(folder)
  for (const [verb, make] of Object.entries(await makers())) {
    const location = join(folder, below, verb)
    expect([verb, await codeOf(() => make(location))]).toEqual([verb, 'ERR_UNSAFE_LOCATION'])
    expect(await readdir(folder)).toEqual(before)
  }
  for (const [verb, make] of Object.entries(await makers())) await make(join(folder, below, verb), true)
}

describe.runIf(isPosix)('a folder above', () => {
  forRoot.each([0o755, 0o700, 0o1777])('of another user, mode %o', async (mode) => {
    const folder = await temporaryDirectory()
    await chmod(folder, mode)
    await chown(folder, STRANGER, STRANGER)
    await expectRefused(folder)
  })

  test.each([0o777, 0o757, 0o702])('that everybody may write to, mode %o', async (mode) => {
    const folder = await temporaryDirectory()
    await chmod(folder, mode)
    await expectRefused(folder)
  })

  forRoot('that another group may write to', async () => {
    const folder = await temporaryDirectory()
    await chmod(folder, 0o775)
    await chown(folder, 0, STRANGER)
    await expectRefused(folder)
  })

  test('far above, and beyond a link, counts as well', async () => {
    const [folder, elsewhere] = [await temporaryDirectory(), await temporaryDirectory()]
    await chmod(folder, 0o777)
    await mkdir(join(folder, 'a', 'b'), { recursive: true, mode: 0o700 })
    const make = (await makers())['open'] as Make
    expect(await codeOf(() => make(join(folder, 'a', 'b', 'store')))).toBe('ERR_UNSAFE_LOCATION')
    await symlink(join(folder, 'a'), join(elsewhere, 'link'))
    expect(await codeOf(() => make(join(elsewhere, 'link', 'b', 'store')))).toBe('ERR_UNSAFE_LOCATION')
    // A folder that one link leads through on its way to a safe one.
    const [between, safe] = [await temporaryDirectory(), await temporaryDirectory()]
    await symlink(safe, join(between, 'second'))
    await symlink(join(between, 'second'), join(elsewhere, 'first'))
    expect(await unsafeFolderAbove(join(elsewhere, 'first', 'store'))).toBeUndefined()
    await chmod(between, 0o777)
    expect(await unsafeFolderAbove(join(elsewhere, 'first', 'store'))).toEqual({ path: between, why: 'writable' })
    // A link that others may exchange leads astray as well as a folder.
    const target = await temporaryDirectory()
    await symlink(target, join(folder, 'link'))
    expect(await codeOf(() => make(join(folder, 'link', 'store')))).toBe('ERR_UNSAFE_LOCATION')
  })

  test("of this user, of its own group, or sticky as the system's temporary one, is safe", async () => {
    for (const mode of [0o700, 0o755, 0o775, 0o1777, 0o1775]) {
      const folder = await temporaryDirectory()
      await chmod(folder, mode)
      expect([mode, await unsafeFolderAbove(join(folder, 'store'))]).toEqual([mode, undefined])
      const make = (await makers())['open'] as Make
      await make(join(folder, 'store'))
      expect((await lstat(join(folder, 'store'))).mode & 0o777).toBe(0o700)
    }
  })

  forRoot('with a link of another user on the way is refused, also where the folder is sticky', async () => {
    const [folder, target] = [await temporaryDirectory(), await temporaryDirectory()]
    await chmod(folder, 0o1777)
    const link = join(folder, 'link')
    await symlink(target, link)
    expect(await unsafeFolderAbove(join(link, 'store'))).toBeUndefined()
    await lchown(link, STRANGER, STRANGER)
    expect(await unsafeFolderAbove(join(link, 'store'))).toEqual({ path: link, why: 'foreign' })
  })

  test('that links in a circle is none', async () => {
    const folder = await temporaryDirectory()
    await symlink(join(folder, 'b'), join(folder, 'a'))
    await symlink(join(folder, 'a'), join(folder, 'b'))
    expect(await unsafeFolderAbove(join(folder, 'a', 'store'))).toBeUndefined()
    expect(await codeOf(() => openStore(join(folder, 'a', 'store'), { key }))).toBe('ERR_IO')
  })

  forRoot('that is unsafe does not keep a store from opening that is there', async () => {
    const folder = await temporaryDirectory()
    const location = join(folder, 'store')
    let store = await openStore(location, { key })
    await store.set({ scope: account, name: 'n', payload: 'p' })
    await store.close()
    await chmod(folder, 0o777)
    store = await openStore(location, { key })
    expect(await store.get({ scope: account, name: 'n' })).toBe('p')
    await store.close()
    await chown(location, STRANGER, STRANGER)
    expect(await codeOf(() => openStore(location, { key }))).toBe('ERR_UNSAFE_LOCATION')
    store = await openStore(location, { key, allowUnsafeLocation: true })
    expect(await store.get({ scope: account, name: 'n' })).toBe('p')
  })
})

describe.runIf(isPosix)('while a store is made', () => {
  test('a file system that keeps no modes is refused before anything is made, and taken if the app says so', async () => {
    const folder = await temporaryDirectory()
    const { status } = await vi.importActual<typeof files>('../../src/platform/files')
    const everything = { writableByOthers: true, openToOthers: true }
    vi.mocked(files.status).mockImplementation(async (path) => ({ ...(await status(path)), ...everything }))
    const location = join(folder, 'store')
    await expect(openStore(location, { key })).rejects.toMatchObject({
      code: 'ERR_UNSAFE_LOCATION',
      message: expect.stringContaining('allowUnsafeLocation'),
    })
    expect(await readdir(folder)).toEqual([])
    for (let time = 0; time < 2; time++) {
      const store = await openStore(location, { key, allowUnsafeLocation: true })
      await store.set({ scope: account, name: 'n', payload: 'p' })
      await store.close()
    }
    vi.mocked(files.status).mockRestore()
  })

  test('something else in the place of what was made a moment ago is refused, and removed', async () => {
    const folder = await temporaryDirectory()
    const { directoryIdentity, status } = await vi.importActual<typeof files>('../../src/platform/files')
    const refusal = { code: 'ERR_UNSAFE_LOCATION', message: expect.stringContaining('made a moment ago') }
    let calls = 0
    vi.mocked(files.directoryIdentity).mockImplementation(async (path) => `${await directoryIdentity(path)}:${calls++}`)
    await expect(openStore(join(folder, 'store'), { key })).rejects.toMatchObject(refusal)
    vi.mocked(files.directoryIdentity).mockRestore()
    vi.mocked(files.status).mockImplementation(async (path) => {
      const found = await status(path)
      return path.includes('creating-') ? { ...found, kind: 'symlink' } : found
    })
    await expect(openStore(join(folder, 'store'), { key })).rejects.toMatchObject(refusal)
    vi.mocked(files.status).mockRestore()
    expect(await readdir(folder)).toEqual([])
  })
})
