import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

/** What an example prints; on the right of each line, where there is a column. */
async function output(example: string): Promise<string[]> {
  const path = fileURLToPath(new URL(`../../examples/${example}`, import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', import.meta.resolve('tsx'), path])
  return stdout.trimEnd().split('\n')
}

test('examples/cache.ts: its manager is stopped and started again', async () => {
  const lines = (await output('cache.ts')).map((line) => line.slice(63))
  expect(lines).toEqual([
    'database-password, version 1, 0 min old (1 requests)',
    'database-password, version 1, 3 min old (1 requests)',
    'database-password, version 1, 4 min old (1 requests)',
    'database-password, version 2, 0 min old (2 requests)',
    'database-password, version 2, 5 min old, stale (2 requests)',
    'database-password, version 2, 59 min old, stale (2 requests)',
    'ERR_UNAVAILABLE (2 requests)',
    'database-password, version 3, 0 min old (3 requests)',
    'database-password, version 4, 0 min old (4 requests)',
    'there is none (5 requests)',
    'ERR_UNAVAILABLE (5 requests)',
  ])
})

test('examples/oauth.ts: lost answers and an end of the process do not lose the session', async () => {
  const lines = await output('oauth.ts')
  expect(lines).toHaveLength(6)
  expect(lines.map((line) => /(?:access-\d|200|ERR_UNAVAILABLE)/.exec(line)?.[0])).toEqual([
    'access-1',
    'ERR_UNAVAILABLE',
    'access-3',
    '200',
    'access-5',
    'ERR_UNAVAILABLE',
  ])
})
