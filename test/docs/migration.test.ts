import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { fromRoot } from '../support/paths'
import { runShown } from '../support/shown-programs'
import { temporaryDirectory } from '../support/stores'
import { expectedOutput, readmeBlocks } from '../system/package/readme-blocks.mjs'

const run = promisify(execFile)
const text = await readFile(fromRoot('docs/migration.md'), 'utf8')
const blocks = readmeBlocks(text)

describe('the programs of docs/migration.md', () => {
  test('are some', () => {
    expect(blocks.length).toBeGreaterThan(5)
  })

  test.each(blocks)('the one at line $line runs and prints what it says', async ({ code }) => {
    const expected = expectedOutput(code)
    expect(expected).not.toEqual([])
    expect(await runShown(code, await temporaryDirectory())).toEqual(expected)
  })
})

test('examples/migrate.ts prints the same each time, and leaves its sources alone', async () => {
  const runs = [0, 1].map(() => run(process.execPath, ['--import', 'tsx', 'examples/migrate.ts'], { cwd: fromRoot() }))
  const [one, other] = await Promise.all(runs)
  expect(one?.stdout).toBe(other?.stdout)
  expect(one?.stdout).toContain('Second run\n  dotenv: {"created":0,"replaced":0,"unchanged":2')
  expect(one?.stdout).toContain('API_KEY → api-key: conflict')
  expect(one?.stdout.trimEnd().endsWith('The sources are as they were: true')).toBe(true)
})
