const { Menu } = require('electron')

/** Without "Reload" and "Toggle Developer Tools", which Electron's own menu has. */
function appMenu({ newWindow }) {
  return Menu.buildFromTemplate([
    ...(process.platform === 'darwin' ? [{ role: 'appMenu' }] : []),
    {
      role: 'fileMenu',
      submenu: [
        { id: 'new-window', label: '&New Window', accelerator: 'CmdOrCtrl+N', click: () => newWindow() },
        { role: 'close' },
        ...(process.platform === 'darwin' ? [] : [{ role: 'quit' }]),
      ],
    },
    { role: 'editMenu' },
    {
      role: 'viewMenu',
      submenu: [{ role: 'resetZoom' }, { role: 'zoomIn' }, { role: 'zoomOut' }, { role: 'togglefullscreen' }],
    },
  ])
}

module.exports = { appMenu }
