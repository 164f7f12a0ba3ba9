import { readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { account, type OpenOptions, SecretStore } from '../../../src/index'
import { newStore, ownerOf, plantOwner, sharerOf, socketsFolder } from '../../support/sharing'
import { codeOf, testKey } from '../../support/stores'
import { turnOfLoop } from '../../support/waiting'

const target = { scope: account, name: 'name' }

async function follow(location: string, options: Partial<OpenOptions> = {}): Promise<SecretStore> {
  const store = await SecretStore.open(location, { key: testKey(), shared: 'follow', ...options })
  onTestFinished(() => store.close().catch(() => {}))
  return store
}

describe("a store opened with shared: 'follow'", () => {
  test('is held alone where nobody shares it, and nothing tells of it afterwards', async () => {
    await socketsFolder()
    const location = await newStore()
    const store = await follow(location)
    expect((await store.status()).sharing).toBeUndefined()
    expect(await codeOf(() => follow(location))).toBe('ERR_LOCKED')
    expect(await codeOf(() => ownerOf(location))).toBe('ENOENT')
    await store.close()
  })

  test('is reached through a process that shares it', async () => {
    await socketsFolder()
    const location = await newStore()
    const owner = await sharerOf(location)
    const store = await follow(location)
    const { sharing } = await store.status()
    expect(sharing?.role).toBe('follower')
    expect(sharing?.processes.map(({ pid, owner }) => [pid, owner])).toEqual([
      [owner.process.pid, true],
      [process.pid, false],
    ])
    if (process.platform === 'linux') {
      expect(sharing?.processes[0]?.program).toMatch(/^node participant\.mjs$/)
      expect(Math.abs((sharing?.processes[0]?.since ?? 0) - Date.now() / 1000)).toBeLessThan(600)
    }
    await store.set({ ...target, payload: 'by the follower' })
    expect(await owner.ask({ do: 'get', name: 'name' })).toEqual({ value: 'by the follower' })
  })

  test('is held alone beside an owner.json that a killed process has left, whatever it says', async () => {
    const folder = await socketsFolder()
    const location = await newStore()
    const owner = await sharerOf(location)
    const { endpoint } = await ownerOf(location)
    await owner.kill()
    for (const planted of [{}, { endpoint }, { endpoint, machine: 'another' }, { endpoint: join(folder, 'nothing') }]) {
      if (Object.keys(planted).length > 0) await plantOwner(location, { pid: process.pid, ...planted })
      const store = await follow(location)
      expect((await store.status()).sharing).toBeUndefined()
      await store.close()
    }
  })

  test('is refused a wrong key as ever', async () => {
    await socketsFolder()
    const location = await newStore()
    const owner = await sharerOf(location)
    expect(await codeOf(() => follow(location, { key: testKey(9) }))).toBe('ERR_WRONG_KEY')
    expect(await owner.ask({ do: 'get', name: 'name' })).toEqual({ value: undefined })
  })

  test('is not waited for beside a process that shares it, with readOnly', async () => {
    await socketsFolder()
    const location = await newStore()
    await sharerOf(location)
    const opening = SecretStore.open(location, { key: testKey(), readOnly: true, waitMs: 600_000 })
    await expect(opening).rejects.toMatchObject({
      code: 'ERR_LOCKED',
      message: expect.stringContaining('got one that shares it with all but readOnly'),
    })
  })
})

describe.runIf(process.platform === 'linux')('beside a process that does not share it', () => {
  test('a store is waited for without a look into it, and reached as soon as somebody shares it', async () => {
    await socketsFolder()
    const location = await newStore()
    const owner = await sharerOf(location)
    const [path, hidden] = [join(location, 'owner.json'), join(location, '..', 'hidden')]
    await rename(path, hidden)
    const log = join(location, 'data', 'LOG')
    const before = await readFile(log)
    const opening = follow(location, { waitMs: 600_000 })
    for (let n = 0; n < 50; n++) await turnOfLoop()
    expect(await readFile(log)).toEqual(before)
    await rename(hidden, path)
    const store = await opening
    await store.set({ ...target, payload: 'x' })
    expect(await owner.ask({ do: 'get', name: 'name' })).toEqual({ value: 'x' })
  })

  test('a store is not opened without a wait either, and its LOG stays as it is', async () => {
    const location = await newStore()
    await sharerOf(location, { shared: false })
    const log = join(location, 'data', 'LOG')
    const before = await readFile(log)
    expect(await codeOf(() => follow(location))).toBe('ERR_LOCKED')
    expect(await readFile(log)).toEqual(before)
    expect(await codeOf(() => SecretStore.open(location, { key: testKey(), readOnly: true, waitMs: 50 }))).toBe(
      'ERR_LOCKED',
    )
  })

  test('whose owner.json has gone, it is waited for', async () => {
    await socketsFolder()
    const location = await newStore()
    await sharerOf(location)
    await rm(join(location, 'owner.json'))
    expect(await codeOf(() => follow(location))).toBe('ERR_LOCKED')
  })
})
