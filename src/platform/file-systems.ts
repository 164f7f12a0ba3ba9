import { statfs } from 'node:fs/promises'

/**
 * File systems that another machine, or another kernel, can have mounted as well, by the magic number of statfs(2). FUSE is
 * among them because its one number is sshfs's, too.
 */
const OF_SEVERAL_MACHINES: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB 2'],
  [0x01021997, '9p'],
  [0x65735546, 'FUSE'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x73757245, 'Coda'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
  [0x786f4256, 'VirtualBox'],
])

/**
 * The name of the file system of a path, if other machines may reach it as well.
 *
 * @returns `undefined` for one of this machine alone. Linux tells; macOS numbers file systems as they come, so that nothing
 *   can be said there; on Windows the path of another machine begins with two backslashes.
 */
export async function fileSystemOfOthers(path: string): Promise<string | undefined> {
  if (process.platform === 'win32') return /^\\\\(?![.?]\\)/.test(path) ? 'network' : undefined
  if (process.platform !== 'linux') return undefined
  // 32-bit systems have it with a sign.
  return OF_SEVERAL_MACHINES.get((await statfs(path)).type >>> 0)
}
