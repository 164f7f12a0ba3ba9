import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { account, type NameMode, type RecoveryReport, SecretStore, user } from 'app-secret-store'
import { expect } from '../runner'
import { directoryDigest, newLocation, openStore, testKey } from '../stores'

/** Recovers a store into a new directory. The damaged store stays as it is, and nothing is left beside the new one. */
export async function recover(
  location: string,
  more: object = {},
): Promise<{ report: RecoveryReport; destination: string }> {
  const destination = await newLocation()
  const before = await directoryDigest(location)
  const report = await SecretStore.recover(location, { key: testKey(), destination, ...more })
  expect(await directoryDigest(location)).toBe(before)
  const hidden = (await readdir(dirname(destination))).filter((name) => name.startsWith('.'))
  expect(hidden).toEqual([])
  return { report, destination }
}

/** The payloads of a closed store, by scope and name. */
export async function contents(location: string): Promise<Record<string, string>> {
  const store = await openStore(location, { verify: true })
  const found: Record<string, string> = {}
  for (const scope of [account, user('usr_1')]) {
    for await (const { name, payload } of store.list({ scope, expand: ['data.payload'] })) {
      found[`${scope.type} ${name}`] = payload as string
    }
  }
  await store.close()
  return found
}

/** A store with rows of every sort, in a table and in a log, some replaced and some deleted. */
export async function sampleStore(
  names: NameMode = 'plain',
): Promise<{ location: string; state: Record<string, string> }> {
  const location = await newLocation()
  let store = await openStore(location, { names })
  for (let n = 0; n < 40; n++) await store.set({ scope: account, name: `a-${n}`, payload: `one ${n}` })
  await store.set({ scope: account, name: 'large', payload: 'L'.repeat(5000) })
  await store.set({ scope: user('usr_1'), name: 'theirs', payload: 'u', expires_at: 3_000_000_000 })
  await store.compact()
  await store.close()
  store = await openStore(location)
  for (let n = 0; n < 40; n += 4) await store.delete({ scope: account, name: `a-${n}` })
  for (let n = 1; n < 40; n += 4) await store.set({ scope: account, name: `a-${n}`, payload: `two ${n}` })
  await store.set({ scope: account, name: 'late', payload: 'M'.repeat(70_000) })
  await store.close()
  return { location, state: await contents(location) }
}

/** The last file of LevelDB whose name has this form. */
export async function dataFile(location: string, pattern: RegExp): Promise<string> {
  const names = (await readdir(join(location, 'data'))).filter((name) => pattern.test(name)).sort()
  return join(location, 'data', names.at(-1) as string)
}
