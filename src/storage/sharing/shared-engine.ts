import { equal } from '../../base/bytes'
import { codeOf } from '../../base/thrown'
import { keptAlive } from '../../base/waiting'
import { SecretStoreError } from '../../errors'
import { type BatchLimits, LOCAL_LIMITS } from '../batch-limits'
import type { Batch, Change, Engine, Range, Row } from '../engine'
import { HEAD_ROW } from '../keyspace'
import type { ForeignCommit, OtherWriters, Peer } from '../other-writers'
import { takenOver } from '../refusal'
import type { CommitRequest, FeedItem } from './messages'
import { OwnLocks } from './own-locks'
import { OwnTurn, type Taken } from './own-turn'
import { Part } from './part'
import { OwnerLost } from './remote-owner'
import {
  hasEnded,
  inTime,
  lostTurn,
  notWritten,
  outcomeUnknown,
  type Reader,
  type Role,
  readerOf,
  type Sharing,
  whileAnswering,
} from './role'
import { hasTakenEffect, Session } from './session'

/** A commit is sent to so many owners at the most, each of which ended before it was written. */
const MOST_SENDS = 8

const NO_BYTES: Uint8Array = new Uint8Array()

/**
 * The files, by way of whichever process holds them. Reads that meet the end of an owner are asked again of the next; a
 * commit whose answer was lost is settled there: it took effect, or it is sent once more, or it is planned anew.
 */
export class SharedEngine implements Engine, OtherWriters {
  readonly limits: BatchLimits = LOCAL_LIMITS
  readonly others: OtherWriters = this
  readonly #sharing: Sharing
  readonly #part: Part
  readonly #session: Session
  readonly #turn: OwnTurn
  readonly #locks = new OwnLocks(
    () => this.#part,
    (role, work) => whileAnswering(role, this.#sharing, work),
  )

  #onOwned = (): void => {}

  constructor(sharing: Sharing) {
    this.#sharing = sharing
    this.#session = new Session(sharing.sinceBootMs)
    this.#part = new Part(sharing, () => {
      this.#locks.takeAgain()
      if (this.isOwner) this.#onOwned()
    })
    this.#turn = new OwnTurn(this.#part, sharing.deadlineMs)
  }

  /** @throws {SecretStoreError} `ERR_LOCKED`. */
  async open(): Promise<this> {
    await keptAlive(this.#part.current())
    return this
  }

  get role(): Role | undefined {
    return this.#part.role
  }

  onCommit(listener: (commit: ForeignCommit) => void): void {
    this.#part.listen(listener)
  }

  onFound(listener: (head: Uint8Array) => void): void {
    this.#part.onFound = listener
  }

  onOwned(listener: () => void): void {
    this.#onOwned = listener
  }

  canReadSync(): boolean {
    const { role } = this
    return role?.kind === 'owner' && !role.owner.isOver && !this.#part.isAdopting && role.engine.canReadSync()
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    const { role } = this
    if (role?.kind === 'owner' && !role.owner.isOver) return role.engine.getSync(key)
    throw new SecretStoreError(
      'ERR_NO_SYNC',
      'store: expected a synchronous read in the process that holds the files, got one in another',
    )
  }

  get(key: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    return this.canReadSync() ? this.getSync(key) : this.#ask((reader) => reader.get(key))
  }

  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#ask((reader) => reader.getMany(keys))
  }

  scan(range: Range): Promise<readonly Row[]> {
    return this.#ask((reader) => reader.scan(range))
  }

  scanKeys(range: Range): Promise<readonly Uint8Array[]> {
    return this.#ask((reader) => reader.scanKeys(range))
  }

  async turn(size?: BatchLimits): Promise<() => void> {
    const taken = await this.#turn.take(size)
    return () => {
      if (this.#turn.taken === taken) this.#turn.pass(taken)
      this.#part.release()
    }
  }

  batch(): Batch {
    const changes: Change[] = []
    let note: Uint8Array = NO_BYTES
    let keyring: Uint8Array | undefined
    return {
      put: (key, value) => void changes.push({ type: 'put', key, value }),
      del: (key) => void changes.push({ type: 'del', key }),
      keyring: async (bytes) => {
        keyring = bytes
      },
      describe: (bytes) => {
        note = bytes
      },
      write: (expectedHead) => this.#write({ expectedHead, changes, note, keyring }),
      close: async () => {},
    }
  }

  checkOwned(): void {
    if (this.role?.kind === 'owner') this.role.engine.checkOwned()
  }

  async erase(): Promise<void> {
    const { taken } = this.#turn
    if (taken === undefined) throw lostTurn()
    const { role, turn } = taken
    const erasing =
      role.kind === 'follower'
        ? whileAnswering(role, this.#sharing, role.remote.erase())
        : turn !== undefined && role.owner.erase(turn)
    const isDone = await Promise.resolve(erasing).catch((error) => {
      // Nobody has to open the store anew: whoever holds the files next does.
      throw error instanceof OwnerLost || codeOf(error) === 'ERR_FAILED' ? takenOver(error) : error
    })
    if (!isDone) throw lostTurn()
  }

  get isOwner(): boolean {
    return this.role?.kind === 'owner'
  }

  peers(): Promise<readonly Peer[]> {
    const { pid } = this.#sharing
    return this.#part.ask(async (role) => {
      if (role.kind === 'follower') return this.#inTime(role, role.remote.meet(pid))
      return role.owner.peers.map((peer) => (peer.owner ? { ...peer, pid } : peer))
    })
  }

  lock(name: string, signal?: AbortSignal): Promise<() => void> {
    return this.#locks.take(name, signal)
  }

  close(): Promise<void> {
    this.#locks.close()
    return this.#part.close()
  }

  async #write(request: CommitRequest): Promise<boolean> {
    const head = headOf(request)
    const taken = this.#turn.spend()
    if (taken === undefined) return false
    if (taken.role !== this.role) {
      taken.turn?.end()
      return false
    }
    this.#part.defer()
    const isWritten = await this.#commit(taken, request, head)
    if (isWritten) this.#part.committed(head)
    return isWritten
  }

  async #commit(taken: Taken, request: CommitRequest, head: Uint8Array): Promise<boolean> {
    const row = this.#session.row(head)
    // The head comes last, by which a recovery can tell that nothing later is lost.
    const withSession = { ...request, changes: [{ type: 'put', ...row } as const, ...request.changes] }
    try {
      return await this.#send(taken, withSession)
    } catch (error) {
      if (!hasEnded(taken.role, error)) throw error
      return this.#settle(withSession, row, error)
    }
  }

  async #send({ role, turn }: Taken, request: CommitRequest): Promise<boolean> {
    if (role.kind === 'owner') return turn !== undefined && role.owner.commit(this.#part.writer, turn, request)
    let isGivenUp = false
    // Nobody else tells this process of a commit of its own: one that took effect late is as one of another.
    const onAnswer = (isDone: boolean): void => {
      if (isGivenUp && isDone) this.#part.writer.onCommit(feedItem(request))
    }
    const unknown = (): SecretStoreError => {
      isGivenUp = true
      return outcomeUnknown()
    }
    return this.#inTime(role, role.remote.commit(request, onAnswer), unknown).catch((error) => {
      // What was too long to be sent has not ended it.
      role.remote.pass().catch(() => {})
      throw error
    })
  }

  /**
   * The answer to a commit was lost. Whoever holds the files now tells what became of it.
   *
   * @param failure - An owner's own, if it is no `OwnerLost`: the files have refused the write.
   */
  async #settle(request: CommitRequest, session: Row, failure: unknown): Promise<boolean> {
    let cause = failure
    for (let sends = 1; ; sends++) {
      const { taken, outcome } = await this.#outcome(request, session).catch((error) => {
        throw outcomeUnknown(error)
      })
      const isRefused = !(cause instanceof OwnerLost)
      if (outcome !== 'open' || isRefused || sends >= MOST_SENDS) {
        this.#turn.pass(taken)
        if (outcome === 'open') throw isRefused ? cause : notWritten()
        return outcome === 'done'
      }
      this.#turn.spend()
      try {
        return await this.#send(taken, request)
      } catch (error) {
        if (!hasEnded(taken.role, error)) throw error
        cause = error
      }
    }
  }

  /** What became of a commit, and the turn at which that was seen: `open` says that it may be sent again. */
  async #outcome(
    { expectedHead, keyring }: CommitRequest,
    session: Row,
  ): Promise<{ readonly taken: Taken; readonly outcome: 'done' | 'overtaken' | 'open' }> {
    for (;;) {
      const taken = await this.#turn.take()
      const reader = readerOf(taken.role)
      const read = (key: Uint8Array): Promise<Uint8Array | undefined> =>
        this.#inTime(taken.role, Promise.resolve(reader.get(key)))
      try {
        if (hasTakenEffect(session, await read(session.key))) return { taken, outcome: 'done' }
        const isOpen = equal((await read(HEAD_ROW)) ?? NO_BYTES, expectedHead ?? NO_BYTES)
        // Whoever takes over ends a change of keys whose batch was not written.
        const outcome = isOpen || keyring === undefined ? undefined : this.#sharing.outcomeOf(keyring)
        if (outcome === 'unknown') throw outcomeUnknown()
        if (outcome !== undefined) return { taken, outcome }
        // From then on others may have deleted the row.
        if (!this.#session.maySettle(session)) throw outcomeUnknown()
        return { taken, outcome: isOpen ? 'open' : 'overtaken' }
      } catch (error) {
        this.#turn.pass(taken)
        if (!hasEnded(taken.role, error)) throw error
      }
    }
  }

  #ask<T>(work: (reader: Reader) => T | Promise<T>): Promise<T> {
    return this.#part.ask(async (role) => {
      const answer = await this.#inTime(role, Promise.resolve(work(readerOf(role))))
      await this.#part.adopted()
      return answer
    })
  }

  #inTime<T>(role: Role, work: Promise<T>, error?: () => SecretStoreError): Promise<T> {
    return inTime(role, this.#sharing.deadlineMs, work, error)
  }
}

/** The value of the head row that a commit puts. */
function headOf({ changes }: CommitRequest): Uint8Array {
  const head = changes.findLast(({ key }) => equal(key, HEAD_ROW))
  if (head?.type !== 'put') throw new Error('commit: expected a head in it, got none')
  return head.value
}

function feedItem(request: CommitRequest): FeedItem {
  const { note, keyring } = request
  return { number: 0, head: headOf(request), note, keyring }
}
