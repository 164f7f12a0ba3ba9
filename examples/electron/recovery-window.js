const { join } = require('node:path')
const { BrowserWindow } = require('electron')

/** The window before the first one: it shows the recovery code, asks for it, or says why the store does not open. */
class RecoveryWindow {
  #window
  #resolve
  #reject
  /** Whether the user has closed it, and with it the app. */
  isDismissed = false

  /** @returns Whether the user has the code. */
  async offer(code) {
    return (await this.#ask({ type: 'offer', code })) === true
  }

  /** @returns What the user typed. */
  askFor(reason, attempt) {
    return this.#ask({ type: 'code', reason: reason.code ?? reason.name, isFirst: attempt === 1 })
  }

  /** Until it is closed. */
  async tell({ code, message }) {
    await this.#ask({ type: 'failure', code, message }).catch(() => {})
  }

  close() {
    this.#window?.destroy()
  }

  /** @throws {Error} If the window is closed instead. */
  async #ask(question) {
    this.#window ??= await this.#open()
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#window.webContents.send('recovery:question', question)
    })
  }

  async #open() {
    const window = new BrowserWindow({
      width: 620,
      height: 560,
      minWidth: 320,
      minHeight: 320,
      useContentSize: true,
      show: false,
      webPreferences: { preload: join(__dirname, 'recovery-preload.js') },
    })
    window.once('ready-to-show', () => window.show())
    window.once('closed', () => {
      this.isDismissed = true
      this.#reject?.(new Error('recovery window: expected an answer, got closed'))
    })
    // Heard from this window alone. Who it is says the frame, not the message.
    window.webContents.ipc.on('recovery:answer', ({ senderFrame }, answer) => {
      if (senderFrame?.origin === 'app://recovery' && senderFrame.parent === null) this.#resolve(answer)
    })
    await window.loadURL('app://recovery/')
    return window
  }
}

module.exports = { RecoveryWindow }
