import { spawnSync } from 'node:child_process'
import { cpus, release, totalmem, type } from 'node:os'
import type { BundleSize } from '../scripts/bundle-size'
import { CONTENDERS } from './contenders/registry'
import type { Options } from './options'
import { versionOf } from './sizes'
import type { Results } from './statistics'
import { BENCH_DIRECTORY } from './workers'

/** On what, when, and with which versions: what goes above the tables. */
export function machineOf({ sizes, rounds, budget, quick }: Options): string {
  const { versions } = facts()
  const contenders = CONTENDERS.map(({ name, what }) => {
    const given = versions[name]
    return `- ${name}: ${what}${given === '' ? '' : ` (${given})`}`
  })
  return [
    `${placeLine()}; sizes ${sizes.join(', ')}; rounds ${rounds} of ${budget.warmMs} + ${budget.runMs} ms${quick ? TOO_SHORT : ''}`,
    '',
    'Medians over the rounds (least–most). CPU time is that of all threads. Writes wait for the disk everywhere.',
    '',
    ...contenders,
  ].join('\n')
}

export const TOO_SHORT = ': too short to mean anything'

/** The machine, the day and the commit. */
export function placeLine(): string {
  const { cores, processor, system, memoryGB, date, commit } = facts()
  return `${cores} × ${processor}, ${memoryGB} GB, ${system}, Node ${process.versions.node}; ${date}; commit ${commit}`
}

/** Every single measurement, and what it takes to tell them apart. */
export function jsonOf(options: Options, results: Results, bundle: BundleSize | undefined): string {
  const measurements = results.places().map((place) => ({
    ...place,
    metrics: Object.fromEntries(results.metrics(place).map((metric) => [metric, results.spread(place, metric)])),
  }))
  return `${JSON.stringify({ ...facts(), options, bundle, measurements }, undefined, 2)}\n`
}

/** What there is to say of a run. */
export interface Facts {
  readonly date: string
  readonly commit: string
  readonly processor: string
  readonly cores: number
  readonly memoryGB: number
  readonly system: string
  readonly node: string
  /** By the names of contenders. */
  readonly versions: Readonly<Record<string, string>>
}

export function facts(): Facts {
  const packages = (names: readonly string[]): string =>
    names.map((name) => `${name} ${versionOf(name) ?? 'not installed'}`).join(', ')
  return {
    date: new Date().toISOString(),
    commit: commitOf(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 1e9),
    system: `${type()} ${release()}`,
    node: process.versions.node,
    versions: Object.fromEntries(CONTENDERS.map(({ name, packages: names }) => [name, packages(names)])),
  }
}

/** Of the library's sources. */
function commitOf(): string {
  const git = (...args: string[]): string =>
    String(spawnSync('git', args, { cwd: BENCH_DIRECTORY, encoding: 'utf8' }).stdout ?? '').trim()
  const commit = git('rev-parse', '--short', 'HEAD') || 'unknown'
  return git('status', '--porcelain', '../src') === '' ? commit : `${commit}, changed`
}
