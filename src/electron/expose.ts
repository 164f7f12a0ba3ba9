/** What a preload script of an app's own needs, in a file that loads nothing: a sandboxed one has no Node. */
export { type ContextBridge, exposeInPreload, type IpcRenderer, type SecretsBridge } from './bridge/expose-in-preload'
