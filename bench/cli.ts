/**
 * How long the command line takes from its start to its end, beside Node itself with nothing to do: `npm run bench:cli`,
 * after `npm run build`. A key file opens the store, so without a key derivation. CPU time is what bash says of the process.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROUNDS = 41
/** In what Node takes alone. */
const MOST_FOR_HELP = 1.35
const PROGRAM = fileURLToPath(new URL('../dist/cli.cjs', import.meta.url))

const directory = mkdtempSync(join(tmpdir(), 'bench-cli-'))
const env = { ...process.env, SECRET_STORE: join(directory, 'store') }
const keyFile = join(directory, 'key')

try {
  node(PROGRAM, 'init', '--quiet', '--generate-key-file', keyFile)
  execFileSync(process.execPath, [PROGRAM, 'set', 'token', '--quiet', '--key-file', keyFile], { env, input: 'example' })
  const contenders = {
    'node alone': ['-e', '0'],
    '--help': [PROGRAM, '--help'],
    get: [PROGRAM, 'get', 'token', '--key-file', keyFile],
    list: [PROGRAM, 'list', '--key-file', keyFile],
    'run -- true': [PROGRAM, 'run', '--key-file', keyFile, '--', 'true'],
  }
  const times = new Map(Object.keys(contenders).map((name) => [name, [] as Times[]]))
  // One of each in turn, so that all meet the same noise.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, args] of Object.entries(contenders)) {
      const taken = timed(args)
      // The first round fills the caches of the system.
      if (round > 0) times.get(name)?.push(taken)
    }
  }
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.versions.node}; ms, ${ROUNDS} rounds`)
  console.log(
    `${''.padEnd(14)}${'wall'.padStart(6)}${'least'.padStart(7)}${'CPU'.padStart(6)}   in Node's alone: wall, CPU`,
  )
  const [alone = []] = times.values()
  for (const [name, taken] of times) {
    const [wall, cpu] = [median(taken, 'wall'), median(taken, 'cpu')]
    const figures = [wall, Math.min(...taken.map((each) => each.wall)), cpu].map((ms) => ms.toFixed(0).padStart(6))
    const ratios = [wall / median(alone, 'wall'), cpu / median(alone, 'cpu')].map((ratio) => ratio.toFixed(2))
    console.log(`${name.padEnd(14)}${figures.join(' ')}   ${ratios.join('  ')}`)
  }
  const help = helpRatio(times.get('--help') ?? [], alone)
  if (!(help <= MOST_FOR_HELP)) {
    console.error(`--help: expected at most ${MOST_FOR_HELP} times what Node takes alone, got ${help.toFixed(2)}`)
    process.exitCode = 1
  }
} finally {
  rmSync(directory, { recursive: true })
}

function node(...args: string[]): void {
  execFileSync(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'inherit'] })
}

interface Times {
  readonly wall: number
  readonly cpu: number
}

/** In milliseconds. */
function timed(args: readonly string[]): Times {
  const script = 'TIMEFORMAT="%R %U %S"; time "$@" >/dev/null 2>&3'
  const { status, stderr } = spawnSync('bash', ['-c', script, 'bash', process.execPath, ...args], {
    env: { ...env, LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe', 2],
  })
  if (status !== 0) throw new Error(`${args.join(' ')}: expected exit code 0, got ${status}`)
  const [wall = 0, user = 0, system = 0] = stderr
    .toString()
    .trim()
    .split(' ')
    .map((seconds) => 1000 * Number(seconds))
  return { wall, cpu: user + system }
}

/** The better one of wall and CPU: noise only adds. */
function helpRatio(help: readonly Times[], alone: readonly Times[]): number {
  return Math.min(...(['wall', 'cpu'] as const).map((which) => median(help, which) / median(alone, which)))
}

function median(taken: readonly Times[], which: keyof Times): number {
  return taken.map((each) => each[which]).sort((a, b) => a - b)[taken.length >> 1] ?? 0
}
