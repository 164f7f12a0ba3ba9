import { SecretStoreError } from '../../errors'
import type { Engine } from '../engine'
import type { FeedItem } from './messages'
import type { Owner } from './owner'
import { OwnerLost, type RemoteOwner } from './remote-owner'

/** What a process is to the others that share a store. */
export type Role =
  | {
      readonly kind: 'owner'
      readonly owner: Owner
      readonly engine: Engine
      /** Lets go of the files; more than once is once. */
      readonly leave: () => Promise<void>
    }
  | { readonly kind: 'follower'; readonly remote: RemoteOwner }

/** What a role needs of the process that has it. */
export interface RoleEvents {
  onCommit(item: FeedItem): void
  /** The role has ended: another is to be sought. */
  onEnd(): void
  /** Resolves when the keys of a keyring.json that was committed just now are in use here. */
  adopted(): Promise<void>
  /** Whether a role is still sought. */
  isWanted(): boolean
}

export interface Sharing {
  /** Finds the owner, or becomes it. @throws {SecretStoreError} `ERR_LOCKED` in time. */
  seek(events: RoleEvents): Promise<Role>
  /** Takes over the keys of a keyring.json that another writer has put in place. */
  adopt(keyring: Uint8Array | undefined): Promise<void>
  /** What became of a keyring.json that this process has sent, by the one that is in use now. */
  outcomeOf(keyring: Uint8Array): 'done' | 'overtaken' | 'unknown'
  readonly pid: number
  /** @defaultValue the machine's */
  readonly sinceBootMs?: () => number
  /** How long an answer may take. */
  readonly deadlineMs: number
}

export type Reader = Pick<Engine, 'get' | 'getMany' | 'scan' | 'scanKeys'>

export function readerOf(role: Role): Reader {
  return role.kind === 'owner' ? role.engine : role.remote
}

/** Whether the work has failed because the role has ended: then the next owner is to be asked. */
export function hasEnded(role: Role, error: unknown): boolean {
  return error instanceof OwnerLost || isOver(role)
}

export function isOver(role: Role): boolean {
  return role.kind === 'owner' && role.owner.isOver
}

export async function giveBack(role: Role | undefined): Promise<void> {
  if (role?.kind === 'owner') await role.leave()
  else role?.remote.end()
}

/** An owner that does not answer, stopped perhaps, is not waited for without end. */
export function inTime<T>(
  role: Role,
  deadlineMs: number,
  work: Promise<T>,
  error: () => SecretStoreError = notAnswered,
): Promise<T> {
  return role.kind === 'owner' ? work : soon(deadlineMs, work, error)
}

/** The outcome of work, or an error after so many milliseconds. */
export function soon<T>(deadlineMs: number, work: Promise<T>, error: () => SecretStoreError): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(error()), deadlineMs)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/**
 * The same of work that takes as long as it takes, such as waiting for a lock that others hold: the owner only has to answer
 * a question meanwhile, over and over.
 */
export function whileAnswering<T>(role: Role, { deadlineMs, pid }: Sharing, work: Promise<T>): Promise<T> {
  if (role.kind === 'owner') return work
  return new Promise<T>((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    let isOver = false
    const look = (): void => {
      if (isOver) return
      timer = setTimeout(() => inTime(role, deadlineMs, role.remote.meet(pid)).then(look, reject), deadlineMs)
    }
    look()
    work.then(resolve, reject).finally(() => {
      isOver = true
      clearTimeout(timer)
    })
  })
}

function notAnswered(): SecretStoreError {
  return new SecretStoreError(
    'ERR_BUSY',
    'store: expected the process that holds the files to answer in time, got nothing',
  )
}

/** The error of a key that does not answer for the keyring.json that another process has put in place. */
export function noKey(): SecretStoreError {
  return new SecretStoreError(
    'ERR_BUSY',
    'key: expected it to answer for a keyring.json that was replaced, got nothing',
  )
}

const lostTurns = new WeakSet<SecretStoreError>()

export function lostTurn(): SecretStoreError {
  const error = new SecretStoreError(
    'ERR_BUSY',
    'write: expected its turn to last, got the end of it; nothing has changed',
  )
  lostTurns.add(error)
  return error
}

export function isLostTurn(error: unknown): boolean {
  return lostTurns.has(error as SecretStoreError)
}

export function notWritten(): SecretStoreError {
  return new SecretStoreError(
    'ERR_IO',
    'write: expected a process that lives to write it, got the end of each that held the files; nothing has changed',
  )
}

export function outcomeUnknown(cause?: unknown): SecretStoreError {
  const expected = 'write: expected to hear whether it took effect, got no answer in time'
  return new SecretStoreError('ERR_OUTCOME_UNKNOWN', expected, { cause })
}
