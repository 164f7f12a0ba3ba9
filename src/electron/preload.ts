import { exposeInPreload, type SecretsBridge } from './bridge/expose-in-preload'

export type { SecretsBridge } from './bridge/expose-in-preload'

/** A preload script as it is: `webPreferences: { preload: require.resolve('app-secret-store/electron/preload') }`. */

declare global {
  interface Window {
    readonly secrets: SecretsBridge
  }
}

declare const require: (name: 'electron') => {
  readonly contextBridge: Parameters<typeof exposeInPreload>[0]
  readonly ipcRenderer: Parameters<typeof exposeInPreload>[1]
}

const { contextBridge, ipcRenderer } = require('electron')
exposeInPreload(contextBridge, ipcRenderer)
