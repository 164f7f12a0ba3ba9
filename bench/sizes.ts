/** What has to be shipped: our code as a bundler leaves it, and packages as they are installed. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { CONTENDERS, FLOOR } from './contenders/registry'
import { BENCH_DIRECTORY } from './workers'

export interface Bundle {
  /** What is loaded at once. */
  readonly initialBytes: number
  /** With what is loaded when it is needed. */
  readonly totalBytes: number
}

/** Minified and gzipped, file by file; without `level`, `@noble/*` and `@scure/*`. */
export async function measureBundle(): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(BENCH_DIRECTORY, '../src/index.ts')],
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    outdir: 'out',
    write: false,
    metafile: true,
  })
  const zipped = new Map(outputFiles.map(({ path, contents }) => [path, gzipSync(contents, { level: 9 }).length]))
  const bytesOf = (output: string): number => [...zipped].find(([path]) => path.endsWith(output))?.[1] ?? 0
  const initial = new Set<string>()
  const visit = (output: string): void => {
    if (initial.has(output)) return
    initial.add(output)
    for (const { path, kind, external } of metafile.outputs[output]?.imports ?? []) {
      if (kind === 'import-statement' && !external) visit(path)
    }
  }
  for (const [output, { entryPoint }] of Object.entries(metafile.outputs)) {
    if (entryPoint?.endsWith('src/index.ts')) visit(output)
  }
  const total = (outputs: Iterable<string>): number => [...outputs].reduce((sum, output) => sum + bytesOf(output), 0)
  return { initialBytes: total(initial), totalBytes: total(Object.keys(metafile.outputs)) }
}

/** Bytes of files, a package and everything it depends on; `undefined` if it is not installed. */
export function installedBytes(packages: readonly string[], from: string = BENCH_DIRECTORY): number | undefined {
  const found = new Set<string>()
  const visit = (name: string, directory: string): boolean => {
    const home = find(name, directory)
    if (home === undefined || found.has(home)) return home !== undefined
    found.add(home)
    const { dependencies = {}, optionalDependencies = {} } = manifestOf(home)
    for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) visit(dependency, home)
    return true
  }
  if (!packages.every((name) => visit(name, from))) return undefined
  return [...found].reduce((sum, home) => sum + bytesUnder(home), 0)
}

/** @returns `undefined` if it is not installed. */
export function versionOf(name: string): string | undefined {
  const home = find(name, BENCH_DIRECTORY)
  return home && manifestOf(home).version
}

export function sizesTable({ initialBytes, totalBytes }: Bundle): string {
  const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`
  const rows = CONTENDERS.filter(({ name }) => name !== FLOOR && !name.startsWith('ours')).map(({ name, packages }) => {
    const bytes = installedBytes(packages)
    return `| ${name}: ${packages.join(', ')} | ${bytes === undefined ? 'not installed' : megabytes(bytes)} |`
  })
  const ours = Object.keys(manifestOf(join(BENCH_DIRECTORY, '..')).dependencies ?? {})
  const own = installedBytes(ours, join(BENCH_DIRECTORY, '..'))
  const sodium = installedBytes(['sodium-native'])
  const dist = join(BENCH_DIRECTORY, '../dist')
  return [
    '### Sizes',
    '',
    `Our code, minified and gzipped, without level, @noble and @scure: ${kilobytes(initialBytes)} at once, ` +
      `${kilobytes(totalBytes)} with what is loaded when needed.`,
    '',
    '| installed, with dependencies and prebuilt binaries for all systems | on disk |',
    '| --- | ---: |',
    `| ours: ${ours.join(', ')} | ${own === undefined ? 'not installed' : megabytes(own)} |`,
    `| ours-accelerated: sodium-native besides | ${sodium === undefined ? 'not installed' : megabytes(sodium)} |`,
    `| ours: its own dist | ${existsSync(dist) ? megabytes(bytesUnder(dist)) : 'not built'} |`,
    ...rows,
  ].join('\n')
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

interface Manifest {
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

function manifestOf(home: string): Manifest {
  return JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
}

/** As Node looks for it. */
function find(name: string, directory: string): string | undefined {
  for (let at = directory; ; at = dirname(at)) {
    const home = join(at, 'node_modules', name)
    if (existsSync(join(home, 'package.json'))) return home
    if (at === dirname(at)) return undefined
  }
}

/** Without the packages inside it, which are counted by themselves. */
function bytesUnder(directory: string): number {
  return readdirSync(directory, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? sum : sum + bytesUnder(path)
    return entry.isFile() ? sum + statSync(path).size : sum
  }, 0)
}
