import { type Command, CommanderError } from 'commander'
import type { Run } from './commands/define'
import { insteadOf } from './commands/help'
import { BrokenPipe, EXIT, Failure, failureOf, Interrupted, usage } from './failure'
import { columnsOf, within } from './help'
import type { Io } from './io'
import { Output } from './output'
import { expandPaths } from './paths'
import { buildProgram } from './program'
import { checkArguments } from './raw-bytes'
import { checkRunWords } from './run-words'
import { type GlobalOptions, Session } from './session'

/**
 * Runs one command line.
 *
 * @param argv - The arguments after the program's name.
 * @returns The exit code.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  let exitCode: number = EXIT.done
  const run: Run = (work) => {
    return async (...given) => {
      // Commander passes arguments, the command's own options, the command.
      const command = given.at(-1) as Command
      const args = expandPaths(io, command, given)
      const session = new Session(io, command.optsWithGlobals<GlobalOptions>())
      try {
        const working = work(session, ...(args.slice(0, -1) as never))
        const outcome = await orInterrupted(working, io.signal, () => session.endsInOrder)
        if (typeof outcome === 'number') exitCode = outcome
      } finally {
        await session.close()
      }
    }
  }
  const columns = columnsOf(io.stdout)
  const program = buildProgram(run, (root) => {
    root.exitOverride().configureOutput({
      getOutHelpWidth: () => columns,
      getErrHelpWidth: () => columns,
      writeOut: (text) => void io.stdout.write(within(text, columns)),
      writeErr: (text) => void io.stderr.write(within(text, columns)),
      // As JSON it is written where all errors are.
      outputError: (text) => {
        if (!isJson(argv)) io.stderr.write(text)
      },
    })
  })
  // What a write has failed with is told to who wrote.
  const ignore = (): void => {}
  io.stdout.on('error', ignore)
  io.stderr.on('error', ignore)
  try {
    checkArguments(argv, io.given)
    checkRunWords(program, argv)
    await program.parseAsync([...argv], { from: 'user' })
    return exitCode
  } catch (error) {
    return await explain(error, io, argv)
  } finally {
    io.stdout.off('error', ignore)
    io.stderr.off('error', ignore)
  }
}

const USAGE_HINT = '`secret-store --help` shows the commands, `secret-store COMMAND --help` the options'

const DASH_HINT =
  '`secret-store COMMAND --help` shows the options, a name or an id that begins with `-` comes after `--`'

/** Ctrl-C ends the wait, unless the work sees to that; closing the store then lets a write that was begun finish. */
async function orInterrupted<T>(work: Promise<T>, signal: AbortSignal, endsInOrder: () => boolean): Promise<T> {
  if (signal.aborted) throw signal.reason
  let abort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      if (!endsInOrder()) reject(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function explain(error: unknown, io: Io, argv: readonly string[]): Promise<number> {
  if (error instanceof BrokenPipe) return error.exitCode
  // Its message, or the help that was asked for, is written.
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done
  const output = new Output(io, { json: isJson(argv), quiet: false })
  try {
    if (error instanceof CommanderError) {
      if (error.code === 'commander.help') return EXIT.usage
      const hint = hintFor(error)
      if (output.json) await output.failure(usage(error.message.replace(/^error: /, ''), hint))
      else await output.note(`hint: ${hint}`)
      return EXIT.usage
    }
    if (error instanceof Interrupted) {
      await output.failure(new Failure(error.exitCode, 'interrupted; the store is sound'))
      return error.exitCode
    }
    const failure = failureOf(error)
    await output.failure(failure)
    return failure.exitCode
  } catch {
    return EXIT.refused // there is nobody to tell
  }
}

/** @returns What to type instead, where that is known. */
function hintFor({ code, message }: CommanderError): string {
  const [, word = ''] = /'(.*)'/.exec(message) ?? []
  // A name may begin so, and the ids of slots that versions before 0.10 made.
  if (code === 'commander.unknownOption' && /^-[^-]./.test(word)) return DASH_HINT
  return (code === 'commander.unknownCommand' && insteadOf(word)) || USAGE_HINT
}

/** Those before `--`: the others are another command's. */
function isJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return argv.slice(0, end === -1 ? argv.length : end).includes('--json')
}
