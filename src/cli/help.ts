import type { Argument, Command, Help, HelpConfiguration } from 'commander'

/** The least width that help is made for, and the one where stdout has no columns or says 0. */
const LEAST_COLUMNS = 40
const USUAL_COLUMNS = 80
/** Below it, a description stands under its term, not beside it. */
const COLUMNS_FOR_TWO = 60
const UNDER_TERM = 6

/** The options of all commands that the help of one command has; `secret-store --help` has all of them. */
const FEW = ['--store', '--user', '--key-file', '--json']
/** Commands that open no store. */
const WITHOUT_STORE = ['help', 'completion']

/** How wide help may be, from the columns of where it is written. */
export function columnsOf(stream: { readonly columns?: number }): number {
  return Math.max(LEAST_COLUMNS, stream.columns || USUAL_COLUMNS)
}

/** The order and look of help: commands first, by topic, and of the options of all commands only a few. No colours. */
export const HELP: HelpConfiguration = {
  showGlobalOptions: true,
  formatHelp(command, helper) {
    const sections = [
      `Usage: ${helper.commandUsage(command)}\n`,
      `${sentence(helper.commandDescription(command))}\n`,
      ...parts(command, helper).map(
        ([title, items]) => `${title}\n${itemsOf(items, helper.helpWidth ?? USUAL_COLUMNS)}`,
      ),
    ]
    return sections.join('\n')
  },
}

type Item = readonly [term: string, description: string]
type Part = readonly [title: string, items: readonly Item[]]

function parts(command: Command, helper: Help): Part[] {
  const arguments_ = helper.visibleArguments(command).map((argument): Item => {
    return [helper.argumentTerm(argument), helper.argumentDescription(argument)]
  })
  const commands = grouped(helper.visibleCommands(command), (each) => each.helpGroup() || 'Commands:').map(
    ([title, members]): Part => [title, members.map((each): Item => [termOf(each), each.description()])],
  )
  const options = grouped(helper.visibleOptions(command), (option) => option.helpGroupHeading ?? 'Options:').map(
    ([title, members]): Part => [
      title,
      members.map((option): Item => [option.flags, helper.optionDescription(option)]),
    ],
  )
  const few = WITHOUT_STORE.includes(command.name())
    ? []
    : helper.visibleGlobalOptions(command).filter(({ long }) => FEW.includes(long ?? ''))
  const more = few.map((option): Item => [option.flags, helper.optionDescription(option)])
  const all: Part[] = [
    ['Arguments:', arguments_],
    ...commands,
    ...options,
    ['Options of all commands, in part (`secret-store --help` has the rest):', more],
  ]
  return all.filter(([, items]) => items.length > 0)
}

function grouped<T>(members: readonly T[], titleOf: (member: T) => string): [string, T[]][] {
  const groups = new Map<string, T[]>()
  for (const member of members) {
    const title = titleOf(member)
    groups.set(title, [...(groups.get(title) ?? []), member])
  }
  return [...groups]
}

/** A command's name, other names and arguments; its options are in its own help. */
export function termOf(command: Command): string {
  const names = [command.name(), ...command.aliases()].join(', ')
  return [names, ...command.registeredArguments.map((argument) => placeholder(argument))].join(' ')
}

/** Its commands, as the help shows them. */
export function visibleCommands(command: Command): Command[] {
  return command.createHelp().visibleCommands(command)
}

function placeholder(argument: Argument): string {
  const text = `${argument.name()}${argument.variadic ? '...' : ''}`
  return argument.required ? `<${text}>` : `[${text}]`
}

/** Terms and what is said of them, beside or below one another. */
function itemsOf(items: readonly Item[], width: number): string {
  const beside = width >= COLUMNS_FOR_TWO
  const column = beside ? Math.max(...items.map(([term]) => term.length)) + 4 : UNDER_TERM
  const lines = items.map(([term, description]) => {
    if (description === '') return `  ${term}\n`
    const [first, ...rest] = wordsWithin(description, width - column)
    const head = beside ? `  ${term}`.padEnd(column) + first : `  ${term}\n${' '.repeat(column)}${first}`
    return [head, ...rest.map((line) => ' '.repeat(column) + line)].map((line) => `${line}\n`).join('')
  })
  return lines.join('')
}

/** With a capital letter and a full stop. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`
}

/** Splits at spaces, so that no line is longer than the width, unless a word is. */
function wordsWithin(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(/ +/)) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}

/**
 * Splits lines that are too long. What follows stands under the text of the line, behind its first word if there are two
 * spaces after it. A line with a prompt is one to copy, and stays one.
 */
export function within(text: string, width: number): string {
  return text
    .split('\n')
    .flatMap((line) => {
      if (line.length <= width || /^ *\$ /.test(line)) return [line]
      const [head = ''] = /^ *(?:\S+ {2,})?/.exec(line) ?? []
      // Beside a long word there is no room.
      const isUnder = head.length > width / 2
      const indent = isUnder ? UNDER_TERM : head.length
      const lines = wordsWithin(line.slice(head.length), width - indent).map((words) => ' '.repeat(indent) + words)
      return isUnder ? [head.trimEnd(), ...lines] : [head + lines[0]?.slice(indent), ...lines.slice(1)]
    })
    .join('\n')
}
