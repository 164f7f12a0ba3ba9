import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { account } from 'app-secret-store'
import { expect, test } from '../support/runner'
import { closedStoreOf, codeOf, directoryDigest, newLocation, openStore, testKey } from '../support/stores'

test('what was set is there after reopening', async () => {
  const location = await newLocation()
  const first = await openStore(location)
  await first.set({ scope: account, name: 'token', payload: 'sk_123' })
  await first.close()
  const second = await openStore(location)
  expect(await second.get({ scope: account, name: 'token' })).toBe('sk_123')
})

test('a whole store is opened with verify: true', async () => {
  const location = await closedStoreOf(60)
  const store = await openStore(location, { verify: true })
  expect((await store.status()).records).toBe(60)
})

test('verify is true or false', async () => {
  await expect(openStore(await newLocation(), { verify: 'yes' as never })).rejects.toThrow('verify: expected')
})

test('a wrong key finds nothing out and changes nothing', async () => {
  const location = await closedStoreOf(3)
  const digest = await directoryDigest(location)
  expect(await codeOf(() => openStore(location, { key: testKey(8), verify: true }))).toBe('ERR_WRONG_KEY')
  expect(await directoryDigest(location)).toBe(digest)
})

test('a log that cannot be read is ERR_IO, and is still there afterwards', async () => {
  const location = await closedStoreOf(5)
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
