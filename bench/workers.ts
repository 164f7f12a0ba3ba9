import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Outcome } from './measure'
import type { Joining } from './processes/member'
import type { Task } from './worker'

export const BENCH_DIRECTORY: string = fileURLToPath(new URL('.', import.meta.url))
const REASON_CHARACTERS = 200
/** Longer than the largest store takes to fill. */
const TIMEOUT_MS = 3_600_000

const say = (line: string): void => void process.stderr.write(`${line}\n`)

/** What it compares with is installed when it is first needed, without running any package's scripts. */
export function install(): void {
  if (existsSync(join(BENCH_DIRECTORY, 'node_modules/.package-lock.json'))) return
  say('bench/node_modules: not there; installing what is compared with (npm ci --ignore-scripts in bench/)')
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund']
  const { status } = spawnSync('npm', args, { cwd: BENCH_DIRECTORY, stdio: ['ignore', 2, 2] })
  if (status !== 0) say(`npm ci: ended with ${status}; what cannot be loaded is left out`)
}

/** Runs tasks in processes of their own. */
export class Workers {
  readonly #directory: string
  readonly #running = new Set<ChildProcess>()

  private constructor(directory: string) {
    this.#directory = directory
  }

  /** Bundles what they run, the library's sources with it; packages are found beside it or above. */
  static async build(): Promise<Workers> {
    const outdir = join(BENCH_DIRECTORY, 'node_modules/.cache/bench')
    await rm(outdir, { recursive: true, force: true })
    await build({
      entryPoints: {
        worker: join(BENCH_DIRECTORY, 'worker.ts'),
        member: join(BENCH_DIRECTORY, 'processes/member.ts'),
      },
      outdir,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      packages: 'external',
      outExtension: { '.js': '.mjs' },
      logLevel: 'warning',
    })
    return new Workers(outdir)
  }

  /** @throws With the last of what the process said, if it failed. */
  async run(task: Task): Promise<Outcome> {
    const child = this.#spawn('worker', task, ['ignore', 'pipe', 'pipe'])
    const output: string[] = []
    const errors: string[] = []
    child.stdout?.setEncoding('utf8').on('data', (text) => output.push(text))
    child.stderr?.setEncoding('utf8').on('data', (text) => errors.push(text))
    const [code, signal] = await once(child, 'close')
    if (code !== 0) throw new Error(reasonOf(errors.join('')) ?? `ended with ${signal ?? code}`)
    return JSON.parse(output.join(''))
  }

  /** Starts a member of a fleet, which takes orders and answers by messages. */
  member(task: Joining): ChildProcess {
    return this.#spawn('member', task, ['ignore', 'inherit', 'inherit', 'ipc'])
  }

  /** What is under way ends with this process. */
  stop(): void {
    for (const child of this.#running) child.kill('SIGKILL')
  }

  #spawn(program: string, task: unknown, stdio: StdioOptions): ChildProcess {
    const args = ['--expose-gc', join(this.#directory, `${program}.mjs`), JSON.stringify(task)]
    const child = spawn(process.execPath, args, { stdio, timeout: TIMEOUT_MS, killSignal: 'SIGKILL' })
    this.#running.add(child)
    child.once('close', () => this.#running.delete(child))
    return child
  }
}

/** The message of an uncaught error, or the last line. */
function reasonOf(errors: string): string | undefined {
  const lines = errors.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('Node.js v'))
  const message = lines.find((line) => /^(\w*Error|\w+ \[.*Error.*\]|Error)\b.*: /.test(line)) ?? lines.at(-1)
  return message?.trim().replaceAll(BENCH_DIRECTORY, 'bench/').slice(0, REASON_CHARACTERS)
}
