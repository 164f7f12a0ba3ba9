import { checkInteger, checkSignal, optionsOf } from '../../base/checks'
import { orAborted } from '../../base/waiting'
import { SecretStoreError } from '../../errors'
import { SLOT_KIND } from '../../format/constants'
import type { SlotParams } from '../../format/keyring-file'
import { OPEN_NAMES, type OpenOptions } from '../../input/options'
import type { KeyProvider } from '../../keys/provider'
import { SecretStore } from '../../store'
import { type Ask, checkPort, heardError, type KeyPort, numberOf } from './messages'

/** Options of `keyFromMain`. */
export interface KeyFromMainOptions {
  /** How long the main process may take to answer, in milliseconds: the user may be asked there. @defaultValue `30_000` */
  readonly timeoutMs?: number
  /**
   * Ends each wait for the main process from then on: the opening throws what it is aborted with. That of `openFromMain` ends
   * the opening, and says nothing of what the store asks for once it is open.
   */
  readonly signal?: AbortSignal
}

/** Options of `openFromMain`: those of `SecretStore.open`, but for what the main process decides, and `keyFromMain`'s. */
export interface FromMainOptions
  extends Omit<OpenOptions, 'key' | 'shared' | 'createIfMissing' | 'acceptRollback' | 'readOnly'>,
    KeyFromMainOptions {}

const KEY_NAMES = ['timeoutMs', 'signal'] as const
const DECIDED: readonly string[] = ['key', 'shared', 'createIfMissing', 'acceptRollback', 'readOnly']
const OPTION_NAMES = [...KEY_NAMES, ...OPEN_NAMES.filter((name) => !DECIDED.includes(name))] as const
const TIMEOUT_MS = 30_000
/** Of a timer. */
const MOST_TIMEOUT_MS: number = 2 ** 31 - 1
/** Whoever has kept silent for all of the time is given no more than this for each further ask, until it says something. */
const AFTER_SILENCE_MS = 500

/**
 * The store of an Electron app in a utility process, which shares it with the main process: that has called `provideKey`
 * with the other end of the port. The port stays in use while the store is open.
 *
 * @param port - As it came by `process.parentPort`.
 * @throws {TypeError} On bad arguments. @throws What `signal` is aborted with.
 * @throws {SecretStoreError} As `SecretStore.open`; `ERR_CLOSED` if the port was closed, `ERR_BUSY` if the main process
 *   does not answer in time, and what its key throws there, such as `ERR_NO_KEYRING`.
 */
export async function openFromMain(port: KeyPort, options: FromMainOptions = {}): Promise<SecretStore> {
  const given = optionsOf<FromMainOptions>(options, 'options', OPTION_NAMES as readonly (keyof FromMainOptions)[])
  const { timeoutMs, signal, ...rest } = given
  const asking = parseOptions({ ...(timeoutMs !== undefined && { timeoutMs }), ...(signal && { signal }) })
  const main = mainAt(port)
  return withSignal(signal, async (opening) => {
    const asked = { ...asking, signal: opening }
    const location = await main.ask({ ask: 'location' }, asked)
    if (typeof location !== 'string') throw unexpected()
    const key = keyOf(main, asked)
    return SecretStore.open(location, { ...rest, signal: opening, key, shared: true, createIfMissing: false })
  })
}

/** @param work - Gets a signal that is aborted with the given one until the work is over, and not after it. */
async function withSignal<T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const working = new AbortController()
  const abort = (): void => working.abort(signal?.reason)
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort)
  try {
    return await work(working.signal)
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/**
 * The key that the main process has provided by `provideKey`, for `SecretStore.open` in a utility process, which has no
 * `safeStorage`. The root key comes over the port; what it is wrapped under stays in the main process.
 *
 * @param port - As it came by `process.parentPort`.
 * @throws {TypeError | RangeError} On bad arguments. Opening with it throws as `openFromMain`.
 */
export function keyFromMain(port: KeyPort, options: KeyFromMainOptions = {}): KeyProvider {
  const asking = parseOptions(optionsOf<KeyFromMainOptions>(options, 'keyFromMain options', KEY_NAMES))
  return keyOf(mainAt(port), asking)
}

interface Asking {
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

function parseOptions({ timeoutMs = TIMEOUT_MS, signal }: KeyFromMainOptions): Asking {
  checkInteger(timeoutMs, 'timeoutMs', 1, MOST_TIMEOUT_MS)
  return { timeoutMs, signal: signal === undefined ? signal : checkSignal(signal) }
}

function keyOf(main: MainProcess, asking: Asking): KeyProvider {
  return {
    kind: SLOT_KIND.safeStorage,
    async unwrap(params, { storeId, slotId, kind }) {
      const value = await main.ask({ ask: 'unwrap', slot: { storeId, slotId, kind }, params }, asking)
      if (value === null || value instanceof Uint8Array) return value
      throw unexpected()
    },
    async wrap(rootKey, { storeId, slotId, kind }) {
      const value = await main.ask({ ask: 'wrap', slot: { storeId, slotId, kind }, rootKey }, asking)
      if (typeof value === 'object' && value !== null) return value as SlotParams
      throw unexpected()
    },
  }
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** The main process, at the other end of a port. */
class MainProcess {
  readonly #port: KeyPort
  readonly #waiting = new Map<number, Waiting>()
  #asks = 0
  #closed = false
  /** Whether it has let an ask wait for all of its time, and said nothing since. */
  #isSilent = false

  constructor(port: KeyPort) {
    this.#port = port
    port.on('message', ({ data }) => this.#hear(data))
    port.on('close', () => {
      this.#closed = true
      for (const { reject } of this.#waiting.values()) reject(closed())
      this.#waiting.clear()
    })
    port.start()
  }

  async ask(ask: Ask, { timeoutMs, signal }: Asking): Promise<unknown> {
    signal?.throwIfAborted()
    if (this.#closed) throw closed()
    const number = ++this.#asks
    const waitMs = this.#isSilent ? Math.min(timeoutMs, AFTER_SILENCE_MS) : timeoutMs
    let timer: ReturnType<typeof setTimeout> | undefined
    const reply = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject })
      timer = setTimeout(() => {
        this.#isSilent = true
        reject(silent(waitMs))
      }, waitMs)
      this.#port.postMessage({ number, ...ask })
    })
    try {
      return await orAborted(signal, reply)
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(number)
    }
  }

  #hear(data: unknown): void {
    this.#isSilent = false
    const waiting = this.#waiting.get(numberOf(data) ?? Number.NaN)
    const { value, error } = (data ?? {}) as { readonly value?: unknown; readonly error?: unknown }
    if (waiting === undefined) wipe(value)
    else if (error === undefined) waiting.resolve(value)
    else waiting.reject(heardError(error))
  }
}

/** One for each port: its numbers are its own. */
const mains = new WeakMap<KeyPort, MainProcess>()

function mainAt(port: KeyPort): MainProcess {
  const main = mains.get(checkPort(port)) ?? new MainProcess(port)
  mains.set(port, main)
  return main
}

/** A key that came too late. */
function wipe(value: unknown): void {
  if (value instanceof Uint8Array) value.fill(0)
}

function closed(): SecretStoreError {
  return new SecretStoreError('ERR_CLOSED', 'key: expected a port to the main process, got one that was closed')
}

function silent(timeoutMs: number): SecretStoreError {
  const expected = `expected the main process to answer within ${timeoutMs} ms`
  return new SecretStoreError('ERR_BUSY', `key: ${expected}, got nothing (provideKey is to be called there)`)
}

function unexpected(): TypeError {
  return new TypeError('key: expected an answer of provideKey, got something else')
}
