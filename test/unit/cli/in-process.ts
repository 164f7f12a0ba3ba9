import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { main } from '../../../src/cli/main'
import { account, rawKey, SecretStore } from '../../../src/index'
import { noSignals } from '../../support/no-signals'
import { temporaryDirectory } from '../../support/stores'
import { Collected } from './transcript'

/** @returns A directory with a key file, and a store with so many secrets: `name-0`, `name-1`, … */
export async function storeOf(secrets: number): Promise<string> {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'key'), Buffer.alloc(32, 7), { mode: 0o600 })
  const store = await SecretStore.open(join(directory, 'store'), { key: rawKey(new Uint8Array(32).fill(7)) })
  await store.batch(
    Array.from({ length: secrets }, (_, n) => {
      return { type: 'set', scope: account, name: `name-${n}`, payload: 'x'.repeat(100) } as const
    }),
  )
  await store.close()
  return directory
}

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command on the store of a directory. @param signal - Aborted as by Ctrl-C. */
export async function runIn(
  directory: string,
  args: readonly string[],
  signal: AbortSignal = noSignals().signal,
): Promise<Outcome> {
  const [stdout, stderr] = [new Collected(), new Collected()]
  const code = await main(['--key-file', join(directory, 'key'), ...args], {
    ...noSignals(),
    signal,
    stdin: Readable.from([]),
    stdout,
    stderr,
    env: { SECRET_STORE: join(directory, 'store'), PATH: process.env['PATH'] },
    now: Date.now,
    terminal: () => undefined,
  })
  return { code, stdout: stdout.text(), stderr: stderr.text() }
}
