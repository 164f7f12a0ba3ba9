import { mkdir, readdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { KeyProvider, LongOptions, OpenOptions, Progress, Scope, SecretStore, SecretView } from 'app-secret-store'
import { refused } from './failure'
import type { Io } from './io'
import { type KeyFlags, openingKey } from './keys'
import { Output } from './output'

/** The options that every command takes. */
export interface GlobalOptions extends KeyFlags {
  readonly store?: string
  readonly allowUnsafeLocation?: boolean
  readonly readOnly?: boolean
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
}

/** One run of one command: its options, where it says things, and the store, if it opens one. */
export class Session {
  readonly io: Io
  readonly output: Output
  readonly options: GlobalOptions
  readonly scope: Scope
  #store: SecretStore | undefined

  constructor(io: Io, options: GlobalOptions) {
    this.io = io
    this.options = options
    this.output = new Output(io, { json: options.json ?? false, quiet: options.quiet ?? false })
    this.scope = options.user === undefined ? { type: 'account' } : { type: 'user', user: options.user }
  }

  /** For messages: which secrets are meant. */
  get place(): string {
    const { user, account, live } = this.options
    const scope = user === undefined ? 'the account scope' : `the scope of user '${user}'`
    return `${scope}${account === undefined ? '' : ` of '${account}'`}${live ? ', live mode' : ''}`
  }

  /** What opening, making and restoring a store take. */
  get safety(): { readonly allowUnsafeLocation: boolean } {
    return { allowUnsafeLocation: this.options.allowUnsafeLocation ?? false }
  }

  /** `--store`, else the environment's, else the one of this user by the convention of the system. */
  async location(): Promise<string> {
    const given = this.options.store ?? this.io.env['SECRET_STORE']
    if (given) return resolve(given)
    const { default: envPaths } = await import('env-paths')
    return envPaths('secret-store', { suffix: '' }).data
  }

  /** Where a store can be made. @throws {Failure} If there is something. */
  async emptyLocation(): Promise<string> {
    const location = await this.location()
    if (await isOccupied(location)) {
      throw refused(`there is something at ${location} already`, 'name another place with --store or SECRET_STORE')
    }
    await mkdir(dirname(location), { recursive: true, mode: 0o700 })
    return location
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

  key(): Promise<KeyProvider> {
    return openingKey(this.io, this.output, this.options)
  }

  /** A place without a store is found out before anybody is asked for a key. */
  async open(key?: KeyProvider, { sweeping = false, damaged = false }: OpenFlags = {}): Promise<SecretStore> {
    const location = await this.occupiedLocation()
    const provider = key ?? (await this.key())
    const { SecretStore } = await import('app-secret-store')
    this.#store = await SecretStore.open(location, {
      key: provider,
      createIfMissing: false,
      readOnly: this.options.readOnly ?? false,
      ...this.safety,
      now: this.io.now,
      ...background(sweeping),
      ...(damaged && { verify: false }),
    })
    return this.#store
  }

  async create(key: () => Promise<KeyProvider>, names: 'plain' | 'sealed'): Promise<SecretStore> {
    const location = await this.emptyLocation()
    const provider = await key()
    const { SecretStore } = await import('app-secret-store')
    const options = { ...this.safety, now: this.io.now, ...background(false) }
    this.#store = await SecretStore.open(location, { key: provider, names, ...options })
    return this.#store
  }

  /** The secrets that the options are about. */
  async view(): Promise<SecretView> {
    return this.viewOf(await this.open())
  }

  viewOf(store: SecretStore): SecretView {
    const { account, live = false } = this.options
    return store.view({ livemode: live, ...(account !== undefined && { account }) })
  }

  /** Does what takes long: shows how far it has come, and ends it on Ctrl-C. */
  async long<T>(label: string, work: (options: Required<LongOptions>) => Promise<T>): Promise<T> {
    const bar = await this.output.progress(label)
    try {
      return await work({ onProgress: (progress: Progress) => bar.update(progress), signal: this.io.signal })
    } finally {
      bar.stop()
    }
  }

  async close(): Promise<void> {
    await this.#store?.close()
  }
}

/** A command is over before sweeping or compacting would begin, and seldom reads a secret twice. */
function background(sweeping: boolean): Pick<OpenOptions, 'sweepIntervalMs' | 'compactIntervalMs' | 'indexBytes'> {
  return sweeping ? {} : { sweepIntervalMs: 0, compactIntervalMs: 0, indexBytes: 2 ** 20 }
}

async function isOccupied(location: string): Promise<boolean> {
  try {
    return (await readdir(location)).length > 0
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // What is there and is no directory is for the store to judge.
    return code !== 'ENOENT'
  }
}
