import { keptAlive, orAborted } from '../../base/waiting'
import type { Part } from './part'
import type { Role } from './role'

/** The named locks of this process, which outlive owners: each new one hears of those that are held. */
export class OwnLocks {
  readonly #part: () => Part
  readonly #held = new Set<{ readonly name: string }>()

  constructor(part: () => Part) {
    this.#part = part
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
      this.#part()
        .ask((role) => this.#take(role, name, true))
        .then(
          () => this.#held.has(held) || this.#release(name),
          () => {},
        )
    }
  }

  async #take(role: Role, name: string, again: boolean, signal?: AbortSignal): Promise<void> {
    const taking =
      role.kind === 'owner'
        ? keptAlive(role.owner.locks.take(this.#part().writer, name, again))
        : role.remote.lock(name, again)
    await orAborted(signal, taking).catch((error) => {
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
