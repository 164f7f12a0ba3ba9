/**
 * OAuth with a refresh token that changes at each use, over a network that loses answers. Run by `npx tsx examples/oauth.ts`.
 *
 * The refresh token is a secret of its own, and there is only one that is valid. It stays in the store until its successor is
 * there; the access token that came with the successor is used only then. So, wherever the process is killed and whatever
 * answer is lost, the store holds the last token or the one before it, and the server takes both: the one before until the
 * last has been used. (RFC 9700, section 4.14.2, is about such tokens. Servers differ in how long they take the old one; one that
 * never does loses every session of which an answer is lost, and no client can help that.)
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { type CacheStore, type LoadedSecret, SecretCache } from '../src/cache/index'
import { SecretStore, type SecretStoreError, type TargetParams, user } from '../src/index'

export const REFRESH_TOKEN: TargetParams = { scope: user('ada'), name: 'refresh-token' }
const ACCESS_TOKEN: TargetParams = { scope: user('ada'), name: 'access-token' }
const DAY_MS = 86_400_000
const ACCESS_SECONDS = 3600
const ANSWER_TIMEOUT_MS = 5000

/** Where the answer to a request is lost: before the server has done anything, or after. */
export type Loss = 'request' | 'answer'

/** Hands out tokens. A refresh token that is older than the last but one means that somebody has copied it: all is revoked. */
export class AuthorizationServer {
  /** Asked for each request: whether the connection is to break. */
  lose: () => Loss | undefined | Promise<undefined> = () => undefined
  /** Takes the last refresh token only: a lost answer is a lost session. */
  strict = false
  /** For how long the last but one is taken, if it is. */
  overlapSeconds: number = Number.POSITIVE_INFINITY
  requests = 0
  readonly #server: Server
  readonly #now: () => number
  readonly #access = new Map<string, { readonly untilMs: number; readonly number: number }>()
  #last = 1
  #lastUsed = false
  #changedMs = 0
  #revoked = false

  private constructor(server: Server, now: () => number) {
    this.#server = server
    this.#now = now
  }

  static async start(now: () => number = Date.now): Promise<AuthorizationServer> {
    const server = createServer((request, response) => {
      void own.#serve(request, response).catch(() => response.destroy())
    })
    const own = new AuthorizationServer(server, now)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return own
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** As signing in would give it to the app. */
  get firstRefreshToken(): string {
    return 'refresh-1'
  }

  get revoked(): boolean {
    return this.#revoked
  }

  /** Whether it would be taken. */
  isValid(refreshToken: string): boolean {
    const number = Number(refreshToken.replace('refresh-', ''))
    if (this.#revoked || number === this.#last) return !this.#revoked
    const isInTime = this.#now() - this.#changedMs <= this.overlapSeconds * 1000
    return number === this.#last - 1 && !this.strict && !this.#lastUsed && isInTime
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = new URLSearchParams(await text(request))
    const loss = await this.lose()
    if (loss === 'request') return void request.socket.destroy()
    const [status, answer] = request.url === '/token' ? this.#token(body) : this.#me(request)
    if (loss === 'answer') return void request.socket.destroy()
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  }

  #token(body: URLSearchParams): [number, object] {
    this.requests++
    const given = body.get('refresh_token') ?? ''
    if (!this.isValid(given)) {
      this.#revoked = true
      return [400, { error: 'invalid_grant' }]
    }
    // Who comes with the last but one has not heard of the last, and is told of it again.
    if (given === `refresh-${this.#last}`) {
      this.#last++
      this.#changedMs = this.#now()
    }
    this.#lastUsed = false
    const accessToken = `access-${this.requests}`
    this.#access.set(accessToken, { untilMs: this.#now() + ACCESS_SECONDS * 1000, number: this.#last })
    return [
      200,
      {
        access_token: accessToken,
        token_type: 'Bearer',
        expires_in: ACCESS_SECONDS,
        refresh_token: `refresh-${this.#last}`,
      },
    ]
  }

  #me(request: IncomingMessage): [number, object] {
    const token = this.#access.get(request.headers.authorization?.replace('Bearer ', '') ?? '')
    if (this.#revoked || token === undefined || token.untilMs <= this.#now()) return [401, { error: 'invalid_token' }]
    this.#lastUsed ||= token.number === this.#last
    return [200, { name: 'Ada' }]
  }
}

/** What is stored of a refresh token. */
interface Kept {
  readonly refresh_token: string
  /** It has been sent, and what came back, if anything, has not been stored: there may be a successor. */
  readonly sent?: true
}

/** A store, or a view of one. */
export type SessionStore = CacheStore & Pick<SecretStore, 'get'>

/** One signed-in user. */
export class Session implements AsyncDisposable {
  readonly #store: SessionStore
  readonly #url: string
  readonly #now: () => number
  readonly #cache: SecretCache
  #exchange: Promise<LoadedSecret> | undefined

  private constructor(store: SessionStore, url: string, now: () => number) {
    this.#store = store
    this.#url = url
    this.#now = now
    this.#cache = new SecretCache(store, {
      // The answer holds the only valid refresh token: it is waited for even when nobody asks any more, and by the next who does.
      load: () => {
        this.#exchange ??= this.#rotate().finally(() => {
          this.#exchange = undefined
        })
        return this.#exchange
      },
      // The tokens say themselves how long they last.
      ttlMs: DAY_MS,
      refreshAheadMs: 60_000,
      loadTimeoutMs: 2 * ANSWER_TIMEOUT_MS,
      backoff: { minMs: 200, maxMs: 5000 },
      now,
      onError: () => {},
    })
  }

  /** @param signedIn - The refresh token from signing in, the first time. */
  static async open(
    store: SessionStore,
    url: string,
    now: () => number = Date.now,
    signedIn?: string,
  ): Promise<Session> {
    const session = new Session(store, url, now)
    if (signedIn !== undefined) await session.#begin(signedIn)
    // Sent, and then killed: servers that take the old token for some seconds only want to be asked soon.
    else if ((await session.#kept()).sent) await session.#renew()
    return session
  }

  /** A token that has not expired; there is one request for any number of callers. */
  async accessToken(signal?: AbortSignal): Promise<string> {
    const answer = await this.#cache.get({ ...ACCESS_TOKEN, ...(signal && { signal }) })
    if (answer === undefined) throw new Error('access token: expected one, got none')
    return answer.payload
  }

  /** A request in the user's name; a token that the server does not take any more is replaced once. */
  async fetch(path: string): Promise<Response> {
    const response = await this.#fetch(path)
    if (response.status !== 401) return response
    await this.#cache.invalidate(ACCESS_TOKEN)
    return this.#fetch(path)
  }

  /** Waits for the answer that is on its way, if there is one. The store stays open. */
  async close(): Promise<void> {
    await this.#cache.close()
    await this.#exchange?.catch(() => {})
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #fetch(path: string): Promise<Response> {
    return fetch(`${this.#url}${path}`, { headers: { authorization: `Bearer ${await this.accessToken()}` } })
  }

  /** In this order: killed in between, the store holds no access token of another session than its refresh token is of. */
  async #begin(refresh_token: string): Promise<void> {
    await this.#cache.invalidate(ACCESS_TOKEN)
    await this.#keep({ refresh_token })
  }

  async #renew(): Promise<void> {
    await this.#cache.invalidate(ACCESS_TOKEN)
    await this.accessToken().catch(() => {}) // the next caller asks again
  }

  async #rotate(): Promise<LoadedSecret> {
    const { refresh_token } = await this.#kept()
    await this.#keep({ refresh_token, sent: true })
    const askedSeconds = Math.floor(this.#now() / 1000)
    const response = await fetch(`${this.#url}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token }),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    })
    if (!response.ok) throw new Error(`token endpoint: expected status 200, got ${response.status}`)
    const tokens = (await response.json()) as { access_token: string; expires_in: number; refresh_token?: string }
    // On disk before anything that came with it is used: its use is what ends the old one.
    await this.#keep({ refresh_token: tokens.refresh_token ?? refresh_token })
    return { payload: tokens.access_token, expires_at: askedSeconds + tokens.expires_in }
  }

  async #kept(): Promise<Kept> {
    const json = await this.#store.get(REFRESH_TOKEN)
    if (json === undefined) throw new Error('refresh token: expected one, got none: sign in first')
    return JSON.parse(json)
  }

  async #keep(kept: Kept): Promise<void> {
    await this.#store.set({ ...REFRESH_TOKEN, payload: JSON.stringify(kept) })
  }
}

async function main(): Promise<void> {
  let aheadMs = 0
  const now = (): number => 1_767_225_600_000 + aheadMs // a clock that is moved by hand: 2026-01-01
  const server = await AuthorizationServer.start(now)
  const store = SecretStore.memory({ now })
  try {
    let session = await Session.open(store, server.url, now, server.firstRefreshToken)
    const say = (text: string): void => console.log(`${text} (token requests so far: ${server.requests})`)

    const tokens = await Promise.all(Array.from({ length: 20 }, () => session.accessToken()))
    say(`20 callers, ${new Set(tokens).size} access token: ${tokens[0]}`)

    aheadMs += ACCESS_SECONDS * 1000
    server.lose = () => 'answer'
    const failure = await session.accessToken().catch((error) => error)
    say(`it has expired, and the answer with the new refresh token is lost: ${(failure as SecretStoreError).code}`)

    server.lose = () => undefined
    aheadMs += 5000 // the pause after a failure
    say(`the old refresh token is still here, and still taken: ${await session.accessToken()}`)
    say(`it is used: ${(await session.fetch('/me')).status}`)

    aheadMs += ACCESS_SECONDS * 1000
    server.lose = () => 'answer'
    await session.accessToken().catch(() => {})
    await session.close()
    server.lose = () => undefined
    session = await Session.open(store, server.url, now)
    say(`again, and then the process ends; the next one asks at once: ${await session.accessToken()}`)

    server.strict = true
    server.lose = () => 'answer'
    aheadMs += ACCESS_SECONDS * 1000
    await session.accessToken().catch(() => {})
    server.lose = () => undefined
    aheadMs += 5000
    const end = (await session.accessToken().catch((error) => error)) as SecretStoreError
    say(
      `a server that takes no old token at all: ${end.code}, ${(end.cause as Error).message}; the user has to sign in`,
    )
    await session.close()
  } finally {
    await store.close()
    server.close()
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
