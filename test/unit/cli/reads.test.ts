import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, expect, test, vi } from 'vitest'
import { main } from '../../../src/cli/main'
import { account, rawKey, SecretStore, user } from '../../../src/index'
import { SecretView } from '../../../src/view'
import { noSignals } from '../../support/no-signals'
import { flipped, readRow, recordRow, writeRow } from '../../support/raw-rows'
import { temporaryDirectory } from '../../support/stores'
import { Collected } from './transcript'

// What a command reads of a store is what it needs, however large the store is.

afterEach(() => {
  vi.restoreAllMocks()
})

async function storeOf(secrets: number): Promise<string> {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'key'), Buffer.alloc(32, 7), { mode: 0o600 })
  const store = await SecretStore.open(join(directory, 'store'), { key: rawKey(new Uint8Array(32).fill(7)) })
  await store.batch(
    Array.from({ length: secrets }, (_, n) => {
      return { type: 'set', scope: account, name: `name-${n}`, payload: 'x'.repeat(100) } as const
    }),
  )
  await store.close()
  return directory
}

async function runIn(
  directory: string,
  ...args: string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const [stdout, stderr] = [new Collected(), new Collected()]
  const code = await main(['--key-file', join(directory, 'key'), ...args], {
    ...noSignals(),
    stdin: Readable.from([]),
    stdout,
    stderr,
    env: { SECRET_STORE: join(directory, 'store'), PATH: process.env['PATH'] },
    now: Date.now,
    terminal: () => undefined,
  })
  return { code, stdout: stdout.text(), stderr: stderr.text() }
}

test('run --only reads those secrets and lists nothing', async () => {
  const directory = await storeOf(300)
  const payloads = vi.spyOn(SecretView.prototype, 'getBytes')
  const lists = vi.spyOn(SecretView.prototype, 'list')
  const { code } = await runIn(directory, 'run', '--only', 'name-7', 'name-8', '--', 'no-such-command')
  expect(code).toBe(127)
  expect(payloads).toHaveBeenCalledTimes(2)
  expect(lists).not.toHaveBeenCalled()
})

test.skipIf(process.platform !== 'linux')('run reads no payload of what is too much by its names', async () => {
  const directory = await storeOf(300)
  const payloads = vi.spyOn(SecretView.prototype, 'getBytes')
  const words = Array.from({ length: 60 }, () => 'x'.repeat(120_000))
  const { code, stderr } = await runIn(directory, 'run', '--', 'true', ...words)
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
  const { code, stdout, stderr } = await runIn(directory, 'list')
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: 'the other scopes cannot be counted; `secret-store verify` says why\n',
  })
  expect(stdout).toMatch(/^name-0 .*\nname-1 /m)
  const none = await runIn(directory, 'list', '--user', 'usr_2')
  expect({ code: none.code, stderr: none.stderr }).toEqual({
    code: 0,
    stderr:
      "nothing in the scope of user 'usr_2'; the other scopes cannot be counted; `secret-store verify` says why\n",
  })
  // What it has to show and cannot read fails it, as before.
  expect((await runIn(directory, 'list', '--user', 'usr_1')).code).toBe(5)
})

test('import --all-scopes says how much of a file was imported before a write failed', async () => {
  const directory = await storeOf(1)
  const entry = (livemode: boolean, payload: string): object => {
    return { scope: account, account: null, livemode, name: 'new', payload, expires_at: null }
  }
  const data = [entry(false, 'x'), entry(true, 'x'.repeat(17 * 2 ** 20))]
  const file = join(directory, 'all.json')
  await writeFile(file, JSON.stringify({ object: 'list', all_scopes: true, data }))
  const { code, stderr } = await runIn(directory, 'import', file, '--all-scopes')
  expect(code).toBe(2)
  expect(stderr).toContain('hint: 1 of 2 accounts and modes were imported before; say --skip to go on, or --replace')
  expect((await runIn(directory, 'get', 'new')).stdout).toBe('x')
  expect((await runIn(directory, 'get', 'new', '--live')).code).toBe(1)
})
