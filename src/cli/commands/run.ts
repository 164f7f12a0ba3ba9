import type { Scope, Secret, SecretView } from 'app-secret-store'
import { InvalidArgumentError } from 'commander'
import { runCommand } from '../command'
import { CommandEnvironment, isPrefix } from '../environment'
import { systemLimits } from '../environment-size'
import { noSecret, refused, usage } from '../failure'
import { childStdio } from '../key-descriptors'
import { count } from '../printable'
import { changedVariables } from '../raw-bytes'
import type { Session } from '../session'
import { textOf } from '../text'
import type { AddCommands } from './define'

interface RunFlags {
  readonly prefix: string
  readonly only?: readonly string[]
  readonly except?: readonly string[]
  readonly skipBinary?: boolean
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
    .option('--except <name...>', 'all secrets but these')
    .option('--skip-binary', 'leave out what no variable can hold: bytes, and text with a NUL (default: refuse)')
    .option('--override', 'replace variables that are in the environment already (default: refuse)')
    .option(
      '--allow-loader-names',
      'with --only: secrets may become variables that programs take code from, such as PATH (default: refuse)',
    )
    .addHelpText(
      'after',
      "\nThe exit code is the command's own, or 128 and the number of the signal that ended it; 127 if there is no such command, 126 if it cannot be run.\n--json has no effect on what the command writes.",
    )
    .action(run(runWithSecrets))
}

function prefixOf(text: string): string {
  if (isPrefix(text)) return text
  throw new InvalidArgumentError('Expected letters of A to Z, digits and `_`, and no digit first.')
}

async function runWithSecrets(session: Session, command: readonly string[], flags: RunFlags): Promise<number> {
  const { io, output, options } = session
  const { prefix, override = false, only, allowLoaderNames = false, skipBinary = false } = flags
  if (allowLoaderNames && only === undefined)
    throw usage('--allow-loader-names: expected it with --only, got it alone', 'name the secrets that you mean')
  if (only !== undefined && flags.except !== undefined) throw usage('run: expected --only or --except, got both')
  checkInherited(session)
  const environment = new CommandEnvironment(io.env, {
    prefix,
    override,
    allowLoaders: allowLoaderNames,
    skipBinary,
    ignoreCase: process.platform === 'win32',
    limits: systemLimits(),
    command,
  })
  const view = await session.view()
  const { scope } = session
  if (only === undefined) {
    for await (const { name } of chosenSecrets(session, view, flags.except)) environment.addName(name)
  } else for (const name of new Set(only)) environment.addName(name)
  for (const name of environment.names()) {
    io.signal.throwIfAborted()
    const bytes = await view.getBytes({ scope, name })
    if (bytes !== undefined) environment.addPayload(name, textOf(bytes) ?? bytes)
    // Listed and expired since, it is not there either.
    else if (only === undefined) environment.leaveOut(name)
    else throw noSecret(session, name)
  }
  // The child may open the store itself.
  await session.close()
  const env = environment.finish()
  const { skipped } = environment
  if (skipped > 0) await output.note(`note: --skip-binary left out ${count(skipped, 'secret')}`)
  return runCommand(io, command, { env, stdio: childStdio(options) })
}

/** @throws {Failure} If the command would get a variable otherwise than this program did. */
function checkInherited({ io }: Session): void {
  const changed = changedVariables(io.env, io.given)
  if (changed.length === 0) return
  throw refused(
    `the command would get other bytes than are in ${changed.slice(0, MOST_NAMED).join(', ')}: it is not UTF-8`,
    'leave it out with `env -u NAME secret-store run …`, or give it UTF-8',
  )
}

const MOST_NAMED = 5

/**
 * The secrets of a scope, but for those of --except.
 *
 * @throws {Failure} If one of those is not there: what is misspelt would be among the others.
 */
export async function* chosenSecrets(
  session: Session,
  view: SecretView,
  except: readonly string[] = [],
  scope: Scope = session.scope,
): AsyncGenerator<Secret, void, undefined> {
  const left = new Set(except)
  const excluded = new Set(except)
  for await (const secret of view.list({ scope })) {
    session.io.signal.throwIfAborted()
    left.delete(secret.name)
    if (!excluded.has(secret.name)) yield secret
  }
  for (const name of left) throw noSecret(session, name)
}
