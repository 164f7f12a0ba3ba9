import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { account, SecretStore } from '../../../src/index'
import { directoryDigest, newLocation, openStore } from '../../support/stores'
import { FakeKeychain, untimedKey } from './keychains'

// The asynchronous form of Electron 42 and later, which says less of itself than the synchronous one.

const token = { scope: account, name: 'token' }
const UNPROTECTED = {
  code: 'ERR_NO_KEYRING',
  message: expect.stringMatching(/^safeStorage: expected a keychain, got basic_text, which protects nothing; start /),
}

const keyringJson = (location: string): Promise<string> => readFile(join(location, 'keyring.json'), 'utf8')

async function prefixes(location: string): Promise<string[]> {
  const { slots } = JSON.parse(await keyringJson(location))
  return slots.map(({ params }: { params: { encrypted: string } }) =>
    Buffer.from(params.encrypted, 'base64url').toString('latin1', 0, 3),
  )
}

/** A store with a secret, made over this keychain. */
async function made(keychain: FakeKeychain, allowBasicText = false): Promise<string> {
  const location = await newLocation()
  const store = await openStore(location, { key: untimedKey(keychain.async(), { allowBasicText }) })
  await store.set({ ...token, payload: 'example' })
  await store.close()
  return location
}

describe('what protects is judged by what was encrypted', () => {
  test('a known desktop that encrypts by what everybody knows is refused, and nothing is made', async () => {
    const keychain = new FakeKeychain()
    keychain.protects = false
    const location = await newLocation()
    const refused = SecretStore.open(location, { key: untimedKey(keychain.async()) })
    await expect(refused).rejects.toMatchObject(UNPROTECTED)
    await expect(openStore(location, { createIfMissing: false })).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    const allowed = await made(keychain, true)
    expect(await prefixes(allowed)).toEqual(['v10'])
    const again = await openStore(allowed, { key: untimedKey(keychain.async(), { allowBasicText: true }) })
    // The label is that of what was encrypted, and not the desktop's.
    expect(again.keys()).toMatchObject([{ label: 'basic_text' }])
  })

  test.each(['basic_text', 'unknown'])('a desktop that is called %s and encrypts well is taken', async (backend) => {
    const keychain = new FakeKeychain()
    keychain.backend = backend
    keychain.protects = true
    const location = await made(keychain)
    expect(await prefixes(location)).toEqual(['v11'])
    const again = await openStore(location, { key: untimedKey(keychain.async()) })
    expect(await again.get(token)).toBe('example')
    expect(again.keys()).toMatchObject([{ label: 'system keychain' }])
  })

  test.each([false, true])(
    'a good slot is never replaced by one that protects nothing (allowBasicText: %s)',
    async (allowBasicText) => {
      const keychain = new FakeKeychain()
      const location = await made(keychain)
      const before = await keyringJson(location)
      const errors: unknown[] = []
      // It decrypts what it should, wants it encrypted anew, and has nothing better than what everybody knows.
      const electron = keychain.async(() => true)
      const encryptStringAsync = async (text: string) => {
        keychain.protects = false
        try {
          return keychain.encrypt(text)
        } finally {
          keychain.protects = true
        }
      }
      const key = untimedKey({ ...electron, encryptStringAsync }, { allowBasicText })
      const store = await openStore(location, { key, onError: (error) => errors.push(error) })
      expect(await store.get(token)).toBe('example')
      expect(await prefixes(location)).toEqual(['v11'])
      expect(errors).toEqual([])
      expect(await keyringJson(location)).toBe(before)
    },
  )

  test('nor if the keychain goes between the look and the renewal: `onError` is told', async () => {
    const keychain = new FakeKeychain()
    const location = await made(keychain)
    const before = await keyringJson(location)
    const electron = keychain.async(() => true)
    const encryptStringAsync = async (text: string) => {
      const encrypted = keychain.encrypt(text)
      keychain.protects = text === 'probe' ? keychain.protects : true
      if (text === 'probe') keychain.protects = false
      return encrypted
    }
    const errors: unknown[] = []
    const key = untimedKey({ ...electron, encryptStringAsync }, { allowBasicText: true })
    const store = await openStore(location, { key, onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([UNPROTECTED])
    expect(await keyringJson(location)).toBe(before)
    expect(await store.get(token)).toBe('example')
  })

  test('a good slot that nothing protected can open is no wrong key', async () => {
    const keychain = new FakeKeychain()
    const location = await made(keychain)
    const before = await directoryDigest(location)
    keychain.protects = false
    const opening = SecretStore.open(location, { key: untimedKey(keychain.async()) })
    await expect(opening).rejects.toMatchObject(UNPROTECTED)
    expect(await directoryDigest(location)).toBe(before)
  })

  test('on macOS and Windows, where `v10` is what the keychain encrypts, it is taken', async () => {
    const keychain = new FakeKeychain()
    keychain.backend = 'basic_text'
    const { getSelectedStorageBackend: _, ...electron } = keychain.async()
    const store = await openStore(await newLocation(), { key: untimedKey(electron) })
    expect(store.keys()).toMatchObject([{ label: 'system keychain' }])
  })
})

describe('a keychain that is only starting', () => {
  test.each([1, 7])('is waited for: %i times unavailable, and %i times unable to decrypt', async (times) => {
    const keychain = new FakeKeychain()
    const location = await made(keychain)
    const before = await keyringJson(location)
    const waits: number[] = []
    keychain.notYetAvailable = times
    keychain.notYetDecrypting = times
    const store = await openStore(location, { key: untimedKey(keychain.async(), { waits }) })
    expect(await store.get(token)).toBe('example')
    expect(waits).toHaveLength(2 * times)
    expect(await keyringJson(location)).toBe(before)
  })

  test('for ever: ERR_NO_KEYRING after 3.2 seconds, once for all slots, and never ERR_WRONG_KEY', async () => {
    const keychain = new FakeKeychain()
    const location = await made(keychain)
    const store = await openStore(location, { key: untimedKey(keychain.async()) })
    for (const password of ['second', 'third']) {
      const other = new FakeKeychain()
      other.password = password
      await store.addKey(untimedKey(other.async()))
    }
    await store.close()
    const before = await directoryDigest(location)
    const waits: number[] = []
    keychain.notYetDecrypting = Number.POSITIVE_INFINITY
    const key = untimedKey(keychain.async(), { waits })
    await expect(SecretStore.open(location, { key })).rejects.toMatchObject({
      code: 'ERR_NO_KEYRING',
      message: 'safeStorage: expected a keychain that decrypts, got one that cannot at the moment',
      cause: expect.objectContaining({ message: expect.stringContaining('temporarily unavailable') }),
    })
    expect(waits.reduce((total, ms) => total + ms, 0)).toBe(3175)
    keychain.notYetDecrypting = 0
    keychain.notYetAvailable = Number.POSITIVE_INFINITY
    await expect(SecretStore.open(location, { key })).rejects.toMatchObject({ code: 'ERR_NO_KEYRING' })
    expect(await directoryDigest(location)).toBe(before)
    // It has come after all: the same key opens, and waits again when it has to.
    keychain.notYetAvailable = 0
    const opened = await openStore(location, { key })
    expect(await opened.get(token)).toBe('example')
  })
})
