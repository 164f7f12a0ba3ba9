const { join } = require('node:path')
const { clipboard, ipcMain, session } = require('electron')

/** Copying: the payload goes from the store to the clipboard, and never into the page. */

const KEPT_MS = 30_000

/** The page gets a function for it, beside those of the library's preload script. */
function exposeCopy() {
  const preload = join(__dirname, 'copy-preload.js')
  const { defaultSession } = session
  // Since Electron 35 under another name.
  if (defaultSession.registerPreloadScript) defaultSession.registerPreloadScript({ type: 'frame', filePath: preload })
  else defaultSession.setPreloads([preload])
}

/**
 * Answers the page.
 *
 * @param view - What the page may see of the store.
 * @param origin - Whose page may ask.
 */
function serveCopy(view, origin) {
  let copied
  let timer
  ipcMain.handle('secrets:copy', async ({ senderFrame }, target) => {
    if (senderFrame?.origin !== origin || senderFrame.parent !== null) return 0
    const payload = await view.get(target)
    if (payload === undefined) return 0
    clipboard.writeText(payload)
    copied = payload
    clearTimeout(timer)
    timer = setTimeout(forget, KEPT_MS)
    return KEPT_MS / 1000
  })

  /** What somebody has copied since is left alone. */
  function forget() {
    clearTimeout(timer)
    if (copied !== undefined && clipboard.readText() === copied) clipboard.clear()
    copied = undefined
  }
  return forget
}

module.exports = { exposeCopy, serveCopy }
