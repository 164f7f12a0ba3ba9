import { equal } from '../../base/bytes'
import { codeOf } from '../../base/thrown'
import { keptAlive, turnOfLoop } from '../../base/waiting'
import { SecretStoreError } from '../../errors'
import { HEAD_ROW } from '../keyspace'
import type { ForeignCommit } from '../other-writers'
import { Era } from './era'
import type { Writer } from './owner'
import { OwnerLost } from './remote-owner'
import { giveBack, hasEnded, inTime, isOver, type Role, readerOf, type Sharing } from './role'

/** Between two searches that nobody has asked for: the first pause, which doubles with each, and the longest. */
const [LEAST_PAUSE_MS, MOST_PAUSE_MS] = [50, 10_000]
/** What a search that is made anew finds again. Asking for a key may be a question to somebody. */
const LASTING: readonly unknown[] = ['ERR_CLOSED', 'ERR_WRONG_KEY', 'ERR_ROLLBACK']

/**
 * The part that this process has in a shared store: its role, and the next one when that ends; what the others have
 * committed, told in their one order and under their keys.
 */
export class Part {
  readonly #sharing: Sharing
  readonly #onRole: () => void
  #role: Role | undefined
  #seeking: Promise<Role> | undefined
  #listener: ((commit: ForeignCommit) => void) | undefined
  /** The last head that the listener knows. */
  #head: Uint8Array | undefined
  /** Whether commits came before there was a listener. */
  #isUntold = false
  #era: Era | undefined
  /** Commits that came while one of this process was on its way: they come after it. */
  #deferred: ForeignCommit[] | undefined
  readonly #closing = new AbortController()
  #nextSearch: NodeJS.Timeout | undefined
  /** Why this process has no part in the store any more. */
  #cutOff: unknown
  /** Resolves when the role that it had until then is given back. */
  #leaving: Promise<void> | undefined
  /** Told of the head that a role begins with. What it throws ends this process's part in the store. */
  onFound = (_: Uint8Array): void => {}
  /** As an owner knows this process itself. */
  readonly writer: Writer = { pid: undefined, onCommit: (item) => this.#era?.deliver(item) }

  /** @param onRole - Called as soon as there is a role, before anybody else has a use of it. */
  constructor(sharing: Sharing, onRole: () => void) {
    this.#sharing = sharing
    this.#onRole = onRole
  }

  /** At this moment. */
  get role(): Role | undefined {
    return this.#role
  }

  /** Whether keys are being taken over: what was read since may need them. */
  get isAdopting(): boolean {
    return this.#era?.isAdopting === true
  }

  /** Resolves when none are. @throws {OwnerLost | SecretStoreError} They could not be: `ERR_BUSY`, … */
  async adopted(): Promise<void> {
    await this.#era?.adopted()
  }

  /** Its role, as soon as it has one. @throws {SecretStoreError} `ERR_CLOSED`, `ERR_LOCKED`, … */
  async current(): Promise<Role> {
    if (this.#isClosed) throw closed()
    if (this.#cutOff !== undefined) throw this.#cutOff
    if (this.#usable !== undefined) return this.#usable
    this.#seeking ??= this.#seek().finally(() => {
      this.#seeking = undefined
    })
    return this.#seeking
  }

  /** Does what the role allows, and where that ends meanwhile, what the next one does. */
  async ask<T>(work: (role: Role) => Promise<T>): Promise<T> {
    for (;;) {
      const role = this.#usable ?? (await keptAlive(this.current()))
      try {
        return await work(role)
      } catch (error) {
        if (!hasEnded(role, error)) throw error
      }
    }
  }

  listen(listener: (commit: ForeignCommit) => void): void {
    this.#listener = listener
    if (this.#isUntold && this.#head !== undefined) {
      this.#hear({ head: this.#head, note: undefined, keyring: undefined })
    }
  }

  /** From now on commits of others are told when `release` is called: one of this process is on its way. */
  defer(): void {
    this.#deferred ??= []
  }

  release(): void {
    const deferred = this.#deferred ?? []
    this.#deferred = undefined
    for (const commit of deferred) this.#tell(commit)
  }

  /** This process has committed. */
  committed(head: Uint8Array): void {
    this.#head = head
  }

  async close(): Promise<void> {
    this.#closing.abort(closed())
    this.#era?.end(closed())
    clearTimeout(this.#nextSearch)
    const role = this.#role ?? (await this.#seeking?.catch(() => undefined))
    this.#role = undefined
    await giveBack(role)
    await this.#leaving
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted
  }

  get #usable(): Role | undefined {
    if (this.#isClosed || this.#cutOff !== undefined || this.#role === undefined) return undefined
    return isOver(this.#role) ? undefined : this.#role
  }

  /** Whoever listens, or holds a lock, is to be there again, though nobody asks for anything. */
  #comeBack(pauseMs = LEAST_PAUSE_MS): void {
    clearTimeout(this.#nextSearch)
    if (this.#isClosed || this.#cutOff !== undefined) return
    this.current().catch((error) => {
      if (this.#isClosed || this.#cutOff !== undefined || LASTING.includes(codeOf(error))) return
      const next = (): void => this.#comeBack(Math.min(2 * pauseMs, MOST_PAUSE_MS))
      this.#nextSearch = setTimeout(next, pauseMs).unref()
    })
  }

  async #seek(): Promise<Role> {
    const before = this.#role
    this.#role = undefined
    // Its own files have failed, or its keys: they are let go of first.
    await giveBack(before).catch(() => {})
    await this.#leaving
    for (;;) {
      const era = this.#beginEra()
      let hasLeft = false
      let role: Role | undefined
      role = await this.#sharing.seek({
        onCommit: (item) => era.deliver(item),
        adopted: async () => {
          await turnOfLoop()
          await era.adopted()
        },
        onEnd: () => {
          hasLeft = true
          era.end(new OwnerLost())
          if (role === undefined || this.#role !== role) return
          this.#role = undefined
          this.#comeBack()
        },
        isWanted: () => !this.#isClosed,
      })
      try {
        await this.#begin(role, era)
        if (!hasLeft && !isOver(role) && !this.#isClosed) {
          this.#role = role
          this.#onRole()
          return role
        }
      } catch (error) {
        if (!hasLeft && !hasEnded(role, error)) {
          await giveBack(role).catch(() => {})
          throw error
        }
      }
      await giveBack(role).catch(() => {})
      if (this.#isClosed) throw closed()
    }
  }

  #beginEra(): Era {
    this.#era?.end(new OwnerLost())
    const era = new Era(this.#sharing, {
      onTold: (item) => this.#tell(item),
      onFailure: (error) => (LASTING.includes(codeOf(error)) ? this.#cut(error) : this.#leave(new OwnerLost())),
    })
    this.#era = era
    return era
  }

  async #begin(role: Role, era: Era): Promise<void> {
    const { deadlineMs, pid } = this.#sharing
    if (role.kind === 'owner') role.owner.join(this.writer)
    if (role.kind === 'follower') await inTime(role, deadlineMs, role.remote.meet(pid))
    const readHead = () => inTime(role, deadlineMs, Promise.resolve(readerOf(role).get(HEAD_ROW)))
    await era.catchUp(readHead, (newest) => this.#goOn(newest))
    if (this.#cutOff !== undefined) throw this.#cutOff
  }

  /** What was committed since the last role ended is not known one by one. */
  #goOn(head: Uint8Array | undefined): void {
    if (this.#deferred !== undefined) this.#deferred = []
    if (head !== undefined) this.#tryTo(() => this.onFound(head))
    const isKnown = head === undefined || (this.#head !== undefined && equal(head, this.#head))
    this.#head = head
    if (head !== undefined && !isKnown && this.#cutOff === undefined)
      this.#hear({ head, note: undefined, keyring: undefined })
  }

  /** The key of this process opens the store no more, or what the store has become is nothing to go on from. */
  #cut(error: unknown): void {
    this.#cutOff = error
    clearTimeout(this.#nextSearch)
    this.#leave(error)
  }

  /** Gives the role back before its end. */
  #leave(error: unknown): void {
    this.#era?.end(error)
    const role = this.#role
    this.#role = undefined
    const before = this.#leaving
    this.#leaving = giveBack(role).then(
      () => before,
      () => before,
    )
    this.#comeBack()
  }

  #tell(commit: ForeignCommit): void {
    const { head, keyring } = commit
    if (this.#deferred !== undefined) {
      // What came before it may be under keys that are gone by then.
      if (keyring !== undefined) this.#deferred = [{ head, note: undefined, keyring }]
      else this.#deferred.push(commit)
      return
    }
    this.#head = head
    if (this.#listener === undefined) this.#isUntold = true
    else this.#hear(commit)
  }

  #hear(commit: ForeignCommit): void {
    this.#tryTo(() => this.#listener?.(commit))
  }

  #tryTo(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#cut(error)
    }
  }
}

function closed(): SecretStoreError {
  return new SecretStoreError('ERR_CLOSED', 'store: expected it open, got a closed one')
}
