const { contextBridge, ipcRenderer } = require('electron')

if (location.origin === 'app://secrets') {
  contextBridge.exposeInMainWorld('copySecret', ({ scope, name }) =>
    ipcRenderer.invoke('secrets:copy', { scope, name }),
  )
}
