import { openSync } from 'node:fs'
import { access, constants, readFile } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import { ReadStream } from 'node:tty'
import { type Become, become } from './become'
import { type Failure, refused } from './failure'
import { type GivenBytes, givenBytes } from './raw-bytes'
import { processSignals, type Signals } from './signals'

/** The world of one run of the program; a test brings another. */
export interface Io extends Signals {
  readonly stdin: Terminal
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly env: Readonly<Record<string, string | undefined>>
  /** The same and the arguments in bytes, as far as the system tells. */
  readonly given?: GivenBytes
  /** Absent where a command is always a child. */
  readonly become?: Become
  /** The clock, in milliseconds since the Unix epoch. */
  now(): number
  /** A terminal to ask somebody at, even where stdin is a pipe; `undefined` if there is nobody. */
  terminal(): Terminal | undefined
}

/** Where somebody types. */
export type Terminal = Readable & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown }

export function processIo(): Io {
  return {
    ...processSignals(),
    // Node makes each when it is first asked for, which takes a while.
    get stdin() {
      return process.stdin
    },
    get stdout() {
      return process.stdout
    },
    get stderr() {
      return process.stderr
    },
    env: process.env,
    given: givenBytes(process.argv.slice(2)),
    become,
    now: () => Date.now(),
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
