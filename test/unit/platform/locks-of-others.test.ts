import { expect, test } from 'vitest'
import { listedHolder } from '../../../src/platform/locks-of-others'

const LOCKS = `1: POSIX  ADVISORY  WRITE 4242 fe:00:1311768 0 EOF
2: FLOCK  ADVISORY  WRITE 77 00:19:37 0 EOF
2: -> FLOCK  ADVISORY  WRITE 78 00:19:37 0 EOF
3: OFDLCK ADVISORY  READ -1 103:12a:99 128 128
`
/** As the kernel packs them for `stat`. */
const device = (major: bigint, minor: bigint): bigint =>
  (minor & 0xffn) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n)

test.each([
  ['of its device and inode', device(0xfen, 0n), 1311768n, '4242'],
  ['of that inode on another device', device(0xfdn, 0n), 1311768n, undefined],
  ['of that inode on another part of the disk', device(0xfen, 1n), 1311768n, undefined],
  ['of another inode', device(0xfen, 0n), 131176n, undefined],
  ['with numbers above 255', device(0x103n, 0x12an), 99n, '-1'],
  ['of a volume without a device', device(0n, 0x30n), 37n, '77'],
  ['of that inode on a disk, held on a volume', device(8n, 1n), 37n, undefined],
])('a lock %s', (_, dev, ino, holder) => {
  expect(listedHolder(LOCKS, { dev, ino })).toBe(holder)
})

test('no lock is in an empty list', () => {
  expect(listedHolder('', { dev: 1n, ino: 1n })).toBeUndefined()
})
