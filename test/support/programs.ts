import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { join } from 'node:path'
import { PROGRAMS_VARIABLE } from './build-programs'

/** What tests start as a process: built once for a run, by support/build-programs.ts. */

/** The directory of the built programs of this run. */
export function programsDirectory(): string {
  const directory = process.env[PROGRAMS_VARIABLE]
  if (directory === undefined) throw new Error('programs: expected them built by support/build-programs.ts, got none')
  return directory
}

/** The file of a program of test/support/programs/, of the command line (`secret-store`), or of `library/index` and so on. */
export function builtProgram(name: string): string {
  return join(programsDirectory(), `${name}.mjs`)
}

/** Starts a program of test/support/programs/ in a process of its own, with a channel for messages. */
export function startChild(
  program: string,
  args: readonly string[] = [],
  { nodeArgs = [], ...options }: SpawnOptions & { readonly nodeArgs?: readonly string[] } = {},
): ChildProcess {
  return spawn(process.execPath, [...nodeArgs, builtProgram(program), ...args], {
    stdio: ['pipe', 'pipe', 'inherit', 'ipc'],
    ...options,
  })
}
