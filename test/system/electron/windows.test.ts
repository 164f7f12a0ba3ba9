import { expect, test } from 'vitest'
import { makeApp, needElectron, said, useElectron, userDataFolder } from './harness'

// What becomes of windows: their renderers crash, they are loaded again, they close amid calls, and call when nobody answers.

useElectron()

/** Pages by their path; `window.raw` is what a page that was broken into has. */
const MAIN = `
  const { BrowserWindow, ipcMain } = electron
  const { SecretStore, account, rawKey } = require('app-secret-store')
  const { exposeSecrets } = require('app-secret-store/electron')
  const { createServer } = require('node:http')
  app.on('window-all-closed', () => {})
  const READY = require.resolve('app-secret-store/electron/preload')
  const warnings = []
  process.on('warning', ({ message }) => warnings.push(message))
  const pages = { '/': '<title>page</title>', '/outer': '<iframe src="/"></iframe>' }
  const server = createServer(({ url }, answer) => { answer.setHeader('content-type', 'text/html'); answer.end(pages[new URL(url, 'http://x').pathname]) })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const [here, elsewhere] = ['127.0.0.1', 'localhost'].map((host) => 'http://' + host + ':' + server.address().port)
  const store = await SecretStore.open(place('secrets'), { key: rawKey(new Uint8Array(32).fill(1)) })
  await store.set({ scope: account, name: 'token', payload: 'example' })
  const newWindow = (preload = READY, more = {}) => new BrowserWindow({ show: false, webPreferences: { preload, ...more } })
  const expose = (more) => exposeSecrets(ipcMain, store, { allow: [{ origin: here, verbs: 'all', scopes: [account], names: 'all', ...more }] })
  const inPage = (page, program) => (page.webContents ?? page).executeJavaScript('(async () => {' + program + '})()')
  const TOKEN = "const token = { scope: { type: 'account' }, name: 'token' };"
  const get = (page) => inPage(page, TOKEN + 'return secrets.get(token)')
  const crash = async ({ webContents }) => {
    const gone = new Promise((resolve) => webContents.once('render-process-gone', resolve))
    webContents.forcefullyCrashRenderer()
    await gone
  }
  const soon = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  const until = async (isSo) => { while (!(await isSo())) await soon(5) }
`

test.for(['loaded', 'reloaded'])(
  'a window whose renderer crashed and that is %s again is served as before',
  async (how, context) => {
    needElectron(context)
    const again =
      how === 'loaded' ? `window.loadURL(here + '/outer')` : `loadedAfter(() => window.webContents.reload())`
    const lines = await said(
      await userDataFolder(),
      `${MAIN}
        expose({ frames: 'all' })
        const window = newWindow(READY, { nodeIntegrationInSubFrames: true })
        const loadedAfter = async (work) => {
          const loaded = new Promise((resolve) => window.webContents.once('did-finish-load', resolve))
          work()
          await loaded
        }
        await window.loadURL(here + '/outer')
        for (const round of [0, 1, 2]) {
          if (round > 0) {
            await crash(window)
            await ${again}
          }
          const { mainFrame } = window.webContents
          await inPage(window, TOKEN + 'window.changes = []; window.end = await secrets.onChange(({ type }) => changes.push(type))')
          await store.set({ scope: account, name: 'token', payload: 'example ' + round })
          await until(() => inPage(window, 'return changes.length > 0'))
          say([mainFrame.detached, await get(window), await get(mainFrame.frames[0]), await inPage(window, 'end(); return changes')])
        }
        // Another page in the window that crashed has no grant.
        await window.loadURL(elsewhere + '/')
        say(await get(window).catch(({ message }) => message.split(':')[0]))
        await window.loadURL(here + '/')
        say(await get(window))
        await store.close()
      `,
    )
    const [first, ...rest] = lines
    expect(first).toEqual([false, 'example 0', 'example 0', ['set']])
    // Electron 33 says that the frame is detached; others may not.
    expect(rest).toEqual([
      ...[1, 2].map((round) => [expect.any(Boolean), `example ${round}`, `example ${round}`, ['set']]),
      'ERR_ACCESS_DENIED',
      'example 2',
    ])
  },
)

/** As a page whose renderer was broken into: it calls when it is left, with all that it has. */
const LEAVING = `
  const { ipcRenderer } = require('electron')
  const target = { scope: { type: 'account' } }
  for (const event of ['beforeunload', 'pagehide', 'unload']) {
    addEventListener(event, () => {
      for (const as of [location.href, undefined]) {
        ipcRenderer.invoke('secret-store:call', 'set', { ...target, name: location.pathname + event, payload: 'x' }, as).catch(() => {})
      }
    })
  }
`

test.for(['', 'after a crash, '])(
  '%sa page that is gone from its frame, and runs its `unload`, is not served',
  async (crashed, context) => {
    needElectron(context)
    const userData = await userDataFolder()
    const app = await makeApp({ 'leaving.cjs': LEAVING })
    const lines = await said(
      userData,
      `${MAIN}
        pages['/first'] = '<title>leaving</title>'
        expose()
        const window = newWindow(${JSON.stringify(`${app}/leaving.cjs`)})
        await window.loadURL(here + '/first')
        if (${crashed !== ''}) { await crash(window); await window.loadURL(here + '/first') }
        // Another origin takes the frame, so that the page is left running its unload outside of the tree.
        await window.loadURL(elsewhere + '/')
        const names = async () => (await store.list({ scope: account })).data.map(({ name }) => name).sort()
        await until(async () => (await names()).length > 1)
        await soon(200)
        say(await names())
        await store.close()
      `,
    )
    expect(lines).toEqual([['/firstbeforeunload', 'token']])
  },
)

test('no warning about frames when windows close amid calls', async (context) => {
  needElectron(context)
  const [count, served, wasHeld, ...frames] = await said(
    await userDataFolder(),
    `${MAIN}
      // Answers come when the windows have gone.
      let isHeld = false, letGo, arrived = 0
      const opened = new Promise((resolve) => { letGo = resolve })
      const view = Object.getPrototypeOf(SecretStore.prototype)
      const original = view.set
      view.set = async function (...args) { if (isHeld) { arrived++; await opened } return original.apply(this, args) }
      expose()
      const windows = Array.from({ length: 6 }, () => newWindow())
      await Promise.all(windows.map((window) => window.loadURL(here + '/')))
      const served = await Promise.all(windows.map(get))
      isHeld = true
      for (const window of windows) {
        inPage(window, TOKEN + "for (let call = 0; call < 500; call++) secrets.set({ ...token, payload: 'x' }).catch(() => {})").catch(() => {})
      }
      await until(() => arrived >= 3000)
      windows.slice(0, 2).forEach((window) => window.destroy())
      windows.slice(2, 4).forEach((window) => window.close())
      await Promise.all(windows.slice(4, 5).map(crash))
      await windows[5].loadURL(elsewhere + '/')
      await until(() => windows.slice(0, 4).every((window) => window.isDestroyed()))
      say(arrived)
      letGo()
      await store.set({ scope: account, name: 'last', payload: 'x' })
      await soon(300)
      say([...new Set(served)])
      say(windows.slice(0, 4).every((window) => window.isDestroyed()))
      const about = warnings.filter((text) => /[Ff]rame/.test(text))
      for (const text of about) say(text)
      await store.close()
    `,
  )
  expect([count, served, wasHeld]).toEqual([3000, ['example'], true])
  expect(frames.length, String(frames[0])).toBe(0)
})

test('a call before `exposeSecrets`, or after its end, and an argument that cannot be sent, are errors with a name', async (context) => {
  needElectron(context)
  const lines = await said(
    await userDataFolder(),
    `${MAIN}
      const window = newWindow()
      await window.loadURL(here + '/')
      const fails = (call) => inPage(window, TOKEN + 'return ' + call + '.then(() => "answered", String)')
      const both = async () => say([await fails('secrets.get(token)'), await fails('secrets.onChange(() => {})')])
      await both()
      const end = expose()
      await both()
      for (const call of [
        'secrets.set({ ...token, payload: () => {} })',
        'secrets.set({ ...token, payload: Symbol("x") })',
        'secrets.set({ ...token, payload: Promise.resolve("x") })',
        'secrets.get({ ...token, scope: { type: () => {} } })',
        'secrets.find(() => {})',
        'secrets.list(Symbol("x"))',
        'secrets.delete({ ...token, name: { toString: () => "token" } })',
      ]) say(await fails(call))
      // What the context bridge itself does not take never comes to the library.
      say(await inPage(window, TOKEN + 'try { return await secrets.set({ ...token, payload: new WeakMap() }) } catch (error) { return String(error) }'))
      say(await get(window))
      end()
      await both()
      expose()
      await both()
      await store.close()
    `,
  )
  const nobody =
    'Error: ERR_CLOSED: secrets: expected exposeSecrets of the main process to answer, got nobody (it was not called yet, or has ended)'
  const expected = 'expected what can be sent to another process, got'
  expect(lines).toEqual([
    [nobody, nobody],
    ['answered', 'answered'],
    `Error: TypeError: payload: ${expected} a function`,
    `Error: TypeError: payload: ${expected} a symbol`,
    `Error: TypeError: payload: ${expected} a promise`,
    `Error: TypeError: scope: ${expected} an object that holds something else`,
    `Error: TypeError: find parameters: ${expected} a function`,
    `Error: TypeError: list parameters: ${expected} a symbol`,
    `Error: TypeError: name: ${expected} an object that holds something else`,
    'Error: An object could not be cloned.',
    'example',
    [nobody, nobody],
    ['answered', 'answered'],
  ])
})
