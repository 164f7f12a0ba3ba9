import stringWidth from 'fast-string-width'
import { printable } from './printable'

/** Text, or two forms of it: a short one for where the full one has no room. */
export type Cell = string | { readonly full: string; readonly short: string }

export interface TableOptions {
  /** How wide the terminal is; 0 where it does not say, and where there is none: then nothing is shortened. */
  readonly columns: number
  /** How a heading looks. */
  readonly styled: (heading: string) => string
}

/** Between two columns. */
const GAP = 2
/** A first column narrower than its longest text has at least so much. */
const LEAST_FIRST = 16

/**
 * Rows under headings, as wide as the terminal allows: with the full forms, else with the short ones, else with the cells of a
 * row under one another. A first cell that is longer than its column has a line of its own. So no line is longer than the
 * terminal is wide, unless a single text is.
 *
 * The first rows decide how wide the columns are, so that the others may come one after another.
 */
export class TableLayout {
  readonly #headings: readonly string[]
  readonly #options: TableOptions
  readonly #short: boolean
  /** `undefined`: one cell below another. */
  readonly #widths: readonly number[] | undefined

  constructor(headings: readonly string[], rows: readonly (readonly Cell[])[], options: TableOptions) {
    this.#headings = headings
    this.#options = options
    const count = rows.reduce((most, row) => Math.max(most, row.length), headings.length)
    const measured = (short: boolean): number[] =>
      Array.from({ length: count }, (_, column) =>
        rows.reduce((most, row) => Math.max(most, widthOf(text(row[column], short))), widthOf(headings[column] ?? '')),
      )
    const full = fitted(measured(false), options.columns)
    this.#short = full === undefined
    this.#widths = full ?? fitted(measured(true), options.columns)
  }

  /** The line of headings, if there are any; none where each cell has its own. */
  head(): string {
    if (this.#widths === undefined || this.#headings.length === 0) return ''
    const { styled } = this.#options
    return this.#line(this.#headings, styled)
  }

  row(cells: readonly Cell[]): string {
    const { columns } = this.#options
    if (this.#widths === undefined) return this.#stacked(cells)
    const fits = (line: string): boolean => columns === 0 || widthOf(line.trimEnd()) <= columns
    const best = printed(cells, this.#short)
    const line = this.#line(best)
    if (fits(line)) return line
    // The short forms are made only where the full ones have no room.
    const others = this.#short ? [] : [printed(cells, true)]
    const short = others.map((texts) => this.#line(texts)).find(fits)
    if (short !== undefined) return short
    const under = [best, ...others].map(([, ...texts]) => this.#line(['', ...texts])).find(fits)
    return under === undefined ? this.#stacked(cells) : `${best[0]}\n${under}`
  }

  #line(texts: readonly string[], styled: (each: string) => string = (each) => each): string {
    const padded = texts.map((each, column) => {
      const more = column === texts.length - 1 ? 0 : (this.#widths?.[column] ?? 0) - widthOf(each)
      return `${each === '' ? '' : styled(each)}${' '.repeat(Math.max(more, 0))}`
    })
    return `${padded.join(' '.repeat(GAP)).trimEnd()}\n`
  }

  #stacked([first = '', ...others]: readonly Cell[]): string {
    const { columns, styled } = this.#options
    const lines = others.map((cell, index) => {
      const heading = this.#headings[index + 1]?.toLowerCase() ?? ''
      const full = printable(text(cell, false))
      const label = heading === '' ? '  ' : `  ${heading} `
      const room = columns - widthOf(label)
      const shown = widthOf(full) <= room ? full : printable(text(cell, true))
      if (shown === '') return ''
      // Where not even that has room, it begins its own line: a terminal would break it in the middle.
      return widthOf(shown) <= room ? `${label}${shown}\n` : `${heading && `  ${heading}\n`}${shown}\n`
    })
    return `${styled(printable(text(first, true)))}\n${lines.join('')}`
  }
}

/** Of a whole table at once. */
export function tableOf(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  options: TableOptions,
): string {
  const layout = new TableLayout(headings, rows, options)
  return layout.head() + rows.map((row) => layout.row(row)).join('')
}

/** The widths if they fit, the first one perhaps less than its texts ask for. */
function fitted([first = 0, ...others]: readonly number[], columns: number): number[] | undefined {
  if (columns === 0) return [first, ...others]
  const room = columns - others.reduce((sum, width) => sum + width + GAP, 0)
  return room >= Math.min(first, LEAST_FIRST) ? [Math.min(first, room), ...others] : undefined
}

function printed(cells: readonly Cell[], short: boolean): string[] {
  return cells.map((cell) => printable(text(cell, short)))
}

function text(cell: Cell | undefined, short: boolean): string {
  if (cell === undefined) return ''
  return typeof cell === 'string' ? cell : cell[short ? 'short' : 'full']
}

/** How many columns of a terminal a text takes as it is shown. Composed, because the letters of Hangul are one syllable. */
function widthOf(given: string): number {
  const shown = printable(given)
  return /^[\x20-\x7e]*$/.test(shown) ? shown.length : stringWidth(shown.normalize('NFC'))
}
