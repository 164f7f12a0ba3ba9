import { equal } from '../../base/bytes'
import { SecretStoreError } from '../../errors'
import { KEY_BYTES, SLOT_ID_BYTES } from '../../format/constants'
import type { SlotParams } from '../../format/keyring-file'
import { checkProvider } from '../../input/options'
import type { KeyProvider } from '../../keys/provider'
import type { SecretStore } from '../../store'
import { partsOf } from '../../view'
import { type AskedSlot, checkPort, type KeyPort, numberOf, type Reply, toldError } from './messages'

/** Asks of one port that are under way. */
const MOST_ASKS = 16
/** Of a slot; what `safeStorage` keeps in one has less than a tenth of it. */
const MOST_FIELDS = 32
const MOST_CHARACTERS = 65_536

/**
 * Lets the process at the other end of a port open the same store: `openFromMain` and `keyFromMain` ask through it. Only
 * slots of this store are answered for, and only to who already has what is in them, which is in its files.
 *
 * @param port - Of a `MessageChannelMain`. The other end goes to a utility process, and to nobody else.
 * @param store - Opened with `shared: true`.
 * @param key - The key that it was opened with, such as `safeStorage(electron.safeStorage)`.
 * @returns Ends it, and closes the port.
 * @throws {TypeError} On bad arguments.
 */
export function provideKey(port: KeyPort, store: SecretStore, key: KeyProvider): () => void {
  checkPort(port)
  const context = partsOf(store)?.context
  const location = context?.keyringStorage.location
  if (context?.engine.others === undefined || location === undefined) {
    throw new TypeError('store: expected one that was opened with shared: true, got something else')
  }
  const provided = new ProvidedKey(checkProvider(key), context.keyring.file.storeId, location.directory)
  let asks = 0
  let ended = false
  const end = (): void => {
    ended = true
    port.close()
  }
  const reply = (number: number, answer: Reply): void => {
    if (!ended) port.postMessage({ number, ...answer })
  }
  port.on('close', () => {
    ended = true
  })
  port.on('message', ({ data }) => {
    const number = numberOf(data)
    if (ended || number === undefined) return
    if (asks >= MOST_ASKS) return reply(number, { error: toldError(busy()) })
    asks++
    void provided.answer(data as Asked, (answer) => reply(number, answer)).finally(() => asks--)
  })
  port.start()
  return end
}

/** An ask, of which nothing is known yet. */
type Asked = Readonly<Record<'ask' | 'slot' | 'params' | 'rootKey', unknown>>

class ProvidedKey {
  readonly #key: KeyProvider
  readonly #storeId: Uint8Array
  readonly #location: string

  constructor(key: KeyProvider, storeId: Uint8Array, location: string) {
    this.#key = key
    this.#storeId = storeId.slice()
    this.#location = location
  }

  /** @param reply - Called once, and has copied the answer when it returns. */
  async answer(asked: Asked, reply: (answer: Reply) => void): Promise<void> {
    let value: unknown
    try {
      value = await this.#value(asked)
    } catch (error) {
      return reply({ error: toldError(error) })
    }
    reply({ value })
    if (value instanceof Uint8Array) value.fill(0)
  }

  async #value({ ask, slot, params, rootKey }: Asked): Promise<unknown> {
    if (ask === 'location') return this.#location
    if (ask === 'unwrap') return this.#key.unwrap(checkParams(params), this.#checkSlot(slot))
    if (ask !== 'wrap') throw new TypeError('key: expected unwrap, wrap or location to be asked for, got another')
    if (!isBytes(rootKey, KEY_BYTES)) throw new TypeError(`root key: expected ${KEY_BYTES} bytes, got something else`)
    try {
      return await this.#key.wrap(rootKey, this.#checkSlot(slot))
    } finally {
      rootKey.fill(0)
    }
  }

  #checkSlot(slot: unknown): AskedSlot {
    const { storeId, slotId, kind } = (slot ?? {}) as Partial<AskedSlot>
    const isOwn = isBytes(storeId, this.#storeId.length) && equal(storeId, this.#storeId) && kind === this.#key.kind
    if (isOwn && isBytes(slotId, SLOT_ID_BYTES)) return { storeId, slotId, kind }
    const expected = `expected a slot of the store that it was provided for, of the kind ${this.#key.kind}`
    throw new SecretStoreError('ERR_ACCESS_DENIED', `key: ${expected}, got another`)
  }
}

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length
}

function checkParams(params: unknown): SlotParams {
  const entries = typeof params === 'object' && params !== null ? Object.entries(params) : undefined
  const isWhole = entries?.every(
    ([, value]) => Number.isSafeInteger(value) || (typeof value === 'string' && value.length <= MOST_CHARACTERS),
  )
  if (entries !== undefined && isWhole && entries.length <= MOST_FIELDS) return Object.fromEntries(entries)
  throw new TypeError('slot params: expected text and integers, got something else')
}

function busy(): SecretStoreError {
  return new SecretStoreError('ERR_BUSY', `key: expected at most ${MOST_ASKS} asks at once, got more`)
}
