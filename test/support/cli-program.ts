import { type ChildProcess, spawn } from 'node:child_process'
import { builtProgram } from './programs'

const PROGRAM: string = builtProgram('secret-store')
/** The program as a process of its own, as built for this run. */
export const NODE_ARGS: readonly string[] = [PROGRAM]

export function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const { PATH = '', TMPDIR = '/tmp', NODE_V8_COVERAGE } = process.env
  // Node hands the last one on by itself, and a terminal does not.
  return { PATH, TMPDIR, ...(NODE_V8_COVERAGE !== undefined && { NODE_V8_COVERAGE }), ...more }
}

/** A shell's words for the program. */
export const SHELL_COMMAND: string = [process.execPath, ...NODE_ARGS].map((word) => `'${word}'`).join(' ')

export interface Outcome {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** @defaultValue the one built for this run */
  readonly program?: string
}

export interface Running {
  readonly child: ChildProcess
  readonly outcome: Promise<Outcome>
}

export function start(
  args: readonly string[],
  { env = {}, stdin = '', program = PROGRAM }: RunOptions & { readonly stdin?: string | Uint8Array | null } = {},
): Running {
  return collect(spawn(process.execPath, [program, ...args], { env: environment(env) }), stdin)
}

/** A line of `sh`, in which `secret-store` is the program. */
export function shell(line: string, env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const script = `secret-store() { ${SHELL_COMMAND} "$@"; }\n${line}`
  return collect(spawn('bash', ['-c', script], { env: environment(env) }), '').outcome
}

function collect(child: ChildProcess, stdin: string | Uint8Array | null): Running {
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout?.on('data', (part) => stdout.push(part))
  child.stderr?.on('data', (part) => stderr.push(part))
  child.stdin?.on('error', () => {})
  if (stdin !== null) child.stdin?.end(stdin)
  const outcome = new Promise<Outcome>((resolve) => {
    child.once('close', (code) =>
      resolve({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }),
    )
  })
  return { child, outcome }
}

export function run(
  args: readonly string[],
  options: RunOptions & { readonly stdin?: string | Uint8Array } = {},
): Promise<Outcome> {
  return start(args, options).outcome
}
