import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { cliReference, commandsPage } from '../../scripts/cli-docs'
import { fromRoot } from '../support/paths'

const written = await readFile(fromRoot('docs/cli.md'), 'utf8')

test('docs/cli.md has what `npm run docs:cli` makes of the definitions', () => {
  expect(written).toBe(cliReference(written))
  expect(written).toContain('LD_* LDR_*')
})

test('docs/cli-commands.md is what `npm run docs:cli` makes of the definitions', async () => {
  const page = await readFile(fromRoot('docs/cli-commands.md'), 'utf8')
  expect(page).toBe(commandsPage())
  for (const command of ['set', 'keys replace', 'serve', 'completion']) {
    expect(page).toContain(`## \`secret-store ${command}\``)
  }
  expect(page).not.toContain('  --passphrase-fd <n>')
})

test('a mark without its part, and a part without its mark, are refused', () => {
  expect(() => cliReference(written.replace('made: the program', 'made: a program'))).toThrow(/got 'a program'/)
  expect(() => cliReference(written.replace('made: the program', 'the program'))).toThrow(/of the program, got none/)
})

test('docs/cli.md has the options of all commands once', () => {
  expect(written).not.toContain('Options of all commands, in part')
  for (const flags of ['--passphrase-fd <n>', '--store <dir>', '--keyring-entry <entry>']) {
    expect(written.match(new RegExp(`^ {2}${flags} `, 'gm'))).toHaveLength(1)
  }
})
