import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fromBase64url } from '../../../src/base/bytes'
import { safeStorage } from '../../../src/electron/index'
import { account, generateRecoveryCode, recoveryCode, SecretStore } from '../../../src/index'
import { codeOf, directoryDigest, newLocation, openStore } from '../../support/stores'
import { FakeKeychain, untimedKey } from './keychains'

const token = { scope: account, name: 'token' }

/** The slot's parameters as they are on disk. */
async function slotOnDisk(location: string, index = 0): Promise<Record<string, string>> {
  return JSON.parse(await readFile(join(location, 'keyring.json'), 'utf8')).slots[index].params
}

describe.each([
  ['the synchronous API', (keychain: FakeKeychain) => keychain.sync],
  ['the asynchronous API', (keychain: FakeKeychain) => keychain.async()],
])('safeStorage over %s', (_, electronOf) => {
  test('creates a store, and opens it again', async () => {
    const location = await newLocation()
    const keychain = new FakeKeychain()
    const store = await openStore(location, { key: safeStorage(electronOf(keychain)) })
    await store.set({ ...token, payload: 'example' })
    expect(store.keys()).toMatchObject([{ kind: 'safe-storage', label: 'gnome_libsecret' }])
    await store.close()
    const again = await openStore(location, { key: safeStorage(electronOf(keychain)) })
    expect(await again.get(token)).toBe('example')
    const params = await slotOnDisk(location)
    expect(Object.keys(params).sort()).toEqual(['commitment', 'encrypted', 'wrapped'])
  })

  test.each(['emptied', 'of another user'])(
    'a keychain that was %s: ERR_WRONG_KEY, nothing is changed, the recovery code opens',
    async (password) => {
      const location = await newLocation()
      const keychain = new FakeKeychain()
      const store = await openStore(location, { key: safeStorage(electronOf(keychain)) })
      const code = generateRecoveryCode()
      await store.set({ ...token, payload: 'example' })
      await store.addKey(recoveryCode(code))
      await store.close()
      const before = await directoryDigest(location)
      keychain.password = password
      for (let attempt = 0; attempt < 3; attempt++) {
        expect(await codeOf(() => SecretStore.open(location, { key: safeStorage(electronOf(keychain)) }))).toBe(
          'ERR_WRONG_KEY',
        )
      }
      expect(await directoryDigest(location)).toBe(before)
      const recovered = await openStore(location, { key: recoveryCode(code) })
      expect(await recovered.get(token)).toBe('example')
    },
  )

  test('a wrong key that decrypts to other text is a wrong key: CBC alone would not tell', async () => {
    const location = await newLocation()
    const keychain = new FakeKeychain()
    const store = await openStore(location, { key: safeStorage(electronOf(keychain)) })
    await store.close()
    const encrypted = fromBase64url((await slotOnDisk(location))['encrypted'] as string) as Uint8Array
    const codes = new Set<string>()
    let unnoticed = 0
    for (let attempt = 0; attempt < 2000; attempt++) {
      keychain.password = `other ${attempt}`
      try {
        keychain.decrypt(Buffer.from(encrypted))
      } catch {
        continue // the padding told
      }
      unnoticed++
      codes.add(await codeOf(() => SecretStore.open(location, { key: safeStorage(electronOf(keychain)) })))
    }
    expect(unnoticed).toBeGreaterThan(0)
    expect([...codes]).toEqual(['ERR_WRONG_KEY'])
  })

  test('a keychain that encrypts nothing, or not now: ERR_NO_KEYRING, nothing is created or changed', async () => {
    const location = await newLocation()
    const keychain = new FakeKeychain()
    const open = (): Promise<SecretStore> => SecretStore.open(location, { key: untimedKey(electronOf(keychain)) })
    keychain.available = false
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_NO_KEYRING',
      message: 'safeStorage: expected a keychain that encrypts, got none, or one that is locked',
    })
    expect(await codeOf(() => openStore(location, { createIfMissing: false }))).toBe('ERR_NOT_FOUND')
    keychain.available = true
    await (await open()).close()
    const before = await directoryDigest(location)
    keychain.broken = true
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_NO_KEYRING',
      message: 'safeStorage: expected a keychain that decrypts, got an error',
    })
    keychain.available = false
    expect(await codeOf(open)).toBe('ERR_NO_KEYRING')
    expect(await directoryDigest(location)).toBe(before)
    keychain.broken = false
    keychain.available = true
    await (await open()).close()
  })

  test('one that does not answer is ERR_NO_KEYRING, with its cause', async () => {
    const cause = new Error('the bus has gone')
    const fail = (): never => {
      throw cause
    }
    const electron = electronOf(new FakeKeychain())
    const mute = electron.isAsyncEncryptionAvailable
      ? { ...electron, isAsyncEncryptionAvailable: async () => fail() }
      : { ...electron, isEncryptionAvailable: fail }
    await expect(SecretStore.open(await newLocation(), { key: safeStorage(mute) })).rejects.toMatchObject({
      code: 'ERR_NO_KEYRING',
      message: 'safeStorage: expected a keychain that answers, got an error',
      cause,
    })
  })

  test('an error while it encrypts is ERR_NO_KEYRING, with its cause', async () => {
    const electron = electronOf(new FakeKeychain())
    const cause = new Error('the keychain has gone')
    const failing = { ...electron, ...(electron.encryptString && { encryptString: fail }), ...asyncFail() }
    function fail(): never {
      throw cause
    }
    function asyncFail(): object {
      return electron.encryptStringAsync ? { encryptStringAsync: async () => fail() } : {}
    }
    await expect(SecretStore.open(await newLocation(), { key: safeStorage(failing) })).rejects.toMatchObject({
      code: 'ERR_NO_KEYRING',
      message: 'safeStorage: expected a keychain that encrypts, got an error',
      cause,
    })
  })

  test('basic_text is refused, with what to do, unless it is allowed', async () => {
    const location = await newLocation()
    const keychain = new FakeKeychain()
    keychain.backend = 'basic_text'
    keychain.available = false
    const refused = SecretStore.open(location, { key: untimedKey(electronOf(keychain)) })
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_NO_KEYRING',
      message: expect.stringMatching(
        /basic_text, which protects nothing; start gnome-keyring or KWallet, .*--password-store=/,
      ),
    })
    if (electronOf(keychain).encryptString === undefined) keychain.available = true
    const store = await openStore(location, { key: untimedKey(electronOf(keychain), { allowBasicText: true }) })
    expect(store.keys()).toMatchObject([{ label: 'basic_text' }])
    await store.close()

    // A keychain has come: what everybody could decrypt is encrypted anew as soon as the store is open.
    keychain.backend = 'gnome_libsecret'
    const prefix = async (): Promise<string> =>
      Buffer.from((await slotOnDisk(location))['encrypted'] as string, 'base64url').toString('latin1', 0, 3)
    expect(await prefix()).toBe('v10')
    const better = await openStore(location, { key: untimedKey(electronOf(keychain)) })
    expect(await prefix()).toBe('v11')
    expect(better.keys()).toMatchObject([{ label: 'gnome_libsecret' }])
  })

  test('before the app is ready there is no telling', async () => {
    const keychain = new FakeKeychain()
    keychain.backend = 'unknown'
    keychain.available = false
    const refused = SecretStore.open(await newLocation(), { key: untimedKey(electronOf(keychain)) })
    await expect(refused).rejects.toThrow('safeStorage: expected the app to be ready (await app.whenReady()), got one')
  })
})

describe('shouldReEncrypt', () => {
  test('is honoured when the store opens: the slot is encrypted anew, and what it wraps is the same', async () => {
    const location = await newLocation()
    const keychain = new FakeKeychain()
    const store = await openStore(location, { key: safeStorage(keychain.async()) })
    await store.set({ ...token, payload: 'example' })
    const [slot] = store.keys()
    await store.close()
    const old = await slotOnDisk(location)
    const isOld = (encrypted: Buffer): boolean => encrypted.toString('base64url') === old['encrypted']

    const renewed = await openStore(location, { key: safeStorage(keychain.async(isOld)) })
    const fresh = await slotOnDisk(location)
    expect(fresh['encrypted']).not.toBe(old['encrypted'])
    expect(renewed.keys()).toEqual([slot])
    await renewed.close()
    const bytes = await directoryDigest(location)
    const again = await openStore(location, { key: safeStorage(keychain.async(isOld)) })
    expect(await again.get(token)).toBe('example')
    await again.close()
    expect(await slotOnDisk(location)).toEqual(fresh)
    expect(bytes).toBeTypeOf('string')
  })

  test('a failure of that leaves the slot as it is, and the store open; `onError` is told', async () => {
    const location = await newLocation()
    const keychain = new FakeKeychain()
    await (await openStore(location, { key: safeStorage(keychain.async()) })).close()
    const before = await slotOnDisk(location)
    const errors: unknown[] = []
    const electron = {
      ...keychain.async(() => true),
      encryptStringAsync: async () => Promise.reject(new Error('locked')),
    }
    const store = await openStore(location, { key: safeStorage(electron), onError: (error) => errors.push(error) })
    await store.set({ ...token, payload: 'example' })
    expect(errors).toMatchObject([{ code: 'ERR_NO_KEYRING' }])
    expect(await slotOnDisk(location)).toEqual(before)
  })

  test('a slot of another key is left alone', async () => {
    const location = await newLocation()
    const keychain = new FakeKeychain()
    const store = await openStore(location, { key: safeStorage(keychain.async()) })
    const other = new FakeKeychain()
    other.password = 'second'
    await store.addKey(safeStorage(other.sync))
    await store.close()
    const before = await slotOnDisk(location, 1)
    await (await openStore(location, { key: safeStorage(keychain.async(() => true)) })).close()
    expect(await slotOnDisk(location, 1)).toEqual(before)
    const theirs = await openStore(location, { key: safeStorage(other.sync) })
    expect(theirs.keys()).toHaveLength(2)
  })
})

test.each([
  ['none', undefined],
  ['a number', 7],
  ['one byte too many', Buffer.alloc(4097).toString('base64url')],
  ['no base64url', '!!!'],
  ['empty', ''],
])('a slot whose `encrypted` is %s is damaged', async (_, encrypted) => {
  const provider = safeStorage(new FakeKeychain().sync)
  const context = { storeId: new Uint8Array(16), slotId: new Uint8Array(8), kind: 'safe-storage' }
  const params = await provider.wrap(new Uint8Array(32), context)
  const { encrypted: __, ...rest } = params
  const damaged = encrypted === undefined ? rest : { ...rest, encrypted }
  await expect(provider.unwrap(damaged, context)).rejects.toMatchObject({
    code: 'ERR_CORRUPT',
    message: 'slot encrypted: expected 1 to 4096 bytes in base64url, got something else',
  })
})

test('a slot that was copied into another store, or under another id, does not open', async () => {
  const provider = safeStorage(new FakeKeychain().sync)
  const context = { storeId: new Uint8Array(16), slotId: new Uint8Array(8), kind: 'safe-storage' }
  const params = await provider.wrap(new Uint8Array(32), context)
  expect(await provider.unwrap(params, context)).toEqual(new Uint8Array(32))
  expect(await provider.unwrap(params, { ...context, storeId: new Uint8Array(16).fill(1) })).toBeNull()
  expect(await provider.unwrap(params, { ...context, slotId: new Uint8Array(8).fill(1) })).toBeNull()
})

test('where there is no name of a back end, as on macOS and Windows, the label says as much', async () => {
  const { getSelectedStorageBackend: _, ...elsewhere } = new FakeKeychain().sync
  const store = await openStore(await newLocation(), { key: safeStorage(elsewhere) })
  expect(store.keys()).toMatchObject([{ label: 'system keychain' }])
  const named = await store.addKey(safeStorage(elsewhere, { label: 'this computer' }))
  expect(named.label).toBe('this computer')
})

test('what is no safeStorage, and options that are none, are mistakes', () => {
  for (const wrong of [undefined, null, {}, { encryptString() {} }, 'safeStorage']) {
    expect(() => safeStorage(wrong as never)).toThrow(
      "safeStorage: expected Electron's, in the main process, got something else",
    )
  }
  const { sync } = new FakeKeychain()
  expect(() => safeStorage(sync, { allowBasictext: true } as never)).toThrow("(did you mean 'allowBasicText'?)")
  expect(() => safeStorage(sync, { allowBasicText: 1 } as never)).toThrow(
    'allowBasicText: expected a boolean, got a number',
  )
  expect(() => safeStorage(sync, { label: '' })).toThrow('label: expected at least one character, got none')
})
