import type { ChildProcess } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { isStopped } from './process-state'
import { stopProcess } from './signals'

const LOOK_MS = 10
/** A child that is not stopped by then goes on. */
const PATIENCE_MS = 1000

/**
 * Stops this process after its child. A shell takes both for stopped once this one is, and continues both: a child that
 * stops later than that would stay stopped.
 */
export class StopAfter {
  #isWanted = false

  /** To be called at once with every signal: one that continues takes back one that stops. */
  hear(signal: NodeJS.Signals): void {
    if (signal === 'SIGTSTP') this.#isWanted = true
    if (signal === 'SIGCONT') this.#isWanted = false
  }

  /** @returns Whether it was stopped, and is continued now. */
  async stop(child: ChildProcess | undefined, listener: (signal: NodeJS.Signals) => void): Promise<boolean> {
    const end = performance.now() + PATIENCE_MS
    while (this.#isWanted && performance.now() < end && !(await isAtRest(child))) await setTimeout(LOOK_MS)
    if (!this.#isWanted) return false
    this.#isWanted = false
    stopProcess(listener)
    return true
  }
}

async function isAtRest(child: ChildProcess | undefined): Promise<boolean> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return true
  return isStopped(child.pid)
}
