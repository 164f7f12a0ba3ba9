import { account, type SecretStore } from 'app-secret-store'
import {
  exposeInPreload,
  exposeSecrets,
  openInUserData,
  type SecretsBridge,
  safeStorage,
} from 'app-secret-store/electron'
import { exposeInPreload as exposeAlone } from 'app-secret-store/electron/expose'
import type {} from 'app-secret-store/electron/preload'
import * as electron from 'electron'

/** Electron's own objects are what the adapters take, old and new. */
export async function main(): Promise<void> {
  const { BrowserWindow, contextBridge, ipcMain, ipcRenderer } = electron
  const store: SecretStore = await openInUserData(electron, { offerRecoveryCode: (code) => code.length > 0 })
  await store.addKey(safeStorage(electron.safeStorage, { label: 'this computer' }))
  const end: () => void = exposeSecrets(ipcMain, store, {
    allow: [
      { origin: 'app://notes', verbs: ['get'], scopes: [account], names: ['token', { prefix: 'ui/' }] },
      { page: 'file:///index.html', verbs: 'all', scopes: 'all', names: 'all', view: store.view({ user: 'usr_1' }) },
      {
        origin: 'app://notes',
        when: ({ webContents }) => webContents.id === BrowserWindow.getAllWindows()[0]?.webContents.id,
        verbs: ['watch'],
        scopes: 'all',
        names: 'all',
      },
    ],
  })
  end()
  exposeInPreload(contextBridge, ipcRenderer)
  exposeAlone(contextBridge, ipcRenderer)
}

/** In a page. */
export async function page(window: Window): Promise<void> {
  const secrets: SecretsBridge = window.secrets
  const text: string | undefined = await secrets.get({ scope: { type: 'account' }, name: 'token' })
  const stop: () => void = await secrets.onChange(({ type, name }) => console.log(type, name))
  stop()
  // @ts-expect-error there is no batch in a page
  secrets.batch([])
  void text
}
