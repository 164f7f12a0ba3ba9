import { expect, test } from 'vitest'
import { makeApp, needElectron, packageApp, runProgram, useElectron, userDataFolder } from './harness'

useElectron()

test('an app in an asar archive, its binaries unpacked, has all of the library, the preload script included', async (context) => {
  needElectron(context)
  const app = await makeApp({
    'main.cjs': `
      const { app, BrowserWindow, ipcMain } = require('electron')
      const { join } = require('node:path')
      const { pathToFileURL } = require('node:url')
      const { account, rawKey, SecretStore } = require('app-secret-store')
      const { exposeSecrets } = require('app-secret-store/electron')
      app.whenReady().then(async () => {
        const location = join(app.getPath('userData'), 'secrets')
        const store = await SecretStore.open(location, { key: rawKey(new Uint8Array(32).fill(1)) })
        await store.set({ scope: account, name: 'token', payload: 'example' })
        const { resealed } = await store.rotate()
        const { ok } = await store.verify()
        const page = pathToFileURL(join(__dirname, 'index.html')).href
        exposeSecrets(ipcMain, store, { allow: [{ page, verbs: ['get'], scopes: [account], names: 'all' }] })
        const window = new BrowserWindow({
          show: false,
          webPreferences: { preload: require.resolve('app-secret-store/electron/preload') },
        })
        await window.loadFile('index.html')
        const script = "secrets.get({ scope: { type: 'account' }, name: 'token' })"
        const payload = await window.webContents.executeJavaScript(script)
        console.log('said', JSON.stringify([__filename.includes('app.asar'), resealed, ok, payload]))
        await store.close()
      }).then(() => app.exit(0), (error) => { console.error(error); app.exit(1) })
    `,
    'index.html': '<!doctype html><title>packaged</title>',
  })
  const program = await packageApp(app)
  const { stdout, stderr, exitCode } = await runProgram(program, [], { userData: await userDataFolder() })
  expect([exitCode, /^said (.*)$/m.exec(stdout)?.[1]], stderr).toEqual([0, '[true,1,true,"example"]'])
})
