import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { environment, SHELL_COMMAND } from '../support/cli-program'
import { fromRoot } from '../support/paths'
import { alike, consoleBlocks, runConsole } from '../system/package/console-blocks.mjs'

const blocks = consoleBlocks(await readFile(fromRoot('README.md'), 'utf8'))

test('README.md has a tour of the command line', () => {
  expect(blocks.length).toBeGreaterThan(1)
})

test.each(blocks)('the session at line $line of README.md is what happens', ({ text }) => {
  const prologue = `secret-store() { ${SHELL_COMMAND} "$@"; }; export -f secret-store`
  expect(runConsole(text, prologue, environment())).toBe(alike(text))
})
