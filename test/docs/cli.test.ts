import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { cliReference } from '../../scripts/cli-docs'
import { fromRoot } from '../support/paths'

test('docs/cli.md is what `npm run docs:cli` makes of the definitions', async () => {
  const written = await readFile(fromRoot('docs/cli.md'), 'utf8')
  expect(written).toBe(cliReference())
  for (const command of ['set', 'keys replace', 'serve', 'completion']) {
    expect(written).toContain(`## \`secret-store ${command}\``)
  }
})

test('docs/cli.md has the global options once', async () => {
  const written = await readFile(fromRoot('docs/cli.md'), 'utf8')
  expect(written).not.toContain('Global Options')
  expect(written.match(/^ {2}--passphrase-fd <n> /gm)).toHaveLength(1)
  expect(written.match(/^ {2}--store <dir> /gm)).toHaveLength(1)
})
