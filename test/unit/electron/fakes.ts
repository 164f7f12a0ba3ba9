import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { onTestFinished } from 'vitest'
import {
  exposeInPreload,
  exposeSecrets,
  type Grant,
  type InvokeEvent,
  type IpcMain,
  type SecretsBridge,
  type WebFrame,
} from '../../../src/electron'
import { type MemoryOptions, SecretStore } from '../../../src/index'

/** What of Electron the bridge uses, without Electron: messages are cloned as it clones them, and all of them are kept. */

const CALL = 'secret-store:call'
const PORT = 'secret-store:port'

export type Answer = { readonly value?: unknown; readonly error?: { readonly code: string; readonly message: string } }

type CallListener = Parameters<IpcMain['handle']>[1]
type PortListener = Parameters<IpcMain['on']>[1]
type Port = NonNullable<Parameters<PortListener>[0]['ports']>[number]

export class FakeFrame implements WebFrame {
  url: string
  origin: string
  parent: WebFrame | null
  detached = false
  destroyed = false
  processId = 1
  routingId = 1
  /** As Electron does when the frame was disposed of. */
  throws = false

  constructor(url: string, origin: string = originOf(url), parent: WebFrame | null = null) {
    this.url = url
    this.origin = origin
    this.parent = parent
    for (const name of ['url', 'origin', 'parent'] as const) {
      let value: unknown = this[name]
      Object.defineProperty(this, name, {
        get: () => {
          if (this.throws) throw new Error('Render frame was disposed before WebFrameMain could be accessed')
          return value
        },
        set: (next: unknown) => {
          value = next
        },
      })
    }
  }

  isDestroyed(): boolean {
    return this.destroyed
  }

  navigate(url: string, origin: string = originOf(url)): void {
    this.url = url
    this.origin = origin
  }
}

/** As Chromium writes it. */
export function originOf(url: string): string {
  const { protocol, host } = new URL(url)
  if (protocol === 'file:') return 'file://'
  return ['data:', 'about:'].includes(protocol) ? 'null' : `${protocol}//${host}`
}

export class FakeIpc implements IpcMain {
  readonly #calls = new Map<string, CallListener>()
  readonly #messages = new Map<string, Set<PortListener>>()
  /** Everything that left the main process. */
  readonly sent: unknown[] = []
  readonly ports: FakePort[] = []

  handle(channel: string, listener: CallListener): void {
    if (this.#calls.has(channel)) throw new Error(`Attempted to register a second handler for '${channel}'`)
    this.#calls.set(channel, listener)
  }

  removeHandler(channel: string): void {
    this.#calls.delete(channel)
  }

  on(channel: string, listener: PortListener): void {
    const listeners = this.#messages.get(channel) ?? new Set()
    this.#messages.set(channel, listeners.add(listener))
  }

  removeListener(channel: string, listener: PortListener): void {
    this.#messages.get(channel)?.delete(listener)
  }

  async invoke(event: InvokeEvent, channel: string, ...args: unknown[]): Promise<unknown> {
    const handler = this.#calls.get(channel)
    if (handler === undefined) {
      throw new Error(`Error invoking remote method '${channel}': Error: No handler registered for '${channel}'`)
    }
    const answer = structuredClone(await handler(event, ...(structuredClone(args) as unknown[])))
    this.sent.push(answer)
    return answer
  }

  /** As `ipcRenderer.send`: the event has no `ports` at all. */
  send(event: InvokeEvent, channel: string): void {
    for (const listener of this.#messages.get(channel) ?? []) listener(event)
  }

  post(event: InvokeEvent, channel: string, ports: readonly MessagePort[]): void {
    const taken = ports.map((port) => new FakePort(port, this.sent))
    this.ports.push(...taken)
    // Made from it, so that its getters stay getters.
    const withPorts = Object.create(event, { ports: { value: taken } }) as Parameters<PortListener>[0]
    for (const listener of this.#messages.get(channel) ?? []) listener(withPorts)
  }

  /** How many ports are open on the side of the main process. */
  get openPorts(): number {
    return this.ports.filter((port) => !port.closed).length
  }
}

class FakePort implements Port {
  readonly #port: MessagePort
  readonly #sent: unknown[]
  closed = false
  started = false

  constructor(port: MessagePort, sent: unknown[]) {
    this.#port = port
    this.#sent = sent
    port.unref()
    port.once('close', () => {
      this.closed = true
    })
  }

  on(_: 'close', listener: () => void): void {
    this.#port.on('close', listener)
  }

  postMessage(message: unknown): void {
    this.#sent.push(structuredClone(message))
    this.#port.postMessage(message)
  }

  start(): void {
    this.started = true
    this.#port.start()
  }

  close(): void {
    this.closed = true
    this.#port.close()
  }
}

/** A page in a frame, with what a page that has broken out of it could do, and with what it is meant to have. */
export class FakePage {
  readonly frame: FakeFrame
  readonly event: InvokeEvent
  /** The main frame of the window, with the frames that it says are in its tree. */
  readonly main: FakeFrame & { framesInSubtree: WebFrame[] }
  readonly #ipc: FakeIpc
  readonly #loadedAs: string
  #secrets: SecretsBridge | undefined

  constructor(ipc: FakeIpc, frame: FakeFrame, id = 1) {
    this.#ipc = ipc
    this.frame = frame
    this.#loadedAs = frame.url
    this.main = Object.assign(new FakeFrame(frame.url, frame.origin), { framesInSubtree: [] })
    this.event = { sender: { id, mainFrame: this.main }, senderFrame: frame }
  }

  /** A message of any form. */
  async raw(...args: unknown[]): Promise<Answer> {
    return (await this.#ipc.invoke(this.event, CALL, ...args)) as Answer
  }

  /** As the preload script calls. */
  call(name: string, params?: unknown): Promise<Answer> {
    return this.raw(name, params, this.#loadedAs)
  }

  /** What became of a call: the value, or the code of the error. */
  async outcome(name: string, params?: unknown): Promise<unknown> {
    const { value, error } = await this.call(name, params)
    return error?.code ?? value
  }

  /** Sends ports, and nothing after them. @returns The other ends. */
  postPorts(count = 1): MessagePort[] {
    const channels = Array.from({ length: count }, () => new MessageChannel())
    this.#ipc.post(
      this.event,
      PORT,
      channels.map(({ port2 }) => port2),
    )
    return channels.map(({ port1 }) => {
      port1.unref()
      onTestFinished(() => port1.close())
      return port1
    })
  }

  sendWithoutPorts(): void {
    this.#ipc.send(this.event, PORT)
  }

  /** `window.secrets`, by the preload script. */
  get secrets(): SecretsBridge {
    this.#secrets ??= this.#expose()
    return this.#secrets
  }

  #expose(): SecretsBridge {
    let exposed: unknown
    const contextBridge = {
      exposeInMainWorld: (key: string, api: unknown) => {
        exposed = { [key]: api }
      },
    }
    const scope = globalThis as { location?: { readonly href: string } }
    scope.location = { href: this.#loadedAs }
    try {
      exposeInPreload(contextBridge, {
        invoke: (channel, ...args) => this.#ipc.invoke(this.event, channel, ...args),
        postMessage: (channel, _, ports) => this.#ipc.post(this.event, channel, ports as MessagePort[]),
      })
    } finally {
      delete scope.location
    }
    return (exposed as { readonly secrets: SecretsBridge }).secrets
  }
}

export interface World {
  readonly store: SecretStore
  readonly ipc: FakeIpc
  /** Ends the bridge. */
  end(): void
  page(url?: string, origin?: string, parent?: WebFrame): FakePage
}

export const APP = 'https://app.example'

/** A store, exposed. */
export function expose(
  allow: readonly Grant[] | ((store: SecretStore) => readonly Grant[]),
  options?: MemoryOptions,
): World {
  const store = SecretStore.memory({ sweepIntervalMs: 0, ...options })
  onTestFinished(() => store.close())
  const ipc = new FakeIpc()
  const end = exposeSecrets(ipc, store, { allow: typeof allow === 'function' ? allow(store) : allow })
  onTestFinished(end)
  return {
    store,
    ipc,
    end,
    page: (url = `${APP}/`, origin, parent) => new FakePage(ipc, new FakeFrame(url, origin, parent ?? null)),
  }
}

/** Everything, for the pages of the app. */
export const everything: Grant = { origin: APP, verbs: 'all', scopes: 'all', names: 'all' }
