import { openSync } from 'node:fs'
import { access, constants, readFile } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import { ReadStream } from 'node:tty'
import { type Failure, Interrupted, refused } from './failure'
import { type GivenBytes, givenBytes } from './raw-bytes'

/** The world of one run of the program; a test brings another. */
export interface Io {
  readonly stdin: Terminal
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly env: Readonly<Record<string, string | undefined>>
  /** The same and the arguments in bytes, as far as the system tells. */
  readonly given?: GivenBytes
  /** The clock, in milliseconds since the Unix epoch. */
  now(): number
  /** Aborted with an `Interrupted` by Ctrl-C and its like. */
  readonly signal: AbortSignal
  /** From now on signals are somebody else's affair, such as a child's. @returns Gives them back. */
  takeSignals(listener: (signal: NodeJS.Signals) => void): () => void
  /** A terminal to ask somebody at, even where stdin is a pipe; `undefined` if there is nobody. */
  terminal(): Terminal | undefined
}

/** Where somebody types. */
export type Terminal = Readable & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown }

const SIGNALS: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }

export function processIo(): Io {
  const abort = new AbortController()
  let taken: ((signal: NodeJS.Signals) => void) | undefined
  for (const [name, exitCode] of Object.entries(SIGNALS)) {
    process.on(name as NodeJS.Signals, (signal) => {
      if (taken !== undefined) return taken(signal)
      // Who insists is let go: what was acknowledged is on disk.
      if (abort.signal.aborted) process.exit(exitCode)
      abort.abort(new Interrupted(exitCode))
    })
  }
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    given: givenBytes(process.argv.slice(2)),
    now: () => Date.now(),
    signal: abort.signal,
    takeSignals(listener) {
      taken = listener
      return () => {
        taken = undefined
      }
    },
    terminal() {
      if (!process.stderr.isTTY) return undefined
      if (process.stdin.isTTY) return process.stdin
      try {
        return new ReadStream(openSync('/dev/tty', 'r'))
      } catch {
        return undefined
      }
    },
  }
}

/** @throws {Failure} */
export async function checkReadable(path: string): Promise<void> {
  await access(path, constants.R_OK).catch((error) => {
    throw unreadable(path, error)
  })
}

/** @throws {Failure} */
export async function readInput(path: string): Promise<Uint8Array> {
  return readFile(path).catch((error) => {
    throw unreadable(path, error)
  })
}

export async function readStream(stream: AsyncIterable<Uint8Array | string>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of stream) parts.push(typeof part === 'string' ? Buffer.from(part) : part)
  return Buffer.concat(parts)
}

function unreadable(path: string, { code }: NodeJS.ErrnoException): Failure {
  return refused(`${path}: ${code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`}`)
}
