import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { manPage } from '../../scripts/man-page'
import { buildProgram } from '../../src/cli/program'
import { fromRoot } from '../support/paths'

const PATH = fromRoot('man/secret-store.1')

test('man/secret-store.1 is what `npm run docs:cli` makes of the definitions', async () => {
  expect(await readFile(PATH, 'utf8')).toBe(manPage())
})

test('the man page has every command and every option', () => {
  const page = manPage().replaceAll('\\-', '-')
  const program = buildProgram(() => async () => {})
  const shown = program.createHelp().visibleCommands(program)
  expect(shown.length).toBeGreaterThan(15)
  for (const command of [program, ...shown, ...shown.flatMap((each) => each.commands)]) {
    if (command !== program) expect(page).toMatch(new RegExp(`^\\.B .*\\b${command.name()}\\b`, 'm'))
    for (const { flags } of command.options) expect(page).toContain(`.B ${flags}`)
  }
})

/** Each says what it does not like of the page; the last one formats it as a reader sees it. */
const READERS: readonly (readonly [program: string, ...args: string[]])[] = [
  ['groff', '-man', '-ww', '-z'],
  ['mandoc', '-T', 'lint', '-W', 'warning'],
  ['man', '--warnings', '-l'],
]

test.for(READERS)('%s has no warnings', ([program, ...args], { skip }) => {
  const { error, status, stdout, stderr } = spawnSync(program, [...args, PATH], {
    encoding: 'utf8',
    env: { ...process.env, MANWIDTH: '80', MANPAGER: 'cat', LC_ALL: 'C.UTF-8' },
  })
  if (error !== undefined) skip(`no ${program} on this machine`)
  if (program === 'mandoc') {
    // It has none: nothing would keep it right.
    expect(stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'))).toEqual([])
    return
  }
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  if (program === 'man') expect(stdout).toMatch(/^NAME$[\s\S]*^EXIT STATUS$/m)
  else expect(stdout).toBe('')
})
