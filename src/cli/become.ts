import { constants } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { environmentBytes, stringBytes, systemLimits } from './environment-size'
import { findProgram, isProgram } from './find-program'
import { descriptorFlags } from './key-descriptors'
import { forgetSignals, type Signals } from './signals'

type Environment = Readonly<Record<string, string | undefined>>

/** Runs a command in the place of this process. @returns If that cannot be done exactly as with a child. */
export type Become = (
  file: string,
  args: readonly string[],
  environment: Environment,
  signals: Signals,
) => Promise<void>

/** `process.execve` of Node.js 22.15 and 23.11. */
type Execve = (file: string, args: readonly string[], environment: Environment) => void

/**
 * Becomes a command on Linux, with a Node.js that can: it then gets every signal from whoever sends it, and nobody can end
 * one without the other.
 *
 * It is `env` that starts the command, and says so where it cannot be run. Some versions of Node abort where `execve`
 * fails, which writes the memory of the process to a file.
 */
export const become: Become = async (file, args, environment, signals) => {
  const execve: Execve | undefined = (process as { readonly execve?: Execve }).execve
  const env = ['/usr/bin/env', '/bin/env'].find(isProgram)
  if (process.platform !== 'linux' || execve === undefined || env === undefined) return
  // An assignment, or an option, to `env`.
  if (file.includes('=') || file.startsWith('-') || findProgram(file, environment['PATH']) === undefined) return
  const words = ['env', '--', file, ...args]
  const variables = Object.entries(environment).filter((entry) => entry[1] !== undefined) as [string, string][]
  if (!isSmall([...words, ...variables.map(([name, value]) => `${name}=${value}`)])) return
  const passed = Object.fromEntries(variables)
  if (!letStreamsBlock()) return
  // Node ignores them, and what is ignored stays so. What is listened to does not.
  for (const ignored of ['SIGPIPE', 'SIGXFSZ'] as const) process.on(ignored, () => {})
  // Node hands signals over once in a turn of its loop. This may be after that, so the first turn may end without; the
  // second is a whole one. What comes after it and before the listeners are gone is lost: there is nothing else between.
  await setImmediate()
  await setImmediate()
  if (signals.signal.aborted) return
  const listenAgain = forgetSignals()
  try {
    execve.call(process, env, words, passed)
  } catch {
    listenAgain()
  }
}

function isSmall(strings: readonly string[]): boolean {
  const limits = systemLimits()
  let total = 0
  for (const text of strings) {
    total += environmentBytes(text)
    if (stringBytes(text) > limits.stringBytes) return false
  }
  return total <= limits.totalBytes
}

/** Node reads and writes pipes without waiting, which it would leave to the command. @returns Whether it has not. */
function letStreamsBlock(): boolean {
  for (const stream of [process.stdin, process.stdout, process.stderr]) {
    const { _handle } = stream as { readonly _handle?: { setBlocking?(blocking: boolean): unknown } }
    _handle?.setBlocking?.(true)
  }
  return [0, 1, 2].every((fd) => ((descriptorFlags(fd) ?? constants.O_NONBLOCK) & constants.O_NONBLOCK) === 0)
}
