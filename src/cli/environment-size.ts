import { readFileSync } from 'node:fs'

/** What a system hands to a program it starts. */
export interface SystemLimits {
  /** Of one `NAME=value`, in bytes, or in UTF-16 units on Windows, with the NUL at its end. */
  readonly stringBytes: number
  /** Of all arguments and variables, with a NUL and an address for each. */
  readonly totalBytes: number
}

const KIB = 1024
const ADDRESS_BYTES = 8
/** What the system itself puts beside them, such as the name of the program and of the interpreter of a script. */
const RESERVE_BYTES = 8 * KIB

/** Of this system. `Infinity` where it has none, or none that is known. */
export function systemLimits(): SystemLimits {
  switch (process.platform) {
    case 'linux':
      return linuxLimits()
    case 'darwin':
      return { stringBytes: Number.POSITIVE_INFINITY, totalBytes: 1024 * KIB - RESERVE_BYTES }
    case 'win32':
      return { stringBytes: 32_767, totalBytes: Number.POSITIVE_INFINITY }
    default:
      return { stringBytes: Number.POSITIVE_INFINITY, totalBytes: Number.POSITIVE_INFINITY }
  }
}

/** What a variable or an argument takes of the total. */
export function environmentBytes(text: string): number {
  return Buffer.byteLength(text) + 1 + ADDRESS_BYTES
}

/** What counts of one string alone. */
export function stringBytes(text: string): number {
  return (process.platform === 'win32' ? text.length : Buffer.byteLength(text)) + 1
}

/** 32 pages for a string; in all a quarter of what the stack may grow to, 128 KiB at least and 6 MiB at most. */
function linuxLimits(): SystemLimits {
  const quarter = stackBytes() / 4
  const total = Math.max(128 * KIB, Math.min(quarter, 6144 * KIB))
  return { stringBytes: 32 * pageBytes(), totalBytes: total - RESERVE_BYTES }
}

function stackBytes(): number {
  try {
    const soft = /^Max stack size\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
    if (soft === 'unlimited') return Number.POSITIVE_INFINITY
    if (soft !== undefined) return Number(soft)
  } catch {
    // There is no /proc.
  }
  return 8192 * KIB
}

/** `AT_PAGESZ` of what the kernel told this process: pairs of a type and a value. */
function pageBytes(): number {
  try {
    const vector = readFileSync('/proc/self/auxv')
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      if (vector.readBigUInt64LE(at) === 6n) return Number(vector.readBigUInt64LE(at + 8))
    }
  } catch {
    // There is no /proc.
  }
  return 4 * KIB
}
