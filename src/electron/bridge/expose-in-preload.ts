import type { FindParams, ListParams, SetParams, TargetParams } from '../../input/params'
import type { ChangeEvent, DeletedSecret, Secret, SecretList } from '../../model'
import { type Answer, type BridgeCall, CALL_CHANNEL, PORT_CHANNEL } from './channel'
import { failedCall } from './failed-call'

/**
 * `window.secrets`, as far as the page is allowed. Of an error its text alone comes through, which begins with the
 * code, or `TypeError` or `RangeError`, and a colon: `ERR_ACCESS_DENIED: …`.
 */
export interface SecretsBridge {
  /** As `set` of the store. */
  set(params: SetParams): Promise<Secret>
  /** As `find` of the store. */
  find(params: FindParams): Promise<Secret | undefined>
  /** As `get` of the store: a text payload. */
  get(params: TargetParams): Promise<string | undefined>
  /** As `getBytes` of the store: any payload as bytes. */
  getBytes(params: TargetParams): Promise<Uint8Array | undefined>
  /** One page. */
  list(params: ListParams): Promise<SecretList>
  /** As `delete` of the store. */
  delete(params: FindParams): Promise<DeletedSecret | undefined>
  /** Until the page is no longer allowed to. @returns Ends it. */
  onChange(listener: (change: ChangeEvent) => void): Promise<() => void>
}

/** What is used of Electron's `contextBridge`. */
export interface ContextBridge {
  /** Gives the page a property of `window`. */
  exposeInMainWorld(key: string, api: unknown): void
}

/** What is used of Electron's `ipcRenderer`. */
export interface IpcRenderer {
  /** Asks the main process, and waits for its answer. */
  invoke(channel: string, ...args: unknown[]): Promise<unknown>
  /** Sends the main process a message with ports. */
  postMessage(channel: string, message: unknown, ports?: unknown[]): void
}

/** Of the page, whose own properties no page can change. */
declare const location: { readonly href: string } | undefined

declare const MessageChannel: new () => { readonly port1: Port; readonly port2: unknown }

interface Port {
  onmessage(event: { readonly data: unknown }): void
  addEventListener(event: 'close', listener: () => void): void
  close(): void
}

type Call = <T>(name: BridgeCall, params?: unknown) => Promise<T>

/**
 * Gives the page of this preload script `window.secrets`, in sandboxed renderers, too. Call it as the script runs, when
 * the page has not run yet.
 *
 * @param key - The property of `window`. @defaultValue `'secrets'`
 */
export function exposeInPreload(contextBridge: ContextBridge, ipcRenderer: IpcRenderer, key = 'secrets'): void {
  const loadedAs = typeof location === 'undefined' ? undefined : location.href
  const call: Call = async <T>(name: BridgeCall, params?: unknown): Promise<T> => {
    const answer = (await ipcRenderer.invoke(CALL_CHANNEL, name, params, loadedAs).catch((error) => {
      throw failedCall(error, name, params)
    })) as Answer
    if ('error' in answer) throw new Error(`${answer.error.code}: ${answer.error.message}`)
    return answer.value as T
  }
  const api: SecretsBridge = {
    set: (params) => call('set', params),
    find: (params) => call('find', params),
    get: (params) => call('get', params),
    getBytes: (params) => call('getBytes', params),
    list: (params) => call('list', params),
    delete: (params) => call('delete', params),
    onChange: changes(ipcRenderer, call),
  }
  contextBridge.exposeInMainWorld(key, api)
}

/** All listeners of a page are told by one port, which is open while there are any. */
function changes(ipcRenderer: IpcRenderer, call: Call): SecretsBridge['onChange'] {
  const listeners = new Set<{ tell(change: ChangeEvent): void }>()
  let opened: Promise<Port> | undefined
  const open = (): Promise<Port> => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = ({ data }) => {
      for (const listener of [...listeners]) listener.tell(data as ChangeEvent)
    }
    const forget = (): void => {
      if (opened === opening) opened = undefined
    }
    port1.addEventListener('close', () => {
      // Those of another port, opened meanwhile, go on.
      if (opened === opening) listeners.clear()
      forget()
    })
    ipcRenderer.postMessage(PORT_CHANNEL, undefined, [port2])
    const opening = call('watch').then(
      () => port1,
      (error) => {
        forget()
        port1.close()
        throw error
      },
    )
    return opening
  }
  return async (listener) => {
    if (typeof listener !== 'function') throw new Error('TypeError: onChange: expected a function, got something else')
    // The same function may come twice, and is told twice.
    const registered = { tell: (change: ChangeEvent) => tell(listener, change) }
    listeners.add(registered)
    let port: Port
    try {
      opened ??= open()
      port = await opened
    } catch (error) {
      listeners.delete(registered)
      throw error
    }
    return () => {
      if (!listeners.delete(registered) || listeners.size > 0) return
      opened = undefined
      port.close()
    }
  }
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
