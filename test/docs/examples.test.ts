import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { fromRoot } from '../support/paths'

describe('the examples', () => {
  const run = async (program: string): Promise<string[]> => {
    const path = fromRoot(`examples/${program}`)
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', path])
    return stdout.trimEnd().split('\n')
  }

  test('oauth.ts tells what happens', async () => {
    expect(await run('oauth.ts')).toEqual([
      '20 callers, 1 access token: access-1 (token requests so far: 1)',
      'it has expired, and the answer with the new refresh token is lost: ERR_UNAVAILABLE (token requests so far: 2)',
      'the old refresh token is still here, and still taken: access-3 (token requests so far: 3)',
      'it is used: 200 (token requests so far: 3)',
      'again, and then the process ends; the next one asks at once: access-5 (token requests so far: 5)',
      'a server that takes no old token at all: ERR_UNAVAILABLE, token endpoint: expected status 200, got 400; the user has to sign in (token requests so far: 7)',
    ])
  })

  test('cache.ts tells what happens', async () => {
    const said = (await run('cache.ts')).map((line) => line.slice(63))
    expect(said).toEqual([
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
})
