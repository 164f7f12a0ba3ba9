import { FLOOR } from './contenders/registry'
import { aeadName } from './schedule'
import type { Place, Results } from './statistics'
import { WORKS } from './work/index'
import { LARGE } from './work/work'

/** The median of a metric; `undefined` if it was not measured. */
type Ask = (work: string, contender: string, size: number, metric?: 'cpu' | 'wall') => number | undefined

/** A ratio, or a number, that is to be at most (or at least) so much. */
interface Goal {
  readonly what: string
  /** Of ours. */
  readonly accelerated: readonly [limit: number, against: string]
  readonly portable: readonly [limit: number, against: string]
  readonly atLeast?: true
  readonly unit?: string
  /** @param ours - `ours-accelerated` or `ours`. @returns `undefined` if something was not measured. */
  value(ours: string, ask: Ask, sizes: Sizes): number | undefined
}

/** The sizes of this run that are nearest to those of the goals; `NaN` if there is none. */
interface Sizes {
  readonly small: number
  readonly large: number
  readonly largest: number
  /** Secrets of 1 MiB. */
  readonly megabytes: number
}

/** What we seal for a payload of 256 bytes: the record, padded. */
const RECORD_BYTES = 352
const MEBIBYTE = 1_048_576
const OPEN_LIMIT_MS = 30
const BUNDLE_LIMIT_BYTES = 16_000

const NOBLE = '@noble/ciphers'
const NODE = 'node:crypto (12-byte nonce)'
/** In the order of the columns. */
const VARIANTS = ['ours-accelerated', 'ours'] as const
const isAccelerated = (ours: string): boolean => ours === 'ours-accelerated'

function ratio(part: number | undefined, whole: number | undefined): number | undefined {
  return part === undefined || whole === undefined ? undefined : part / whole
}

function sum(...parts: readonly (number | undefined)[]): number | undefined {
  return parts.reduce((total, part) => (total === undefined || part === undefined ? undefined : total + part), 0)
}

/** The same work by SQLCipher. */
function againstSqlcipher(what: string, work: string, limit: number): Goal {
  return {
    what,
    accelerated: [limit, 'SQLCipher'],
    portable: [limit, 'SQLCipher'],
    value: (ours, ask, { large }) => ratio(ask(work, ours, large), ask(work, 'sqlcipher', large)),
  }
}

/** The wall time of one, against one row put. */
function loneSet(what: string, work: string): Goal {
  return {
    what,
    accelerated: [1.2, 'a row put'],
    portable: [1.3, 'a row put'],
    value: (ours, ask, { large }) => ratio(ask(work, ours, large, 'wall'), ask(work, FLOOR, large, 'wall')),
  }
}

function setsAtOnce(what: string, work: string): Goal {
  return {
    what,
    accelerated: [1.2, 'SQLCipher, one transaction'],
    portable: [2, 'a row in a batch + one noble seal'],
    value: (ours, ask, { large }) =>
      ratio(
        ask(work, ours, large),
        isAccelerated(ours)
          ? ask(work, 'sqlcipher', large)
          : sum(ask(work, FLOOR, large), ask(aeadName('seal'), NOBLE, RECORD_BYTES)),
      ),
  }
}

function deepPage(state: string): Goal {
  const against = 'the first page of 1,000'
  return {
    what: `page of 100 at depth 900,000 of 1,000,000, ${state}`,
    accelerated: [1.5, against],
    portable: [1.5, against],
    value: (ours, ask, { small, largest }) =>
      ratio(
        ask(`page of 100 at 90 %, ${state}`, ours, largest),
        ask(`page of 100 at the start, ${state}`, ours, small),
      ),
  }
}

const GOALS: readonly Goal[] = [
  {
    what: 'find, 256 B',
    accelerated: [1, 'SQLCipher'],
    portable: [1.3, 'getSync of a row + one noble open'],
    value: (ours, ask, { large }) =>
      ratio(
        ask('find, 256 B', ours, large),
        isAccelerated(ours)
          ? ask('find, 256 B', 'sqlcipher', large)
          : sum(ask('find, 256 B', FLOOR, large), ask(aeadName('open'), NOBLE, RECORD_BYTES)),
      ),
  },
  againstSqlcipher('find without payload, warm', 'find without payload, warm', 1),
  againstSqlcipher('page of 100 at the start, warm', 'page of 100 at the start, warm', 1),
  againstSqlcipher('page of 100 at 90 %, warm', 'page of 100 at 90 %, warm', 1),
  setsAtOnce('64 sets at once, replacing', '64 sets at once, replacing'),
  setsAtOnce('64 sets at once, new', '64 sets at once, new'),
  loneSet('set, replacing, wall', 'set, replacing'),
  loneSet('set, new, wall', 'set, new'),
  {
    what: 'find, 1 MiB',
    accelerated: [0.7, 'the throughput of chacha20-poly1305 of node:crypto'],
    portable: [0.7, 'the throughput of chacha20-poly1305 of node:crypto'],
    atLeast: true,
    value: (ours, ask, { megabytes }) =>
      ratio(ask(aeadName('open'), NODE, MEBIBYTE), ask('find, 1 MiB', ours, megabytes)),
  },
  deepPage('warm'),
  deepPage('just opened'),
  {
    what: 'sweep, 1,000 due among 1,000,000',
    accelerated: [2, '1,000 due among 1,000'],
    portable: [2, '1,000 due among 1,000'],
    value: (ours, ask, { small, largest }) =>
      ratio(ask('sweep, 1,000 due', ours, largest), ask('sweep, 1,000 due', ours, small)),
  },
  {
    what: 'open and first find, raw key, wall',
    accelerated: [OPEN_LIMIT_MS, ''],
    portable: [OPEN_LIMIT_MS, ''],
    unit: ' ms',
    value: (ours, ask, { large }) => {
      const micros = ask('open and first find', ours, large, 'wall')
      return micros === undefined ? undefined : micros / 1000
    },
  },
]

/** 1,000, 100,000 and 1,000,000 if this run has them. */
function sizesOf(asked: readonly number[]): Sizes {
  const small = Math.min(...asked)
  const large = Math.max(small, ...asked.filter((size) => size <= LARGE))
  const most = Math.max(...asked)
  const megabytes = WORKS.find(({ name }) => name === 'find, 1 MiB')?.sizes(asked)[0] ?? Number.NaN
  return { small, large, largest: most > small ? most : Number.NaN, megabytes }
}

/** Where the numbers come from. */
export function placesOfGoals(asked: readonly number[]): Place[] {
  const places: Place[] = []
  const ask: Ask = (work, contender, size) => {
    places.push({ work, contender, size })
    return 1
  }
  for (const goal of GOALS) for (const ours of VARIANTS) goal.value(ours, ask, sizesOf(asked))
  return places
}

/** The table of goals, computed from this run alone. */
export function goalsTable(results: Results, asked: readonly number[], bundleBytes: number | undefined): string {
  const sizes = sizesOf(asked)
  const ask: Ask = (work, contender, size, metric = 'cpu') => results.median({ work, contender, size }, metric)
  const cell = (goal: Goal, ours: string): string => {
    const [limit, against] = isAccelerated(ours) ? goal.accelerated : goal.portable
    const value = goal.value(ours, ask, sizes)
    const bound = `${goal.atLeast ? '≥' : '≤'} ${limit}${goal.unit ?? ' ×'} ${against}`.trimEnd()
    if (value === undefined) return `— (${bound})`
    const mark = (goal.atLeast ? value >= limit : value <= limit) ? '✓' : '✗'
    return `${mark} ${value.toFixed(2)}${goal.unit ?? ' ×'} (${bound})`
  }
  const isMeasured = (goal: Goal): boolean => VARIANTS.some((ours) => goal.value(ours, ask, sizes) !== undefined)
  const measured = GOALS.filter(isMeasured)
  const rows = measured.map((goal) => `| ${[goal.what, ...VARIANTS.map((ours) => cell(goal, ours))].join(' | ')} |`)
  if (bundleBytes !== undefined) {
    const mark = bundleBytes <= BUNDLE_LIMIT_BYTES ? '✓' : '✗'
    const text = `${mark} ${(bundleBytes / 1000).toFixed(1)} kB (≤ ${BUNDLE_LIMIT_BYTES / 1000} kB)`
    rows.push(`| core, minified and gzipped, without level and noble | ${text} | the same |`)
  }
  if (rows.length === 0) return ''
  const notThose = sizes.large === LARGE ? '' : ` Not the goals' own sizes: ${asked.join(', ')} instead.`
  const missing = GOALS.length - measured.length
  return [
    '### Goals',
    '',
    `CPU time unless it says wall; ratios of medians of this run.${notThose}${missing === 0 ? '' : ` Not measured: ${missing} more.`}`,
    '',
    '| | accelerated | default |',
    '| --- | --- | --- |',
    ...rows,
  ].join('\n')
}
