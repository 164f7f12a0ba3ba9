import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { environment, SHELL_COMMAND } from '../support/cli-program'
import { fromRoot } from '../support/paths'
import { alike, consoleBlocks, runConsole } from '../system/package/console-blocks.mjs'

const sessions = async (path: string) =>
  consoleBlocks(await readFile(fromRoot(path), 'utf8')).map((block) => ({ path, ...block }))
const blocks = [...(await sessions('README.md')), ...(await sessions('docs/cli.md'))]

test('README.md and docs/cli.md have a tour of the command line', () => {
  expect(blocks.map(({ path }) => path)).toEqual(['README.md', 'docs/cli.md', 'docs/cli.md'])
})

test.each(blocks)('the session at line $line of $path is what happens', ({ text }) => {
  const prologue = `secret-store() { ${SHELL_COMMAND} "$@"; }; export -f secret-store`
  expect(runConsole(text, prologue, environment())).toBe(alike(text))
})
