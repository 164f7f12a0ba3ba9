const electron = require('electron')
const { app, BrowserWindow, ipcMain, Menu, session } = require('electron')
const { account } = require('app-secret-store')
const { exposeSecrets, openInUserData } = require('app-secret-store/electron')
const { declareScheme, servePages } = require('./app-scheme.js')
const { exposeCopy, serveCopy } = require('./clipboard.js')
const { appMenu } = require('./menu.js')
const { RecoveryWindow } = require('./recovery-window.js')

/** The main process: it has the store, and says which page may do what with it. */

const PRELOAD = require.resolve('app-secret-store/electron/preload')

/** `undefined` until it is open, and while the app quits. */
let store
/** Takes what was copied out of the clipboard again. */
let forgetCopied = () => {}

declareScheme()
// Two processes cannot have the same store open.
if (app.requestSingleInstanceLock()) start()
else app.quit()

async function start() {
  app.on('web-contents-created', (_, contents) => {
    contents.setWindowOpenHandler(() => ({ action: 'deny' }))
    contents.on('will-navigate', (event) => event.preventDefault())
  })
  app.on('second-instance', showWindow)
  app.on('activate', showWindow)
  app.on('window-all-closed', () => {
    // Before the store is open, who has closed the window is asked no more, and that is where it ends.
    if (store !== undefined && process.platform !== 'darwin') app.quit()
  })
  app.on('will-quit', closeStore)
  await app.whenReady()
  session.defaultSession.setPermissionRequestHandler((_, __, decide) => decide(false))
  Menu.setApplicationMenu(appMenu({ newWindow: openWindow }))
  servePages()
  exposeCopy()

  const recovery = new RecoveryWindow()
  try {
    store = await openStore(recovery)
  } catch (error) {
    // What does not open is for the user to see to. It is no reason to begin with an empty one.
    if (!recovery.isDismissed) await recovery.tell(error)
    return app.quit()
  }
  exposeSecrets(ipcMain, store, {
    allow: [{ origin: 'app://secrets', verbs: 'all', scopes: [account], names: 'all' }],
  })
  forgetCopied = serveCopy(store.view({}), 'app://secrets')
  openWindow()
  recovery.close()
}

function openStore(recovery) {
  return openInUserData(electron, {
    offerRecoveryCode: (code) => recovery.offer(code),
    askRecoveryCode: (reason, attempt) => recovery.askFor(reason, attempt),
  })
}

function openWindow() {
  if (store === undefined) return
  const window = new BrowserWindow({
    width: 760,
    height: 780,
    minWidth: 320,
    minHeight: 320,
    show: false,
    // What keeps the page in its place (`contextIsolation`, `sandbox`, no `nodeIntegration`) is Electron's default.
    webPreferences: { preload: PRELOAD },
  })
  window.once('ready-to-show', () => window.show())
  window.loadURL('app://secrets/')
}

function showWindow() {
  const [window] = BrowserWindow.getAllWindows()
  if (window === undefined) return openWindow()
  if (window.isMinimized()) window.restore()
  window.focus()
}

function closeStore(event) {
  if (store === undefined) return
  event.preventDefault()
  forgetCopied()
  const closing = store
  store = undefined
  closing.close().finally(() => app.quit())
}
