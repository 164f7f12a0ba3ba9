import { SecretStoreError } from '../../errors'
import type { SecretStore } from '../../store'
import { optionsOf } from '../../validate'
import type { FindParams, ListParams, SecretView, SetParams, TargetParams } from '../../view'
import { type Answer, type BridgeCall, type BridgeVerb, CALL_CHANNEL } from './channel'
import { type Access, type Grant, parseGrants } from './grants'
import { type InvokeEvent, type Sender, senderOf } from './sender'
import { Watchers } from './watchers'

/** What is used of Electron's `ipcMain`. */
export interface IpcMain {
  handle(channel: string, listener: (event: InvokeEvent, ...args: unknown[]) => Promise<unknown>): void
  removeHandler(channel: string): void
}

export interface ExposeOptions {
  /** Who may do what: of the grants that match the sender, the first one counts. A page that none matches may do nothing. */
  readonly allow: readonly Grant[]
}

/** What may wait at once, of one page and of all: beyond it, calls are refused. */
const MOST_CALLS = 1000
const MOST_PAYLOAD_BYTES: number = 64 * 1024 * 1024

type Run = (view: SecretView, params: never) => Promise<unknown>

const CALLS: ReadonlyMap<BridgeCall, { readonly verb: BridgeVerb; readonly run: Run }> = new Map([
  ['find', { verb: 'find', run: (view, params: FindParams) => view.find(params) }],
  ['list', { verb: 'list', run: async (view, params: ListParams) => view.list(params) }],
  ['get', { verb: 'get', run: (view, params: TargetParams) => view.get(params) }],
  ['getBytes', { verb: 'get', run: (view, params: TargetParams) => view.getBytes(params) }],
  ['set', { verb: 'set', run: (view, params: SetParams) => view.set(params) }],
  ['delete', { verb: 'delete', run: (view, params: FindParams) => view.delete(params) }],
] satisfies [BridgeCall, { verb: BridgeVerb; run: Run }][])

/**
 * Lets pages use a store, each as far as it is allowed: which page asks is known from its frame, as the browser process has it, and
 * never from what a message says. The preload script is `exposeInPreload`.
 *
 * @param ipcMain - Of the module `electron`, or the `ipc` of a window's `webContents`.
 * @returns Ends it.
 * @throws {TypeError} On bad options.
 */
export function exposeSecrets(ipcMain: IpcMain, store: SecretStore, options: ExposeOptions): () => void {
  if (typeof ipcMain?.handle !== 'function' || typeof ipcMain.removeHandler !== 'function') {
    throw new TypeError("ipcMain: expected Electron's, in the main process, got something else")
  }
  const { allow } = optionsOf<ExposeOptions>(options, 'exposeSecrets', ['allow'])
  const bridge = new Bridge(parseGrants(allow, store))
  ipcMain.handle(CALL_CHANNEL, (event, call, params) => bridge.answer(event, call, params))
  return () => {
    ipcMain.removeHandler(CALL_CHANNEL)
    bridge.close()
  }
}

class Bridge {
  readonly #grants: readonly Access[]
  readonly #watchers: Watchers
  readonly #calls = new WeakMap<object, number>()
  #payloadBytes = 0

  constructor(grants: readonly Access[]) {
    this.#grants = grants
    this.#watchers = new Watchers(grants, (sender) => this.#accessOf(sender))
  }

  /** Of anything that a renderer may send. It is never rejected: what an error says is chosen here. */
  async answer(event: InvokeEvent, call: unknown, params: unknown): Promise<Answer> {
    try {
      return { value: await this.#call(event, call, params) }
    } catch (error) {
      return { error: told(error) }
    }
  }

  close(): void {
    this.#watchers.close()
  }

  async #call(event: InvokeEvent, call: unknown, params: unknown): Promise<unknown> {
    const sender = senderOf(event)
    const access = sender && this.#accessOf(sender)
    if (sender === undefined || access === undefined) throw denied('a page that is allowed to use secrets')
    if (call === 'watch' || call === 'unwatch') {
      if (!access.allows('watch')) throw notAllowed('watch')
      return this.#watchers.set(sender, call === 'watch')
    }
    const { verb, run } = CALLS.get(call as BridgeCall) ?? unknownCall()
    if (!access.allows(verb)) throw notAllowed(verb)
    if (isExpanded(params) && !access.allows('get')) throw notAllowed('get')
    const value = await this.#within(sender.frame, payloadBytes(params), () => run(access.view, params as never))
    // Meanwhile another page may have come into the frame, which is not to have the answer.
    const still = senderOf(event)
    if (still === undefined || this.#accessOf(still) !== access) throw denied('the page that asked')
    return value
  }

  #accessOf(sender: Sender): Access | undefined {
    return this.#grants.find((grant) => grant.matches(sender))
  }

  async #within<T>(frame: object, bytes: number, work: () => Promise<T>): Promise<T> {
    const calls = this.#calls.get(frame) ?? 0
    if (calls >= MOST_CALLS) throw busy(`at most ${MOST_CALLS} calls at once`)
    if (this.#payloadBytes + bytes > MOST_PAYLOAD_BYTES) throw busy(`at most ${MOST_PAYLOAD_BYTES} bytes at once`)
    this.#calls.set(frame, calls + 1)
    this.#payloadBytes += bytes
    try {
      return await work()
    } finally {
      this.#calls.set(frame, (this.#calls.get(frame) as number) - 1)
      this.#payloadBytes -= bytes
    }
  }
}

function isExpanded(params: unknown): boolean {
  return (params as { readonly expand?: unknown } | null | undefined)?.expand !== undefined
}

/** At most, before it is known to be one. */
function payloadBytes(params: unknown): number {
  const payload = (params as { readonly payload?: unknown } | null | undefined)?.payload
  if (typeof payload === 'string') return payload.length
  return ArrayBuffer.isView(payload) ? payload.byteLength : 0
}

/** What a renderer is told of an error: what the library says, and of others that there was one. */
function told(error: unknown): Extract<Answer, { error: unknown }>['error'] {
  if (error instanceof SecretStoreError) return { code: error.code, message: error.message }
  if (error instanceof TypeError) return { code: 'TypeError', message: error.message }
  if (error instanceof RangeError) return { code: 'RangeError', message: error.message }
  return { code: 'Error', message: 'secrets: expected an answer, got an error' }
}

function denied(expected: string): SecretStoreError {
  return new SecretStoreError('ERR_ACCESS_DENIED', `secrets: expected ${expected}, got another`)
}

function notAllowed(verb: BridgeVerb): SecretStoreError {
  return new SecretStoreError('ERR_ACCESS_DENIED', `secrets: expected a page that is allowed to ${verb}, got another`)
}

function busy(expected: string): SecretStoreError {
  return new SecretStoreError('ERR_BUSY', `secrets: expected ${expected}, got more`)
}

function unknownCall(): never {
  throw new TypeError(`secrets: expected one of ${[...CALLS.keys()].join(', ')}, got another`)
}
