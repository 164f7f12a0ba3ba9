import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { LevelEngine } from '../../../src/storage/level/engine'
import { newLocation, openStore } from '../../support/stores'

vi.mock('node:fs/promises', { spy: true })

afterEach(() => {
  vi.restoreAllMocks()
})

describe.runIf(process.platform === 'linux')('a store on a file system that other machines may reach', () => {
  test.each([
    [0x6969, 'NFS'],
    [0xff534d42, 'CIFS'],
    [0x01021997, '9p'],
    [0x65735546, 'FUSE'],
  ])('of number %d is not shared, with the reason, and opens otherwise', async (type, name) => {
    const location = await newLocation()
    await (await openStore(location)).close()
    vi.mocked(fs.statfs).mockResolvedValue({ type } as never)
    const opening = vi.spyOn(LevelEngine, 'open')
    await expect(openStore(location, { shared: true })).rejects.toMatchObject({
      code: 'ERR_UNSAFE_LOCATION',
      message: `location: expected a file system of this machine alone to share the store, got ${name} (without shared it opens)`,
    })
    expect(opening).not.toHaveBeenCalled()
    expect(await fs.readdir(location)).not.toContain('owner.json')
    await (await openStore(location)).close()
    const store = await openStore(location, { shared: true, allowUnsafeLocation: true })
    expect(await fs.readdir(join(location))).toContain('owner.json')
    await store.close()
  })
})
