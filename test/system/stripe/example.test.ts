import { execFile } from 'node:child_process'
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { fromRoot } from '../../support/paths'
import { withModuleUrls } from '../../support/shown-programs'
import { temporaryDirectory } from '../../support/stores'

test('the tests of examples/stripe-app pass', async () => {
  const directory = await temporaryDirectory()
  await cp(fromRoot('examples/stripe-app'), directory, { recursive: true })
  for (const name of await readdir(directory)) {
    if (!name.endsWith('.js')) continue
    const code = await readFile(join(directory, name), 'utf8')
    await writeFile(join(directory, name), withModuleUrls(code))
  }
  // A run within a test run would report to it, instead of in words.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const args = ['--test', '--test-reporter', 'tap']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: directory, env })
  const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(stdout)?.[1])
  expect(count('pass')).toBe(8)
  expect([count('fail'), count('skipped'), count('todo'), count('cancelled')]).toEqual([0, 0, 0, 0])
})
