/**
 * The parts of docs/cli.md that come from the definitions of the command line: `npm run docs:cli`. All other text of that
 * page is written by hand, there.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { LOADERS } from '../src/cli/loader-names'
import { buildProgram } from '../src/cli/program'

/** By the words of its mark, each part. */
const PARTS: Readonly<Record<string, () => string>> = { 'loader names': loaderNames, commands }

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

/** The help of the program and of each command. */
function commands(): string {
  return [...each(buildProgram(() => async () => {}))]
    .map(([name, command]) => `### \`${name}\`\n\n${textBlock(helpOf(command))}`)
    .join('\n')
}

function textBlock(text: string): string {
  return `\`\`\`text\n${text}\n\`\`\`\n`
}

/** What `--help` writes, but for the global options: this page has those once, under the program itself. */
function helpOf(command: Command): string {
  let help = ''
  command.configureHelp({ ...command.configureHelp(), showGlobalOptions: false })
  command.configureOutput({
    writeOut: (text) => {
      help += text
    },
  })
  command.outputHelp()
  return help.trimEnd()
}

function* each(command: Command, prefix = ''): Generator<[name: string, command: Command], void> {
  const name = `${prefix}${command.name()}`
  yield [name, command]
  for (const child of command.createHelp().visibleCommands(command)) yield* each(child, `${name} `)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = fileURLToPath(new URL('../docs/cli.md', import.meta.url))
  writeFileSync(path, cliReference(readFileSync(path, 'utf8')))
}
