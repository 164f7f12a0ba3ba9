import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { codeOf } from '../base/thrown'
import { LINUX_LOCKS } from './process-locks'

/**
 * Whether any process holds a lock on the file, as far as the system tells: Linux lists locks, Windows refuses to open what
 * somebody has opened for himself. Elsewhere the answer is no.
 */
export function isLockedByAnybody(path: string): boolean {
  if (process.platform === 'win32') return existsSync(path) && isRefused(path)
  return holderOf(path) !== undefined
}

/**
 * Who holds a lock on the file, in words: `process 4242 (node server.js), which runs since 2027-01-31T09:00:00Z`.
 *
 * @returns `undefined` where the system does not tell (it does on Linux, within one container), or where it is this process.
 */
export function describeHolder(path: string): string | undefined {
  const pid = orNothing(() => holderOf(path))
  // Of a process in another PID namespace, the kernel says 0.
  if (pid === undefined || Number(pid) <= 0 || Number(pid) === process.pid) return undefined
  // Of another user's process, the system may tell no more.
  return `process ${pid}${orNothing(() => programOf(pid)) ?? ''}${orNothing(() => startOf(pid)) ?? ''}`
}

/** It is for a message alone. */
function orNothing<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}

/** Which file it is, as `stat` says. */
export interface FileIdentity {
  readonly dev: bigint
  readonly ino: bigint
}

function holderOf(path: string): string | undefined {
  const file = statSync(path, { bigint: true, throwIfNoEntry: false })
  return file && existsSync(LINUX_LOCKS) ? listedHolder(readFileSync(LINUX_LOCKS, 'utf8'), file) : undefined
}

/**
 * The process that has the file in a list of locks, by device and inode:
 * `1: POSIX  ADVISORY  WRITE 4242 fd:01:1311768 0 EOF`, the device in hexadecimal. Volumes of one file system without a
 * device (btrfs, overlays) have numbers of their own to `stat`, so that the inode has to do for those.
 *
 * @returns Its id in decimal; 0 or less for one that has none here.
 */
export function listedHolder(locks: string, { dev, ino }: FileIdentity): string | undefined {
  // As makedev(3) packs them.
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn)
  for (const [, pid, heldMajor, heldMinor, inode] of locks.matchAll(
    / (-?\d+) ([\da-f]+):([\da-f]+):(\d+) \d+ \S+$/gm,
  )) {
    if (inode !== String(ino) || BigInt(`0x${heldMajor}`) !== major) continue
    if (major === 0n || BigInt(`0x${heldMinor}`) === minor) return pid
  }
  return undefined
}

/** ` (node server.js)`: the program, and the script that a runtime runs. No other argument: those may be secret. */
function programOf(pid: string): string {
  const [program = '', script = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  const words = [program, ...(/\.[cm]?[jt]s$/.test(script) ? [script] : [])].map((path) => basename(path))
  const shown = words.join(' ').replaceAll(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, '?')
  return shown === '' ? '' : ` (${shown.slice(0, MOST_SHOWN)})`
}

const MOST_SHOWN = 80
/** What `sysconf(_SC_CLK_TCK)` says on every processor that Linux and Node run on. */
const TICKS_PER_SECOND = 100

/** proc(5): the 22nd field of `stat` is the start, in ticks since the system was started at `btime`. */
function startOf(pid: string): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
  const boot = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1])
  const start = new Date(1000 * (boot + Math.floor(ticks / TICKS_PER_SECOND)))
  return Number.isNaN(start.getTime()) ? '' : `, which runs since ${start.toISOString().replace('.000', '')}`
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
