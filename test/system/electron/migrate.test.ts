import { expect, test } from 'vitest'
import { KeyringSession } from '../../support/keyring-session'
import { needElectron, needKeyring, said, useElectron, userDataFolder } from './harness'

// What apps have kept so far, by the real parts: safeStorage over a keyring, and electron-store.

useElectron()

const switches = ['--password-store=gnome-libsecret']
const LIBRARY = `
  const { safeStorage } = electron
  const { account, SecretStore } = require('app-secret-store')
  const { electronStore, importFrom, safeStorageFiles } = require('app-secret-store/migrate')
  const store = SecretStore.memory()
  const counts = ({ entries, dryRun, ...numbers }) => Object.entries(numbers).filter(([, number]) => number > 0)
`

test('files of safeStorage: what can be read is imported once, what cannot is told, nothing is touched', async (context) => {
  needElectron(context)
  needKeyring(context)
  const { env } = await KeyringSession.start('unlocked')
  const lines = await said(
    await userDataFolder(),
    `${LIBRARY}
      const { mkdirSync, readdirSync, readFileSync } = require('node:fs')
      const directory = place('encrypted')
      mkdirSync(directory)
      const put = (name, bytes) => writeFileSync(join(directory, name), bytes)
      const payloads = { token: 'example-token', 'päyload.two': 'pässword 😀\\nin two lines' }
      for (const [name, payload] of Object.entries(payloads)) put(name + '.enc', safeStorage.encryptString(payload))
      put('plain.enc', 'payload-nobody-may-see')
      put('cut.enc', safeStorage.encryptString('example').subarray(0, 8))
      put('nothing.enc', '')
      const content = () => JSON.stringify(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'hex')]))
      const before = content()
      const source = safeStorageFiles({ safeStorage, directory })
      for (const dryRun of [true, false, false]) say(counts(await importFrom(source, store, { dryRun })))
      const read = {}
      for (const name of Object.keys(payloads)) read[name] = await store.get({ scope: account, name })
      say([safeStorage.getSelectedStorageBackend(), JSON.stringify(read) === JSON.stringify(payloads), content() === before])
    `,
    { switches, env },
  )
  expect(lines).toEqual([
    [
      ['created', 2],
      ['failed', 3],
    ],
    [
      ['created', 2],
      ['failed', 3],
    ],
    [
      ['unchanged', 2],
      ['failed', 3],
    ],
    ['gnome_libsecret', true, true],
  ])
})

test('electron-store, encrypted by itself, and with values that safeStorage has encrypted', async (context) => {
  needElectron(context)
  needKeyring(context)
  const { env } = await KeyringSession.start('unlocked')
  const lines = await said(
    await userDataFolder(),
    `${LIBRARY}
      const { default: ElectronStore } = await import('electron-store')
      const old = new ElectronStore({ name: 'old', encryptionKey: 'obscured' })
      old.store = { user: { name: 'alice', token: 'example-token' }, window: { width: 800 } }
      say(counts(await importFrom(electronStore(old, { keys: ['user'] }), store)))
      say(await store.get({ scope: account, name: 'user.token' }))
      for (const encoding of ['base64', 'hex', 'latin1']) {
        const encrypted = new ElectronStore({ name: encoding })
        encrypted.store = { token: safeStorage.encryptString('example-token').toString(encoding) }
        const decode = (value) => safeStorage.decryptString(Buffer.from(value, encoding))
        const view = store.view({ account: encoding })
        await importFrom(electronStore(encrypted, { decode }), view)
        say(await view.get({ scope: account, name: 'token' }))
      }
    `,
    { switches, env },
  )
  expect(lines).toEqual([[['created', 2]], ...Array(4).fill('example-token')])
})
