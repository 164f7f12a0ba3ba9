import { realpathSync } from 'node:fs'
import { constants } from 'node:os'

/** What a process that has fault.c preloaded says to it. */

/** The kinds of system call, by their numbers in fault.c. */
export const KINDS = [
  'open',
  'create',
  'read',
  'write',
  'sync',
  'rename',
  'unlink',
  'rmdir',
  'mkdir',
  'link',
  'truncate',
  'close',
  'mmap',
] as const

/** What becomes of the call that is hit, by its number in fault.c. */
export const ACTIONS = ['error', 'late error', 'short', 'delay', 'kill', 'short kill', 'cut'] as const

export type Kind = (typeof KINDS)[number]

/** What is to go wrong. */
export interface Fault {
  readonly name: string
  readonly kinds: readonly Kind[]
  readonly action: (typeof ACTIONS)[number]
  /** What the system says; nothing for what is short, late or the end. */
  readonly error?: keyof typeof constants.errno
  /** From the n-th call on, not that one alone. */
  readonly persists?: true
  /** Of a power cut: how much of the journal still gets to the disk. */
  readonly flags?: number
}

/** What the shim has seen since it was armed. */
export interface Hit {
  /** How many calls were of the kinds of the fault. */
  readonly calls: number
  readonly hits: number
  /** The first that was hit, and the file it was about. */
  readonly call: string
  readonly file: string
}

/** @param nth - From 1. */
export function arm({ kinds, action, error, persists = undefined, flags = 0 }: Fault, nth: number): void {
  const mask = kinds.reduce((sum, kind) => sum | (1 << KINDS.indexOf(kind)), 0)
  const errno = error === undefined ? 0 : constants.errno[error]
  const fields = [mask.toString(16), nth, ACTIONS.indexOf(action), errno, persists ? 1 : 0, flags]
  realpathSync.native(`/fault-control/arm/${fields.join('/')}`)
}

export function disarm(): Hit {
  const [, calls, hits, call = '', ...file] = realpathSync.native('/fault-control/disarm').split('/')
  return { calls: Number(calls), hits: Number(hits), call, file: file.join('/') }
}
