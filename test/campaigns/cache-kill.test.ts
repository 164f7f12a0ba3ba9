import type { ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { type CacheAnswer, SecretCache } from '../../src/cache/index'
import { account } from '../../src/index'
import { startChild } from '../support/programs'
import { LIMITS, NAMES, type Report } from '../support/programs/cacher'
import { newLocation, openStore } from '../support/stores'

const KILLS = 30
const MOST_REPORTS = 600

/** What the source has said; the place is the number in the payload. */
interface Said {
  readonly name: string
  readonly atMs: number
  none: boolean
}

/** A source that answers, has none, fails, hangs and breaks off, at random. */
async function startSource(said: Said[]): Promise<Server> {
  const server = createServer((request, response) => {
    const name = (request.url ?? '').slice(1).replace(/\?.*/, '')
    const what: Said = { name, atMs: Date.now(), none: false }
    const number = said.push(what) - 1
    const kind = randomInt(100)
    setTimeout(() => {
      what.none = kind < 8
      if (kind < 8) response.writeHead(404).end()
      else if (kind < 20) response.writeHead(500).end()
      else if (kind < 24) request.socket.destroy()
      else if (kind > 26) response.end(`${name}:${number}`)
    }, randomInt(8))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return server
}

/** What is known of one name from what the children have told. */
class Known {
  /** The least number that an answer may have for a call from now on. */
  least = 0
  /** The last that was given. */
  given = -1
  /** Whether that has to be there: no invalidation has begun since it was asked for. */
  stays = false
  #invalidating = 0
  #invalidations = 0
  readonly #calls = new Map<number, { readonly least: number; readonly invalidations: number }>()

  hear(report: Report, said: readonly Said[]): void {
    if ('called' in report) {
      this.#calls.set(report.called, { least: this.least, invalidations: this.#invalidations + this.#invalidating })
    } else if ('invalidating' in report) {
      this.#calls.set(report.invalidating, { least: this.given + 1, invalidations: 0 })
      this.#invalidating++
      this.stays = false
    } else if ('invalidated' in report) {
      this.#invalidating--
      this.#invalidations++
      this.least = Math.max(this.least, this.#calls.get(report.invalidated)?.least as number)
    } else if ('answered' in report && report.found !== null) this.#answer(report, report.found, said)
  }

  #answer(
    { name, answered }: { name: string; answered: number },
    found: CacheAnswer<string>,
    said: readonly Said[],
  ): void {
    const call = this.#calls.get(answered) as { least: number; invalidations: number }
    const [own, digits] = found.payload.split(':')
    const number = Number(digits)
    expect(own, 'the answer for another name').toBe(name)
    expect(number, 'an older answer than one before').toBeGreaterThanOrEqual(call.least)
    expect(found.fetchedAt, 'a fetch time behind the question').toBeLessThanOrEqual((said[number] as Said).atMs)
    expect(found.ageMs).toBeLessThan(LIMITS.maxStaleMs)
    this.given = Math.max(this.given, number)
    this.least = Math.max(this.least, number)
    this.stays ||= this.#invalidating === 0 && call.invalidations === this.#invalidations
  }

  /** No call and no invalidation outlives its process. */
  dies(): void {
    this.#invalidating = 0
    this.#invalidations = 0
    this.#calls.clear()
  }
}

async function liveAndDie(child: ChildProcess, life: object): Promise<Report[]> {
  const reports: Report[] = []
  let killAfter = randomInt(MOST_REPORTS)
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  lines.on('line', (line) => {
    reports.push(JSON.parse(line))
    if (killAfter-- === 0) setImmediate(() => child.kill('SIGKILL'))
  })
  child.send(life)
  const [, signal] = await once(child, 'close')
  expect(signal).toBe('SIGKILL')
  return reports
}

test(`${KILLS} kills lose no answer that was given, and bring none back`, async () => {
  const location = await newLocation()
  const said: Said[] = []
  const source = await startSource(said)
  const url = `http://127.0.0.1:${(source.address() as AddressInfo).port}`
  const known = new Map(NAMES.map((name) => [name, new Known()]))
  let reserve = startChild('cacher', ['run'])
  onTestFinished(() => void reserve.kill('SIGKILL'))
  const count = { answers: 0, stale: 0, none: 0, unavailable: 0, invalidations: 0, there: 0 }
  for (let kill = 1; kill <= KILLS; kill++) {
    const child = reserve
    reserve = startChild('cacher', ['run'])
    for (const report of await liveAndDie(child, { location, url })) {
      if ('opened' in report) continue
      expect(report, 'two loads at once').not.toHaveProperty('twoLoads')
      expect(report, 'an answer that was not kept').not.toHaveProperty('notKept')
      known.get(report.name)?.hear(report, said)
      if ('answered' in report) count[report.found === null ? 'none' : report.found.stale ? 'stale' : 'answers']++
      if ('unavailable' in report) count.unavailable++
      if ('invalidated' in report) count.invalidations++
    }
    // The next process finds the source down.
    const store = await openStore(location)
    const load = (): never => {
      throw new Error('source is down')
    }
    const cache = new SecretCache(store, { ...LIMITS, load, onError: () => {} })
    for (const name of NAMES) {
      const { least, given, stays } = known.get(name) as Known
      known.get(name)?.dies()
      const found = await cache.get({ scope: account, name }).catch((error) => error.code)
      const number = typeof found?.payload === 'string' ? Number(found.payload.split(':')[1]) : undefined
      if (number !== undefined) {
        count.there++
        expect(number, `an older answer after kill ${kill}`).toBeGreaterThanOrEqual(least)
        expect(said[number]?.name).toBe(name)
      }
      const gone = said.some((what, at) => what.none && what.name === name && at > given)
      if (stays && !gone) expect(number, `an answer that was given, and is gone after kill ${kill}`).toBeDefined()
    }
    await cache.close()
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  }
  console.info(`kill -9: ${KILLS} kills, ${JSON.stringify(count)}, ${said.length} questions`)
  expect(count.answers + count.stale).toBeGreaterThan(KILLS)
  expect(count.there).toBeGreaterThan(KILLS)
})
