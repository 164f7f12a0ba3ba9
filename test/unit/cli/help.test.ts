import { readdir, readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { columnsOf, within } from '../../../src/cli/help'
import { ENVIRONMENT, EXAMPLES } from '../../../src/cli/help-texts'
import { buildProgram } from '../../../src/cli/program'
import { fromRoot } from '../../support/paths'

const program = buildProgram(() => async () => {})
const commands = new Map(each(program, ''))

function* each(command: Command, path: string): Generator<[string, Command]> {
  yield [path, command]
  for (const child of command.createHelp().visibleCommands(command))
    yield* each(child, `${path} ${child.name()}`.trim())
}

function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({
    writeOut: (part) => {
      text += part
    },
  })
  command.outputHelp()
  return text
}

describe('each command', () => {
  test.each([...commands])('%s: its help has an example, which it takes', async (path, command) => {
    const help = helpOf(command)
    expect(help).toMatch(/^ {2}\$ .*secret-store/m)
    for (const example of EXAMPLES[path] ?? []) {
      // The words for the program, without what its shell does with them.
      const [, words = ''] = /secret-store ?((?:[^"<>|)]|"[^"]*")*)/.exec(example.replace(/ -- .*/, ' -- true')) ?? []
      const argv = [...words.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
      let ran = ''
      const parsed = buildProgram(
        () =>
          async (...given) => {
            ran = nameOf(given.at(-1) as Command)
          },
        (root) => root.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} }),
      )
      await parsed.parseAsync(argv, { from: 'user' }).catch((error) => expect(error.code).toBe('commander.help'))
      if (path !== '' && path !== 'help' && path !== 'keys') expect(ran, example).toBe(path)
    }
  })

  test('has a topic in the help of the program', () => {
    expect(helpOf(program)).not.toContain('Other commands:')
  })

  test('has the options of all commands in part, the program all of them', () => {
    const all = program.options.map(({ long }) => long)
    expect(all.length).toBeGreaterThan(12)
    for (const long of all) expect(helpOf(program)).toContain(`${long}`)
    const help = helpOf(commands.get('keys add') as Command)
    expect(help).toContain('Options of all commands, in part (`secret-store --help` has the rest):')
    expect(help).toContain('--store <dir>')
    expect(help).not.toContain('--allow-unsafe-location')
    expect(helpOf(commands.get('completion') as Command)).not.toContain('--store')
  })
})

function nameOf(command: Command): string {
  return command.parent === null ? '' : `${nameOf(command.parent)} ${command.name()}`.trim()
}

test('the help names every variable of the environment that the program looks at', async () => {
  const sources = await readdir(fromRoot('src/cli'), { recursive: true })
  const named = new Set<string>()
  for (const path of sources.filter((name) => name.endsWith('.ts'))) {
    const code = await readFile(fromRoot(`src/cli/${path}`), 'utf8')
    for (const [, name = ''] of code.matchAll(/'(SECRET_STORE(?:_[A-Z]+)*)'/g)) named.add(name)
  }
  expect(named.size).toBeGreaterThan(3)
  for (const name of named) expect(Object.keys(ENVIRONMENT)).toContain(name)
  for (const name of Object.keys(ENVIRONMENT)) expect(helpOf(program)).toContain(`  ${name} `)
})

test.each([
  [{}, 80],
  [{ columns: 0 }, 80],
  [{ columns: 10 }, 40],
  [{ columns: 61 }, 61],
  [{ columns: 200 }, 200],
])('columns of %j: %i', (stream, columns) => expect(columnsOf(stream)).toBe(columns))

test('lines that are too long go on under their text, those to copy do not', () => {
  expect(within('0    done\n130  ended by a signal\n  $ a b c d e f g h i\nwords of no end', 12)).toBe(
    '0    done\n130  ended\n     by a\n     signal\n  $ a b c d e f g h i\nwords of no\nend',
  )
  expect(within('  A_LONG_NAME  words of it', 16)).toBe('  A_LONG_NAME\n      words of\n      it')
})
