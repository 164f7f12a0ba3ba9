import type { Command } from 'commander'
import { usage } from './failure'
import { shellWord } from './printable'

/**
 * Options after the command of `run` are the command's, but without `--` they would be taken for ours.
 *
 * @param argv - The arguments after the program's name.
 * @throws {Failure} If there is one. The message says what to type.
 */
export function checkRunWords(program: Command, argv: readonly string[]): void {
  const run = program.commands.find((command) => command.name() === 'run')
  if (run === undefined) return
  const takesValue = valuesOf([...program.options, ...run.options])
  const operands: number[] = []
  let greedy: string | undefined
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string
    if (word === '--' || (operands.length < 2 && (word === '--help' || word === '-h'))) return
    const isOption = word.startsWith('-') && word !== '-'
    if (isOption && operands.length > 1) throw misplaced(argv, operands[1] as number, word)
    if (isOption) {
      // The value of an option; those of a variadic one go on until the next option.
      const values = word.includes('=') ? 'none' : takesValue(word)
      if (values === 'one') at++
      else if (values === 'several') greedy = word
      if (values === 'several') while (argv[at + 1] !== undefined && !argv[at + 1]?.startsWith('-')) at++
    } else if (operands.push(at) === 1 && word !== 'run') return
  }
  // Of the words after it, also behind other options, nothing is left for the command.
  if (greedy !== undefined && operands.length > 0) throw swallowed(greedy)
}

function valuesOf(options: Command['options']): (word: string) => 'none' | 'one' | 'several' {
  return (word) => {
    const option = options.find((known) => known.long === word || known.short === word)
    if (option === undefined || !option.required) return 'none'
    return option.variadic ? 'several' : 'one'
  }
}

function swallowed(option: string): Error {
  const example = `secret-store run ${option} NAME… -- COMMAND`
  return usage(
    `run: expected \`--\` before the command, got none: ${option} takes every word up to it`,
    `type \`${example}\``,
  )
}

function misplaced(argv: readonly string[], command: number, word: string): Error {
  const [name = ''] = argv.slice(command)
  const own = argv.slice(0, command).map(shellWord).join(' ')
  // The rest is the command's own, and may be secret.
  const option = word.replace(/=.*/s, '=…')
  return usage(
    `run: expected \`--\` before '${name}', got its option '${option}' without`,
    `type \`secret-store ${own} -- ${shellWord(name)} …\``,
  )
}
