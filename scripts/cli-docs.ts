/**
 * What comes from the definitions of the command line: parts of docs/cli.md, docs/cli-commands.md and the man page.
 * `npm run docs:cli`. All other text of docs/cli.md is written by hand, there.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { visibleCommands, within } from '../src/cli/help'
import { LOADERS } from '../src/cli/loader-names'
import { buildProgram } from '../src/cli/program'
import { manPage } from './man-page'

const COLUMNS = 100

const COMMANDS_INTRODUCTION = `# The commands

\`npm run docs:cli\` makes this page of the program's own help. The options of all commands are in [cli.md](cli.md#commands), once.
`

/** By the words of its mark, each part. */
const PARTS: Readonly<Record<string, () => string>> = { 'loader names': loaderNames, 'the program': programHelp }

/** `<!-- `npm run docs:cli` made: WHICH -->`, the part itself, `<!-- end -->`. */
const MADE = /(?<=^<!-- `npm run docs:cli` made: ([\w ]+) -->\n\n).*?(?=\n<!-- end -->$)/gms

/**
 * Makes the parts between marks anew.
 *
 * @param page - docs/cli.md, as it is.
 * @throws If a mark asks for a part that there is none of, or a part has no mark.
 */
export function cliReference(page: string): string {
  const missing = new Set(Object.keys(PARTS))
  const made = page.replaceAll(MADE, (_, name: string) => {
    missing.delete(name)
    const part = PARTS[name]
    if (part === undefined) throw new Error(`docs/cli.md: expected a mark of ${Object.keys(PARTS)}, got '${name}'`)
    return part()
  })
  if (missing.size > 0) throw new Error(`docs/cli.md: expected marks of ${[...missing]}, got none`)
  return made
}

/** The variables that `run` makes only when told to, in lines of at most 110 characters. */
function loaderNames(): string {
  const width = Math.max(...LOADERS.map(({ what }) => what.length)) + 2
  const table = LOADERS.flatMap(({ what, names }) => {
    const lines = ['']
    for (const name of names) {
      const line = lines.at(-1) as string
      if (width + line.length + name.length + 1 <= 110) lines[lines.length - 1] = line === '' ? name : `${line} ${name}`
      else lines.push(name)
    }
    return lines.map((line, index) => (index === 0 ? what : '').padEnd(width) + line)
  })
  return textBlock(table.join('\n'))
}

/** The help of the program, which has the options of all commands. */
function programHelp(): string {
  return textBlock(helpOf(buildProgram(() => async () => {})))
}

/** docs/cli-commands.md: the help of each command. */
export function commandsPage(): string {
  const program = buildProgram(() => async () => {})
  const parts = visibleCommands(program)
    .flatMap((command) => [...each(command, 'secret-store ')])
    .map(([name, command]) => `\n## \`${name}\`\n\n${textBlock(helpOf(command))}`)
  return COMMANDS_INTRODUCTION + parts.join('')
}

function textBlock(text: string): string {
  return `\`\`\`text\n${text}\n\`\`\`\n`
}

/** What `--help` writes, but for the global options: this page has those once, under the program itself. */
function helpOf(command: Command): string {
  let help = ''
  command.configureHelp({ ...command.configureHelp(), showGlobalOptions: false, helpWidth: COLUMNS })
  command.configureOutput({
    writeOut: (text) => {
      help += text
    },
  })
  command.outputHelp()
  return within(help, COLUMNS).trimEnd()
}

function* each(command: Command, prefix: string): Generator<[name: string, command: Command], void> {
  const name = `${prefix}${command.name()}`
  yield [name, command]
  for (const child of visibleCommands(command)) yield* each(child, `${name} `)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))
  const page = path('docs/cli.md')
  writeFileSync(page, cliReference(readFileSync(page, 'utf8')))
  writeFileSync(path('docs/cli-commands.md'), commandsPage())
  writeFileSync(path('man/secret-store.1'), manPage())
}
