import { Command } from 'commander'
import { addCareCommands } from './commands/care'
import { addCompletionCommands } from './commands/completion'
import { addGlobalOptions, type Run } from './commands/define'
import { addHelpCommand, refuseUnknownCommand } from './commands/help'
import { addKeysCommands } from './commands/keys'
import { addRunCommand } from './commands/run'
import { addSecretCommands } from './commands/secrets'
import { addServeCommand } from './commands/serve'
import { addStatusCommand } from './commands/status'
import { addTransferCommands } from './commands/transfer'
import { HELP } from './help'
import { ENVIRONMENT, EXAMPLES, EXIT_CODES } from './help-texts'

/** The commands as the help has them. One that no topic names comes last. */
const TOPICS: Readonly<Record<string, readonly string[]>> = {
  'Every day:': ['init', 'set', 'get', 'list', 'run'],
  'More with secrets:': ['find', 'edit', 'mv', 'delete', 'import', 'export'],
  'Looking after a store:': ['keys', 'status', 'verify', 'backup', 'restore', 'recover', 'rotate', 'sweep', 'compact'],
  'Also:': ['serve', 'completion', 'help'],
}
const OTHERS = 'Other commands:'

/**
 * Every command, its options and its help: what `--help` shows, and what docs/cli.md and the man page are made of.
 *
 * @param prepare - Sets what all commands inherit, such as where they write.
 */
export function buildProgram(run: Run, prepare: (program: Command) => void = () => {}): Command {
  const program = new Command('secret-store')
    .description('Keep secrets encrypted on this machine.')
    .usage('<command> [options]')
    .helpOption('-h, --help', 'show this, or the help of a command')
    .helpCommand(false)
    .configureHelp(HELP)
    .showSuggestionAfterError()
    .addHelpText('beforeAll', ({ command }) => refuseUnknownCommand(command))
    .addHelpText('after', listed('Environment:', ENVIRONMENT))
    .addHelpText('after', listed('Exit codes:', EXIT_CODES))
    .addHelpText('afterAll', ({ command }) => examplesOf(command))
  prepare(program)
  addGlobalOptions(program)
  program.version(VERSION, '-V, --version', 'show the version')
  const add = [
    addCareCommands,
    addStatusCommand,
    addSecretCommands,
    addTransferCommands,
    addRunCommand,
    addKeysCommands,
    addServeCommand,
    addCompletionCommands,
    addHelpCommand,
  ]
  for (const addCommands of add) addCommands(program, run)
  arrange(program)
  return program
}

function arrange(program: Command): void {
  const topics = Object.entries(TOPICS)
  const order = topics.flatMap(([, names]) => names)
  const place = (command: Command): number => order.indexOf(command.name()) + 1 || order.length + 1
  const commands = program.commands as Command[]
  commands.sort((a, b) => place(a) - place(b))
  for (const command of commands) {
    command.helpGroup(topics.find(([, names]) => names.includes(command.name()))?.[0] ?? OTHERS)
  }
}

function examplesOf(command: Command): string {
  const examples = EXAMPLES[pathOf(command)] ?? []
  if (examples.length === 0) return ''
  const title = examples.length === 1 ? 'Example:' : 'Examples:'
  return `\n${title}\n${examples.map((example) => `  $ ${example}`).join('\n')}`
}

/** The words after the program's name that name the command. */
function pathOf(command: Command): string {
  return command.parent === null ? '' : `${pathOf(command.parent)} ${command.name()}`.trim()
}

declare const __VERSION__: string | undefined
/** Of the package, put in by the build. */
const VERSION: string = typeof __VERSION__ === 'string' ? __VERSION__ : '0.0.0'

function listed(title: string, items: Readonly<Record<string, string>>): string {
  const width = Math.max(...Object.keys(items).map((name) => name.length))
  return `\n${title}\n${Object.entries(items)
    .map(([name, text]) => `  ${name.padEnd(width)}  ${text}`)
    .join('\n')}`
}
