import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { KeyringSession, NO_SESSION } from '../support/keyring-session'
import { temporaryDirectory } from '../support/stores'
import { expectedOutput, readmeBlocks } from '../system/package/readme-blocks.mjs'

const source = (path: string): URL => new URL(`../../${path}`, import.meta.url)
const page = await readFile(source('docs/keyring.md'), 'utf8')

const MODULES: Record<string, string> = {
  "'app-secret-store'": `'${source('src/index.ts')}'`,
  "'app-secret-store/keyring'": `'${source('src/os-keyring/index.ts')}'`,
}

describe.skipIf(NO_SESSION !== undefined)('the programs of docs/keyring.md', () => {
  test.each(readmeBlocks(page))('the one at line $line runs and prints what it says', async ({ code }) => {
    const session = await KeyringSession.start('unlocked')
    const directory = await temporaryDirectory()
    const program = join(directory, 'program.mts')
    await writeFile(
      program,
      code.replaceAll(/(?<=from )'[^']+'/g, (name) => MODULES[name] ?? name),
    )
    const args = ['--import', import.meta.resolve('tsx'), program]
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd: directory,
      env: { ...session.env, TSX_TSCONFIG_PATH: fileURLToPath(source('tsconfig.json')) },
    })
    expect(stdout.trimEnd().split('\n')).toEqual(expectedOutput(code))
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
