import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { account, rawKey, SecretStore } from '../src/index'

const directories: string[] = []

async function emptyDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'secret-store-'))
  directories.push(directory)
  return directory
}

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true })
})

test('what was set is there after reopening', async () => {
  const location = await emptyDirectory()
  const key = rawKey(new Uint8Array(32).fill(7))
  const first = await SecretStore.open(location, { key })
  await first.set({ scope: account, name: 'token', payload: 'sk_123' })
  await first.close()
  const second = await SecretStore.open(location, { key })
  expect(await second.get({ scope: account, name: 'token' })).toBe('sk_123')
  await second.close()
})
