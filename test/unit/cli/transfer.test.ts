import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { Interrupted } from '../../../src/cli/failure'
import { account } from '../../../src/index'
import { SecretView } from '../../../src/view'
import { turnOfLoop } from '../../support/waiting'
import { runIn, storeOf } from './in-process'

// What an import and an export leave behind that end in the middle.

afterEach(() => {
  vi.restoreAllMocks()
})

test('import --all-scopes says how much of a file was imported before a write failed', async () => {
  const directory = await storeOf(1)
  const entry = (livemode: boolean, payload: string): object => {
    return { scope: account, account: null, livemode, name: 'new', payload, expires_at: null }
  }
  const data = [entry(false, 'x'), entry(true, 'x'.repeat(17 * 2 ** 20))]
  const file = join(directory, 'all.json')
  await writeFile(file, JSON.stringify({ object: 'list', all_scopes: true, data }))
  const { code, stderr } = await runIn(directory, ['import', file, '--all-scopes'])
  expect(code).toBe(2)
  expect(stderr).toContain('hint: 1 of 2 accounts and modes were imported before; say --skip to go on, or --replace')
  expect((await runIn(directory, ['get', 'new'])).stdout).toBe('x')
  expect((await runIn(directory, ['get', 'new', '--live'])).code).toBe(1)
})

test('export --output that a signal ends leaves no file', async () => {
  const directory = await storeOf(20)
  const before = await readdir(directory)
  const output = join(directory, 'out')
  const abort = new AbortController()
  const { getBytes } = SecretView.prototype
  vi.spyOn(SecretView.prototype, 'getBytes').mockImplementation(async function (this: SecretView, params) {
    const bytes = await getBytes.call(this, params)
    if (params.name === 'name-7' && existsSync(output)) {
      abort.abort(new Interrupted())
      // Whoever does not wait for the end of the file has the time to end before it.
      for (let turns = 0; turns < 50; turns++) await turnOfLoop()
    }
    return bytes
  })
  const args = ['export', '--format', 'json', '--output', output]
  const { code, stderr } = await runIn(directory, args, abort.signal)
  expect({ code, stderr }).toEqual({ code: 130, stderr: 'error: interrupted; the store is sound\n' })
  expect(await readdir(directory)).toEqual(before)
  vi.restoreAllMocks()
  expect((await runIn(directory, args)).code).toBe(0)
})
