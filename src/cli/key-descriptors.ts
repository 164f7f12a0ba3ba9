import { type BigIntStats, closeSync, fstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import type { KeySource } from './descriptors'

/**
 * What a child gets as its stdin, stdout and stderr: ours, and nothing in the place of one over the file or pipe that the
 * key came from. A child could go back to the start of such a file and read the key.
 */
export function childStdio({ passphraseFd, keyFile }: KeySource): ('inherit' | 'ignore')[] {
  const sources = [
    ...(passphraseFd === undefined ? [] : [seen(() => fstatSync(passphraseFd, { bigint: true }))]),
    ...(keyFile === undefined ? [] : [seen(() => statSync(keyFile, { bigint: true }))]),
  ]
  return [0, 1, 2].map((fd) => {
    const own = seen(() => fstatSync(fd, { bigint: true }))
    return fd === passphraseFd || sources.some((source) => isSameFile(source, own)) ? 'ignore' : 'inherit'
  })
}

/**
 * Closes all other descriptors that a child would inherit. Node itself marks those that it finds at its start, but stops at
 * the first gap above 15; elsewhere than on Linux, it starts a child with none but those that it names.
 */
export function closeInheritable(): void {
  if (process.platform !== 'linux') return
  for (const fd of inheritedDescriptors()) if (fd > 2) closeSync(fd)
}

/** The descriptors that a child would inherit, on Linux. */
export function inheritedDescriptors(): number[] {
  return readdirSync('/proc/self/fd').map(Number).filter(isInherited)
}

function isInherited(fd: number): boolean {
  try {
    const flags = descriptorFlags(fd)
    return flags !== undefined && (flags & CLOSED_BY_EXEC) === 0
  } catch {
    // The one that the directory was read with is closed by now.
    return false
  }
}

/** The flags that a descriptor was opened with, on Linux. @throws If there is none. */
export function descriptorFlags(fd: number): number | undefined {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1]
  return flags === undefined ? undefined : Number.parseInt(flags, 8)
}

/** `O_CLOEXEC` of Linux, on every processor that Node runs on. */
const CLOSED_BY_EXEC = 0o2000000

function seen(look: () => BigIntStats): BigIntStats | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}

/** A terminal or /dev/null keeps nothing that could be read again. */
function isSameFile(one: BigIntStats | undefined, other: BigIntStats | undefined): boolean {
  if (one === undefined || other === undefined || one.isCharacterDevice()) return false
  return one.dev === other.dev && one.ino === other.ino
}
