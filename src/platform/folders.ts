import { lstat, realpath } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { unless } from './files'

/** Who might exchange what is in a folder, besides this process's user and root. */
export interface UnsafeFolder {
  readonly path: string
  readonly why: 'foreign' | 'writable'
}

const STICKY = 0o1000
const GROUP_WRITES = 0o020
const OTHERS_WRITE = 0o002

/**
 * The first folder on the way to a path in which others could exchange what lies below: one that belongs to another user
 * than root or this process's, or that others may write to without the sticky bit. The user's own primary group is no
 * other (umask 002). The rule is that of OpenSSH's StrictModes, which knows no sticky folders.
 *
 * @param path - Of something that need not exist.
 * @returns `undefined` if there is none, and on Windows, where access lists decide.
 */
export async function unsafeFolderAbove(path: string): Promise<UnsafeFolder | undefined> {
  const { getuid, getgid } = process
  if (getuid === undefined || getgid === undefined) return undefined
  const [own, ownGroup] = [getuid.call(process), getgid.call(process)]
  const target = resolve(path)
  // The folders that are named, in which a link could be exchanged, and those that links lead to.
  for (const chain of [foldersAbove(target), await canonicalFoldersAbove(target)]) {
    for (const folder of chain) {
      const found = await unless(lstat(folder), 'ENOENT')
      if (found === undefined || found.isSymbolicLink()) continue
      if (found.uid !== own && found.uid !== 0) return { path: folder, why: 'foreign' }
      if ((found.mode & STICKY) !== 0) continue
      const byGroup = (found.mode & GROUP_WRITES) !== 0 && found.gid !== ownGroup && found.gid !== 0
      if (byGroup || (found.mode & OTHERS_WRITE) !== 0) return { path: folder, why: 'writable' }
    }
  }
  return undefined
}

/** From the root down. */
function foldersAbove(path: string): string[] {
  const above = dirname(path)
  return above === path ? [] : [...foldersAbove(above), above]
}

/** Of the nearest folder that exists. */
async function canonicalFoldersAbove(path: string): Promise<string[]> {
  for (let above = dirname(path); ; above = dirname(above)) {
    const found = await unless(realpath(above), 'ENOENT')
    if (found !== undefined) return [...foldersAbove(found), found]
    if (above === dirname(above)) return []
  }
}
