import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Whether a thread of this process holds a lock on the file, as far as the system tells (Linux does). The file is not
 * opened: closing it would drop the lock.
 */
export function isLockedByThisProcess(path: string): boolean {
  const file = statSync(path, { bigint: true, throwIfNoEntry: false })
  return file !== undefined && ownLocks().some((inode) => inode === String(file.ino))
}

const LINUX_DESCRIPTORS = '/proc/self/fdinfo'
/** The locks of all processes. */
export const LINUX_LOCKS = '/proc/locks'
/** Beyond so many, the list of everybody's locks is read, which has the kernel wait (6 ms and more) but is one file. */
const MOST_DESCRIPTORS = 256

/** The inodes that this process holds locks on; none where the system does not tell. */
function ownLocks(): string[] {
  if (!existsSync(LINUX_DESCRIPTORS)) return []
  const descriptors = readdirSync(LINUX_DESCRIPTORS)
  if (descriptors.length > MOST_DESCRIPTORS) return lockedInodes(readFileSync(LINUX_LOCKS, 'utf8'), String(process.pid))
  return descriptors.flatMap((descriptor) => {
    try {
      return lockedInodes(readFileSync(join(LINUX_DESCRIPTORS, descriptor), 'utf8'))
    } catch {
      return [] // it was closed meanwhile
    }
  })
}

/** `1: POSIX  ADVISORY  WRITE 4242 08:02:1311768 0 EOF`, in a descriptor's own lines after `lock:`. */
function lockedInodes(text: string, pid?: string): string[] {
  const locks = text.matchAll(/^(?:lock:\s*)?\d+: +\w+ +\w+ +\w+ +(\d+) +\w+:\w+:(\d+) /gm)
  return [...locks].flatMap(([, holder, inode = '']) => (pid === undefined || holder === pid ? [inode] : []))
}
