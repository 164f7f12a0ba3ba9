/** Characters of one look beside one another. */
export interface Run {
  readonly column: number
  readonly text: string
  /** Of the 16 colours of a terminal; `undefined` is that of plain text. */
  readonly colour: number | undefined
  readonly bold: boolean
  readonly dim: boolean
}

export type Row = readonly Run[]

/** Of the terminal. */
export const COLUMNS = 100

/** Of a character and of a line, in the picture's units. The length of each text is set, whatever the font. */
const WIDTH = 7.8
const HEIGHT = 18
const MARGIN = 16

/** Light, and dark where the reader's system is. The 16 colours of a terminal, as far as the program uses them. */
const STYLE = `
    rect { fill: #f6f8fa; stroke: #d0d7de }
    text { fill: #1f2328; font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace }
    .c1 { fill: #b3261e } .c2 { fill: #116329 } .c3 { fill: #7d4e00 } .c4 { fill: #0550ae } .c5 { fill: #8250df }
    .c6 { fill: #0a6b78 } .c8, .dim { fill: #57606a } .bold { font-weight: bold }
    @media (prefers-color-scheme: dark) {
      rect { fill: #0d1117; stroke: #30363d }
      text { fill: #e6edf3 }
      .c1 { fill: #ff7b72 } .c2 { fill: #56d364 } .c3 { fill: #e3b341 } .c4 { fill: #79c0ff } .c5 { fill: #d2a8ff }
      .c6 { fill: #56d4dd } .c8, .dim { fill: #9198a1 }
    }
`

/** The rows as a picture: text as text, so that it can be read aloud, searched and copied. */
export function pictureOf(rows: readonly Row[]): string {
  const size = [Math.ceil(COLUMNS * WIDTH + 2 * MARGIN), rows.length * HEIGHT + 2 * MARGIN]
  const lines = rows.map((row, index) => {
    const y = MARGIN + (index + 0.75) * HEIGHT
    return `  <text y="${y}" aria-label="${escaped(textOf(row))}">${row.map(spanOf).join('')}</text>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.join(' ')}" width="${size[0]}" height="${size[1]}" role="img">`,
    '  <title>A session: a store is made, a secret is set and listed, and a command gets it</title>',
    `  <style>${STYLE}  </style>`,
    `  <rect x="0.5" y="0.5" width="${(size[0] ?? 0) - 1}" height="${(size[1] ?? 0) - 1}" rx="6"/>`,
    ...lines,
    '</svg>',
    '',
  ].join('\n')
}

export function textOf(row: Row): string {
  return row
    .map(({ text }) => text)
    .join('')
    .trimEnd()
}

function spanOf({ column, text, colour, bold, dim }: Run): string {
  const looks = [...(colour === undefined ? [] : [`c${colour}`]), ...(bold ? ['bold'] : []), ...(dim ? ['dim'] : [])]
  const look = looks.length === 0 ? '' : ` class="${looks.join(' ')}"`
  // What is blank at the start is not drawn.
  const blank = text.length - text.trimStart().length
  const shown = text.slice(blank)
  if (shown === '') return ''
  const x = (MARGIN + (column + blank) * WIDTH).toFixed(1)
  const length = ([...shown].length * WIDTH).toFixed(1)
  return `<tspan x="${x}" textLength="${length}"${look} xml:space="preserve">${escaped(shown)}</tspan>`
}

/** @returns The lines of a picture, as they were recorded. */
export function linesOf(picture: string): string[] {
  return [...picture.matchAll(/<text y="[\d.]+" aria-label="([^"]*)">/g)].map(([, line = '']) => unescaped(line))
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => ENTITIES[character] ?? character)
}

function unescaped(text: string): string {
  const characters = Object.fromEntries(Object.entries(ENTITIES).map(([character, entity]) => [entity, character]))
  return text.replaceAll(/&\w+;/g, (entity) => characters[entity] ?? entity)
}
