import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { isStopped } from './process-state'

/** Whoever sends a signal to one process after another has done so by then. */
const GRACE_MS = 25
/** An answer takes less than one. */
const SILENT_MS = 2000

/**
 * Tells whether a signal went to this process alone, or to its whole process group, as those of a terminal do. Node does
 * not say who sent a signal. A `cat` in the same group does: what is sent to all of them ends it, or stops it.
 */
export class GroupWitness {
  #witness: { readonly process: ChildProcess; readonly ended: Promise<true> }
  #state: 'watching' | 'missing' | 'closed' = 'watching'
  /** Of the one before. */
  #lastEnd: { readonly signal: NodeJS.Signals | null; readonly atMs: number } | undefined

  constructor() {
    this.#witness = this.#start()
  }

  /**
   * To be called when the signal comes.
   *
   * @param signal - One that ends or stops a process that does not listen to it.
   * @returns `undefined` where there is no `cat`.
   */
  async wasForAll(signal: NodeJS.Signals): Promise<boolean | undefined> {
    const { process, ended } = this.#witness
    // Its end may be noticed before the signal is.
    if (this.#lastEnd?.signal === signal && performance.now() - this.#lastEnd.atMs < GRACE_MS) return true
    await setTimeout(GRACE_MS)
    if (this.#state === 'missing' || process.pid === undefined) return undefined
    if (signal === 'SIGTSTP') return isStopped(process.pid)
    // A signal that was sent to it before its question reaches it before it can answer.
    const answered = new Promise<false>((resolve) => {
      process.stdout?.once('data', () => resolve(false))
    })
    process.stdin?.write('?')
    return Promise.race([ended, answered, setTimeout(SILENT_MS, false as const, { ref: false })])
  }

  /** It stops with this process, and somebody may continue this process alone. */
  resume(): void {
    this.#witness.process.kill('SIGCONT')
  }

  close(): void {
    this.#state = 'closed'
    this.#witness.process.kill('SIGKILL')
  }

  #start() {
    // Ctrl-\ leaves no file of it.
    const process = spawn('/bin/sh', ['-c', 'ulimit -c 0; exec cat'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { PATH: globalThis.process.env['PATH'] },
      // No file system is kept in use by it.
      cwd: '/',
    })
    process.stdin?.on('error', () => {})
    const ended = new Promise<true>((resolve) => {
      process.once('error', () => {
        this.#state = 'missing'
        resolve(true)
      })
      process.once('exit', (code, signal) => {
        this.#lastEnd = { signal, atMs: performance.now() }
        // Nobody but itself ends it with a code: there is no `cat`.
        if (code !== null) this.#state = 'missing'
        else if (this.#state === 'watching') this.#witness = this.#start()
        resolve(true)
      })
    })
    return { process, ended }
  }
}
