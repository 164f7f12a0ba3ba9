import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/stores'
import { expectedOutput, readmeBlocks } from '../system/package/readme-blocks.mjs'

const run = promisify(execFile)
const fromRoot = (path: string): URL => new URL(`../../${path}`, import.meta.url)
const text = await readFile(fromRoot('docs/migration.md'), 'utf8')
const blocks = readmeBlocks(text)

const MODULES: Record<string, () => string> = {
  'app-secret-store': () => fromRoot('src/index.ts').href,
  'app-secret-store/migrate': () => fromRoot('src/migrate/index.ts').href,
  conf: () => import.meta.resolve('conf'),
}

async function output(code: string): Promise<string[]> {
  const directory = await temporaryDirectory()
  const program = join(directory, 'program.mts')
  const resolved = code.replaceAll(/(?<=from )'([^']+)'/g, (_, name: string) => `'${MODULES[name]?.() ?? name}'`)
  await writeFile(program, resolved)
  const { stdout } = await run(process.execPath, ['--import', import.meta.resolve('tsx'), program], { cwd: directory })
  return stdout.trimEnd().split('\n')
}

describe('the programs of docs/migration.md', () => {
  test('are some', () => {
    expect(blocks.length).toBeGreaterThan(5)
  })

  test.each(blocks)('the one at line $line runs and prints what it says', async ({ code }) => {
    const expected = expectedOutput(code)
    expect(expected).not.toEqual([])
    expect(await output(code)).toEqual(expected)
  })
})

test('examples/migrate.ts prints the same each time, and leaves its sources alone', async () => {
  const runs = [0, 1].map(() =>
    run(process.execPath, ['--import', 'tsx', 'examples/migrate.ts'], { cwd: fromRoot('.') }),
  )
  const [one, other] = await Promise.all(runs)
  expect(one?.stdout).toBe(other?.stdout)
  expect(one?.stdout).toContain('Second run\n  dotenv: {"created":0,"replaced":0,"unchanged":2')
  expect(one?.stdout).toContain('API_KEY → api-key: conflict')
  expect(one?.stdout.trimEnd().endsWith('The sources are as they were: true')).toBe(true)
})
