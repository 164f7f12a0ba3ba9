import { lstat, readlink } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { unless } from './files'

/** Who might exchange what is in a folder, besides this process's user and root. */
export interface UnsafeFolder {
  readonly path: string
  readonly why: 'foreign' | 'writable'
}

const STICKY = 0o1000
const GROUP_WRITES = 0o020
const OTHERS_WRITE = 0o002

/** The system follows no more links than so many, and fails (ELOOP). */
const MOST_LINKS = 40

/**
 * The first folder or link on the way to a path by which others could exchange what lies below: one that belongs to another
 * user than root or this process's, or a folder that others may write to without the sticky bit. The user's own primary
 * group is no other (umask 002). The rule is that of OpenSSH's StrictModes, which knows no sticky folders.
 *
 * @param path - Of something that need not exist.
 * @returns `undefined` if there is none, and on Windows, where access lists decide.
 */
export async function unsafeFolderAbove(path: string): Promise<UnsafeFolder | undefined> {
  const { getuid, getgid } = process
  if (getuid === undefined || getgid === undefined) return undefined
  const [own, ownGroup] = [getuid.call(process), getgid.call(process)]
  let links = 0
  const rest = namesTo(dirname(resolve(path)))
  // As the system walks it: every folder that is named, and every one that a link leads through.
  for (let folder: string = sep, next: string | undefined = ''; next !== undefined; next = rest.shift()) {
    const here = join(folder, next)
    const found = await unless(lstat(here), 'ENOENT')
    if (found === undefined) return undefined
    if (found.uid !== own && found.uid !== 0) return { path: here, why: 'foreign' }
    if (found.isSymbolicLink()) {
      if (++links > MOST_LINKS) return undefined
      rest.unshift(...namesTo(resolve(folder, await readlink(here))))
      folder = sep
      continue
    }
    folder = here
    if ((found.mode & STICKY) !== 0) continue
    const byGroup = (found.mode & GROUP_WRITES) !== 0 && found.gid !== ownGroup && found.gid !== 0
    if (byGroup || (found.mode & OTHERS_WRITE) !== 0) return { path: here, why: 'writable' }
  }
  return undefined
}

function namesTo(path: string): string[] {
  return path.split(sep).filter((name) => name !== '')
}
