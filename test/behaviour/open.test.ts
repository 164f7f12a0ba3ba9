import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { account, type BatchOperation } from 'app-secret-store'
import { expect, test } from '../support/runner'
import { codeOf, directoryDigest, newLocation, openStore, testKey } from '../support/stores'

test('what was set is there after reopening', async () => {
  const location = await newLocation()
  const first = await openStore(location)
  await first.set({ scope: account, name: 'token', payload: 'sk_123' })
  await first.close()
  const second = await openStore(location)
  expect(await second.get({ scope: account, name: 'token' })).toBe('sk_123')
})

// What opening finds out by itself, and with `verify`.

async function storeOf(count: number): Promise<string> {
  const location = await newLocation()
  const store = await openStore(location)
  for (let start = 0; start < count; start += 500) {
    const operations = Array.from({ length: Math.min(500, count - start) }, (_, n): BatchOperation => {
      const name = `name-${start + n}`
      return { type: 'set', scope: account, name, payload: n % 50 === 0 ? 'x'.repeat(2000) : 'small' }
    })
    await store.batch(operations)
  }
  await store.close()
  return location
}

test('a whole store is opened with verify: true', async () => {
  const location = await storeOf(60)
  const store = await openStore(location, { verify: true })
  expect((await store.status()).records).toBe(60)
})

test('verify is true or false', async () => {
  await expect(openStore(await newLocation(), { verify: 'yes' as never })).rejects.toThrow('verify: expected')
})

test('a wrong key finds nothing out and changes nothing', async () => {
  const location = await storeOf(3)
  const digest = await directoryDigest(location)
  expect(await codeOf(() => openStore(location, { key: testKey(8), verify: true }))).toBe('ERR_WRONG_KEY')
  expect(await directoryDigest(location)).toBe(digest)
})

test('a log that cannot be read is ERR_IO, and is still there afterwards', async () => {
  const location = await storeOf(5)
  const names = (await readdir(join(location, 'data'))).filter((name) => name.endsWith('.log'))
  const [log] = names
  const path = join(location, 'data', log as string)
  const bytes = await readFile(path)
  // What no user, not even root, can read.
  await rm(path)
  await mkdir(path)
  expect(await codeOf(() => openStore(location))).toBe('ERR_IO')
  await rmdir(path)
  await writeFile(path, bytes)
  expect((await (await openStore(location)).status()).records).toBe(5)
})
