import type { Results } from '../statistics'

/** One row, of which each number of processes is measured that `counts` has. */
export interface Line {
  readonly name: string
  readonly what: string
  /** As it is called where contenders are loaded. */
  readonly contender: string
  /** Whether a process that has nothing to do holds the store for those that work. */
  readonly served: boolean
  readonly verbs: readonly ('get' | 'set')[]
  /** @defaultValue every one */
  readonly counts?: readonly number[]
}

/**
 * Calls a second, and how long the slowest took; CPU time of all processes a call, in brackets what one spends of it that
 * only serves the others. Medians.
 */
export function tableOf(work: string, lines: readonly Line[], counts: readonly number[], results: Results): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const columns = [
    ...counts.map((count) => `${count}: a second`),
    ...counts.map((count) => `${count}: CPU, µs`),
    ...counts.map((count) => `${count}: median, ms (first / last)`),
    ...counts.map((count) => `${count}: slowest, ms`),
  ]
  const body = lines.flatMap(({ name }) => {
    const at = (count: number, metric: string): number | undefined =>
      results.median({ work, contender: name, size: count }, metric)
    if (counts.every((count) => at(count, 'rate') === undefined)) return []
    return [
      row([
        name,
        ...counts.map((count) => cell(at(count, 'rate'), (rate) => Math.round(rate).toLocaleString('en-US'))),
        ...counts.map((count) => {
          const serving = at(count, 'servingCpu')
          return cell(at(count, 'cpu'), (cpu) => digits(cpu) + (serving ? ` (${digits(serving)})` : ''))
        }),
        ...counts.map((count) =>
          cell(at(count, 'firstMs'), (first) =>
            count === 1 ? digits(first) : `${digits(first)} / ${cell(at(count, 'lastMs'), digits)}`,
          ),
        ),
        ...counts.map((count) => cell(at(count, 'slowestMs'), digits)),
      ]),
    ]
  })
  return [`### ${work}`, '', row(['', ...columns]), row(['---', ...columns.map(() => '---:')]), ...body].join('\n')
}

function cell(value: number | undefined, shown: (value: number) => string): string {
  return value === undefined ? '—' : shown(value)
}

function digits(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value.toFixed(value < 0.1 ? 3 : value < 10 ? 2 : 1)
}
