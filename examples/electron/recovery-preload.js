const { contextBridge, ipcRenderer } = require('electron')

contextBridge.exposeInMainWorld('recovery', {
  onQuestion(listener) {
    ipcRenderer.on('recovery:question', (_, question) => listener(question))
  },
  answer(answer) {
    ipcRenderer.send('recovery:answer', answer)
  },
})
