import { equal } from '../../base/bytes'
import { orAborted, turnOfLoop } from '../../base/waiting'
import { SecretStoreError } from '../../errors'
import {
  type Batch,
  type BatchLimits,
  type Change,
  type Engine,
  type ForeignCommit,
  LOCAL_LIMITS,
  type OtherWriters,
  type Peer,
  type Range,
  type Row,
} from '../engine'
import { HEAD_ROW } from '../keyspace'
import { takenOver } from '../tally'
import type { CommitRequest, FeedItem } from './messages'
import type { Owner } from './owner'
import { OwnerLost, type RemoteOwner } from './remote-owner'
import type { Session } from './session'
import type { Turn } from './turns'

/** What a process is to the others that share a store. */
export type Role =
  | { readonly kind: 'owner'; readonly owner: Owner; readonly engine: Engine; readonly leave: () => Promise<void> }
  | { readonly kind: 'follower'; readonly remote: RemoteOwner }

/** What a role needs of the process that has it. */
export interface RoleEvents {
  onCommit(item: FeedItem): void
  /** The role has ended: another is to be sought. */
  onEnd(): void
  /** Resolves when the keys of a keyring.json that was committed just now are in use here. */
  adopted(): Promise<void>
}

export interface Sharing {
  /** Finds the owner, or becomes it. @throws {SecretStoreError} `ERR_LOCKED` in time. */
  seek(events: RoleEvents): Promise<Role>
  readonly session: Session
  /** Takes over the keys of a keyring.json that another writer has put in place. */
  adopt(keyring: Uint8Array | undefined): Promise<void>
  readonly pid: number
  /** How long an answer may take. */
  readonly deadlineMs: number
}

type Reader = Pick<Engine, 'get' | 'getMany' | 'scan' | 'scanKeys'>

/**
 * The files, by way of whichever process holds them. Reads that meet the end of an owner are asked again of the next; a
 * commit whose answer was lost is settled there: it took effect, or it is sent once more, or it is planned anew.
 */
export class SharedEngine implements Engine, OtherWriters {
  readonly limits: BatchLimits = LOCAL_LIMITS
  readonly others: OtherWriters = this
  readonly #sharing: Sharing
  #role: Role | undefined
  #seeking: Promise<Role> | undefined
  #turn: { readonly role: Role; readonly turn: Turn | undefined } | undefined
  #listener: ((commit: ForeignCommit) => void) | undefined
  /** The last head that the listener knows. */
  #head: Uint8Array | undefined
  /** Whether commits came before there was a listener. */
  #isUntold = false
  /** Set while keys are taken over: what was read since may need them. */
  #adopting: Promise<void> | undefined
  /** Commits that are told when it is known what came before them. */
  #held: FeedItem[] | undefined
  #isClosed = false
  /** Why this process has no part in the store any more. */
  #cutOff: unknown
  readonly #locks = new Set<{ readonly name: string }>()

  constructor(sharing: Sharing) {
    this.#sharing = sharing
  }

  /** @throws {SecretStoreError} `ERR_LOCKED`. */
  async open(): Promise<this> {
    await this.#current()
    return this
  }

  get role(): Role | undefined {
    return this.#role
  }

  onCommit(listener: (commit: ForeignCommit) => void): void {
    this.#listener = listener
    if (this.#isUntold && this.#head !== undefined) listener({ head: this.#head, note: undefined, keyring: undefined })
  }

  canReadSync(): boolean {
    const role = this.#role
    return role?.kind === 'owner' && this.#adopting === undefined && role.engine.canReadSync()
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    if (this.#role?.kind === 'owner') return this.#role.engine.getSync(key)
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

  async turn(): Promise<() => void> {
    for (;;) {
      const role = await this.#current()
      try {
        const turn = role.kind === 'owner' ? await role.owner.turn() : void (await this.#inTime(role.remote.turn()))
        await this.#adopting
        if (role !== this.#role) {
          turn?.end()
          continue
        }
        const taken = { role, turn: turn ?? undefined }
        this.#turn = taken
        return () => {
          if (this.#turn !== taken) return
          this.#turn = undefined
          if (role.kind === 'owner') turn?.end()
          else role.remote.pass().catch(() => {})
        }
      } catch (error) {
        if (!(error instanceof OwnerLost)) throw error
      }
    }
  }

  batch(): Batch {
    const changes: Change[] = []
    let note: Uint8Array = new Uint8Array()
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
    if (this.#role?.kind === 'owner') this.#role.engine.checkOwned()
  }

  async erase(): Promise<void> {
    const { role, turn } = this.#taken()
    const erasing = role.kind === 'follower' ? role.remote.erase() : turn !== undefined && role.owner.erase(turn)
    const isDone = await Promise.resolve(erasing).catch((error) => {
      throw error instanceof OwnerLost ? takenOver() : error
    })
    if (!isDone) throw lostTurn()
  }

  get isOwner(): boolean {
    return this.#role?.kind === 'owner'
  }

  async peers(): Promise<readonly Peer[]> {
    for (;;) {
      const role = await this.#current()
      try {
        if (role.kind === 'follower') return await this.#inTime(role.remote.meet(this.#sharing.pid))
        return role.owner.peers.map((peer) => (peer.owner ? { ...peer, pid: this.#sharing.pid } : peer))
      } catch (error) {
        if (!(error instanceof OwnerLost)) throw error
      }
    }
  }

  async lock(name: string, signal?: AbortSignal): Promise<() => void> {
    await this.#lock(name, false, signal)
    const held = { name }
    this.#locks.add(held)
    return () => {
      this.#locks.delete(held)
      const role = this.#role
      if (role?.kind === 'owner') role.owner.locks.release(this.#writer, name)
      else role?.remote.unlock(name).catch(() => {})
    }
  }

  async #lock(name: string, again: boolean, signal?: AbortSignal): Promise<void> {
    for (;;) {
      const role = await this.#current()
      try {
        const taking =
          role.kind === 'owner' ? role.owner.locks.take(this.#writer, name, again) : role.remote.lock(name, again)
        await orAborted(signal, taking).catch((error) => {
          // It comes all the same, and goes back.
          taking.then(
            () => (role.kind === 'owner' ? role.owner.locks.release(this.#writer, name) : role.remote.unlock(name)),
            () => {},
          )
          throw error
        })
        return
      } catch (error) {
        if (!(error instanceof OwnerLost)) throw error
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const role = this.#role ?? (await this.#seeking?.catch(() => undefined))
    this.#role = undefined
    if (role?.kind === 'owner') await role.leave()
    else role?.remote.end()
  }

  #taken(): { readonly role: Role; readonly turn: Turn | undefined } {
    if (this.#turn === undefined) throw lostTurn()
    return this.#turn
  }

  async #write(request: CommitRequest): Promise<boolean> {
    const head = request.changes.findLast(({ key }) => equal(key, HEAD_ROW))
    if (head?.type !== 'put') throw new Error('commit: expected a head in it, got none')
    const taken = this.#turn
    this.#turn = undefined
    if (taken === undefined || taken.role !== this.#role) return false
    const isWritten = await this.#commit(taken, request, head.value)
    if (isWritten) this.#head = head.value
    return isWritten
  }

  async #commit(
    { role, turn }: { readonly role: Role; readonly turn: Turn | undefined },
    request: CommitRequest,
    head: Uint8Array,
  ): Promise<boolean> {
    const row = this.#sharing.session.row(head)
    // The head comes last, by which a recovery can tell that nothing later is lost.
    const withSession = { ...request, changes: [{ type: 'put', ...row } as const, ...request.changes] }
    try {
      if (role.kind === 'follower') return await this.#inTime(role.remote.commit(withSession), outcomeUnknown)
      return turn !== undefined && (await role.owner.commit(this.#writer, turn, withSession))
    } catch (error) {
      const isLost = error instanceof OwnerLost || (role.kind === 'owner' && role.owner.isOver)
      if (!isLost) throw error
      return this.#settle(withSession, head, row.key)
    }
  }

  /** The answer to a commit was lost. Whoever holds the files now tells what became of it. */
  async #settle(request: CommitRequest, head: Uint8Array, sessionKey: Uint8Array): Promise<boolean> {
    for (;;) {
      await this.turn().catch((cause) => {
        throw outcomeUnknown(cause)
      })
      const taken = this.#taken()
      const reader = readerOf(taken.role)
      try {
        const session = await reader.get(sessionKey)
        if (session !== undefined && this.#sharing.session.names(session, head)) {
          this.#pass(taken)
          return true
        }
        const now = await reader.get(HEAD_ROW)
        if (!equal(now ?? new Uint8Array(), request.expectedHead ?? new Uint8Array())) {
          this.#pass(taken)
          return false
        }
        this.#turn = undefined
        if (taken.role.kind === 'owner')
          return taken.turn !== undefined && (await taken.role.owner.commit(this.#writer, taken.turn, request))
        return await this.#inTime(taken.role.remote.commit(request), outcomeUnknown)
      } catch (error) {
        if (!(error instanceof OwnerLost)) throw error
      }
    }
  }

  #pass({ role, turn }: { readonly role: Role; readonly turn: Turn | undefined }): void {
    this.#turn = undefined
    turn?.end()
    if (role.kind === 'follower') role.remote.pass().catch(() => {})
  }

  async #ask<T>(work: (reader: Reader) => T | Promise<T>): Promise<T> {
    for (;;) {
      const role = await this.#current()
      try {
        const answer = await this.#inTime(Promise.resolve(work(readerOf(role))))
        await this.#adopting
        return answer
      } catch (error) {
        if (!(error instanceof OwnerLost)) throw error
      }
    }
  }

  /** An owner that does not answer, stopped perhaps, is not waited for without end. */
  #inTime<T>(work: Promise<T>, error: () => SecretStoreError = notAnswered): Promise<T> {
    if (this.#role?.kind === 'owner') return work
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => reject(error()), this.#sharing.deadlineMs)
      work.then(resolve, reject).finally(() => clearTimeout(timer))
    })
  }

  async #current(): Promise<Role> {
    if (this.#isClosed) throw new SecretStoreError('ERR_CLOSED', 'store: expected it open, got a closed one')
    if (this.#cutOff !== undefined) throw this.#cutOff
    if (this.#role !== undefined) return this.#role
    this.#seeking ??= this.#seek().finally(() => {
      this.#seeking = undefined
    })
    return this.#seeking
  }

  readonly #writer = { pid: undefined, onCommit: (item: FeedItem): void => this.#deliver(item) }

  async #seek(): Promise<Role> {
    this.#held = []
    for (;;) {
      let isOver = false
      const role = await this.#sharing.seek({
        onCommit: (item) => this.#deliver(item),
        adopted: async () => {
          await turnOfLoop()
          await this.#adopting
        },
        onEnd: () => {
          isOver = true
          if (this.#role === role) this.#role = undefined
        },
      })
      try {
        if (role.kind === 'owner') role.owner.join(this.#writer)
        const head = await readerOf(role).get(HEAD_ROW)
        if (isOver) continue
        this.#role = role
        if (role.kind === 'follower') await role.remote.meet(this.#sharing.pid)
        // Before anybody else is given one.
        for (const { name } of this.#locks) this.#lock(name, true).catch(() => {})
        await this.#catchUp(head)
        return role
      } catch (error) {
        if (!(error instanceof OwnerLost)) throw error
      }
    }
  }

  /** What was committed since the last role ended is not known one by one. */
  async #catchUp(head: Uint8Array | undefined): Promise<void> {
    const held = this.#held ?? []
    this.#held = undefined
    const isKnown = held.length === 0 && this.#head !== undefined && head !== undefined && equal(head, this.#head)
    if (!isKnown) await this.#sharing.adopt(undefined)
    this.#head = head
    if (this.#listener !== undefined && !isKnown && head !== undefined) {
      this.#listener({ head, note: undefined, keyring: undefined })
    }
  }

  #deliver(item: FeedItem): void {
    if (this.#held !== undefined) {
      this.#held.push(item)
      return
    }
    if (item.keyring === undefined && this.#adopting === undefined) {
      this.#tell(item)
      return
    }
    const before = this.#adopting ?? Promise.resolve()
    const adopting = before
      .then(() => (item.keyring === undefined ? undefined : this.#sharing.adopt(item.keyring)))
      .then(() => this.#tell(item))
    this.#adopting = adopting
    adopting.then(
      () => {
        if (this.#adopting === adopting) this.#adopting = undefined
      },
      (error) => this.#leave(error),
    )
  }

  /** The key of this process opens the store no more. */
  #leave(error: unknown): void {
    this.#cutOff = error
    const role = this.#role
    this.#role = undefined
    if (role?.kind === 'owner') role.leave().catch(() => {})
    else role?.remote.end()
  }

  #tell({ head, note, keyring }: FeedItem): void {
    this.#head = head
    if (this.#listener === undefined) this.#isUntold = true
    else this.#listener({ head, note, keyring })
  }
}

function readerOf(role: Role): Reader {
  return role.kind === 'owner' ? role.engine : role.remote
}

function lostTurn(): SecretStoreError {
  return new SecretStoreError('ERR_BUSY', 'write: expected its turn to last, got the end of it; nothing has changed')
}

function notAnswered(): SecretStoreError {
  return new SecretStoreError(
    'ERR_BUSY',
    'store: expected the process that holds the files to answer in time, got nothing',
  )
}

function outcomeUnknown(cause?: unknown): SecretStoreError {
  const expected = 'write: expected to hear whether it took effect, got no answer in time'
  return new SecretStoreError('ERR_OUTCOME_UNKNOWN', expected, { cause })
}
