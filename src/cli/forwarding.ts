import type { ChildProcess } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { GroupWitness } from './group-witness'
import { isInForeground, isStopped, terminalSize } from './process-state'
import type { Signals } from './signals'
import { StopAfter } from './stop-after'

/** A child has stopped, or gone on, by then. */
const SETTLED_MS = 50

/** Gives a child, in the process group of this process, each signal once: those that it did not get with the group. */
export class Forwarding {
  readonly #witness = process.platform === 'win32' ? undefined : new GroupWitness()
  #size = terminalSize()
  #stopped = false
  readonly #stopping = new StopAfter()
  /** One signal after another, in the order in which they came. */
  #pending: Promise<void> = Promise.resolve()

  /** To be made before the child is, which then has no signal before its witness. @returns Ends it. */
  to(child: ChildProcess, signals: Signals): () => void {
    const listener = (signal: NodeJS.Signals): void => {
      this.#stopping.hear(signal)
      const decided = this.#decide(child, signal)
      this.#pending = this.#pending.then(async () => {
        if (await decided) child.kill(signal)
        if (signal === 'SIGTSTP') this.#stopped = await this.#stopping.stop(child, listener)
      })
    }
    const giveBack = signals.takeSignals(listener)
    return () => {
      giveBack()
      this.close()
    }
  }

  close(): void {
    this.#witness?.close()
  }

  /** Whether to pass a signal on. */
  async #decide(child: ChildProcess, signal: NodeJS.Signals): Promise<boolean> {
    // A console of Windows tells all of its programs; to send a signal there is to end a process at once.
    if (this.#witness === undefined) return false
    if (signal === 'SIGCONT') return this.#isToContinue(child, this.#witness)
    if (signal === 'SIGWINCH') return !this.#hasResized()
    const forAll = await this.#witness.wasForAll(signal)
    if (forAll !== undefined) return !forAll
    const isTyped = signal === 'SIGINT' || signal === 'SIGQUIT' || signal === 'SIGTSTP'
    return !(isTyped && (await isInForeground()))
  }

  /** Whoever stopped all of the group mostly continues all of it. */
  async #isToContinue(child: ChildProcess, witness: GroupWitness): Promise<boolean> {
    witness.resume()
    if (!this.#stopped) return true
    this.#stopped = false
    await setTimeout(SETTLED_MS)
    return child.pid !== undefined && isStopped(child.pid)
  }

  /** A terminal of another size tells its whole foreground group. */
  #hasResized(): boolean {
    const before = this.#size
    this.#size = terminalSize()
    return this.#size !== before
  }
}
