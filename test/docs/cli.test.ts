import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { cliReference } from '../../scripts/cli-docs'
import { fromRoot } from '../support/paths'

test('docs/cli.md is what `npm run docs:cli` makes of the definitions', async () => {
  const written = await readFile(fromRoot('docs/cli.md'), 'utf8')
  expect(written).toBe(cliReference(written))
  expect(written).toContain('LD_* LDR_*')
  for (const command of ['set', 'keys replace', 'serve', 'completion']) {
    expect(written).toContain(`## \`secret-store ${command}\``)
  }
})

test('a mark without its part, and a part without its mark, are refused', async () => {
  const written = await readFile(fromRoot('docs/cli.md'), 'utf8')
  expect(() => cliReference(written.replace('made: commands', 'made: comands'))).toThrow(/got 'comands'/)
  expect(() => cliReference(written.replace('made: commands', 'commands'))).toThrow(/marks of commands, got none/)
})

test('docs/cli.md has the global options once', async () => {
  const written = await readFile(fromRoot('docs/cli.md'), 'utf8')
  expect(written).not.toContain('Global Options')
  expect(written.match(/^ {2}--passphrase-fd <n> /gm)).toHaveLength(1)
  expect(written.match(/^ {2}--store <dir> /gm)).toHaveLength(1)
})
