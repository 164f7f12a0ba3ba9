import { codeOf } from '../../base/thrown'
import { keptAlive, orAborted } from '../../base/waiting'
import type { Part } from './part'
import type { Role } from './role'

/** The named locks of this process, which outlive owners: each new one hears of those that are held. */
export class OwnLocks {
  readonly #part: () => Part
  readonly #answered: (role: Role, work: Promise<void>) => Promise<void>
  readonly #held = new Set<{ readonly name: string }>()

  /** @param answered - Fails where the owner does not answer any more that has been asked for a lock. */
  constructor(part: () => Part, answered: (role: Role, work: Promise<void>) => Promise<void>) {
    this.#part = part
    this.#answered = answered
  }

  /** @returns Gives it back. */
  async take(name: string, signal?: AbortSignal): Promise<() => void> {
    await this.#part().ask((role) => this.#take(role, name, false, signal))
    const held = { name }
    this.#held.add(held)
    return () => {
      if (this.#held.delete(held)) this.#release(name)
    }
  }

  /** Under a new owner. What is given back before it has come is given back when it has. */
  takeAgain(): void {
    for (const held of this.#held) {
      const { name } = held
      const take = async (): Promise<void> => {
        await this.#part().ask((role) => this.#take(role, name, true))
        if (!this.#held.has(held)) this.#release(name)
      }
      // An owner that did not answer in time may do so yet.
      take().catch((error) => {
        if (codeOf(error) === 'ERR_BUSY' && this.#held.has(held)) take().catch(() => {})
      })
    }
  }

  async #take(role: Role, name: string, again: boolean, signal?: AbortSignal): Promise<void> {
    const taking =
      role.kind === 'owner'
        ? keptAlive(role.owner.locks.take(this.#part().writer, name, again))
        : role.remote.lock(name, again)
    await orAborted(signal, this.#answered(role, taking)).catch((error) => {
      // It comes all the same, and goes back.
      taking.then(
        () => this.#release(name),
        () => {},
      )
      throw error
    })
  }

  #release(name: string): void {
    const { role, writer } = this.#part()
    if (role?.kind === 'owner') role.owner.locks.release(writer, name)
    else role?.remote.unlock(name).catch(() => {})
  }
}
