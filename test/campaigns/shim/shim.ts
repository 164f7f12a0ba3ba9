import { type ChildProcess, execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { fromRoot } from '../../support/paths'
import { startChild } from '../../support/programs'
import type { Job, Report } from '../../support/programs/faulted'
import type { Hit } from './control'
import type { Event } from './operations'

/** Builds what is preloaded, and runs children under it. */

const SOURCE = fromRoot('test/campaigns/shim/fault.c')
/** No attempt takes a tenth of it; its steps have limits of their own. */
const ATTEMPT_TIMEOUT_MS = 180_000

/** Why no library can be preloaded here, or `undefined` if it can. */
export function refusalToPreload(): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}, not linux`
  const directory = mkdtempSync(join(tmpdir(), 'secret-store-shim-'))
  try {
    const library = join(directory, 'fault.so')
    execFileSync('cc', compilerOptions(library), { stdio: 'pipe' })
    // With musl in the place of glibc it compiles, and cannot stand below stdio.
    execFileSync(process.execPath, ['-e', CONTROL_CHECK], {
      env: { ...process.env, LD_PRELOAD: library },
      stdio: 'pipe',
    })
    return undefined
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const CONTROL_CHECK = "require('fs').realpathSync.native('/fault-control/disarm')"

function compilerOptions(library: string): string[] {
  return ['-O1', '-shared', '-fPIC', '-o', library, SOURCE, '-ldl', '-lpthread']
}

/** What an attempt came to. */
export interface Course {
  readonly events: readonly Event[]
  /** `undefined` if the process did not live to its end. */
  readonly hit: Hit | undefined
  readonly signal: NodeJS.Signals | null
  /** What else the process said at its end. */
  readonly broken: string | undefined
}

/** Starts children of one program. */
export interface Starter {
  start(): ChildProcess
}

/**
 * @param directory - Where the library is put that is built.
 * @param root - Calls on what is below it are counted.
 * @param program - In test/support/programs/.
 */
export async function preloader(directory: string, root: string, program: string, argument: string): Promise<Starter> {
  const library = join(directory, 'fault.so')
  await promisify(execFile)('cc', compilerOptions(library))
  const preload = {
    LD_PRELOAD: library,
    FAULT_ROOT: root,
    // What it does with files would go past the C library.
    UV_USE_IO_URING: '0',
  }
  return starterOf(program, argument, preload)
}

/** Starts a program under an environment, with its stderr to be read. */
export function starterOf(
  program: string,
  argument: string,
  environment: Readonly<Record<string, string>> = {},
): Starter {
  const env = { ...process.env, ...environment }
  return { start: () => startChild(program, [argument], { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }) }
}

/** Children that try one job after the other; one that has died is replaced. */
export class FaultedChildren {
  readonly #starter: Starter
  /** The next one starts while this one is at it. */
  readonly #ready: ChildProcess[] = []

  constructor(starter: Starter) {
    this.#starter = starter
  }

  /** @param last - The process is to die of it. */
  async attempt(job: Job, last: boolean): Promise<Course> {
    const child = this.#ready.pop() ?? this.#starter.start()
    if (last && this.#ready.length === 0) this.#ready.push(this.#starter.start())
    const course = await follow(child, job)
    if (child.exitCode === null && child.signalCode === null) this.#ready.push(child)
    return course
  }

  async end(): Promise<void> {
    await Promise.all(
      this.#ready.splice(0).map(async (child) => {
        const exit = once(child, 'exit')
        child.kill('SIGKILL')
        await exit
      }),
    )
  }
}

async function follow(child: ChildProcess, job: Job): Promise<Course> {
  const events: Event[] = []
  let hit: Hit | undefined
  let broken: string | undefined
  let said = ''
  const hear = (piece: Buffer): void => {
    said = `${said}${piece}`.slice(-4000)
  }
  child.stderr?.on('data', hear)
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const timer = setTimeout(() => child.kill('SIGKILL'), ATTEMPT_TIMEOUT_MS)
  const finished = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      const report = JSON.parse(line) as Report
      if ('finished' in report) hit = report.finished
      else if ('broken' in report) broken = report.broken
      else events.push(report)
      if (hit !== undefined || broken !== undefined) resolve()
    })
  })
  const waiting = new AbortController()
  const closed = once(child, 'close', { signal: waiting.signal }).then(
    () => {},
    () => {},
  )
  child.send(job)
  await Promise.race([finished, closed])
  waiting.abort()
  clearTimeout(timer)
  lines.close()
  child.stderr?.off('data', hear)
  if (hit === undefined && broken === undefined && said !== '') broken = said
  return { events, hit, signal: child.signalCode, broken }
}
