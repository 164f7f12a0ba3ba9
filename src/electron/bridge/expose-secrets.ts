import { optionsOf } from '../../base/checks'
import { SecretStoreError } from '../../errors'
import type { SecretStore } from '../../store'
import { partsOf } from '../../view'
import { CALLS } from './calls'
import { type Answer, type BridgeVerb, CALL_CHANNEL, PORT_CHANNEL } from './channel'
import { type Access, type Grant, parseGrants } from './grants'
import { Loads } from './load'
import { frameOf, type InvokeEvent, type MessageEvent, type Sender, senderIn, type WebFrame } from './sender'
import { Watchers } from './watchers'

/** What is used of Electron's `ipcMain`. */
export interface IpcMain {
  /** Answers calls of a channel. */
  handle(channel: string, listener: (event: InvokeEvent, ...args: unknown[]) => Promise<unknown>): void
  /** Ends `handle`. */
  removeHandler(channel: string): void
  /** Listens to messages of a channel. */
  on(channel: string, listener: (event: MessageEvent, ...args: unknown[]) => void): unknown
  /** Ends `on`. */
  removeListener(channel: string, listener: (event: MessageEvent, ...args: unknown[]) => void): unknown
}

/** Options of `exposeSecrets`. */
export interface ExposeOptions {
  /** Who may do what. The first grant that matches a page counts; a page without one may do nothing. */
  readonly allow: readonly Grant[]
}

/**
 * Lets pages use a store, each as far as it is allowed. The browser process knows from the frame which page asks; no
 * message can allow anything. The preload script is `exposeInPreload`.
 *
 * @param ipcMain - Of the module `electron`, or the `ipc` of a window's `webContents`.
 * @returns Ends it: what is under way is then answered to nobody.
 * @throws {TypeError} On bad options.
 */
export function exposeSecrets(ipcMain: IpcMain, store: SecretStore, options: ExposeOptions): () => void {
  for (const method of ['handle', 'removeHandler', 'on', 'removeListener'] as const) {
    if (typeof ipcMain?.[method] !== 'function') {
      throw new TypeError("ipcMain: expected Electron's, in the main process, got something else")
    }
  }
  const context = partsOf(store)?.context
  if (context === undefined) throw new TypeError('store: expected a store that was opened, got something else')
  const { allow } = optionsOf<ExposeOptions>(options, 'exposeSecrets', ['allow'])
  const bridge = new Bridge(parseGrants(allow, store), (error) => context.report(error))
  const takePort = (event: MessageEvent): void => bridge.takePort(event)
  ipcMain.handle(CALL_CHANNEL, (event, ...said) => bridge.answer(event, said))
  ipcMain.on(PORT_CHANNEL, takePort)
  let ended = false
  return () => {
    if (ended) return // by now it may be another's handler
    ended = true
    ipcMain.removeHandler(CALL_CHANNEL)
    ipcMain.removeListener(PORT_CHANNEL, takePort)
    bridge.close()
  }
}

class Bridge {
  readonly #report: (error: unknown) => void
  readonly #watchers = new Watchers((sender) => this.#accessOf(sender))
  readonly #loads = new Loads()
  #grants: readonly Access[]

  constructor(grants: readonly Access[], report: (error: unknown) => void) {
    this.#grants = grants
    this.#report = report
  }

  /** Of anything that a renderer may send. It is never rejected: what an error says is chosen here. */
  async answer(event: InvokeEvent, said: readonly unknown[]): Promise<Answer> {
    try {
      return { value: await this.#call(frameOf(event), event, said) }
    } catch (error) {
      return { error: told(error) }
    }
  }

  /** What comes with it is one port, or is of no use. Nothing may be thrown here: nobody would catch it. */
  takePort(event: MessageEvent): void {
    const { ports = [] } = event
    const [port] = ports
    const frame = frameOf(event)
    if (port !== undefined && frame !== undefined && ports.length === 1) this.#watchers.offer(frame, port)
    else for (const useless of ports) useless.close()
  }

  close(): void {
    this.#grants = []
    this.#watchers.close()
  }

  async #call(
    frame: WebFrame | undefined,
    { sender: webContents }: InvokeEvent,
    [call, params, loadedAs]: readonly unknown[],
  ): Promise<unknown> {
    const sender = frame && senderIn(frame, webContents, loadedAs)
    const access = sender && this.#accessOf(sender)
    if (sender === undefined || access === undefined) throw denied('a page that is allowed to use secrets')
    if (call === 'watch') {
      checkAllowed(access, 'watch')
      return this.#watchers.start(sender, access)
    }
    const { verb, check, run } = CALLS.get(call) ?? unknownCall()
    checkAllowed(access, verb)
    const { expand, payload } = (params ?? {}) as { readonly expand?: unknown; readonly payload?: unknown }
    if (expand !== undefined) checkAllowed(access, 'get')
    check?.(params)
    const isRead = expand !== undefined || (verb !== 'set' && verb !== 'delete')
    const asked = { payloadBytes: bytesAtMost(payload), isRead }
    const value = await this.#loads.within(sender.frame, asked, () => run(access.view, params as never))
    // Meanwhile another page may have come into the frame, which is not to have the answer.
    const still = senderIn(sender.frame, webContents, loadedAs)
    if (still?.host !== sender.host || this.#accessOf(still) !== access) throw denied('the page that asked')
    return value
  }

  /** `undefined` if the app's own condition throws: the grants after it may allow more. */
  #accessOf(sender: Sender): Access | undefined {
    try {
      return this.#grants.find((grant) => grant.matches(sender))
    } catch (error) {
      this.#report(error)
      return undefined
    }
  }
}

/** Of a payload, before it is known to be one. */
function bytesAtMost(payload: unknown): number {
  if (typeof payload === 'string') return payload.length
  return ArrayBuffer.isView(payload) ? payload.byteLength : 0
}

/** A renderer gets the message of an error of the library; of any other error, only that there was one. */
function told(error: unknown): Extract<Answer, { error: unknown }>['error'] {
  const code =
    (error instanceof SecretStoreError && error.code) ||
    (error instanceof TypeError && 'TypeError') ||
    (error instanceof RangeError && 'RangeError')
  if (!code) return { code: 'Error', message: 'secrets: expected an answer, got an error' }
  return { code, message: (error as Error).message }
}

function checkAllowed(access: Access, verb: BridgeVerb): void {
  if (!access.allows(verb)) throw denied(`a page that is allowed to ${verb}`)
}

function denied(expected: string): SecretStoreError {
  return new SecretStoreError('ERR_ACCESS_DENIED', `secrets: expected ${expected}, got another`)
}

function unknownCall(): never {
  throw new TypeError(`secrets: expected one of ${[...CALLS.keys(), 'watch'].join(', ')}, got another`)
}
