import { isBytes } from '../base/bytes'
import { orAborted, Turns } from '../base/waiting'
import { SecretStoreError } from '../errors'
import { decodeKeyringEntry, encodeKeyringEntry } from './entry-secret'
import {
  checkSelects,
  type EntryClass,
  keyringFailure,
  loadLibrary,
  type SystemKeyringBackend,
  type SystemKeyringEntry,
} from './library'

/** Runs work while no other program does under the same name, as far as that can be had. */
export type Alone = <T>(name: string, signal: AbortSignal, work: () => Promise<T>) => Promise<T>

/** One question at a time: each that waits at a prompt holds one of the four threads for files and cryptography. */
const turnsOf = new WeakMap<EntryClass, Turns>()

export interface EntryPlace {
  readonly service: string
  readonly account: string
  readonly backend: SystemKeyringBackend
}

interface Connected {
  readonly entry: SystemKeyringEntry
  readonly turns: Turns
}

/** One entry of the system keyring, and the secret of ours in it. */
export class SecretEntry {
  /** For messages. */
  readonly name: string
  readonly #place: EntryPlace
  readonly #timeoutMs: number
  readonly #load: () => Promise<EntryClass>
  #connected: Connected | undefined

  /** @param timeoutMs - For one question, `0` for no limit. */
  constructor(place: EntryPlace, given: EntryClass | undefined, timeoutMs: number) {
    this.#place = place
    this.#timeoutMs = timeoutMs
    this.#load = given === undefined ? loadLibrary : async () => given
    this.name = `keyring entry '${place.service}/${place.account}'`
  }

  /**
   * @returns 32 bytes, the caller's own; `undefined` if there is no such entry.
   * @throws {SecretStoreError} `ERR_NO_KEYRING`, `ERR_KEYRING_LOCKED`, `ERR_FOREIGN_KEYRING_ENTRY`,
   *   `ERR_UNSUPPORTED_VERSION`.
   */
  async read(): Promise<Uint8Array | undefined> {
    return this.#decoded(await this.#ask(look))
  }

  /**
   * As `read`; but where there is no such entry, it is made, in one turn, while `alone` keeps other programs out. A
   * locked system keyring says "none" without a prompt, so the write is what waits at one. After `timeoutMs` no write
   * begins; one that has begun may be done much later.
   *
   * @returns `undefined` if it was made.
   */
  async readOrMake(secret: Uint8Array, alone: Alone): Promise<Uint8Array | undefined> {
    const made = encodeKeyringEntry(secret)
    try {
      const lookOrWrite = (entry: SystemKeyringEntry, signal: AbortSignal): Promise<Uint8Array | undefined> =>
        alone(this.name, signal, async () => {
          const bytes = await look(entry, signal)
          if (bytes !== undefined) return bytes
          signal.throwIfAborted()
          await entry.setSecret(made, signal)
          return undefined
        })
      return this.#decoded(await this.#ask(lookOrWrite))
    } finally {
      made.fill(0)
    }
  }

  #decoded(bytes: Uint8Array | undefined): Uint8Array | undefined {
    if (bytes === undefined) return undefined
    try {
      return decodeKeyringEntry(bytes, this.name)
    } finally {
      bytes.fill(0)
    }
  }

  async #ask<T>(ask: (entry: SystemKeyringEntry, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { entry, turns } = await this.#connect()
    try {
      return await this.#inTime((signal) => turns.take(() => ask(entry, signal), signal))
    } catch (error) {
      // What it holds is a connection, which may be the very thing that has failed.
      this.#connected = undefined
      throw error instanceof SecretStoreError ? error : this.#failure(error)
    }
  }

  /** One entry of the library's for all questions: each one is a connection to the bus until it is collected. */
  async #connect(): Promise<Connected> {
    if (this.#connected !== undefined) return this.#connected
    const AsyncEntry = await this.#load()
    checkSelects(AsyncEntry)
    const { service, account } = this.#place
    try {
      const entry = new AsyncEntry(service, account, { linux: { store: 'secret-service' } })
      const turns = turnsOf.get(AsyncEntry) ?? new Turns()
      turnsOf.set(AsyncEntry, turns)
      this.#connected = { entry, turns }
      return this.#connected
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /** What ends is the wait, for a turn and for the answer. A call of the library at a prompt waits for up to a year. */
  async #inTime<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    const asked = ask(controller.signal)
    if (this.#timeoutMs === 0) return asked
    const timer = setTimeout(() => {
      controller.abort(this.#expired())
      asked.then(wipe, () => {})
    }, this.#timeoutMs)
    try {
      return await orAborted(controller.signal, asked)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Everything but a prompt has a limit of 2 seconds in the library, so that this is one. */
  #expired(): SecretStoreError {
    const unlocked = `the system keyring to be unlocked within ${this.#timeoutMs} ms`
    const message = `${this.name}: expected ${unlocked}, got no answer (a prompt may be open)`
    return new SecretStoreError('ERR_KEYRING_LOCKED', message)
  }

  #failure(cause: unknown): SecretStoreError {
    return keyringFailure(this.#place.backend, this.name, cause)
  }
}

async function look(entry: SystemKeyringEntry, signal: AbortSignal): Promise<Uint8Array | undefined> {
  return ownBytes(await entry.getSecret(signal))
}

/** A copy in memory that can be overwritten, while the library's own is. */
function ownBytes(found: ArrayLike<number> | null | undefined): Uint8Array | undefined {
  if (found === null || found === undefined) return undefined
  const bytes = Uint8Array.from(found)
  wipe(found)
  return bytes
}

function wipe(found: unknown): void {
  if (Array.isArray(found) || isBytes(found)) found.fill(0)
}
