import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** How the runtime that runs this starts a file: it is the program, and Deno asks to be told what to allow. */
export const RUN: readonly string[] =
  'Deno' in globalThis ? ['run', '-A', '--no-check', '--node-modules-dir=manual'] : []

/** What is waited for has come long before, however slow the machine. */
const HANGS_MS = 120_000
const LOOK_MS = 5

/** A process of the program in `owner.ts`, in this same runtime. */
export interface Owner {
  /** Ends it at once: SIGKILL, on Windows TerminateProcess. */
  kill(): Promise<void>
  /** What it has told so far, in order. */
  told(): Promise<string[]>
}

/** @param log - A file that it makes, and tells what it did: without pipes, whose other end dies with it. */
export function startOwner(work: 'hold' | 'write', location: string, log: string): Owner {
  const program = fileURLToPath(new URL('./owner.mjs', import.meta.url))
  const child = spawn(process.execPath, [...RUN, program, work, location, log], { stdio: 'ignore' })
  return { kill: () => killed(child), told: () => linesOf(log) }
}

/** A process of the program in `sharer.ts`. */
export class Sharer {
  readonly #child: ChildProcess
  readonly #files: { readonly orders: string; readonly told: string }
  #asked = 0

  private constructor(child: ChildProcess, files: { readonly orders: string; readonly told: string }) {
    this.#child = child
    this.#files = files
  }

  /**
   * @param start - Starts the program with these arguments.
   * @param files - What the names of its files begin with.
   */
  static async start(
    start: (args: readonly string[]) => ChildProcess,
    location: string,
    files: string,
  ): Promise<Sharer> {
    const [orders, told] = [`${files}.orders`, `${files}.told`]
    await Promise.all([writeFile(orders, ''), writeFile(told, '')])
    return new Sharer(start([location, orders, told]), { orders, told })
  }

  /** In this same runtime. */
  static here(location: string, files: string): Promise<Sharer> {
    const program = fileURLToPath(new URL('./sharer.mjs', import.meta.url))
    const start = (args: readonly string[]): ChildProcess =>
      spawn(process.execPath, [...RUN, program, ...args], { stdio: 'ignore' })
    return Sharer.start(start, location, files)
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** @returns `opened`, or why it could not open the store. */
  opened(): Promise<string> {
    return this.#line(0)
  }

  /** One order at a time. @returns What it told. */
  async ask(order: string): Promise<string> {
    this.#asked++
    await appendFile(this.#files.orders, `${order}\n`)
    return this.#line(this.#asked)
  }

  kill(): Promise<void> {
    return killed(this.#child)
  }

  async #line(index: number): Promise<string> {
    for (const start = performance.now(); ; ) {
      const line = (await linesOf(this.#files.told))[index]
      if (line !== undefined) return line
      if (this.hasEnded) throw new Error('sharer: expected an answer, got the end of the process')
      if (performance.now() - start > HANGS_MS) throw new Error('sharer: expected an answer, got none')
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  // What is after the last line end is half a line.
  return text.split('\n').slice(0, -1)
}
