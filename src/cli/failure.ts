import type { SecretStoreErrorCode } from 'app-secret-store'

/** What the exit code says (docs/cli.md). */
export const EXIT = { done: 0, refused: 1, usage: 2, wrongKey: 3, locked: 4, damaged: 5, unknown: 6 } as const

/** Several causes of one failure, as far as they are listed. */
export interface ListedProblems {
  readonly listed: readonly { readonly message: string; readonly name?: string; readonly line?: number }[]
  /** How many more there are. */
  readonly unlisted: number
}

interface FailureDetails {
  readonly hint?: string
  readonly code?: string
  readonly problems?: ListedProblems
}

/** An end that is no success: what happened and why, what to do next, and what the shell is told. */
export class Failure extends Error {
  readonly exitCode: number
  readonly hint: string | undefined
  readonly code: string | undefined
  readonly problems: ListedProblems | undefined

  constructor(exitCode: number, message: string, more: FailureDetails = {}) {
    super(message)
    this.exitCode = exitCode
    this.hint = more.hint
    this.code = more.code
    this.problems = more.problems
  }
}

export function refused(message: string, hint?: string): Failure {
  return new Failure(EXIT.refused, message, hint === undefined ? {} : { hint })
}

export function usage(message: string, hint?: string): Failure {
  return new Failure(EXIT.usage, message, hint === undefined ? {} : { hint })
}

/**
 * A secret that is not there, in every command that looks for one. Its code tells a program so, wherever an error of the
 * store would have one.
 *
 * @param place - Where it was looked for, as `Session.place` says it.
 */
export function noSecret({ place }: { readonly place: string }, name: string): Failure {
  return new Failure(EXIT.refused, `there is no secret '${name}' in ${place}`, {
    code: 'ERR_NO_SECRET',
    hint: '`secret-store list --all` shows the names; --user, --account and --live say where to look',
  })
}

/** Ctrl-C, or another signal that ends the program. */
export class Interrupted extends Error {
  readonly exitCode: number

  constructor(exitCode = 130) {
    super('interrupted')
    this.exitCode = exitCode
  }
}

/** Whoever read stdout has gone: nothing to say, to nobody. */
export class BrokenPipe extends Error {
  readonly exitCode = 141
}

const CODES: Readonly<Partial<Record<SecretStoreErrorCode, readonly [exitCode: number, hint: string]>>> = {
  ERR_WRONG_KEY: [EXIT.wrongKey, 'try another key; nothing was changed'],
  ERR_CORRUPT: [
    EXIT.damaged,
    'run `secret-store verify` to see what is damaged, and `secret-store restore` to go back to a backup',
  ],
  ERR_ROLLBACK: [EXIT.damaged, 'put keyring.json and data back from the same moment, or restore a newer backup'],
  ERR_LOCKED: [EXIT.locked, 'close the app or command that has the store open, then try again'],
  ERR_BUSY: [
    EXIT.locked,
    'continue or end the process that holds the store (`secret-store status --holder` shows it), then try again',
  ],
  ERR_OUTCOME_UNKNOWN: [
    EXIT.unknown,
    'it may have taken effect, now or later: look at the store (`secret-store find`, `list`) before you do it again',
  ],
  ERR_FAILED: [EXIT.refused, 'look at the disk (space, permissions), then try again: what was acknowledged is safe'],
  ERR_NOT_FOUND: [EXIT.refused, 'make one with `secret-store init`, or name another with --store or SECRET_STORE'],
  ERR_EXISTS: [EXIT.refused, 'choose a place where there is nothing'],
  ERR_NOT_A_STORE: [EXIT.refused, 'check the path'],
  ERR_UNSAFE_LOCATION: [
    EXIT.refused,
    'make it your own, writable by nobody else, and no symbolic link; --allow-unsafe-location waives all but the last',
  ],
  ERR_UNKNOWN_KEY: [EXIT.refused, '`secret-store keys list` shows the slots'],
  ERR_LAST_KEY: [EXIT.refused, 'add another key first, or replace this one: `secret-store keys replace`'],
  ERR_CURSOR: [EXIT.refused, '`secret-store list` shows the ids'],
  ERR_UNSUPPORTED_VERSION: [EXIT.refused, 'update secret-store, and the app that shares the store, if one does'],
  ERR_NO_BINARY: [EXIT.refused, 'install the package anew, on this system: `npm install app-secret-store`'],
  ERR_NO_KEYRING: [EXIT.refused, 'start the system keyring, or use another key, such as --recovery'],
  ERR_KEYRING_LOCKED: [
    EXIT.locked,
    'unlock the system keyring and try again, or use another key: the one in it is still there',
  ],
  ERR_NO_KEYRING_ENTRY: [
    EXIT.wrongKey,
    'use another key, such as --recovery; with it, `secret-store keys replace SLOT --new-keyring` makes a new entry',
  ],
  ERR_FOREIGN_KEYRING_ENTRY: [
    EXIT.wrongKey,
    'name another with --keyring-entry, or use another key, such as --recovery',
  ],
  ERR_READ_ONLY: [EXIT.refused, 'leave --read-only out'],
  ERR_IO: [EXIT.refused, 'look at the disk: space, permissions, open files; a read-only one is read with --read-only'],
}

const OF_BACKUPS: Readonly<Partial<Record<SecretStoreErrorCode, string>>> = {
  ERR_CORRUPT: 'restore another copy of the backup, or an older one; the store that it was made of is as it was',
  ERR_WRONG_KEY: 'try another key: one that opened the store when the backup was made; nothing was made',
  ERR_NOT_A_STORE: 'check the path: `secret-store backup` writes backups, `secret-store import` reads other files',
}

/** What reading a backup fails with, with hints that are about backups. */
export function ofBackup(error: unknown): unknown {
  if (error instanceof Interrupted) return error
  const { message, exitCode, code } = failureOf(error)
  const hint = OF_BACKUPS[code as SecretStoreErrorCode]
  return code === undefined || hint === undefined ? error : new Failure(exitCode, message, { code, hint })
}

/** What is caught, as a failure to show. Messages of the store and of the system hold no secrets. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof TypeError || error instanceof RangeError) return usage(error.message)
  const { code, message } = error as Readonly<Partial<Record<'code' | 'message', unknown>>>
  if (typeof code !== 'string') return refused(`something unexpected failed: ${String(message)}`)
  const [exitCode, hint] = CODES[code as SecretStoreErrorCode] ?? [EXIT.refused, undefined]
  return new Failure(exitCode, String(message), { code, ...(hint !== undefined && { hint }) })
}
