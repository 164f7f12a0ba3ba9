/**
 * Several processes on one store, beside SQLCipher with WAL and LMDB in as many: `npm run bench:processes`, and
 * `npm run bench:processes -- --help`.
 *
 * A round goes through all contenders and numbers of processes in turn. All processes of a fleet do the same at the same
 * time, each without a pause: whoever holds the store works as well, unless the row says otherwise.
 */
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { facts, placeLine, TOO_SHORT } from './machine'
import { Fleet } from './processes/fleet'
import type { Order } from './processes/member'
import { SOCKET } from './processes/party'
import { type Line, tableOf } from './processes/table'
import { Results } from './statistics'
import { Stores } from './stores'
import { DEFAULT_PAYLOAD_BYTES } from './work/work'
import { install, Workers } from './workers'

const HELP = `npm run bench:processes -- [options]

Gets and sets a second of several processes on one store, and how long the slowest call took.

  --rounds 5         measurements of each, of which the median counts
  --counts 1,2,8     how many processes
  --secrets 10000    how many secrets the store has
  --who ours,lmdb    only these rows
  --directory PATH   where the stores are put while it runs; the system's temporary directory
  --json FILE        writes every single measurement to FILE
  --quick            one short round of 1,000 secrets: shows that everything runs, and nothing else
`

const LINES: readonly Line[] = [
  {
    name: 'ours',
    what: 'secret-store, shared: the first process holds the files, and works as the others do',
    contender: 'ours',
    served: false,
    verbs: ['get', 'set'],
  },
  {
    name: 'ours, followers alone',
    what: 'the same, and the process that holds the files only serves so many others',
    contender: 'ours',
    served: true,
    verbs: ['get', 'set'],
  },
  {
    name: 'sqlcipher',
    what: 'SQLCipher 4, raw key, WAL, synchronous = FULL, busy_timeout; no call of its API is asynchronous',
    contender: 'sqlcipher',
    served: false,
    verbs: ['get', 'set'],
  },
  {
    name: 'lmdb',
    what: 'LMDB with its encryptionKey: **unauthenticated**',
    contender: 'lmdb',
    served: false,
    verbs: ['get', 'set'],
  },
  {
    name: 'a socket',
    what: 'no store: 300 bytes there and back, from one process to another',
    contender: SOCKET,
    served: true,
    verbs: ['get'],
    counts: [1],
  },
]
/** Each of eight processes makes few calls a second: until its code is compiled takes calls, not time. */
const FULL_BUDGET: Budget = { warmMs: 300, warmCalls: { get: 3000, set: 400 }, runMs: 1000 }
const QUICK_BUDGET: Budget = { warmMs: 20, warmCalls: { get: 0, set: 0 }, runMs: 40 }
const AT_ONCE = 16

interface Budget {
  readonly warmMs: number
  /** Of each process. */
  readonly warmCalls: Readonly<Record<Work['verb'], number>>
  readonly runMs: number
}

type Work = Pick<Order, 'verb' | 'together'>

const WORKS: readonly Work[] = [
  { verb: 'get', together: 1 },
  { verb: 'get', together: AT_ONCE },
  { verb: 'set', together: 1 },
  { verb: 'set', together: AT_ONCE },
]
const nameOfWork = ({ verb, together }: Work): string =>
  together === 1 ? `${verb}, one after the other` : `${verb}, ${together} at once`

const say = (line: string): void => void process.stderr.write(`${line}\n`)
const numberOf = (text: string, label: string): number => {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number > 0) return number
  throw new TypeError(`${label}: expected whole numbers from 1, got ${text}`)
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    counts: { type: 'string', default: '1,2,8' },
    secrets: { type: 'string' },
    who: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

async function main(): Promise<void> {
  install()
  const { quick } = values
  const rounds = numberOf(values.rounds ?? (quick ? '1' : '5'), '--rounds')
  const secrets = numberOf(values.secrets ?? (quick ? '1000' : '10000'), '--secrets')
  const counts = values.counts.split(',').map((count) => numberOf(count, '--counts'))
  const budget = quick ? QUICK_BUDGET : FULL_BUDGET
  const who = values.who?.split(',')
  const asked = LINES.filter(({ name }) => who?.some((part) => name.includes(part)) ?? true)
  const workers = await Workers.build()
  const stores = await Stores.create(values.directory, workers)
  process.once('exit', () => {
    workers.stop()
    stores.removeAllNow()
  })
  process.on('SIGINT', () => process.exit(130))
  process.on('SIGTERM', () => process.exit(143))
  if (stores.isInMemory()) say(`${values.directory}: in memory; waiting for the disk costs nothing here`)

  const lines: Line[] = []
  for (const line of asked) if (await isThere(line, workers)) lines.push(line)
  const results = new Results()
  for (let round = 1; round <= rounds; round++) {
    for (const processes of counts) {
      for (const line of lines.filter((one) => one.counts?.includes(processes) ?? true)) {
        const directory =
          line.contender === SOCKET
            ? await stores.empty()
            : await stores.copy({
                contender: line.contender,
                size: secrets,
                payloadBytes: DEFAULT_PAYLOAD_BYTES,
                variant: 'plain',
              })
        const { contender, served } = line
        const fleet = await Fleet.start(workers, { contender, directory, secrets, processes, served, round })
        for (const work of WORKS.filter(({ verb }) => line.verbs.includes(verb))) {
          await fleet.perform({ ...work, ms: budget.warmMs, calls: budget.warmCalls[work.verb] })
          const done = await fleet.perform({ ...work, ms: budget.runMs, calls: 0 })
          results.add({ work: nameOfWork(work), contender: line.name, size: processes }, { ...done })
        }
        await fleet.end()
        await stores.remove(directory)
      }
      say(`round ${round} of ${rounds}: ${processes} processes`)
    }
  }
  const rows = lines.map(({ name, what }) => `- ${name}: ${what}`)
  const { warmMs, warmCalls, runMs } = budget
  const warm = `${warmMs} ms and ${warmCalls.get} gets or ${warmCalls.set} sets of each process`
  const how = `${secrets} secrets of ${DEFAULT_PAYLOAD_BYTES} B; rounds ${rounds} of ${runMs} ms, after ${warm}`
  const tables = WORKS.map((work) => tableOf(nameOfWork(work), lines, counts, results))
  const parts = [`${placeLine()}; ${how}${quick ? TOO_SHORT : ''}`, rows.join('\n'), ...tables]
  process.stdout.write(`${parts.join('\n\n')}\n`)
  const measurements = results.places().map((place) => ({
    ...place,
    metrics: Object.fromEntries(results.metrics(place).map((metric) => [metric, results.spread(place, metric)])),
  }))
  if (values.json !== undefined) {
    await writeFile(values.json, `${JSON.stringify({ ...facts(), values, measurements }, undefined, 2)}\n`)
  }
}

/** A contender that cannot be loaded is left out, and that is said. */
async function isThere({ name, contender }: Line, workers: Workers): Promise<boolean> {
  if (contender === SOCKET) return true
  try {
    await workers.run({ type: 'probe', contender })
    return true
  } catch (error) {
    say(`${name}: skipped, it cannot be loaded: ${(error as Error).message}`)
    return false
  }
}

if (values.help) process.stdout.write(HELP)
else await main()
