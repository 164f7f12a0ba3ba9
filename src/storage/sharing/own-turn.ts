import { keptAlive } from '../../base/waiting'
import type { BatchLimits } from '../batch-limits'
import type { Part } from './part'
import { inTime, type Role } from './role'
import { MOST_TURN_MS, type Turn } from './turns'

/** Chosen, far below what any machine seals: a turn that is too long costs only where its holder is stopped. */
const [MS_PER_ROW, BYTES_PER_MS] = [1, 16_384]
const NOTHING: BatchLimits = { rows: 0, bytes: 0 }

/** A turn, and the role in which it was taken: with that it ends. */
export interface Taken {
  readonly role: Role
  /** Of the owner itself; a follower's is kept by the owner. */
  readonly turn: Turn | undefined
}

/** The turn of this process, which it has for one commit. */
export class OwnTurn {
  readonly #part: Part
  readonly #deadlineMs: number
  #taken: Taken | undefined

  constructor(part: Part, deadlineMs: number) {
    this.#part = part
    this.#deadlineMs = deadlineMs
  }

  get taken(): Taken | undefined {
    return this.#taken
  }

  /**
   * Waits for it, under whoever holds the files.
   *
   * @param size - Of what is to be sealed in it.
   * @throws {SecretStoreError} `ERR_BUSY` in time.
   */
  async take({ rows, bytes }: BatchLimits = NOTHING): Promise<Taken> {
    const wantedMs = Math.min(MOST_TURN_MS, Math.ceil(rows * MS_PER_ROW + bytes / BYTES_PER_MS))
    for (;;) {
      const taken = await this.#part.ask((role) => this.#takeIn(role, wantedMs))
      if (taken === undefined) continue
      this.#taken = taken
      return taken
    }
  }

  /** Takes it away for a commit, which ends it. */
  spend(): Taken | undefined {
    const taken = this.#taken
    this.#taken = undefined
    return taken
  }

  /** Gives it back; one that is over already, too. */
  pass(taken: Taken): void {
    if (this.#taken === taken) this.#taken = undefined
    taken.turn?.end()
    if (taken.role.kind === 'follower') taken.role.remote.pass().catch(() => {})
  }

  /** @returns `undefined` if the role has ended meanwhile. */
  async #takeIn(role: Role, wantedMs: number): Promise<Taken | undefined> {
    let turn: Turn | undefined
    if (role.kind === 'owner') turn = await keptAlive(role.owner.turn(wantedMs))
    else {
      const asking = role.remote.turn(wantedMs)
      await inTime(role, this.#deadlineMs, asking).catch((error) => {
        // It comes all the same, and goes back.
        asking.then(() => role.remote.pass()).catch(() => {})
        throw error
      })
    }
    const taken = { role, turn }
    try {
      await this.#part.adopted()
      if (role === this.#part.role) return taken
    } catch (error) {
      this.pass(taken)
      throw error
    }
    this.pass(taken)
    return undefined
  }
}
