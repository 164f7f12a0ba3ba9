import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, type TestContext, test } from 'vitest'
import { KeyringSession } from '../../support/keyring-session'
import { needElectron, needKeyring, said, useElectron, userDataFolder } from './harness'

/**
 * The asynchronous safeStorage of Electron 42 and later, on Linux. No such Electron can be had here: this is a double of what its source
 * does, over the real encryption of the Electron that there is, and over a real gnome-keyring.
 */

useElectron()

const switches = ['--password-store=gnome-libsecret']
const NO_BUS = { DBUS_SESSION_BUS_ADDRESS: 'disabled:' }
const UNPROTECTED = /^ERR_NO_KEYRING safeStorage: expected a keychain, got basic_text, which protects nothing; /

function needBoth(context: TestContext): void {
  needElectron(context)
  needKeyring(context)
}

/**
 * `double` has the three asynchronous functions and the name of the desktop, and no synchronous one, as in Electron 46. `asPublic` encrypts
 * as Chromium does without a keychain; that Electron itself decrypts it shows that it is the same.
 */
const OPEN = `
  const { account } = require('app-secret-store')
  const { openInUserData } = require('app-secret-store/electron')
  const { createCipheriv, pbkdf2Sync } = require('node:crypto')
  const { readFileSync } = require('node:fs')
  const real = electron.safeStorage
  const asPublic = (text) => {
    const cipher = createCipheriv('aes-128-cbc', pbkdf2Sync('peanuts', 'saltysalt', 1, 16, 'sha1'), Buffer.alloc(16, ' '))
    return Buffer.concat([Buffer.from('v10'), cipher.update(text), cipher.final()])
  }
  const double = ({ name = 'gnome_libsecret', notAvailable = 0, notDecrypting = 0, reEncrypt = false, encrypt = (text) => real.encryptString(text) } = {}) => ({
    isAsyncEncryptionAvailable: async () => notAvailable-- <= 0,
    encryptStringAsync: async (text) => encrypt(text),
    decryptStringAsync: async (bytes) => {
      if (notDecrypting-- > 0) throw new Error('safeStorage.decryptStringAsync is temporarily unavailable. Please try again.')
      return { result: real.decryptString(bytes), shouldReEncrypt: reEncrypt }
    },
    getSelectedStorageBackend: () => name,
    setUsePlainTextEncryption() {},
  })
  const token = { scope: account, name: 'token' }
  const offerRecoveryCode = (code) => { writeFileSync(place('paper'), code); return true }
  const askRecoveryCode = ({ code }) => { say('asked ' + code); return readFileSync(place('paper'), 'utf8') }
  const open = (safeStorage, options) =>
    openInUserData({ app, safeStorage }, { offerRecoveryCode, askRecoveryCode, onError: ({ code }) => say('onError ' + code), ...options })
  const use = async (safeStorage, options) => {
    const store = await open(safeStorage, options)
    say([await store.get(token), store.keys().map(({ kind, label }) => kind + ' ' + label)])
    await store.close()
  }
  const make = async (safeStorage) => {
    const store = await open(safeStorage)
    await store.set({ ...token, payload: 'example' })
    await store.close()
  }
  const fails = (safeStorage) => open(safeStorage, { askRecoveryCode: undefined }).then(() => 'opened', ({ code, message }) => code + ' ' + message)
`

async function prefixes(userData: string): Promise<string[]> {
  const { slots } = JSON.parse(await readFile(join(userData, 'secrets/keyring.json'), 'utf8'))
  const encrypted = slots.flatMap(({ params }: { params: { encrypted?: string } }) => params.encrypted ?? [])
  return encrypted.map((text: string) => Buffer.from(text, 'base64url').toString('latin1', 0, 3))
}

const keyringJson = (userData: string): Promise<string> => readFile(join(userData, 'secrets/keyring.json'), 'utf8')

test('a desktop that Electron does not know, with a keyring that it finds: the store is made and opened', async (context) => {
  needBoth(context)
  const userData = await userDataFolder()
  const { env } = await KeyringSession.start('unlocked')
  await said(userData, `${OPEN} await make(double({ name: 'basic_text' }))`, { switches, env })
  expect(await prefixes(userData)).toEqual(['v11'])
  expect(await said(userData, `${OPEN} await use(double({ name: 'basic_text' }))`, { switches, env })).toEqual([
    ['example', ['safe-storage system keychain', 'recovery-code null']],
  ])
})

test('a desktop that is known, without a keyring: nothing is made, and a good slot stays', async (context) => {
  needBoth(context)
  const plain = 'real.setUsePlainTextEncryption(true)'
  const fresh = await userDataFolder()
  const refused = await said(
    fresh,
    `${OPEN} ${plain}; say(real.getSelectedStorageBackend()); say(real.encryptString('x').toString('latin1', 0, 3)); say(await fails(double()))
      say(require('node:fs').existsSync(place('secrets')))`,
    { env: NO_BUS },
  )
  expect(refused).toEqual(['basic_text', 'v10', expect.stringMatching(UNPROTECTED), false])

  const userData = await userDataFolder()
  const session = await KeyringSession.start('unlocked')
  await said(userData, `${OPEN} await make(double())`, { switches, env: session.env })
  const before = await keyringJson(userData)
  const slots = ['safe-storage gnome_libsecret', 'recovery-code null']
  const without = `${OPEN} ${plain}; for (const reEncrypt of [false, true]) { say(await fails(double({ reEncrypt }))); await use(double({ reEncrypt })) }`
  expect(await said(userData, without, { env: NO_BUS })).toEqual(
    [1, 2].flatMap(() => [expect.stringMatching(UNPROTECTED), 'asked ERR_NO_KEYRING', ['example', slots]]),
  )
  expect(await keyringJson(userData)).toBe(before)
  expect(await said(userData, `${OPEN} await use(double())`, { switches, env: session.env })).toEqual([
    ['example', slots],
  ])
})

test.for([false, true])(
  'asked to encrypt anew by what everybody knows, it keeps the good slot (allowBasicText: %s)',
  async (allowBasicText, context) => {
    needBoth(context)
    const userData = await userDataFolder()
    const { env } = await KeyringSession.start('unlocked')
    await said(userData, `${OPEN} await make(double())`, { switches, env })
    const before = await keyringJson(userData)
    const lines = await said(
      userData,
      `${OPEN}
        say(real.decryptString(asPublic('of Chromium')))
        await use(double({ reEncrypt: true, encrypt: asPublic }), { allowBasicText: ${allowBasicText} })
      `,
      { switches, env },
    )
    expect(lines).toEqual(['of Chromium', ['example', ['safe-storage gnome_libsecret', 'recovery-code null']]])
    expect(await keyringJson(userData)).toBe(before)
    // By the keychain it is encrypted anew.
    await said(userData, `${OPEN} await use(double({ reEncrypt: true }))`, { switches, env })
    expect(await keyringJson(userData)).not.toBe(before)
    expect(await prefixes(userData)).toEqual(['v11'])
    // And so is what everybody could decrypt.
    const open = await userDataFolder()
    const create = `${OPEN} await (await open(double({ encrypt: asPublic }), { allowBasicText: true })).close()`
    await said(open, create, { switches, env })
    expect(await prefixes(open)).toEqual(['v10'])
    await said(open, `${OPEN} await (await open(double())).close()`, { switches, env })
    expect(await prefixes(open)).toEqual(['v11'])
  },
)

test('not yet available, and temporarily unable to decrypt: waited for, no code is asked for, the slot stays', async (context) => {
  needBoth(context)
  const userData = await userDataFolder()
  const { env } = await KeyringSession.start('unlocked')
  await said(userData, `${OPEN} await make(double({ notAvailable: 2 }))`, { switches, env })
  const before = await keyringJson(userData)
  const lines = await said(
    userData,
    `${OPEN}
      await use(double({ notDecrypting: 1 }))
      await use(double({ notAvailable: 3, notDecrypting: 3 }))
      say(await fails(double({ notDecrypting: 1000 })))
    `,
    { switches, env },
  )
  const opened = ['example', ['safe-storage gnome_libsecret', 'recovery-code null']]
  const error = 'ERR_NO_KEYRING safeStorage: expected a keychain that decrypts, got one that cannot at the moment'
  expect(lines).toEqual([opened, opened, error])
  expect(await keyringJson(userData)).toBe(before)
})
