import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, expect, test, vi } from 'vitest'
import { main } from '../../../src/cli/main'
import { account, rawKey, SecretStore } from '../../../src/index'
import { SecretView } from '../../../src/view'
import { noSignals } from '../../support/no-signals'
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
): Promise<{ readonly code: number; readonly stderr: string }> {
  const stderr = new Collected()
  const code = await main(['--key-file', join(directory, 'key'), ...args], {
    ...noSignals(),
    stdin: Readable.from([]),
    stdout: new Collected(),
    stderr,
    env: { SECRET_STORE: join(directory, 'store'), PATH: process.env['PATH'] },
    now: Date.now,
    terminal: () => undefined,
  })
  return { code, stderr: stderr.text() }
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
