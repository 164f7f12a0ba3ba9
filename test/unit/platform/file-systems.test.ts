import { existsSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { fileSystemOfOthers } from '../../../src/platform/file-systems'
import { temporaryDirectory } from '../../support/stores'

vi.mock('node:fs/promises', { spy: true })

afterEach(() => {
  vi.mocked(fs.statfs).mockRestore()
})

describe.runIf(process.platform === 'linux')('a file system', () => {
  test('of this machine is no matter: the one of the tests, and that of /tmp', async () => {
    expect(await fileSystemOfOthers(await temporaryDirectory())).toBeUndefined()
    if (existsSync('/dev/shm')) expect(await fileSystemOfOthers('/dev/shm')).toBeUndefined()
  })

  // As linux/magic.h has them.
  test.each([
    [0x6969, 'NFS'],
    [0xff534d42, 'CIFS'],
    [0xfe534d42, 'SMB 2'],
    [0x517b, 'SMB'],
    [0x01021997, '9p'],
    [0x65735546, 'FUSE'],
    [0x00c36400, 'Ceph'],
    [-11_317_950, 'CIFS'],
  ])('of number %d is of other machines, too: %s', async (type, name) => {
    vi.mocked(fs.statfs).mockResolvedValue({ type } as never)
    expect(await fileSystemOfOthers('/mnt')).toBe(name)
  })

  // ext4, tmpfs, overlayfs, btrfs, xfs, zfs
  test.each([0xef53, 0x01021994, 0x794c7630, 0x9123683e, 0x58465342, 0x2fc12fc1])(
    'of number %d is not',
    async (type) => {
      vi.mocked(fs.statfs).mockResolvedValue({ type } as never)
      expect(await fileSystemOfOthers('/mnt')).toBeUndefined()
    },
  )
})
