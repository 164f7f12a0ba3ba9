import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'
import { onFailedStart } from './failed-start'
import { Interrupted } from './failure'
import type { Io } from './io'
import { inheritedDescriptors } from './key-descriptors'
import { StopAfter } from './stop-after'

/** How a child has ended. */
export interface Ended {
  /** 128 and the signal's number if a signal ended it, 127 if there is no such program, 126 if it cannot be run. */
  readonly code: number
  /** What ended this program meanwhile, too. */
  readonly interrupted: Interrupted | undefined
}

export interface BesideOptions {
  readonly env: Record<string, string | undefined>
  /** Of stdin, stdout and stderr. It has nothing else open. */
  readonly stdio: readonly Stdio[]
  readonly windowsVerbatimArguments?: boolean
}

/** For a program that is told to end and does not. */
const PATIENCE_MS = 2000

/**
 * Runs a program in the middle of a command. Signals that end this program are handed on, and the child is waited for, so
 * that what comes after it is done in every case.
 *
 * @param begun - What is done with it once it runs.
 */
export async function runBeside(
  io: Io,
  file: string,
  args: readonly string[],
  options: BesideOptions,
  begun: (child: ChildProcess) => void = () => {},
): Promise<Ended> {
  io.signal.throwIfAborted()
  let interrupted: Interrupted | undefined
  let child: ChildProcess | undefined
  let end: NodeJS.Timeout | undefined
  const stopping = new StopAfter()
  const onSignal = (signal: NodeJS.Signals): void => {
    stopping.hear(signal)
    if (signal === 'SIGTSTP') void stopping.stop(child, onSignal)
    // The terminal has sent it to both, and an editor may take it for something else than the end.
    if (signal === 'SIGINT' && isAtTerminal(io)) return
    if (!ENDING.has(signal)) return
    interrupted ??= new Interrupted(128 + constants.signals[signal])
    child?.kill(signal)
    end ??= setTimeout(() => child?.kill('SIGKILL'), PATIENCE_MS)
  }
  const giveBack = io.takeSignals(onSignal)
  try {
    const code = await new Promise<number>((resolve) => {
      child = start(file, args, options, (error) => resolve(error.code === 'ENOENT' ? 127 : 126))
      // Once all that it has written is read, too.
      child?.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal as NodeJS.Signals]))
      if (child !== undefined) begun(child)
    })
    return { code, interrupted: interrupted ?? (code === 130 ? new Interrupted() : undefined) }
  } finally {
    clearTimeout(end)
    giveBack()
  }
}

const ENDING: ReadonlySet<string> = new Set(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'])

function isAtTerminal({ stdin, stdout, stderr }: Io): boolean {
  return [stdin, stdout, stderr].some(({ isTTY }) => isTTY === true)
}

/** @returns `undefined` if it cannot be tried, and `failed` knows. */
function start(
  file: string,
  args: readonly string[],
  { stdio, ...options }: BesideOptions,
  failed: (error: NodeJS.ErrnoException) => void,
): ChildProcess | undefined {
  const nothing = process.platform === 'linux' ? openSync('/dev/null', 'r+') : undefined
  try {
    const all = nothing === undefined ? [...stdio] : withNothingElse(stdio, nothing)
    const child = spawn(file, args, { ...options, stdio: all })
    onFailedStart(child, failed)
    return child
  } catch (error) {
    failed(error as NodeJS.ErrnoException)
    return undefined
  } finally {
    if (nothing !== undefined) closeSync(nothing)
  }
}

type Stdio = 'inherit' | 'ignore' | 'pipe'

/**
 * Adds to the stdio of a child nothing in the place of all else that it would have open: files of the store, and one that
 * the passphrase was read from, are inherited on Linux. Elsewhere Node starts a child with none but those that it names.
 */
function withNothingElse(stdio: readonly Stdio[], nothing: number): (Stdio | number)[] {
  const length = Math.max(stdio.length, ...inheritedDescriptors().map((fd) => fd + 1))
  return Array.from({ length }, (_, fd) => stdio[fd] ?? nothing)
}

/** The environment of another program: all but what opens the store. */
export function environmentWithoutKeys(env: Io['env']): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^SECRET_STORE(?:_NEW)?_PASSPHRASE$/i.test(name)))
}
