import { execFile } from 'node:child_process'
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../../support/stores'

/** What the example imports, from the sources and from this project's dependencies: it needs no build and no install. */
const MODULES: Record<string, string> = {
  "'app-secret-store/stripe'": `'${new URL('../../../src/stripe/index.ts', import.meta.url)}'`,
  "'stripe'": `'${import.meta.resolve('stripe')}'`,
}

test('the tests of examples/stripe-app pass', async () => {
  const directory = await temporaryDirectory()
  await cp(fileURLToPath(new URL('../../../examples/stripe-app', import.meta.url)), directory, { recursive: true })
  for (const name of await readdir(directory)) {
    if (!name.endsWith('.js')) continue
    const code = await readFile(join(directory, name), 'utf8')
    await writeFile(
      join(directory, name),
      code.replaceAll(/(?<=from )'[^']+'/g, (module) => MODULES[module] ?? module),
    )
  }
  // A run within a test run would report to it, instead of in words.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const args = ['--import', import.meta.resolve('tsx'), '--test', '--test-reporter', 'tap']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: directory, env, timeout: 60_000 })
  const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(stdout)?.[1])
  expect(count('pass')).toBe(8)
  expect([count('fail'), count('skipped'), count('todo'), count('cancelled')]).toEqual([0, 0, 0, 0])
})
