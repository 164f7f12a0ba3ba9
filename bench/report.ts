import { AEAD_SIZES, DIRECTIONS, PRIMITIVE_NAMES } from './aead'
import { CONTENDERS } from './contenders/registry'
import { aeadName, type Row } from './schedule'
import type { Place, Results, Spread } from './statistics'

type Unit = 'cpu' | 'wall' | 'bytes'

interface Line {
  readonly label: string
  readonly places: readonly Place[]
  readonly metric: string
}

const TITLES: Readonly<Record<Unit, string>> = { cpu: 'CPU time', wall: 'wall time', bytes: 'memory' }
const number: Intl.NumberFormat = new Intl.NumberFormat('en-US')

/** All tables, as Markdown. A cell is the median, and in brackets the least and the most of the rounds. */
export function tablesOf(rows: readonly Row[], sizes: readonly number[], results: Results): string {
  return [
    ...DIRECTIONS.map((direction) => aeadTable(aeadName(direction), results)),
    ...sizes.flatMap((size) => storeTables(`${number.format(size)} secrets`, atSize(rows, size), results, false)),
    ...storeTables('Larger payloads', elsewhere(rows, sizes), results, true),
    notesOf(rows, results),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function aeadTable(work: string, results: Results): string {
  const lines = AEAD_SIZES.map((size): Line => {
    const places = PRIMITIVE_NAMES.map((contender) => ({ work, contender, size }))
    return { label: `${number.format(size)} B`, places, metric: 'cpu' }
  })
  return table(`${work}, CPU time`, PRIMITIVE_NAMES, lines, 'cpu', results)
}

function storeTables(title: string, rows: readonly Row[], results: Results, saySize: boolean): string[] {
  const names = CONTENDERS.map(({ name }) => name)
  const lines = rows.flatMap(({ name: work, size }) => {
    const places = names.map((contender) => ({ work, contender, size }))
    const metrics = new Set(places.flatMap((place) => results.metrics(place)))
    const label = saySize ? `${work}, ${number.format(size)} secrets` : work
    return [...metrics].map((metric): Line => ({ label: labelOf(label, metric), places, metric }))
  })
  return (['cpu', 'wall', 'bytes'] as const).map((unit) => {
    const own = lines.filter(({ metric }) => metric === unit || metric.endsWith(`/${unit}`))
    return table(`${title}: ${TITLES[unit]}`, names, own, unit, results)
  })
}

function atSize(rows: readonly Row[], size: number): Row[] {
  return rows.filter((row) => row.type === 'store' && row.size === size && isOfOneSize(row))
}

function elsewhere(rows: readonly Row[], sizes: readonly number[]): Row[] {
  return rows
    .filter((row) => row.type === 'store' && (!sizes.includes(row.size) || !isOfOneSize(row)))
    .sort((a, b) => b.size - a.size)
}

/** Larger payloads are found in stores of sizes of their own. */
function isOfOneSize(row: Row): boolean {
  return row.type === 'store' && (row.work.payloadBytes ?? 0) <= 1024
}

function labelOf(work: string, metric: string): string {
  const [part, unit] = metric.split('/')
  return unit === undefined ? work : `${work}: ${part}`
}

/** Columns and lines in which nothing was measured are left out. */
function table(
  title: string,
  columns: readonly string[],
  lines: readonly Line[],
  unit: Unit,
  results: Results,
): string {
  const measured = lines.filter(({ places, metric }) => places.some((place) => results.spread(place, metric)))
  const shown = columns.map((_, column) =>
    measured.some(({ places, metric }) => results.spread(places[column] as Place, metric)),
  )
  if (measured.length === 0) return ''
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const head = columns.filter((_, column) => shown[column])
  const body = measured.map(({ label, places, metric }) => {
    const cells = places.filter((_, column) => shown[column]).map((place) => cell(place, metric, unit, results))
    return row([label, ...cells])
  })
  return [`### ${title}`, '', row(['', ...head]), row(['---', ...head.map(() => '---:')]), ...body].join('\n')
}

function cell(place: Place, metric: string, unit: Unit, results: Results): string {
  const spread = results.spread(place, metric)
  return spread === undefined ? '—' : formatSpread(spread, unit)
}

function formatSpread({ median, min, max, rounds }: Spread, unit: Unit): string {
  const [divisor, name] = scaleOf(median, unit)
  const digits = (value: number): string => digitsOf(value / divisor)
  return `${digits(median)} ${name}${rounds.length > 1 ? ` (${digits(min)}–${digits(max)})` : ''}`
}

export function format(value: number, unit: Unit): string {
  const [divisor, name] = scaleOf(value, unit)
  return `${digitsOf(value / divisor)} ${name}`
}

function scaleOf(value: number, unit: Unit): [number, string] {
  if (unit === 'bytes') return value < 1e6 ? [1e3, 'kB'] : [1e6, 'MB']
  if (value < 1e3) return [1, 'µs']
  return value < 1e6 ? [1e3, 'ms'] : [1e6, 's']
}

function digitsOf(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value.toFixed(value < 10 ? 2 : 1)
}

/** Why there is a dash. */
function notesOf(rows: readonly Row[], results: Results): string {
  const notes = new Map<string, string[]>()
  const note = (contender: string, reason: string, row: Row): void => {
    const key = `${contender}: ${reason}`
    notes.set(key, [...(notes.get(key) ?? []), `${row.name} (${number.format(row.size)})`])
  }
  for (const row of rows) {
    for (const [contender, reason] of row.without) note(contender, reason, row)
    for (const contender of row.contenders) {
      const reason = results.reason({ work: row.name, contender, size: row.size })
      if (reason !== undefined) note(contender, reason, row)
    }
  }
  const lines = [...notes].map(
    ([why, what]) => `- ${why} — ${what.length > 3 ? `${what.length} rows` : what.join('; ')}`,
  )
  return lines.length === 0 ? '' : ['### Not measured', '', ...lines].join('\n')
}
