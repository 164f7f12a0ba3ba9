import type { ChangeEvent, DeletedSecret, Secret, SecretList } from '../../model'
import type { FindParams, ListParams, SetParams, TargetParams } from '../../view'
import { type Answer, type BridgeCall, CALL_CHANNEL, CHANGE_CHANNEL } from './channel'

/**
 * `window.secrets`, as far as the page is allowed. Of an error its text alone comes through, which begins with the code, or `TypeError` or
 * `RangeError`, and a colon: `ERR_ACCESS_DENIED: …`.
 */
export interface SecretsBridge {
  set(params: SetParams): Promise<Secret>
  find(params: FindParams): Promise<Secret | undefined>
  get(params: TargetParams): Promise<string | undefined>
  getBytes(params: TargetParams): Promise<Uint8Array | undefined>
  /** One page. */
  list(params: ListParams): Promise<SecretList>
  delete(params: FindParams): Promise<DeletedSecret | undefined>
  /** @returns Ends it. */
  onChange(listener: (change: ChangeEvent) => void): Promise<() => void>
}

/** What is used of Electron's `contextBridge`. */
export interface ContextBridge {
  exposeInMainWorld(key: string, api: unknown): void
}

/** What is used of Electron's `ipcRenderer`. */
export interface IpcRenderer {
  invoke(channel: string, ...args: unknown[]): Promise<unknown>
  on(channel: string, listener: (event: unknown, ...args: unknown[]) => void): unknown
}

/**
 * Gives the page of this preload script `window.secrets`. It needs nothing of Node, so that it works in sandboxed renderers.
 *
 * @param key - The property of `window`. @defaultValue `'secrets'`
 */
export function exposeInPreload(contextBridge: ContextBridge, ipcRenderer: IpcRenderer, key = 'secrets'): void {
  const listeners = new Set<{ tell(change: ChangeEvent): void }>()
  const call = async <T>(name: BridgeCall, params?: unknown): Promise<T> => {
    const answer = (await ipcRenderer.invoke(CALL_CHANNEL, name, params)) as Answer
    if ('error' in answer) throw new Error(`${answer.error.code}: ${answer.error.message}`)
    return answer.value as T
  }
  ipcRenderer.on(CHANGE_CHANNEL, (_, change) => {
    for (const listener of [...listeners]) listener.tell(change as ChangeEvent)
  })
  const api: SecretsBridge = {
    set: (params) => call('set', params),
    find: (params) => call('find', params),
    get: (params) => call('get', params),
    getBytes: (params) => call('getBytes', params),
    list: (params) => call('list', params),
    delete: (params) => call('delete', params),
    async onChange(listener) {
      // The same function may come twice, and is told twice.
      const registered = { tell: (change: ChangeEvent) => tell(listener, change) }
      listeners.add(registered)
      try {
        await call('watch')
      } catch (error) {
        listeners.delete(registered)
        throw error
      }
      return () => {
        if (listeners.delete(registered) && listeners.size === 0) call('unwatch').catch(() => {})
      }
    },
  }
  contextBridge.exposeInMainWorld(key, api)
}

/** What a listener throws is the page's, as of any other event. */
function tell(listener: (change: ChangeEvent) => void, change: ChangeEvent): void {
  try {
    listener(change)
  } catch (error) {
    setTimeout(() => {
      throw error
    })
  }
}
