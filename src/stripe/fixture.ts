import { optionsOf } from '../base/checks'
import { randomCharacters, systemRandom } from '../crypto/random'
import type { KeyProvider } from '../keys/provider'
import { SecretStore } from '../store'
import { jsonBody } from './answer'
import type { ApiKey } from './api-keys'
import { createStripeApp, type StripeApp } from './app'
import { type Fault, FaultQueue, faultBody, type PlannedFault } from './faults'
import { type Connection, type HttpServer, type ListenOptions, listen } from './listen'
import { newRequestId } from './request-id'
import type { RequestLogEntry } from './request-log'
import { plant, type Seed } from './seed'
import { type StripeSecrets, stripeSecrets } from './stripe-secrets'

/** Options of `startStripeFixture`, and the secrets that it begins with. */
export interface StripeFixtureOptions extends Seed, Pick<ListenOptions, 'host' | 'port'> {
  /** Keeps the secrets in this directory, under `key`, so that they outlive the fixture. @defaultValue in memory */
  readonly location?: string
  /** What opens the directory. */
  readonly key?: KeyProvider
  /** Accepted beside the fixture's own two. @defaultValue none */
  readonly apiKeys?: readonly (string | ApiKey)[]
  /** Keeps to the hosted service's limits: 10 secrets in a scope, payloads of 5,000 characters. @defaultValue `false` */
  readonly strict?: boolean
}

/** One request, and what was done to it. */
export interface FixtureRequest extends Omit<RequestLogEntry, 'status'> {
  /** `null` if there was no answer. */
  readonly status: number | null
  /** The answer was not the service's. */
  readonly fault?: 'status' | 'drop'
}

/** What `new Stripe(key, …)` needs to talk to a fixture. */
export interface StripeFixtureConfig {
  /** Such as `127.0.0.1`. */
  readonly host: string
  /** Chosen by the system, unless the options name one. */
  readonly port: number
  /** There is no TLS. */
  readonly protocol: 'http'
  /** The client sends Stripe nothing. */
  readonly telemetry: false
}

const OPTIONS = [
  ...(['location', 'key', 'apiKeys', 'strict', 'host', 'port'] as const),
  ...(['secrets', 'users', 'accounts', 'live'] as const),
] as const

/** The real time, until a test moves it. */
export class FixtureClock {
  #aheadMs = 0

  /** In milliseconds, as `Date.now`. */
  readonly now = (): number => Date.now() + this.#aheadMs

  /** Unix seconds. */
  get seconds(): number {
    return Math.floor(this.now() / 1000)
  }

  /** Secrets whose time comes within it are gone afterwards. */
  advanceSeconds(seconds: number): void {
    if (!Number.isFinite(seconds)) throw new TypeError('seconds: expected a number, got another value')
    this.#aheadMs += seconds * 1000
  }
}

/** A local, stateful stand-in for the Apps Secret Store, over HTTP, for one test or a file of them. */
export class StripeFixture implements AsyncDisposable {
  /** For test mode: `sk_test_fixture`, or a random one where there is a `location`. */
  readonly apiKey: string
  /** For live mode: `sk_live_fixture`, or a random one where there is a `location`. */
  readonly liveApiKey: string
  /** The clock of the store and of the service. */
  readonly clock: FixtureClock
  /** The store of the service, to look at and to change without a client. */
  readonly store: SecretStore
  /** The same calls without HTTP, and without the faults: test mode, the account's own secrets. */
  readonly secrets: StripeSecrets
  readonly #requests: FixtureRequest[] = []
  readonly #faults = new FaultQueue()
  readonly #app: StripeApp
  #server: HttpServer | undefined

  private constructor(store: SecretStore, clock: FixtureClock, options: StripeFixtureOptions) {
    const { location, apiKeys = [], strict = false } = options
    // Keys that everybody knows are for secrets of a test alone.
    this.apiKey = location === undefined ? 'sk_test_fixture' : `sk_test_${randomCharacters(24, systemRandom)}`
    this.liveApiKey = location === undefined ? 'sk_live_fixture' : `sk_live_${randomCharacters(24, systemRandom)}`
    this.store = store
    this.clock = clock
    this.secrets = stripeSecrets(store, { strict })
    this.#app = createStripeApp(store, {
      apiKeys: [this.apiKey, this.liveApiKey, ...apiKeys],
      strict,
      onRequest: (entry) => this.#requests.push(entry),
    })
  }

  /** @internal Use `startStripeFixture`. */
  static async start(options: StripeFixtureOptions): Promise<StripeFixture> {
    const given = optionsOf<StripeFixtureOptions>(options, 'options', OPTIONS)
    const { location, key, host, port, secrets, users, accounts, live } = given
    const clock = new FixtureClock()
    const store = await openStore(location, key, clock)
    try {
      const fixture = new StripeFixture(store, clock, given)
      await plant(store, defined({ secrets, users, accounts, live }))
      const address = defined({ host, port })
      fixture.#server = await listen((request, connection) => fixture.#serve(request, connection), address)
      return fixture
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /** Where it listens, such as `http://127.0.0.1:54321`. */
  get url(): string {
    return this.#listening.url
  }

  /** Every request so far, in the order of the answers, without keys and payloads. */
  get requests(): readonly FixtureRequest[] {
    return this.#requests
  }

  /**
   * To spread into `new Stripe(fixture.apiKey, { ...fixture.stripeConfig() })`.
   *
   * @param transport - `'fetch'` for a client with `httpClient: Stripe.createFetchHttpClient()`, which makes a URL of the
   *   host, so that an IPv6 address needs brackets; the client's own transport must not have them. @defaultValue `'node'`
   */
  stripeConfig({ transport = 'node' }: { readonly transport?: 'node' | 'fetch' } = {}): StripeFixtureConfig {
    if (transport !== 'node' && transport !== 'fetch') {
      throw new TypeError("transport: expected 'node' or 'fetch', got another")
    }
    const { host, port } = this.#listening
    const isBracketed = transport === 'fetch' && host.includes(':')
    return { host: isBracketed ? `[${host}]` : host, port, protocol: 'http', telemetry: false }
  }

  /**
   * Has the next requests over HTTP go wrong. Several calls wait for one another, unless they are `when` something else.
   *
   * @throws {TypeError | RangeError} If it is no fault.
   */
  failNext(fault: Fault): void {
    this.#faults.add(fault)
  }

  /** Lets requests that are under way end, and closes the store; what is in memory is gone. */
  async close(): Promise<void> {
    await this.#server?.close()
    await this.store.close()
  }

  /** The same as `close`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get #listening(): HttpServer {
    return this.#server as HttpServer
  }

  async #serve(request: Request, connection: Connection): Promise<Response> {
    const { method } = request
    const path = new URL(request.url).pathname
    const fault = this.#faults.take({ method, path })
    if (fault === undefined) return this.#app(request)
    if (fault.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, fault.delayMs))
    if (fault.status === undefined && !fault.drop) return this.#app(request)
    const done = fault.afterEffect ? await this.#app(request) : undefined
    const requestId = done?.headers.get('request-id') ?? newRequestId(systemRandom)
    this.#record(fault, { requestId, method, path, replayed: false })
    if (fault.drop) connection.drop()
    const headers = { 'content-type': 'application/json', 'request-id': requestId }
    const { status = 500 } = fault
    return new Response(jsonBody(faultBody(status)), { status, headers })
  }

  /** In the place of what the request would have been answered, if it had got that far. */
  #record(fault: PlannedFault, bare: Omit<FixtureRequest, 'status'>): void {
    const index = this.#requests.findIndex(({ requestId }) => requestId === bare.requestId)
    const entry = this.#requests[index] ?? bare
    const marked = {
      ...entry,
      status: fault.status ?? null,
      fault: fault.drop ? ('drop' as const) : ('status' as const),
    }
    this.#requests.splice(index === -1 ? this.#requests.length : index, 1, marked)
  }
}

/**
 * Starts a stand-in on a free port of this machine. It takes milliseconds: one for each test is fine.
 *
 * @throws {TypeError | RangeError} On bad options, and on secrets that could not be set.
 * @throws {SecretStoreError} As `SecretStore.open`, if there is a `location`.
 */
export function startStripeFixture(options: StripeFixtureOptions = {}): Promise<StripeFixture> {
  return StripeFixture.start(options)
}

async function openStore(
  location: string | undefined,
  key: KeyProvider | undefined,
  clock: FixtureClock,
): Promise<SecretStore> {
  if ((location === undefined) !== (key === undefined)) {
    throw new TypeError('location: expected it together with a key, or neither, got one of them')
  }
  const background = { now: clock.now, sweepIntervalMs: 0, compactIntervalMs: 0 }
  if (location === undefined || key === undefined) return SecretStore.memory(background)
  return SecretStore.open(location, { ...background, key })
}

/** Without the fields that are not there. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}
