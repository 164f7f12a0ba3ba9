import { afterAll, describe, expect, test } from 'vitest'
import type * as Library from '../../../src/index'
import type * as KeytarEntry from '../../../src/keytar/index'
import type * as KeyvEntry from '../../../src/keyv/index'
import type * as UnstorageEntry from '../../../src/unstorage/index'
import { newLocation } from '../../support/stores'
import { install } from './installed'
import { keytarCases } from './keytar'
import { keyv5Cases } from './keyv-5'
import { keyv6Cases } from './keyv-6'
import { unstorageCases } from './unstorage'

// The drop-ins of the packed library, in the tests of what they stand in for.

const installed = await install()
afterAll(() => installed.remove())
const { SecretStore, rawKey } = (await installed.load('app-secret-store')) as typeof Library
const { keytar } = (await installed.load('app-secret-store/keytar')) as typeof KeytarEntry
const { keyv } = (await installed.load('app-secret-store/keyv')) as typeof KeyvEntry
const { unstorage } = (await installed.load('app-secret-store/unstorage')) as typeof UnstorageEntry

/** Closed at the end. */
const opened: Library.SecretStore[] = []
afterAll(() => Promise.all(opened.map((store) => store.close())))

/** Its clock is that of the moment: Keyv's tests stop it. */
function memory(): Library.SecretStore {
  const store = SecretStore.memory({ now: () => Date.now() })
  opened.push(store)
  return store
}

describe('keytar', () => {
  keytarCases(() => keytar(memory()))
})

describe('keytar, by require and over a directory', () => {
  const entry = installed.require('app-secret-store/keytar') as typeof KeytarEntry

  test('keeps a password', async () => {
    const location = await newLocation()
    for (const expected of [null, 'one']) {
      const store = await SecretStore.open(location, { key: rawKey(new Uint8Array(32).fill(7)) })
      const passwords = entry.keytar(store)
      expect(await passwords.getPassword('my-app', 'alice')).toBe(expected)
      await passwords.setPassword('my-app', 'alice', 'one')
      await store.close()
    }
  })
})

describe('Keyv 5', async () => {
  const store = memory()
  await keyv5Cases(installed, store, () => keyv(store))
})

describe('Keyv 6', async () => {
  const store = memory()
  await keyv6Cases(installed, () => keyv(store))
})

await unstorageCases(installed, 'unstorage', () => unstorage(memory()))
await unstorageCases(installed, 'unstorage-2', () => unstorage(memory()))
