/**
 * The store beside what else there is, doing the same work: `npm run bench`, and `npm run bench -- --help`.
 *
 * Each measurement is one fresh process (worker.ts) that does one work with one library at one size. Rounds go through all
 * contenders in turn, so that a change of the machine meets all of them.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bundleSize } from '../scripts/bundle-size'
import { CONTENDERS } from './contenders/registry'
import { goalsTable, placesOfGoals } from './goals'
import { jsonOf, machineOf } from './machine'
import { HELP, type Options, parseOptions } from './options'
import { format, tablesOf } from './report'
import { type AeadRow, type Row, type StoreRow, scheduleOf } from './schedule'
import { sizesTable } from './sizes'
import { type Place, Results } from './statistics'
import { Stores } from './stores'
import { DEFAULT_PAYLOAD_BYTES } from './work/work'
import { BENCH_DIRECTORY, install, Workers } from './workers'

const say = (line: string): void => void process.stderr.write(`${line}\n`)

class Run {
  readonly results: Results = new Results()
  readonly #options: Options
  readonly #workers: Workers
  readonly #stores: Stores
  readonly #unavailable = new Map<string, string>()
  failures = 0

  constructor(options: Options, workers: Workers, stores: Stores) {
    this.#options = options
    this.#workers = workers
    this.#stores = stores
  }

  async everything(rows: readonly Row[]): Promise<void> {
    await this.#probe(rows)
    let [size] = rows.map((row) => row.size)
    for (const [index, row] of rows.entries()) {
      if (size !== undefined && row.size !== size) await this.#stores.forget(size)
      size = row.size
      say(`[${index + 1}/${rows.length}] ${row.name}, ${row.size.toLocaleString('en-US')}`)
      await this.#row(row)
    }
  }

  /** A contender that cannot be loaded is left out, and that is said. */
  async #probe(rows: readonly Row[]): Promise<void> {
    const asked = new Set(rows.flatMap((row) => (row.type === 'store' ? row.contenders : [])))
    for (const { name } of CONTENDERS.filter((contender) => asked.has(contender.name))) {
      try {
        await this.#workers.run({ type: 'probe', contender: name })
      } catch (error) {
        this.#unavailable.set(name, messageOf(error))
        say(`${name}: skipped, it cannot be loaded: ${messageOf(error)}`)
      }
    }
  }

  async #row(row: Row): Promise<void> {
    const rounds = Math.min(this.#options.rounds, (row.type === 'store' && row.work.maxRounds) || Infinity)
    const failed = new Set<string>()
    for (let round = 0; round < rounds; round++) {
      for (const contender of row.contenders) {
        const place = { work: row.name, contender, size: row.size }
        const reason = this.#unavailable.get(contender)
        if (reason !== undefined) this.results.miss(place, reason)
        if (reason !== undefined || failed.has(contender)) continue
        try {
          this.results.add(
            place,
            await (row.type === 'aead' ? this.#aead(row, contender) : this.#store(row, contender, round)),
          )
        } catch (error) {
          failed.add(contender)
          this.failures++
          this.results.miss(place, messageOf(error))
          say(`  ${contender}: FAILED: ${messageOf(error)}`)
        }
      }
      if (process.stderr.isTTY) process.stderr.write(`\r  round ${round + 1} of ${rounds}\r`)
    }
    for (const contender of row.contenders) this.#show({ work: row.name, contender, size: row.size })
  }

  #aead({ direction, size }: AeadRow, primitive: string) {
    return this.#workers.run({ type: 'aead', primitive, direction, size, budget: this.#options.budget })
  }

  async #store({ work, size }: StoreRow, contender: string, round: number) {
    const { payloadBytes = DEFAULT_PAYLOAD_BYTES, variant = 'plain', on } = work
    const kind = { contender, size, payloadBytes, variant }
    const directory = await this.#stores[on](kind)
    const { budget } = this.#options
    try {
      return await this.#workers.run({ type: 'measure', work: work.name, ...kind, directory, turn: round + 1, budget })
    } finally {
      if (on === 'copy') await this.#stores.remove(directory)
    }
  }

  #show(place: Place): void {
    const [cpu, wall] = [this.results.median(place, 'cpu'), this.results.median(place, 'wall')]
    if (cpu === undefined || wall === undefined) return
    say(
      `  ${place.contender.padEnd(28)} CPU ${format(cpu, 'cpu').padStart(9)}   wall ${format(wall, 'wall').padStart(9)}`,
    )
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function main(options: Options): Promise<void> {
  install()
  const workers = await Workers.build()
  const stores = await Stores.create(options.directory, workers)
  process.once('exit', () => {
    workers.stop()
    stores.removeAllNow()
  })
  // Listened to until the end: a terminal's Ctrl-C comes a second time by way of npm, in the middle of the removal.
  process.on('SIGINT', () => process.exit(130))
  process.on('SIGTERM', () => process.exit(143))
  if (stores.isInMemory()) say(`${options.directory}: in memory; waiting for the disk costs nothing here`)

  const run = new Run(options, workers, stores)
  const rows = scheduleOf(options, options.goals ? placesOfGoals(options.sizes) : undefined)
  await run.everything(rows)
  const isBundleAsked = options.names.length === 0 || options.names.some((name) => 'bundle'.includes(name))
  const bundle = isBundleAsked ? await bundleSize(join(BENCH_DIRECTORY, '../src/index.ts')) : undefined
  const machine = machineOf(options)
  const parts = [
    machine,
    tablesOf(rows, options.sizes, run.results),
    bundle && sizesTable(bundle),
    goalsTable(run.results, options.sizes, bundle?.atStart),
  ]
  process.stdout.write(`${parts.filter(Boolean).join('\n\n')}\n`)
  if (options.json !== undefined) await writeFile(options.json, jsonOf(options, run.results, bundle))
  if (run.failures > 0) process.exitCode = 1
}

try {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) process.stdout.write(HELP)
  else await main(options)
} catch (error) {
  // The caller's mistake needs no trace.
  if (!(error instanceof TypeError)) throw error
  say(error.message)
  process.exitCode = 2
}
