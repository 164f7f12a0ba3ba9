import { keptAlive, orAborted } from '../../base/waiting'
import type { Part } from './part'
import type { Role } from './role'

/**
 * The named locks of this process, which outlive owners: each new one hears of those that are held. Of one name it holds
 * or asks for one at a time, so that an owner knows what is given back.
 */
export class OwnLocks {
  readonly #part: () => Part
  readonly #answered: (role: Role, work: Promise<boolean>) => Promise<boolean>
  readonly #held = new Set<string>()
  /** Of each name, the end of the last that was asked for here. */
  readonly #lines = new Map<string, Promise<void>>()

  /** @param answered - Fails where the owner does not answer any more that has been asked for a lock. */
  constructor(part: () => Part, answered: (role: Role, work: Promise<boolean>) => Promise<boolean>) {
    this.#part = part
    this.#answered = answered
  }

  /** @returns Gives it back. */
  async take(name: string, signal?: AbortSignal): Promise<() => void> {
    const { before, end } = this.#line(name)
    const asking = (async () => {
      await keptAlive(orAborted(signal, before))
      while (!(await this.#part().ask((role) => this.#take(role, name, signal)))) signal?.throwIfAborted()
    })()
    try {
      await orAborted(signal, asking)
    } catch (error) {
      // It may come all the same, and goes back.
      asking.then(
        () => {
          this.#release(name)
          end()
        },
        () => end(),
      )
      throw error
    }
    this.#held.add(name)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#held.delete(name)
      this.#release(name)
      end()
    }
  }

  /** Under a new owner, or by a new connection. It need not be waited for: as long as that lasts, the answer comes. */
  takeAgain(): void {
    const { role } = this.#part()
    if (role === undefined) return
    for (const name of this.#held) this.#ask(role, name, true).catch(() => {})
  }

  /** This process has no part in the store any more. */
  close(): void {
    for (const name of this.#held) this.#release(name)
    this.#held.clear()
  }

  #line(name: string): { readonly before: Promise<void>; readonly end: () => void } {
    const before = this.#lines.get(name) ?? Promise.resolve()
    let over = (): void => {}
    const line = new Promise<void>((resolve) => {
      over = resolve
    })
    const last = before.then(() => line)
    this.#lines.set(name, last)
    const end = (): void => {
      over()
      if (this.#lines.get(name) === last) this.#lines.delete(name)
    }
    return { before, end }
  }

  async #take(role: Role, name: string, signal: AbortSignal | undefined): Promise<boolean> {
    signal?.throwIfAborted()
    try {
      const taking = this.#answered(role, orAborted(signal, this.#ask(role, name, false)))
      return await (role.kind === 'owner' ? keptAlive(taking) : taking)
    } catch (error) {
      // Whoever does not wait any more leaves the line, or gives back what has come meanwhile.
      this.#releaseIn(role, name)
      throw error
    }
  }

  #ask(role: Role, name: string, again: boolean): Promise<boolean> {
    return role.kind === 'owner'
      ? role.owner.locks.take(this.#part().writer, name, again)
      : role.remote.lock(name, again)
  }

  #release(name: string): void {
    const { role } = this.#part()
    if (role !== undefined) this.#releaseIn(role, name)
  }

  #releaseIn(role: Role, name: string): void {
    if (role.kind === 'owner') role.owner.locks.release(this.#part().writer, name)
    else role.remote.unlock(name).catch(() => {})
  }
}
