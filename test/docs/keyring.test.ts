import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { KeyringSession, NO_SESSION } from '../support/keyring-session'
import { fromRoot } from '../support/paths'
import { runShown } from '../support/shown-programs'
import { temporaryDirectory } from '../support/stores'
import { expectedOutput, readmeBlocks } from '../system/package/readme-blocks.mjs'

const page = await readFile(fromRoot('docs/keyring.md'), 'utf8')

describe.skipIf(NO_SESSION !== undefined)('the programs of docs/keyring.md', () => {
  test.each(readmeBlocks(page))('the one at line $line runs and prints what it says', async ({ code }) => {
    const session = await KeyringSession.start('unlocked')
    const directory = await temporaryDirectory()
    expect(await runShown(code, directory, { env: { ...session.env } })).toEqual(expectedOutput(code))
  })
})

if (NO_SESSION !== undefined) {
  test('the programs of docs/keyring.md', (context) => context.skip(`no real keyring to test with: ${NO_SESSION}`))
}

test('docs/keyring.md has programs, and the table names every option', () => {
  expect(readmeBlocks(page)).toHaveLength(2)
  for (const option of ['service', 'account', 'keyring', 'label', 'timeoutMs'])
    expect(page).toContain(`| \`${option}\``)
})
