import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Outcome } from './measure'
import type { Task } from './worker'

export const BENCH_DIRECTORY: string = fileURLToPath(new URL('.', import.meta.url))
const REASON_CHARACTERS = 200
/** Longer than the largest store takes to fill. */
const TIMEOUT_MS = 3_600_000

/** Runs tasks in processes of their own, one after the other. */
export class Workers {
  readonly #file: string
  #running: ChildProcess | undefined

  private constructor(file: string) {
    this.#file = file
  }

  /** Bundles what they run, the library's sources with it; packages are found beside it or above. */
  static async build(): Promise<Workers> {
    const outdir = join(BENCH_DIRECTORY, 'node_modules/.cache/bench')
    await rm(outdir, { recursive: true, force: true })
    await build({
      entryPoints: [join(BENCH_DIRECTORY, 'worker.ts')],
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
    return new Workers(join(outdir, 'worker.mjs'))
  }

  /** @throws With the last of what the process said, if it failed. */
  async run(task: Task): Promise<Outcome> {
    const child = spawn(process.execPath, ['--expose-gc', this.#file, JSON.stringify(task)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    this.#running = child
    const output: string[] = []
    const errors: string[] = []
    child.stdout.setEncoding('utf8').on('data', (text) => output.push(text))
    child.stderr.setEncoding('utf8').on('data', (text) => errors.push(text))
    const [code, signal] = await once(child, 'close')
    this.#running = undefined
    if (code !== 0) throw new Error(reasonOf(errors.join('')) ?? `ended with ${signal ?? code}`)
    return JSON.parse(output.join(''))
  }

  /** The task under way, too, ends with this process. */
  stop(): void {
    this.#running?.kill('SIGKILL')
  }
}

/** The message of an uncaught error, or the last line. */
function reasonOf(errors: string): string | undefined {
  const lines = errors.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('Node.js v'))
  const message = lines.find((line) => /^(\w*Error|\w+ \[.*Error.*\]|Error)\b.*: /.test(line)) ?? lines.at(-1)
  return message?.trim().replaceAll(BENCH_DIRECTORY, 'bench/').slice(0, REASON_CHARACTERS)
}
