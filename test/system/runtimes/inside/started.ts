import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** How the runtime that runs this starts a file: it is the program, and Deno asks to be told what to allow. */
export const RUN: readonly string[] =
  'Deno' in globalThis ? ['run', '-A', '--no-check', '--node-modules-dir=manual'] : []

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
  const child: ChildProcess = spawn(process.execPath, [...RUN, program, work, location, log], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  return {
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
    async told() {
      const text = await readFile(log, 'utf8').catch(() => '')
      // What is after the last line end is half a line.
      return text.split('\n').slice(0, -1)
    },
  }
}
