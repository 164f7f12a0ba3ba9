import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, type TestContext, test } from 'vitest'
import { fromRoot } from '../../support/paths'
import { makeApp, needElectron, said, useElectron, userDataFolder } from './harness'

// Preload scripts as apps bundle them, in sandboxed pages of a real Electron.

useElectron()

const run = promisify(execFile)
const FOLDER = fromRoot('output/preload-bundlers')
const OWN = fromRoot('test/system/electron/bundlers')

let missing: string | undefined

/** The bundlers are installed when they are first needed, without running any package's scripts. */
beforeAll(async () => {
  const isThere = existsSync(join(FOLDER, 'node_modules/.package-lock.json'))
  const isSame = isThere && (await lockOf(FOLDER)) === (await lockOf(OWN))
  if (isSame) return
  await mkdir(FOLDER, { recursive: true })
  for (const name of ['package.json', 'package-lock.json']) await cp(join(OWN, name), join(FOLDER, name))
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund']
  await run('npm', args, { cwd: FOLDER }).catch((error: Error) => {
    missing = `the bundlers cannot be installed: ${error.message.replaceAll('npm error', '').replaceAll(/\s+/g, ' ').slice(0, 300)}`
    console.warn(`skipped: ${missing}`)
  })
})

function lockOf(folder: string): Promise<string> {
  return readFile(join(folder, 'package-lock.json'), 'utf8')
}

/** Leaves the test out, and says why, without the bundlers. */
function needBundlers(context: TestContext): void {
  if (missing !== undefined) context.skip(missing)
}

const BUNDLERS = ['esbuild for Node', 'esbuild for browsers', 'Vite 7', 'Vite 8', 'webpack']

const ENTRIES: Readonly<Record<string, string>> = {
  'ready.mjs': `import 'app-secret-store/electron/preload'`,
  'ready.cjs': `require('app-secret-store/electron/preload')`,
  'own.mjs': `
    import { contextBridge, ipcRenderer } from 'electron'
    import { exposeInPreload } from 'app-secret-store/electron/expose'
    exposeInPreload(contextBridge, ipcRenderer)`,
  'own.cjs': `
    const { contextBridge, ipcRenderer } = require('electron')
    const { exposeInPreload } = require('app-secret-store/electron/expose')
    exposeInPreload(contextBridge, ipcRenderer)`,
}

const BUNDLES = BUNDLERS.flatMap((bundler) =>
  Object.keys(ENTRIES).map((entry) => ({ bundler, entry, file: `${bundler} ${entry}.js`.replaceAll(' ', '-') })),
)

/** A `require` that runs needs a string; the rest is in comments, or asks for no more than `electron`. */
function required(code: string): string[] {
  const names = [...code.matchAll(/\brequire\(\s*(["'`])([^"'`]*)\1\s*\)/g)].map(([, , name]) => name as string)
  return [...new Set(names)]
}

test('the ready script and one’s own, by import and require, need only `electron` and make `window.secrets`', async (context) => {
  needElectron(context)
  needBundlers(context)
  const app = await makeApp(ENTRIES)
  for (const { bundler, entry, file } of BUNDLES) {
    const task = { bundler, entry: join(app, entry), outfile: join(app, 'bundles', file) }
    await run(process.execPath, [join(OWN, 'bundle.mjs'), FOLDER, JSON.stringify(task)], { cwd: app })
  }
  const found = await Promise.all(
    BUNDLES.map(async ({ file }) => [file, required(await readFile(join(app, 'bundles', file), 'utf8'))]),
  )
  expect(found).toEqual(BUNDLES.map(({ file }) => [file, ['electron']]))
  const lines = await said(
    await userDataFolder(),
    `
      const { BrowserWindow, ipcMain } = electron
      const { SecretStore, account } = require('app-secret-store')
      const { exposeSecrets } = require('app-secret-store/electron')
      const { createServer } = require('node:http')
      app.on('window-all-closed', () => {})
      const server = createServer((_, answer) => { answer.setHeader('content-type', 'text/html'); answer.end('<title>page</title>') })
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
      const origin = 'http://127.0.0.1:' + server.address().port
      const store = SecretStore.memory()
      await store.set({ scope: account, name: 'token', payload: 'example' })
      exposeSecrets(ipcMain, store, { allow: [{ origin, verbs: ['get'], scopes: [account], names: 'all' }] })
      for (const file of ${JSON.stringify(BUNDLES.map(({ file }) => file))}) {
        const window = new BrowserWindow({ show: false, webPreferences: { preload: join(${JSON.stringify(app)}, 'bundles', file), sandbox: true } })
        await window.loadURL(origin)
        const program = "typeof secrets === 'object' ? secrets.get({ scope: { type: 'account' }, name: 'token' }) : 'no window.secrets'"
        say([file, await window.webContents.executeJavaScript(program)])
        window.destroy()
      }
      await store.close()
    `,
  )
  expect(lines).toEqual(BUNDLES.map(({ file }) => [file, 'example']))
})
