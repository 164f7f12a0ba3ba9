import { Command } from 'commander'
import { addCareCommands } from './commands/care'
import { addCompletionCommands } from './commands/completion'
import { addGlobalOptions, type Run } from './commands/define'
import { addKeysCommands } from './commands/keys'
import { addRunCommand } from './commands/run'
import { addSecretCommands } from './commands/secrets'
import { addServeCommand } from './commands/serve'
import { addTransferCommands } from './commands/transfer'

/** Every command, its options and its help: what `--help` shows and docs/cli.md is made of. */
export function buildProgram(run: Run): Command {
  const program = new Command('secret-store')
    .description('Keep secrets encrypted on this machine.')
    .version(VERSION, '--version', 'show the version')
    .helpOption('--help', 'show this, or the help of a command')
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: true, helpWidth: 100 })
    .showSuggestionAfterError()
    .addHelpText('after', EXIT_CODES)
  addGlobalOptions(program)
  const add = [
    addCareCommands,
    addSecretCommands,
    addTransferCommands,
    addRunCommand,
    addKeysCommands,
    addServeCommand,
    addCompletionCommands,
  ]
  for (const addCommands of add) addCommands(program, run)
  return program
}

declare const __VERSION__: string | undefined
/** Of the package, put in by the build. */
const VERSION: string = typeof __VERSION__ === 'string' ? __VERSION__ : '0.0.0'

const EXIT_CODES = `
Exit codes:
  0    done
  1    not found, or refused
  2    the command line is wrong
  3    wrong key, or the system keyring has none of that name
  4    locked: something else has the store open, or nobody unlocked the system keyring
  5    damaged
  130  ended by Ctrl-C; 129 and 143 by SIGHUP and SIGTERM, 141 because nobody reads stdout`
