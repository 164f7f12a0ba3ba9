import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import { codeOf } from '../base/thrown'
import { LINUX_LOCKS } from './process-locks'

/**
 * Whether any process holds a lock on the file, as far as the system tells: Linux lists locks, Windows refuses to open what
 * somebody has opened for himself. Elsewhere the answer is no.
 */
export function isLockedByAnybody(path: string): boolean {
  const file = statSync(path, { bigint: true, throwIfNoEntry: false })
  if (file === undefined) return false
  if (process.platform === 'win32') return isRefused(path)
  return existsSync(LINUX_LOCKS) && isListed(readFileSync(LINUX_LOCKS, 'utf8'), file)
}

/** Which file it is, as `stat` says. */
export interface FileIdentity {
  readonly dev: bigint
  readonly ino: bigint
}

/**
 * Whether a list of locks has the file, by device and inode: `1: POSIX  ADVISORY  WRITE 4242 fd:01:1311768 0 EOF`, the
 * device in hexadecimal. Volumes of one file system without a device (btrfs, overlays) have numbers of their own to `stat`,
 * so that the inode has to do for those.
 */
export function isListed(locks: string, { dev, ino }: FileIdentity): boolean {
  // As makedev(3) packs them.
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn)
  for (const [, heldMajor, heldMinor, inode] of locks.matchAll(/ ([\da-f]+):([\da-f]+):(\d+) \d+ \S+$/gm)) {
    if (inode !== String(ino) || BigInt(`0x${heldMajor}`) !== major) continue
    if (major === 0n || BigInt(`0x${heldMinor}`) === minor) return true
  }
  return false
}

function isRefused(path: string): boolean {
  try {
    closeSync(openSync(path, 'r'))
    return false
  } catch (error) {
    if (['EBUSY', 'EACCES', 'EPERM'].includes(codeOf(error) ?? '')) return true
    throw error
  }
}
