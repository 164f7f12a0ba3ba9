import { constants } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { Interrupted } from './failure'

/** What ends the program, and the exit code that tells of it: 128 and the signal's number. */
const ENDING: Readonly<Partial<Record<NodeJS.Signals, number>>> = {
  SIGINT: 130,
  SIGTERM: 143,
  SIGHUP: 129,
  // Its own end would write the memory of the process, keys and all, to a file.
  SIGQUIT: 131,
}

/** What a command may get beside those. All other signals end a process that does not know them, this one too. */
const FOR_COMMANDS: readonly NodeJS.Signals[] = [
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGWINCH',
  'SIGTSTP',
  'SIGCONT',
  'SIGIO',
  'SIGPWR',
]

/** Something that has changed how the terminal behaves. */
export interface TerminalUse {
  /** Leaves the terminal as it was. */
  leave(): void
  /** Changes it again, after the program was stopped and continued. */
  resume(): void
}

/** The signals of one run of the program. */
export interface Signals {
  /** Aborted with an `Interrupted` by Ctrl-C and its like. */
  readonly signal: AbortSignal
  /** From now on signals are somebody else's affair, such as a child's. @returns Gives them back. */
  takeSignals(listener: (signal: NodeJS.Signals) => void): () => void
  /** However the program ends or stops, the terminal is left as it was. @returns It has been. */
  useTerminal(use: TerminalUse): () => void
}

export function processSignals(): Signals {
  const abort = new AbortController()
  const uses = new Set<TerminalUse>()
  let taken: ((signal: NodeJS.Signals) => void) | undefined
  const leaveTerminal = (): void => {
    for (const use of uses) use.leave()
  }
  for (const [name, exitCode] of Object.entries(ENDING)) {
    process.on(name as NodeJS.Signals, (signal) => {
      if (taken !== undefined) return taken(signal)
      // Who insists is let go: what was acknowledged is on disk.
      if (abort.signal.aborted) process.exit(exitCode)
      leaveTerminal()
      abort.abort(new Interrupted(exitCode))
    })
  }
  process.on('exit', leaveTerminal)
  const stop = (): void => {
    leaveTerminal()
    stopProcess(stop)
    for (const use of uses) use.resume()
  }
  return {
    signal: abort.signal,
    takeSignals(listener) {
      taken = listener
      const own = FOR_COMMANDS.filter(isKnown)
      for (const name of own) process.on(name, listener)
      return () => {
        taken = undefined
        for (const name of own) process.off(name, listener)
      }
    },
    useTerminal(use) {
      if (uses.size === 0 && process.platform !== 'win32') process.on('SIGTSTP', stop)
      uses.add(use)
      return () => {
        if (!uses.delete(use)) return
        use.leave()
        if (uses.size === 0) process.off('SIGTSTP', stop)
      }
    },
  }
}

/**
 * Stops this process as Ctrl-Z does one that does not listen to it, and returns when it is continued. Where nobody could
 * continue it, because no shell looks after its process group, the system does not stop it.
 */
export function stopProcess(listener: (signal: NodeJS.Signals) => void): void {
  process.off('SIGTSTP', listener)
  process.kill(process.pid, 'SIGTSTP')
  process.on('SIGTSTP', listener)
}

/**
 * Does work in which the system waits for somebody, and no listener is called: the signals that end the program do so
 * meanwhile by themselves. SIGQUIT, which would write the memory of the process to a file, ends it after the work; and
 * SIGUSR1 stays listened to, lest Node open a debugger.
 *
 * @throws What `signal` was aborted with before.
 */
export async function whileWaiting<T>({ signal }: Pick<Signals, 'signal'>, work: () => T): Promise<T> {
  // A signal that came before this is dealt with. Where a turn of the loop has seen to signals already, the next one does.
  for (let turn = 0; turn < 2; turn++) await setImmediate()
  signal.throwIfAborted()
  const listenAgain = forgetSignals(Object.keys(ENDING).filter((name) => name !== 'SIGQUIT'))
  try {
    return work()
  } finally {
    listenAgain()
  }
}

/** Signals do from now on what they do to a program that listens to none. @returns Undoes it. */
export function forgetSignals(names: readonly string[] = [...Object.keys(ENDING), ...FOR_COMMANDS]): () => void {
  const forgotten = names.map((name) => {
    const listeners = process.listeners(name as NodeJS.Signals)
    process.removeAllListeners(name)
    return { name, listeners }
  })
  return () => {
    for (const { name, listeners } of forgotten) {
      for (const listener of listeners) process.on(name, listener)
    }
  }
}

function isKnown(name: NodeJS.Signals): boolean {
  return process.platform !== 'win32' && name in constants.signals
}
