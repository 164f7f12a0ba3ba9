import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { transform } from 'esbuild'
import { expect, test } from 'vitest'
import { npmProject, runNode, useWorkplace } from './workplace'

// The checks of disk stores under other test runners. Each has realms of its own: what `node:fs` throws there is no `Error`.

let project: string

const place = useWorkplace(async (ready) => {
  project = await npmProject(ready, 'runners')
  for (const name of ['checks', 'checks.test']) {
    const source = (await readFile(join(project, `${name}.mjs`), 'utf8')).replace('./checks.mjs', './checks.cjs')
    await writeFile(join(project, `${name}.cjs`), (await transform(source, { format: 'cjs', platform: 'node' })).code)
  }
})

/** As many as checks.mjs has, all of them passed. */
async function allChecks(): Promise<number> {
  const count = [...(await readFile(join(project, 'checks.mjs'), 'utf8')).matchAll(/^ {2}async '/gm)].length
  expect(count).toBeGreaterThan(20)
  return count
}

const JEST = ['--moduleFileExtensions', 'mjs', 'cjs', 'js', 'json', '--testRegex']

test.each([
  ['CommonJS', ['checks[.]test[.]cjs$'], {}],
  ['ES modules', ['checks[.]test[.]mjs$'], { NODE_OPTIONS: '--experimental-vm-modules' }],
  ['CommonJS in jsdom', ['checks[.]test[.]cjs$', '--env=jsdom'], {}],
  ['ES modules in jsdom', ['checks[.]test[.]mjs$', '--env=jsdom'], { NODE_OPTIONS: '--experimental-vm-modules' }],
])('jest, %s', async (_name, args, env: Record<string, string>) => {
  const jest = join(place().tools, 'jest/bin/jest.js')
  const { output } = await runNode(project, [jest, ...JEST, ...args], { ...env, HOLDER: join(project, 'program.mjs') })
  const count = await allChecks()
  expect(output).toMatch(new RegExp(`^Tests: +${count} passed, ${count} total$`, 'm'))
})

test.each(['threads', 'forks', 'vmThreads', 'vmForks'])('vitest, %s', async (pool) => {
  const vitest = join(place().tools, 'vitest/vitest.mjs')
  const args = ['run', '--globals', `--pool=${pool}`, '--no-color', 'checks.test.mjs']
  const env = { HOLDER: join(project, 'program.mjs'), NO_COLOR: '1' }
  const { output } = await runNode(project, [vitest, ...args], env)
  expect(output).toMatch(new RegExp(`^ +Tests +${await allChecks()} passed \\(${await allChecks()}\\)$`, 'm'))
})

test('the CommonJS and the ES module copy in one program', async () => {
  const { status, output } = await runNode(project, ['copies.mjs'])
  expect([status, output]).toEqual([0, 'both copies know the errors of the other\n'])
})
