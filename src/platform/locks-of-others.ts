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

/** A process, as far as the system tells of it (Linux does, within one container). */
export interface ProcessFacts {
  readonly pid: number
  /** The program, and the script that a runtime runs: `node server.js`. */
  readonly program?: string
  /** Since when it runs, in Unix seconds. */
  readonly since?: number
}

/**
 * Who holds a lock on the file.
 *
 * @returns `undefined` where the system does not tell.
 */
export function lockHolder(path: string): ProcessFacts | undefined {
  const pid = Number(orNothing(() => holderOf(path)))
  // Of a process in another PID namespace, the kernel says 0.
  return pid > 0 ? processFacts(pid) : undefined
}

/** Of another user's process, the system may tell nothing but that there is one. */
export function processFacts(pid: number): ProcessFacts {
  const program = orNothing(() => programOf(pid))
  const since = orNothing(() => startOf(pid))
  return { pid, ...(program !== undefined && { program }), ...(since !== undefined && { since }) }
}

/**
 * The same in words: `process 4242 (node server.js), which runs since 2027-01-31T09:00:00Z`.
 *
 * @returns `undefined` also where it is this process.
 */
export function describeHolder(path: string): string | undefined {
  const { pid, program, since } = lockHolder(path) ?? {}
  if (pid === undefined || pid === process.pid) return undefined
  const start =
    since === undefined ? '' : `, which runs since ${new Date(1000 * since).toISOString().replace('.000', '')}`
  return `process ${pid}${program === undefined ? '' : ` (${program})`}${start}`
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

/** The program, and the script that a runtime runs. No other argument: those may be secret. */
function programOf(pid: number): string | undefined {
  const [program = '', script = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  const words = [program, ...(/\.[cm]?[jt]s$/.test(script) ? [script] : [])].map((path) => basename(path))
  const shown = words.join(' ').replaceAll(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, '?')
  return shown === '' ? undefined : shown.slice(0, MOST_SHOWN)
}

const MOST_SHOWN = 80
/** What `sysconf(_SC_CLK_TCK)` says on every processor that Linux and Node run on. */
const TICKS_PER_SECOND = 100

/** proc(5): the 22nd field of `stat` is the start, in ticks since the system was started at `btime`. */
function startOf(pid: number): number | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
  const boot = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1])
  const start = boot + Math.floor(ticks / TICKS_PER_SECOND)
  return Number.isNaN(start) ? undefined : start
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
