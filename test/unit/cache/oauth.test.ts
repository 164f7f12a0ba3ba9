import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, expect, onTestFinished, test } from 'vitest'
import { AuthorizationServer, type Loss, REFRESH_TOKEN, Session, type SessionStore } from '../../../examples/oauth'
import { SecretStore, type TargetParams } from '../../../src/index'
import { atLength } from '../../support/lengths'
import { startChild } from '../../support/programs'
import { newLocation, openStore, TestClock } from '../../support/stores'
import { settled } from './support'

const KILLS: number = atLength(2, 25)
const HOUR_SECONDS = 3600
const LOSSES: readonly (Loss | undefined)[] = [undefined, 'request', 'answer']

async function startServer(clock?: TestClock): Promise<AuthorizationServer> {
  const server = await AuthorizationServer.start(clock?.now)
  onTestFinished(() => server.close())
  return server
}

function memoryStore(clock: TestClock): SecretStore {
  const store = SecretStore.memory({ now: clock.now, sweepIntervalMs: 0, compactIntervalMs: 0 })
  onTestFinished(() => store.close())
  return store
}

async function storedToken(store: Pick<SecretStore, 'get'>): Promise<string> {
  return JSON.parse((await store.get(REFRESH_TOKEN)) as string).refresh_token
}

/** Leaves a refresh token and an access token of a server of their own. */
async function signIn(store: SecretStore, clock: TestClock): Promise<void> {
  const server = await startServer(clock)
  await using session = await Session.open(store, server.url, clock.now, server.firstRefreshToken)
  await session.accessToken()
}

/** Ends, as a process that is killed does, at its write number `at`: before it, or when it is done and nobody knows. */
function dyingStore(store: SecretStore, at: number, done: boolean): { store: SessionStore; death: Promise<void> } {
  let writes = 0
  let dead = false
  let die = (): void => {}
  const death = new Promise<void>((resolve) => {
    die = resolve
  })
  const never = new Promise<never>(() => {})
  const write = async <T>(work: () => Promise<T>): Promise<T> => {
    const last = writes++ === at
    if (dead) return never
    if (!last) return work()
    dead = true
    if (done) await work()
    die()
    return never
  }
  return {
    death,
    store: {
      get: (params) => (dead ? never : store.get(params)),
      getBytes: (params) => (dead ? never : store.getBytes(params)),
      set: (params) => write(() => store.set(params)),
      delete: (params) => write(() => store.delete(params)),
    },
  }
}

describe('a refresh token that changes at each use', () => {
  test('is not lost with any answer, in any order', async () => {
    const clock = new TestClock()
    const server = await startServer(clock)
    const store = memoryStore(clock)
    let session = await Session.open(store, server.url, clock.now, server.firstRefreshToken)
    let given = 0
    for (let round = 0; round < 200; round++) {
      const loss = LOSSES[randomInt(LOSSES.length)]
      server.lose = () => loss
      clock.advanceSeconds(randomInt(2 * HOUR_SECONDS))
      const calls = await Promise.allSettled(Array.from({ length: 1 + randomInt(5) }, () => session.fetch('/me')))
      given += calls.filter((call) => call.status === 'fulfilled' && call.value.status === 200).length
      expect(server.isValid(await storedToken(store)), `round ${round}`).toBe(true)
      if (randomInt(10) === 0) {
        await session.close()
        session = await Session.open(store, server.url, clock.now)
      }
    }
    // A load in the background may be about to be lost, and the next call would hear of that: closing waits for it.
    await session.close()
    server.lose = () => undefined
    session = await Session.open(store, server.url, clock.now)
    clock.advanceSeconds(HOUR_SECONDS)
    const last = await session.fetch('/me').catch(() => {
      // A connection that the server has ended with the last loss may have been taken for an open one.
      clock.advanceSeconds(HOUR_SECONDS)
      return session.fetch('/me')
    })
    expect(last.status).toBe(200)
    expect(given).toBeGreaterThan(20)
    await session.close()
  })

  test('is not lost wherever the process ends', async () => {
    const endings: string[] = []
    for (const loss of LOSSES) {
      for (const done of [false, true]) {
        for (let at = 0; at < 8; at++) {
          const clock = new TestClock()
          const server = await startServer(clock)
          const store = memoryStore(clock)
          await (await Session.open(store, server.url, clock.now, server.firstRefreshToken)).close()
          const dying = dyingStore(store, at, done)
          const life = async (): Promise<void> => {
            const session = await Session.open(dying.store, server.url, clock.now)
            for (let round = 0; round < 4; round++) {
              server.lose = () => (round === 1 ? loss : undefined)
              await session.fetch('/me').catch(() => {})
              clock.advanceSeconds(HOUR_SECONDS)
            }
          }
          if ((await Promise.race([life().then(() => 'lived'), dying.death.then(() => 'died')])) === 'died') {
            endings.push(`${loss} ${done} ${at}`)
          }
          const where = `write ${at}, ${done ? 'done' : 'not done'}, losing ${loss}`
          expect(server.isValid(await storedToken(store)), where).toBe(true)
          server.lose = () => undefined
          const next = await Session.open(store, server.url, clock.now)
          expect((await next.fetch('/me')).status, where).toBe(200)
          expect(server.revoked, where).toBe(false)
          await next.close()
        }
      }
    }
    expect(endings.length).toBeGreaterThan(40)
  })

  test('is asked for again at once by the next process, since servers may take the old one for seconds only', async () => {
    const clock = new TestClock()
    const server = await startServer(clock)
    server.overlapSeconds = 30
    const store = memoryStore(clock)
    const first = await Session.open(store, server.url, clock.now, server.firstRefreshToken)
    await first.accessToken()
    clock.advanceSeconds(HOUR_SECONDS - 10) // loaded ahead, in the background: the access token is still good
    server.lose = () => 'answer'
    await first.accessToken()
    await first.close()
    server.lose = () => undefined
    clock.advanceSeconds(20)
    const next = await Session.open(store, server.url, clock.now)
    clock.advanceSeconds(HOUR_SECONDS)
    expect((await next.fetch('/me')).status).toBe(200)
    await next.close()
  })

  test('that comes from signing in anew ends the access token of the former session, wherever that is stopped', async () => {
    const former: TargetParams = { scope: REFRESH_TOKEN.scope, name: 'cache:access-token' }
    const clock = new TestClock()
    const other = await startServer(clock)
    for (const done of [false, true]) {
      for (let at = 0; at < 3; at++) {
        const store = memoryStore(clock)
        await signIn(store, clock)
        const before = await storedToken(store)
        const dying = dyingStore(store, at, done)
        const opening = Session.open(dying.store, other.url, clock.now, 'anew')
        await Promise.race([opening, dying.death])
        const isFormer = (await storedToken(store)) === before
        if (!isFormer) expect(await store.find(former), `write ${at}, ${done}`).toBeUndefined()
      }
    }
    const store = memoryStore(clock)
    await signIn(store, clock)
    expect(await store.find(former)).toBeDefined()
    const session = await Session.open(store, other.url, clock.now, other.firstRefreshToken)
    expect((await session.fetch('/me')).status).toBe(200)
    expect(other.requests).toBe(1)
    await session.close()
  })

  test('is asked for once by any number of callers', async () => {
    const clock = new TestClock()
    const server = await startServer(clock)
    const session = await Session.open(memoryStore(clock), server.url, clock.now, server.firstRefreshToken)
    await Promise.all(Array.from({ length: 50 }, () => session.accessToken()))
    expect(server.requests).toBe(1)
    await session.close()
  })

  test('is not given up with the caller who asked: the next one gets the answer that is on its way', async () => {
    const clock = new TestClock()
    const server = await startServer(clock)
    const store = memoryStore(clock)
    const session = await Session.open(store, server.url, clock.now, server.firstRefreshToken)
    let asked = (): void => {}
    const request = new Promise<void>((resolve) => {
      asked = resolve
    })
    let answer = (): void => {}
    server.lose = () => {
      asked()
      return new Promise((resolve) => {
        answer = () => resolve(undefined)
      })
    }
    const controller = new AbortController()
    const first = session.accessToken(controller.signal).catch((reason) => reason)
    await request
    controller.abort('enough')
    expect(await first).toBe('enough')
    const second = session.accessToken()
    await settled()
    answer()
    expect(await second).toBe('access-1')
    expect(server.requests).toBe(1)
    expect(await storedToken(store)).toBe('refresh-2')
    await session.close()
  })

  test('is lost with the answer if the server takes no old one, which is said and not hidden', async () => {
    const clock = new TestClock()
    const server = await startServer(clock)
    server.strict = true
    const session = await Session.open(memoryStore(clock), server.url, clock.now, server.firstRefreshToken)
    server.lose = () => 'answer'
    await session.accessToken().catch(() => {})
    server.lose = () => undefined
    clock.advanceSeconds(60)
    await expect(session.accessToken()).rejects.toMatchObject({
      code: 'ERR_UNAVAILABLE',
      cause: { message: 'token endpoint: expected status 200, got 400' },
    })
    await session.close()
  })

  test(`survives ${KILLS} kills over a network that loses answers`, async () => {
    const location = await newLocation()
    const server = await startServer()
    const first = await openStore(location)
    await (await Session.open(first, server.url, Date.now, server.firstRefreshToken)).close()
    await first.close()
    let reserve = startChild('oauth-client', ['run'])
    onTestFinished(() => void reserve.kill('SIGKILL'))
    let rounds = 0
    for (let kill = 1; kill <= KILLS; kill++) {
      const child = reserve
      reserve = startChild('oauth-client', ['run'])
      server.lose = () => LOSSES[Math.max(0, randomInt(6) - 3)]
      let killAfter = randomInt(12)
      const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
      lines.on('line', () => {
        rounds++
        if (killAfter-- === 0) setTimeout(() => child.kill('SIGKILL'), randomInt(8))
      })
      child.send({ location, url: server.url })
      const [, signal] = await once(child, 'close')
      expect(signal).toBe('SIGKILL')
      const store = await openStore(location)
      expect(server.isValid(await storedToken(store)), `after kill ${kill}`).toBe(true)
      await store.close()
    }
    server.lose = () => undefined
    const store = await openStore(location)
    const session = await Session.open(store, server.url)
    expect((await session.fetch('/me')).status).toBe(200)
    expect(server.revoked).toBe(false)
    console.info(`oauth: ${KILLS} kills in ${rounds} rounds and ${server.requests} token requests: no session lost`)
    await session.close()
  })
})
