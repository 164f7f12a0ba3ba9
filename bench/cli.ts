/**
 * How long the command line takes from its start to its end, beside Node itself with nothing to do: `npm run bench:cli`,
 * after `npm run build`. `get` opens a store by a key file, so without a key derivation.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROUNDS = 21
const PROGRAM = fileURLToPath(new URL('../dist/cli.js', import.meta.url))

const directory = mkdtempSync(join(tmpdir(), 'bench-cli-'))
const env = { ...process.env, SECRET_STORE: join(directory, 'store') }
const keyFile = join(directory, 'key')

try {
  node(PROGRAM, 'init', '--quiet', '--generate-key-file', keyFile)
  execFileSync(process.execPath, [PROGRAM, 'set', 'token', '--quiet', '--key-file', keyFile], { env, input: 'example' })
  const contenders = {
    'node alone': ['-e', '0'],
    '--help': [PROGRAM, '--help'],
    'get, raw key': [PROGRAM, 'get', 'token', '--key-file', keyFile],
  }
  const times = new Map(Object.keys(contenders).map((name) => [name, [] as number[]]))
  // One of each in turn, so that all meet the same noise.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, args] of Object.entries(contenders)) {
      const started = performance.now()
      node(...args)
      // The first round fills the caches of the system.
      if (round > 0) times.get(name)?.push(performance.now() - started)
    }
  }
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.versions.node}; wall ms, ${ROUNDS} rounds`)
  for (const [name, values] of times) {
    const sorted = values.sort((a, b) => a - b)
    const at = (index: number): string => Math.round(sorted[index] ?? 0).toString()
    console.log(`${name.padEnd(14)} median ${at(ROUNDS >> 1)}, ${at(0)} to ${at(ROUNDS - 1)}`)
  }
} finally {
  rmSync(directory, { recursive: true })
}

function node(...args: string[]): void {
  execFileSync(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'inherit'] })
}
