import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { rawKey, SecretStore, user } from '../../../src/index'
import { SecretView } from '../../../src/view'
import { flipped, readRow, recordRow, writeRow } from '../../support/raw-rows'
import { runIn, storeOf } from './in-process'

// What a command reads of a store is what it needs, however large the store is.

afterEach(() => {
  vi.restoreAllMocks()
})

test('run --only reads those secrets and lists nothing', async () => {
  const directory = await storeOf(300)
  const payloads = vi.spyOn(SecretView.prototype, 'getBytes')
  const lists = vi.spyOn(SecretView.prototype, 'list')
  const { code } = await runIn(directory, ['run', '--only', 'name-7', 'name-8', '--', 'no-such-command'])
  expect(code).toBe(127)
  expect(payloads).toHaveBeenCalledTimes(2)
  expect(lists).not.toHaveBeenCalled()
})

test.skipIf(process.platform !== 'linux')('run reads no payload of what is too much by its names', async () => {
  const directory = await storeOf(300)
  const payloads = vi.spyOn(SecretView.prototype, 'getBytes')
  const words = Array.from({ length: 60 }, () => 'x'.repeat(120_000))
  const { code, stderr } = await runIn(directory, ['run', '--', 'true', ...words])
  expect(code).toBe(1)
  expect(stderr).toContain('the secrets are too much for one environment')
  expect(payloads).not.toHaveBeenCalled()
})

test('list says what it has to show, whatever is damaged in another scope', async () => {
  const directory = await storeOf(2)
  const location = join(directory, 'store')
  const store = await SecretStore.open(location, { key: rawKey(new Uint8Array(32).fill(7)) })
  await store.set({ scope: user('usr_1'), name: 'theirs', payload: 'x' })
  await store.close()
  const row = recordRow('theirs', user('usr_1'))
  await writeRow(location, row, flipped(await readRow(location, row)))
  const { code, stdout, stderr } = await runIn(directory, ['list'])
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: 'the other scopes cannot be counted; `secret-store verify` says why\n',
  })
  expect(stdout).toMatch(/^name-0 .*\nname-1 /m)
  const none = await runIn(directory, ['list', '--user', 'usr_2'])
  expect({ code: none.code, stderr: none.stderr }).toEqual({
    code: 0,
    stderr:
      "nothing in the scope of user 'usr_2'; the other scopes cannot be counted; `secret-store verify` says why\n",
  })
  // What it has to show and cannot read fails it, as before.
  expect((await runIn(directory, ['list', '--user', 'usr_1'])).code).toBe(5)
})
