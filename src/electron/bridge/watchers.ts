import type { ChangeEvent } from '../../model'
import type { Access } from './grants'
import { type MessagePortMain, type Sender, senderIn } from './sender'

interface Watcher {
  readonly sender: Sender
  readonly access: Access
  readonly port: MessagePortMain
  stop(): void
}

/** The pages that want to hear of changes. Whether they may is asked again at each. */
export class Watchers {
  readonly #accessOf: (sender: Sender) => Access | undefined
  readonly #offered = new WeakMap<object, MessagePortMain>()
  readonly #watchers = new Map<object, Watcher>()

  constructor(accessOf: (sender: Sender) => Access | undefined) {
    this.#accessOf = accessOf
  }

  /** Keeps the port of a frame until its page asks to hear of changes by it. */
  offer(frame: object, port: MessagePortMain): void {
    this.#offered.get(frame)?.close()
    this.#offered.set(frame, port)
  }

  /** In place of what the frame had before. @throws {SecretStoreError} `ERR_CLOSED`. */
  start(sender: Sender, access: Access): void {
    const { frame } = sender
    const port = this.#offered.get(frame)
    if (port === undefined) throw new TypeError('secrets: expected a port to tell of changes by, got none')
    this.#offered.delete(frame)
    const watcher: Watcher = { sender, access, port, stop: () => stop() }
    let stop: () => void
    try {
      stop = access.view.on('change', (change) => this.#tell(watcher, change))
    } catch (error) {
      port.close()
      throw error
    }
    this.#end(this.#watchers.get(frame))
    this.#watchers.set(frame, watcher)
    port.on('close', () => this.#end(watcher))
    port.start() // what is said into it is dropped, and not kept
  }

  close(): void {
    for (const watcher of [...this.#watchers.values()]) this.#end(watcher)
  }

  #tell(watcher: Watcher, change: ChangeEvent): void {
    const { frame, webContents, loadedAs } = watcher.sender
    const now = senderIn(frame, webContents, loadedAs)
    if (now?.host !== watcher.sender.host || this.#accessOf(now) !== watcher.access) this.#end(watcher)
    else watcher.port.postMessage(change)
  }

  #end(watcher: Watcher | undefined): void {
    if (watcher === undefined) return
    const { sender, port, stop } = watcher
    if (this.#watchers.get(sender.frame) === watcher) this.#watchers.delete(sender.frame)
    stop()
    port.close()
  }
}
