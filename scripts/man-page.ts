/** man/secret-store.1, made of the definitions of the command line. */
import { type Command, Help, type Option } from 'commander'
import { sentence, termOf, visibleCommands, within } from '../src/cli/help'
import { ENVIRONMENT, EXAMPLES, EXIT_CODES } from '../src/cli/help-texts'
import { buildProgram } from '../src/cli/program'

const DESCRIPTION = `secret-store keeps secrets encrypted on this machine, in a store that one or more keys open. No payload, passphrase
or recovery code is ever an argument: other users of the machine see arguments, and the shell keeps them. Payloads come from
standard input, a file or a prompt; \`run\` hands them to a command as environment variables.`

const FILES: Readonly<Record<string, string>> = {
  '~/.local/share/secret-store': 'the store on Linux, where neither --store nor SECRET_STORE says another place',
  '~/Library/Application Support/secret-store': 'on macOS',
  '%LOCALAPPDATA%\\secret-store\\Data': 'on Windows',
}

/** The page, in the macros of man(7). */
export function manPage(): string {
  const program = buildProgram(() => async () => {})
  return [
    '.\\" Made by `npm run docs:cli`.',
    // Without a date: the page is that of every version until the next.
    '.TH SECRET\\-STORE 1 "" "app\\-secret\\-store" "User Commands"',
    '.SH NAME',
    'secret\\-store \\- keep secrets encrypted on this machine',
    '.SH SYNOPSIS',
    '.B secret\\-store',
    '.I command',
    '.RI [ options ]',
    '.SH DESCRIPTION',
    text(DESCRIPTION),
    '.SH COMMANDS',
    ...groupsOf(visibleCommands(program), (command) => command.helpGroup(), commandEntry),
    '.SH OPTIONS',
    'These work with every command, before or after its name.',
    ...groupsOf(options(program), (option) => option.helpGroupHeading ?? 'Options:', optionEntry),
    '.SH EXIT STATUS',
    ...entries(EXIT_CODES),
    '.SH ENVIRONMENT',
    ...entries(ENVIRONMENT),
    '.SH FILES',
    ...entries(FILES),
    '.SH EXAMPLES',
    '.EX',
    ...[...new Set(Object.values(EXAMPLES).flat())].map(literal),
    '.EE',
    '.SH SEE ALSO',
    text(
      '`secret-store help COMMAND` has the help of a command, docs/cli.md in the package recipes for everyday work.',
    ),
    '',
  ].join('\n')
}

function groupsOf<T>(members: readonly T[], titleOf: (member: T) => string, entry: (member: T) => string[]): string[] {
  return [...new Set(members.map(titleOf))].flatMap((title) => [
    `.SS ${literal(title.replace(/:$/, ''))}`,
    ...members.filter((member) => titleOf(member) === title).flatMap(entry),
  ])
}

/** A command with its arguments, its own options and its own commands below. */
function commandEntry(command: Command): string[] {
  const own = options(command).filter(({ long }) => long !== '--help')
  const inner = [...own.flatMap(optionEntry), ...visibleCommands(command).flatMap(commandEntry)]
  return [
    '.TP',
    `.B ${literal(titleOf(command))}`,
    text(sentence(command.description())),
    ...(inner.length === 0 ? [] : ['.RS', ...inner, '.RE']),
  ]
}

function titleOf(command: Command): string {
  const { parent } = command
  return [...(parent === null || parent.parent === null ? [] : [parent.name()]), termOf(command)].join(' ')
}

function optionEntry(option: Option): string[] {
  return ['.TP', `.B ${literal(option.flags)}`, text(sentence(new Help().optionDescription(option)))]
}

function entries(items: Readonly<Record<string, string>>): string[] {
  return Object.entries(items).flatMap(([name, what]) => ['.TP', `.B ${literal(name)}`, text(sentence(what))])
}

function options(command: Command): Option[] {
  return command.createHelp().visibleOptions(command)
}

/** In roff, as it is. */
function literal(words: string): string {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replaceAll('`', '\\(ga')
    .replaceAll("'", '\\(aq')
    .replace(/^\./, '\\&.')
}

/** Prose: what stands between backticks in bold. In lines of 80, as roff has them. */
function text(words: string): string {
  const marked = words
    .split('`')
    .map((part, index) => (index % 2 === 0 ? literal(part) : `\\fB${literal(part)}\\fP`))
    .join('')
  return within(marked.replaceAll('\n', ' '), 80).replaceAll(/^\./gm, '\\&.')
}
