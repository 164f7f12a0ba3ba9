import { mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type {
  KeyProvider,
  LongOptions,
  OpenOptions,
  Progress,
  Scope,
  SecretStore,
  SecretView,
  StoredSlot,
  StoreHolder,
} from 'app-secret-store'
import { checkStdin } from './descriptors'
import { EXIT, Failure, failureOf, refused } from './failure'
import type { Io } from './io'
import { type KeyFlags, MOST_TRIES, type OpeningKey, openingKey, WRONG, withKeyFile } from './keys'
import { type NewKey, usingNewKey } from './new-key'
import { type Bar, Output } from './output'
import { defaultLocation, isOccupied, pathOf } from './paths'
import { variableOf } from './raw-bytes'

/** The options that every command takes. */
export interface GlobalOptions extends KeyFlags {
  readonly store?: string
  readonly allowUnsafeLocation?: boolean
  readonly readOnly?: boolean
  readonly wait?: string
  readonly user?: string
  readonly account?: string
  readonly live?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

interface OpenFlags {
  /** The command goes on for long. */
  readonly sweeping?: boolean
  /** A damaged store is opened, too, as far as it goes. */
  readonly damaged?: boolean
  /** Other commands and apps can use the store meanwhile. */
  readonly shared?: boolean
}

interface KeyTries {
  /** As in `Session.key`. */
  readonly slots?: () => Promise<StoredSlot[]>
  /** Work that cannot be done again has one key, and one try. */
  readonly isOnce?: boolean
}

/** One run of one command: its options, where it says things, and the store, if it opens one. */
export class Session {
  readonly io: Io
  readonly output: Output
  /** As they are given. */
  readonly given: GlobalOptions
  readonly scope: Scope
  /** Whether a command that is interrupted ends by itself, with the store still open until then. */
  endsInOrder = false
  #options: GlobalOptions | undefined
  #store: SecretStore | undefined
  #key: OpeningKey | undefined
  #creating: Promise<unknown> | undefined
  #bar: Bar | undefined

  constructor(io: Io, options: GlobalOptions) {
    this.io = io
    this.given = options
    this.output = new Output(io, { json: options.json ?? false, quiet: options.quiet ?? false })
    this.scope = options.user === undefined ? { type: 'account' } : { type: 'user', user: options.user }
  }

  /** With the key file of the environment, which is nothing to a command that needs no key. */
  get options(): GlobalOptions {
    this.#options ??= withKeyFile(this.io, this.given)
    return this.#options
  }

  /** For messages: which secrets are meant. */
  get place(): string {
    return placeText(this.given)
  }

  /** What opening, making and restoring a store take. */
  get safety(): { readonly allowUnsafeLocation: boolean } {
    return { allowUnsafeLocation: this.given.allowUnsafeLocation ?? false }
  }

  /** `--store`, else the environment's, else the one of this user by the convention of the system. */
  async location(): Promise<string> {
    const { store } = this.given
    if (store) return resolve(store)
    const named = variableOf(this.io, 'SECRET_STORE')
    return named === undefined ? defaultLocation(this.io) : resolve(pathOf(this.io, named, 'SECRET_STORE'))
  }

  /** Where a store can be made. @throws {Failure} If there is something. */
  async emptyLocation(): Promise<string> {
    const location = await this.location()
    if (await isOccupied(location)) {
      throw refused(`there is something at ${location} already`, 'name another place with --store or SECRET_STORE')
    }
    return location
  }

  /** Makes the folders above a store that is to be made. */
  async makeParents(location: string): Promise<void> {
    await mkdir(dirname(location), { recursive: true, mode: 0o700 }).catch(({ code }: NodeJS.ErrnoException) => {
      throw refused(
        `${dirname(location)}: it cannot be made (${code})`,
        'name another place with --store or SECRET_STORE',
      )
    })
  }

  /** Where something is. @throws {Failure} If there is nothing. */
  async occupiedLocation(): Promise<string> {
    const location = await this.location()
    if (await isOccupied(location)) return location
    throw refused(
      `there is no store at ${location}`,
      'make one with `secret-store init`, or name another with --store or SECRET_STORE',
    )
  }

  /** For a command that reads something from stdin. @throws {Failure} If the key is read from there. */
  checkStdin(what: string): void {
    checkStdin(this.options, what)
  }

  /**
   * The key, asked for once. A place without a store is found out before.
   *
   * @param slots - Of the store, as far as they are known.
   */
  async key(slots: () => Promise<StoredSlot[]> = () => this.#slots()): Promise<KeyProvider> {
    this.#key ??= await openingKey(this.io, this.output, this.options, slots)
    return this.#key.key
  }

  async #slots(): Promise<StoredSlot[]> {
    const location = await this.occupiedLocation()
    const { SecretStore } = await import('app-secret-store')
    // What is wrong with it, opening says.
    return SecretStore.slots(location, this.safety).catch(() => [])
  }

  /**
   * Does work that a wrong key fails before anything is changed. Somebody who has typed the key is asked again, three times
   * in all.
   */
  async withKey<T>(work: (key: KeyProvider) => Promise<T>, { slots, isOnce = false }: KeyTries = {}): Promise<T> {
    for (let tries = 1; ; tries++) {
      await this.key(slots)
      const asked = this.#key as OpeningKey
      try {
        return await (isOnce ? work(asked.key) : this.#tried(asked, work))
      } catch (error) {
        if (failureOf(error).code !== WRONG) throw error
        if (asked.typed === undefined) throw asked.wrong ?? (await this.#explained(asked, error, slots))
        if (isOnce || tries === MOST_TRIES) throw wrong(`wrong ${asked.typed}`)
        this.#key = undefined
        this.io.stderr.write(`Wrong ${asked.typed}. Once more.\n`)
      }
    }
  }

  /** Where the store has a passphrase, another one is a wrong one. */
  async #explained({ from }: OpeningKey, error: unknown, slots = () => this.#slots()): Promise<unknown> {
    if (from === undefined || !(await slots()).some(({ kind }) => kind === 'passphrase')) return error
    return wrong(`${from}: wrong passphrase`)
  }

  /** With the key, or else with the one that earlier versions made of the same text. */
  async #tried<T>(asked: OpeningKey, work: (key: KeyProvider) => Promise<T>): Promise<T> {
    try {
      return await work(asked.key)
    } catch (error) {
      if (asked.former === undefined || failureOf(error).code !== WRONG) throw error
      this.#key = { key: asked.former }
      return work(asked.former)
    }
  }

  /**
   * Opens the store: through a process that shares it, if there is one, else alone, for the time of this command. What
   * somebody is asked for beside the key comes after this.
   */
  async open({ sweeping = false, damaged = false, shared = false }: OpenFlags = {}): Promise<SecretStore> {
    const location = await this.occupiedLocation()
    const { SecretStore } = await import('app-secret-store')
    const { readOnly = false } = this.given
    const options = {
      createIfMissing: false,
      readOnly,
      ...this.safety,
      now: this.io.now,
      ...background(sweeping),
      ...(damaged && { verify: false }),
    }
    const { explainLocked, sharedOrAlone, tellingWait, waitMsOf } = await import('./waiting')
    const waitMs = waitMsOf(this.io, this.given.wait)
    const look = (): Promise<StoreHolder | undefined> => this.holder()
    this.#store = await this.withKey((key) => {
      const open = (shared: OpenOptions['shared']): Promise<SecretStore> =>
        SecretStore.open(location, { ...options, key, waitMs, shared: shared ?? false })
      return tellingWait(this, look, () => {
        if (readOnly) return open(false)
        return shared ? sharedOrAlone(this.output, waitMs === 0 ? look : undefined, open) : open('follow')
      })
    }).catch(async (error) => {
      throw await explainLocked(error, look, waitMs, readOnly ? { shared: WITHOUT_READ_ONLY } : {})
    })
    return this.#store
  }

  /** Who has the store open, as far as that can be told without a key. */
  async holder(): Promise<StoreHolder | undefined> {
    const { SecretStore } = await import('app-secret-store')
    return SecretStore.holder(await this.location(), this.safety)
  }

  async create(key: () => Promise<NewKey>, names: 'plain' | 'sealed'): Promise<SecretStore> {
    const location = await this.emptyLocation()
    const made = await key()
    const { SecretStore } = await import('app-secret-store')
    const options = { key: made.key, names, ...this.safety, now: this.io.now, ...background(false) }
    const creating = usingNewKey(made, location, async () => {
      await this.makeParents(location)
      return SecretStore.open(location, options)
    })
    this.#creating = creating
    this.#store = await creating
    return this.#store
  }

  /** The secrets that the options are about. */
  async view(): Promise<SecretView> {
    return this.viewOf(await this.open())
  }

  viewOf(store: SecretStore): SecretView {
    const { account, live = false } = this.given
    return store.view({ livemode: live, ...(account !== undefined && { account }) })
  }

  /** Does what takes long: shows how far it has come, and ends it on Ctrl-C. */
  async long<T>(label: string, work: (options: Required<LongOptions>) => Promise<T>): Promise<T> {
    const bar = await this.output.progress(label)
    this.#bar = bar
    try {
      return await work({ onProgress: (progress: Progress) => bar.update(progress), signal: this.io.signal })
    } finally {
      bar.stop()
    }
  }

  /** Ends what goes on. After Ctrl-C that may be a bar, which hides the cursor, and a store that is being made. */
  async close(): Promise<void> {
    this.#bar?.stop()
    await this.#creating?.catch(() => {})
    await this.#store?.close()
  }
}

const WITHOUT_READ_ONLY = 'leave --read-only out: the process that shares the store lets this command in'

function wrong(message: string): Failure {
  return new Failure(EXIT.wrongKey, message, { code: WRONG, hint: 'nothing was changed' })
}

/** A command is over before sweeping or compacting would begin, and seldom reads a secret twice. */
function background(sweeping: boolean): Pick<OpenOptions, 'sweepIntervalMs' | 'compactIntervalMs' | 'indexBytes'> {
  return sweeping ? {} : { sweepIntervalMs: 0, compactIntervalMs: 0, indexBytes: 2 ** 20 }
}

/** Which secrets are meant, in words. */
export function placeText({ user, account, live }: Pick<GlobalOptions, 'user' | 'account' | 'live'>): string {
  const scope = user === undefined ? 'the account scope' : `the scope of user '${user}'`
  return `${scope}${account === undefined ? '' : ` of '${account}'`}${live ? ', live mode' : ''}`
}
