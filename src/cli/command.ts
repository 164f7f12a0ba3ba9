import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { onFailedStart } from './failed-start'
import { Failure } from './failure'
import { Forwarding } from './forwarding'
import type { Io } from './io'
import { closeInheritable } from './key-descriptors'

/** As POSIX has them for `env` and its like. */
const NOT_FOUND = 127
const NOT_RUN = 126

export interface CommandOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdio: readonly ('inherit' | 'ignore')[]
}

/**
 * Runs the command of `run`, which gets every signal once.
 *
 * @returns What the shell is told of it.
 * @throws {Failure} If it cannot be run.
 */
export async function runCommand(
  io: Io,
  [file = '', ...args]: readonly string[],
  { env, stdio }: CommandOptions,
): Promise<number> {
  closeInheritable()
  if (stdio.every((stream) => stream === 'inherit')) await io.become?.(file, args, env, io)
  io.signal.throwIfAborted()
  const forwarding = new Forwarding()
  let stop = (): void => forwarding.close()
  try {
    const child = start(file, args, { env, stdio })
    stop = forwarding.to(child, io)
    return await new Promise<number>((resolve, reject) => {
      onFailedStart(child, (error) => reject(notRun(file, error)))
      child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal as NodeJS.Signals]))
    })
  } finally {
    stop()
  }
}

/** @throws {Failure} */
function start(file: string, args: readonly string[], { env, stdio }: CommandOptions): ChildProcess {
  try {
    return spawn(file, args, { env, stdio: [...stdio] })
  } catch (error) {
    throw notRun(file, error as NodeJS.ErrnoException)
  }
}

function notRun(file: string, { code, message }: NodeJS.ErrnoException): Failure {
  if (code === 'ENOENT') return new Failure(NOT_FOUND, `${file}: there is no such command`)
  const hint = code === 'E2BIG' ? 'the secrets are longer than this system passes on; choose with --only' : undefined
  return new Failure(NOT_RUN, `${file}: it cannot be run (${code ?? message})`, hint === undefined ? {} : { hint })
}
