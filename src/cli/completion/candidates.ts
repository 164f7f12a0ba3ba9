import type { Argument, Command, Option } from 'commander'
import { visibleCommands } from '../help'

/** What may stand where the cursor is. */
export interface Completion {
  readonly candidates: readonly Candidate[]
  /** What the shell adds: file names, names of directories, or another command's own, from the word of that index on. */
  readonly more?: 'files' | 'directories' | { readonly commandFrom: number }
}

export interface Candidate {
  readonly value: string
  readonly description: string
}

/**
 * What may stand where the cursor is, by the commands and options of the program.
 *
 * @param words - What is typed after the program's name, the last one as far as the cursor. As typed: with quotes and
 * backslashes, and nothing in it is expanded.
 */
export function complete(program: Command, words: readonly string[]): Completion {
  // `help` takes the words that name a command.
  if (words[0] === 'help' && words.length > 1) return topics(program, words.slice(1))
  let command = program
  let expecting: Option | undefined
  let positional = 0
  const current = words.at(-1) ?? ''
  for (const [index, word] of words.slice(0, -1).entries()) {
    // bash makes words of their own of `=`.
    if (word === '=') continue
    if (expecting !== undefined && !(expecting.variadic && word.startsWith('-'))) {
      if (!expecting.variadic) expecting = undefined
      continue
    }
    expecting = undefined
    if (word === '--') return operands(command, positional, words.slice(index + 1), index + 1)
    if (word.startsWith('-')) {
      expecting = word.includes('=') ? undefined : valued(command, word)
      continue
    }
    const child = childOf(command, word)
    if (child === undefined) positional++
    else command = child
  }
  if (expecting !== undefined && !(expecting.variadic && current.startsWith('-'))) {
    return valuesOf(expecting.argChoices, placeholder(expecting))
  }
  const [, name, value] = /^(--[^=]+)=(.*)$/s.exec(current) ?? []
  if (name !== undefined && value !== undefined) {
    const option = valued(command, name)
    if (option === undefined) return { candidates: [] }
    const { candidates, ...rest } = valuesOf(option.argChoices, placeholder(option))
    return {
      candidates: candidates.map((candidate) => ({ ...candidate, value: `${name}=${candidate.value}` })),
      ...rest,
    }
  }
  if (current.startsWith('-')) return { candidates: optionsOf(command) }
  const children = visibleCommands(command)
  if (children.length > 0) return { candidates: children.flatMap(named) }
  if (takesCommand(command)) return { candidates: [candidate('--', 'the command comes after it')] }
  return argument(command, positional)
}

function topics(program: Command, words: readonly string[]): Completion {
  let command: Command | undefined = program
  for (const word of words.slice(0, -1)) command = command && childOf(command, word)
  return { candidates: command === undefined ? [] : visibleCommands(command).flatMap(named) }
}

function childOf(command: Command, word: string): Command | undefined {
  return visibleCommands(command).find((child) => child.name() === word || child.aliases().includes(word))
}

/** A command, under each of its names. */
function named(command: Command): Candidate[] {
  return [command.name(), ...command.aliases()].map((name) => candidate(name, command.description()))
}

/** After `--`. */
function operands(command: Command, positional: number, words: readonly string[], from: number): Completion {
  if (takesCommand(command)) return { candidates: [], more: { commandFrom: from } }
  return argument(command, positional + words.length - 1)
}

/** Another program's command line. */
function takesCommand(command: Command): boolean {
  return command.registeredArguments[0]?.variadic === true && command.registeredArguments[0].name() === 'command'
}

function argument(command: Command, index: number): Completion {
  const wanted: Argument | undefined = command.registeredArguments[index]
  return wanted === undefined ? { candidates: [] } : valuesOf(wanted.argChoices, wanted.name())
}

/** @param name - Of the option's value or the argument, as `--help` shows it. */
function valuesOf(choices: readonly string[] | undefined, name: string): Completion {
  if (choices !== undefined) return { candidates: choices.map((choice) => candidate(choice, '')) }
  if (name === 'file') return { candidates: [], more: 'files' }
  if (name === 'dir' || name === 'destination') return { candidates: [], more: 'directories' }
  return { candidates: [] }
}

function placeholder({ flags }: Option): string {
  return /[<[]([\w-]+)/.exec(flags)?.[1] ?? ''
}

/** The option of that name, if it takes a value. */
function valued(command: Command, name: string): Option | undefined {
  return lineage(command)
    .flatMap(({ options }) => options)
    .find((option) => option.long === name && (option.required || option.optional))
}

/** A command's options, and those that every command takes. */
function optionsOf(command: Command): Candidate[] {
  return lineage(command)
    .flatMap((each) => each.createHelp().visibleOptions(each))
    .map(({ long, description }) => candidate(long ?? '', description))
    .filter(({ value }, index, all) => all.findIndex((other) => other.value === value) === index)
}

function lineage(command: Command): Command[] {
  return command.parent === null ? [command] : [command, ...lineage(command.parent)]
}

function candidate(value: string, description: string): Candidate {
  return { value, description }
}

/** For the scripts: a line for each candidate with a tab before its description, then `:` and what the shell adds. */
export function encodeCompletion({ candidates, more }: Completion): string {
  const lines = candidates.map(({ value, description }) => `${value}\t${description.replaceAll(/\s+/g, ' ')}\n`)
  if (more === undefined) return lines.join('')
  return `${lines.join('')}:${typeof more === 'string' ? more : `command ${more.commandFrom}`}\n`
}
