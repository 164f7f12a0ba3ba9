/**
 * Where the time of the three hottest paths goes: a table of the functions with the most time of their own.
 * `npm run bench:profile`, or `npm run bench:profile -- find --source ../other-checkout --portable`.
 *
 * The paths: `find` with a payload of 256 bytes, `page` of 100 without payloads, `sets`, 64 of them at once; on 100,000
 * secrets. Node's sampling profiler, in a process of its own, over the bundled sources.
 */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'

const PATHS = ['find', 'page', 'sets'] as const
const ROWS = 14

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    source: { type: 'string', default: fileURLToPath(new URL('..', import.meta.url)) },
    /** Without the accelerator. */
    portable: { type: 'boolean', default: false },
  },
})

interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const root = fileURLToPath(new URL('..', import.meta.url))
const directory = await mkdtemp(join(tmpdir(), 'secret-store-profile-'))
const bundle = join(root, 'node_modules/.cache/secret-store-profile')
try {
  await build({
    entryPoints: [fileURLToPath(new URL('profiled.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    target: 'node20',
    outfile: join(bundle, 'profiled.mjs'),
    sourcemap: 'inline',
    alias: { 'app-secret-store': join(resolve(values.source), 'src/index.ts') },
  })
  run('fill', [])
  for (const path of positionals.length > 0 ? positionals : PATHS) await profile(path)
} finally {
  await rm(directory, { recursive: true, force: true })
  await rm(bundle, { recursive: true, force: true })
}

async function profile(path: string): Promise<void> {
  const profiles = join(directory, path)
  const summary = run(path, ['--cpu-prof', `--cpu-prof-dir=${profiles}`, '--cpu-prof-interval=200'])
  const [file] = await readdir(profiles)
  report(path, summary, JSON.parse(await readFile(join(profiles, file as string), 'utf8')) as Profile)
}

function run(path: string, nodeOptions: readonly string[]): string {
  const mode = values.portable ? 'portable' : 'accelerated'
  const { status, stdout } = spawnSync(
    process.execPath,
    [...nodeOptions, join(bundle, 'profiled.mjs'), path, join(directory, 'store'), mode],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  )
  if (status !== 0) throw new Error(`${path}: expected exit code 0, got ${status}`)
  return stdout.trim()
}

function report(path: string, summary: string, { nodes, samples, timeDeltas }: Profile): void {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)] as const))
  const selfUs = new Map<string, number>()
  let totalUs = 0
  samples.forEach((id, index) => {
    const name = names.get(id) ?? '?'
    if (name === '(idle)' || name === '(program)') return
    const spent = timeDeltas[index] ?? 0
    totalUs += spent
    selfUs.set(name, (selfUs.get(name) ?? 0) + spent)
  })
  console.log(`\n${path}: ${summary}\n\n| own time | function |\n| ---: | --- |`)
  const rows = [...selfUs].sort(([, a], [, b]) => b - a).slice(0, ROWS)
  for (const [name, spent] of rows) console.log(`| ${((spent / totalUs) * 100).toFixed(1)} % | ${name} |`)
}

function nameOf({ functionName, url }: Profile['nodes'][number]['callFrame']): string {
  if (functionName.startsWith('(')) return functionName
  const library = /node_modules\/((?:@[^/]+\/)?[^/.]+)\//.exec(url)?.[1]
  const from = library ?? (url.startsWith('node:') ? url : 'app-secret-store')
  return `\`${functionName || 'anonymous'}\` (${from})`
}
