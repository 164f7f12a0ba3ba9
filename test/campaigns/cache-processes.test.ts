import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { Draws, newSeed, times } from '../support/campaign'
import { startChild } from '../support/programs'
import { LIMITS, machineMs, type Report, type Timed } from '../support/programs/cacher'
import { newLocation, openStore } from '../support/stores'

// Caches of several processes over one store that they share, which are killed again and again, whoever has the files.

const KILLS: number = times(20, 600)
const PROCESSES = 3
const MOST_REPORTS = 400

/** What the source has said; the place is the number in the payload. */
interface Said {
  readonly by: number
  readonly at: number
  readonly atMs: number
}

/** A source that answers, has none, fails and hangs. */
async function startSource(said: Said[], draws: Draws): Promise<Server> {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost')
    const number = said.push({ by: Number(searchParams.get('by')), at: machineMs(), atMs: Date.now() }) - 1
    const kind = draws.below(100)
    setTimeout(() => {
      if (kind < 6) response.writeHead(404).end()
      else if (kind < 20) response.writeHead(500).end()
      else if (kind > 22) response.end(`${pathname.slice(1)}:${number}`)
    }, draws.below(12))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return server
}

/** An answer of one process. */
interface Answer {
  readonly sharer: number
  readonly name: string
  readonly calledAt: number
  readonly answeredAt: number
  /** The question that the answer came from. */
  readonly question: Said
  readonly fetchedAt: number
  readonly ageMs: number
}

interface Invalidation {
  readonly name: string
  readonly calledAt: number
  readonly endedAt: number
}

/** What all processes have told. Times are of one clock. */
class History {
  readonly #said: readonly Said[]
  readonly answers: Answer[] = []
  readonly invalidations: Invalidation[] = []

  constructor(said: readonly Said[]) {
    this.#said = said
  }

  /** Of one life of a process. */
  add(sharer: number, reports: readonly Timed[]): void {
    const called = new Map<number, number>()
    for (const report of reports) {
      expect(report, 'two loads of one process at once').not.toHaveProperty('twoLoads')
      expect(report, 'an answer that was not kept').not.toHaveProperty('notKept')
      if ('called' in report) called.set(report.called, report.at)
      else if ('invalidating' in report) called.set(report.invalidating, report.at)
      else if ('invalidated' in report) {
        const calledAt = called.get(report.invalidated) as number
        this.invalidations.push({ name: report.name, calledAt, endedAt: report.at })
      } else if ('answered' in report && report.found !== null) {
        const { payload, fetchedAt, ageMs } = report.found
        const [name = '', number] = payload.split(':')
        expect(name, 'the answer for another name').toBe(report.name)
        const question = this.#said[Number(number)] as Said
        const calledAt = called.get(report.answered) as number
        this.answers.push({ sharer, name, calledAt, answeredAt: report.at, question, fetchedAt, ageMs })
      }
    }
  }

  check(): void {
    for (const name of new Set(this.answers.map((answer) => answer.name))) {
      const answers = this.answers.filter((answer) => answer.name === name)
      const ended = this.invalidations.filter((invalidation) => invalidation.name === name)
      ended.sort((one, other) => one.endedAt - other.endedAt)
      const given = [...answers].sort((one, other) => one.answeredAt - other.answeredAt)
      let [least, newest, invalidated, acknowledged] = [0, 0, 0, 0]
      for (const answer of answers.sort((one, other) => one.calledAt - other.calledAt)) {
        for (; (ended[invalidated]?.endedAt ?? Number.POSITIVE_INFINITY) < answer.calledAt; invalidated++) {
          least = Math.max(least, (ended[invalidated] as Invalidation).calledAt)
        }
        for (; (given[acknowledged] as Answer).answeredAt < answer.calledAt; acknowledged++) {
          newest = Math.max(newest, (given[acknowledged] as Answer).fetchedAt)
        }
        expect(answer.question.at, 'an answer from before an invalidation').toBeGreaterThanOrEqual(least)
        expect(answer.fetchedAt, 'an older answer than one before').toBeGreaterThanOrEqual(newest)
        expect(answer.fetchedAt, 'a fetch time behind the question').toBeLessThanOrEqual(answer.question.atMs)
        expect(answer.ageMs, 'an age that is less than the true one').toBeGreaterThanOrEqual(
          Math.floor(answer.calledAt - answer.question.at) - 1,
        )
        expect(answer.ageMs).toBeLessThan(LIMITS.maxStaleMs)
      }
    }
  }
}

/** Runs a process until it is killed. @returns What it told. */
async function liveAndDie(child: ChildProcess, life: object, reportsToLive: number): Promise<Timed[]> {
  const reports: Timed[] = []
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  lines.on('line', (line) => {
    // Killed in the middle of a line, it had not told it.
    if (line.endsWith('}')) reports.push(JSON.parse(line) as Timed<Report>)
    if (reports.length === reportsToLive) setImmediate(() => child.kill('SIGKILL'))
  })
  child.send(life)
  const [, signal] = await once(child, 'close')
  expect(signal).toBe('SIGKILL')
  return reports
}

test(`${KILLS} kills among ${PROCESSES} processes: no answer from before an invalidation, none that grows younger`, {
  timeout: 30 * 60_000,
}, async () => {
  const seed = newSeed()
  const draws = new Draws(seed)
  const location = await newLocation()
  const said: Said[] = []
  const source = await startSource(said, draws)
  const url = `http://127.0.0.1:${(source.address() as AddressInfo).port}`
  await (await openStore(location)).close()
  const history = new History(said)
  let left = KILLS
  const lives = async (sharer: number): Promise<void> => {
    while (left-- > 0) {
      const child = startChild('cacher', ['run'])
      onTestFinished(() => void child.kill('SIGKILL'))
      history.add(sharer, await liveAndDie(child, { location, url, sharer }, 1 + draws.below(MOST_REPORTS)))
    }
  }
  await Promise.all(Array.from({ length: PROCESSES }, (_, sharer) => lives(sharer)))
  history.check()
  const byOthers = history.answers.filter(({ sharer, question }) => question.by !== sharer).length
  console.info(
    `seed ${seed}: ${KILLS} kills, ${history.answers.length} answers (${byOthers} that another process had loaded), ` +
      `${history.invalidations.length} invalidations, ${said.length} questions`,
  )
  expect(byOthers).toBeGreaterThan(KILLS)
  expect(history.invalidations.length).toBeGreaterThan(KILLS)
  const store = await openStore(location)
  expect(await store.verify()).toMatchObject({ ok: true })
})
