import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { syncHandle } from '../../../src/platform/sync'
import { temporaryDirectory } from '../../support/stores'

test('a file and a directory are put on disk by their descriptors alone', async () => {
  const directory = await temporaryDirectory()
  for (const file of [await open(join(directory, 'file'), 'wx'), await open(directory, 'r')]) {
    // As a handle of Yarn's Plug'n'Play, which has no `sync`.
    await expect(syncHandle({ fd: file.fd } as FileHandle)).resolves.toBeUndefined()
    await file.close()
  }
})

test('what the system refuses is an error', async () => {
  await expect(syncHandle({ fd: 999_999 } as FileHandle)).rejects.toMatchObject({ code: 'EBADF', syscall: 'fsync' })
})
