import type { Command } from 'commander'
import { usage } from '../failure'
import type { AddCommands } from './define'

/** What others' programs call it, and which command does it here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  add: 'set',
  copy: 'get',
  create: 'set',
  decrypt: 'export',
  del: 'delete',
  encrypt: 'import',
  env: 'export',
  exec: 'run',
  info: 'status',
  inject: 'run',
  insert: 'set',
  new: 'set',
  print: 'get',
  printenv: 'export',
  put: 'set',
  read: 'get',
  remove: 'delete',
  rename: 'mv',
  show: 'get',
  unset: 'delete',
  write: 'set',
}

export const addHelpCommand: AddCommands = (program) => {
  program
    .command('help')
    .description('show the help of a command')
    .argument('[words...]', 'the command, such as `keys add`')
    .action((words: readonly string[]) => {
      let command = program
      for (const [index, word] of words.entries()) {
        const child = command.commands.find((each) => each.name() === word || each.aliases().includes(word))
        if (child === undefined && command.commands.length === 0) {
          const path = words.slice(0, index).join(' ')
          throw usage(`help: '${path}' has no command '${word}'`, `\`secret-store help ${path}\` shows its help`)
        }
        if (child === undefined) {
          command.args = [word]
          return void refuseUnknownCommand(command)
        }
        command = child
      }
      command.args = []
      return command.outputHelp()
    })
}

/**
 * Help of what there is not is none. For `addHelpText`.
 *
 * @throws {CommanderError} Of a word that is none of the command's commands.
 */
export function refuseUnknownCommand(command: Command): string {
  const [word] = command.args
  const isCommand = word === undefined || word.startsWith('-') || command.commands.length === 0
  // The types lack it.
  if (!isCommand) (command as Command & { unknownCommand(): never }).unknownCommand()
  return ''
}

/** What to type in the place of a command that there is not, where another program has it. */
export function insteadOf(word: string): string | undefined {
  const command = ELSEWHERE[word]
  return command === undefined ? undefined : `here it is \`secret-store ${command}\``
}
