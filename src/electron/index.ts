export type { BridgeVerb } from './bridge/channel'
export {
  type ContextBridge,
  exposeInPreload,
  type IpcRenderer,
  type SecretsBridge,
} from './bridge/expose-in-preload'
export { type ExposeOptions, exposeSecrets, type IpcMain } from './bridge/expose-secrets'
export type { Grant } from './bridge/grants'
export type { InvokeEvent, MessageEvent, MessagePortMain, WebContents, WebFrame } from './bridge/sender'
export {
  type FromMainOptions,
  type KeyFromMainOptions,
  keyFromMain,
  openFromMain,
} from './key-port/key-from-main'
export type { KeyPort } from './key-port/messages'
export { provideKey } from './key-port/provide-key'
export type { ElectronSafeStorage } from './keychain'
export { type Electron, openInUserData, type UserDataOptions } from './open-in-user-data'
export { type SafeStorageOptions, safeStorage } from './safe-storage'
