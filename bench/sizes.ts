/** What has to be shipped: our code as a bundler leaves it, and packages as they are installed. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { BundleSize } from '../scripts/bundle-size'
import { CONTENDERS, FLOOR } from './contenders/registry'
import { BENCH_DIRECTORY } from './workers'

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

export function sizesTable({ atStart, total }: BundleSize): string {
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
    `Our code, minified and gzipped, without level, @noble and @scure: ${kilobytes(atStart)} at once, ` +
      `${kilobytes(total)} with what is loaded when needed.`,
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
