import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { account, type KeyProvider, type SecretStore } from 'app-secret-store'
import { expect } from '../runner'
import { codeOf, newLocation, openStore, testKey } from '../stores'

/** The text of keyring.json. */
export function keyringOf(location: string): Promise<string> {
  return readFile(join(location, 'keyring.json'), 'utf8')
}

/** The ids of the data keys in keyring.json. */
export async function dataKeysOf(location: string): Promise<number[]> {
  return JSON.parse(await keyringOf(location)).keys.map(({ id }: { id: number }) => id)
}

/** A store with one secret, under one key. */
export async function newStore(key: KeyProvider = testKey(1)): Promise<{ location: string; store: SecretStore }> {
  const location = await newLocation()
  const store = await openStore(location, { key })
  await store.set({ scope: account, name: 'n', payload: 'p' })
  return { location, store }
}

/** Which of the keys open a store of `newStore`. It is closed before, and afterwards. */
export async function opening(location: string, keys: Readonly<Record<string, KeyProvider>>): Promise<string[]> {
  const found: string[] = []
  for (const [name, key] of Object.entries(keys)) {
    const code = await codeOf(async () => {
      const store = await openStore(location, { key })
      expect(await store.get({ scope: account, name: 'n' })).toBe('p')
      await store.close()
    })
    if (code === 'no error') found.push(name)
    else expect(code, name).toBe('ERR_WRONG_KEY')
  }
  return found
}

/** Everything that a key change changes, if it takes place. */
export async function stateOf(location: string, store: SecretStore): Promise<unknown> {
  return {
    keyring: await keyringOf(location),
    files: (await readdir(location)).sort(),
    keys: store.keys(),
    checkpoint: await store.checkpoint(),
  }
}
