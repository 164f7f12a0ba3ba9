import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { InvalidArgumentError } from 'commander'
import { environmentOf, isPrefix } from '../environment'
import { Failure, noSecret, refused, usage } from '../failure'
import type { Io } from '../io'
import { childStdio, closeInheritable } from '../key-descriptors'
import type { Session } from '../session'
import type { AddCommands } from './define'
import { readEntries } from './transfer'

interface RunFlags {
  readonly prefix: string
  readonly only?: readonly string[]
  readonly override?: boolean
  readonly allowLoaderNames?: boolean
}

export const addRunCommand: AddCommands = (program, run) => {
  program
    .command('run')
    .description("run a command with a scope's secrets as environment variables: `stripe.api-key` is STRIPE_API_KEY")
    .argument('<command...>', 'after `--`')
    .option('--prefix <text>', 'in front of every name: letters of A to Z, digits and `_`', prefixOf, '')
    .option('--only <name...>', 'these secrets alone')
    .option('--override', 'replace variables that are in the environment already (default: refuse)')
    .option(
      '--allow-loader-names',
      'with --only: secrets may become variables that programs take code from, such as PATH (default: refuse)',
    )
    .addHelpText(
      'after',
      "\nThe exit code is the command's own, or 128 and the number of the signal that ended it; 127 if there is\nno such command, 126 if it cannot be run.\n--json has no effect on what the command writes.",
    )
    .action(run(runCommand))
}

function prefixOf(text: string): string {
  if (isPrefix(text)) return text
  throw new InvalidArgumentError('Expected letters of A to Z, digits and `_`, and no digit first.')
}

async function runCommand(session: Session, command: readonly string[], flags: RunFlags): Promise<number> {
  const { io } = session
  const { prefix, override = false, only, allowLoaderNames = false } = flags
  if (allowLoaderNames && only === undefined)
    throw usage('--allow-loader-names: expected it with --only, got it alone', 'name the secrets that you mean')
  const entries = await readEntries(session, await session.view())
  // The child may open the store itself.
  await session.close()
  const wanted = only ?? entries.map(({ name }) => name)
  const secrets = wanted.map((name) => {
    const entry = entries.find((candidate) => candidate.name === name)
    if (entry === undefined) throw noSecret(session, name)
    if (typeof entry.payload !== 'string') {
      throw refused(`'${name}' cannot be an environment variable: it is no UTF-8 text`, 'leave it out with --only')
    }
    return { name, payload: entry.payload }
  })
  const environment = environmentOf(secrets, io.env, {
    prefix,
    override,
    allowLoaders: allowLoaderNames,
    ignoreCase: process.platform === 'win32',
  })
  return runChild(io, command, { env: environment, stdio: childStdio(session.options) })
}

/** As POSIX has them for `env` and its like. */
const NOT_FOUND = 127
const NOT_RUN = 126

/** @returns What the shell is told of it. */
async function runChild(io: Io, [file = '', ...args]: readonly string[], options: SpawnOptions): Promise<number> {
  io.signal.throwIfAborted()
  closeInheritable()
  const child = start(file, args, options)
  // At a terminal, Ctrl-C reaches the child without us.
  const giveBack = io.takeSignals((signal) => {
    if (signal !== 'SIGINT' || !io.stdin.isTTY) child.kill(signal)
  })
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => reject(notRun(file, error)))
      child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal as NodeJS.Signals]))
    })
  } finally {
    giveBack()
  }
}

/** @throws {Failure} */
function start(file: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  try {
    return spawn(file, args, options)
  } catch (error) {
    throw notRun(file, error as NodeJS.ErrnoException)
  }
}

function notRun(file: string, { code, message }: NodeJS.ErrnoException): Failure {
  if (code === 'ENOENT') return new Failure(NOT_FOUND, `${file}: there is no such command`)
  const hint = code === 'E2BIG' ? 'the secrets are longer than this system passes on; choose with --only' : undefined
  return new Failure(NOT_RUN, `${file}: it cannot be run (${code ?? message})`, hint === undefined ? {} : { hint })
}
