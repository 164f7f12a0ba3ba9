import fc from 'fast-check'
import stringWidth from 'fast-string-width'
import { describe, expect, test } from 'vitest'
import { type Cell, TableLayout, tableOf } from '../../../src/cli/table'

const HEADINGS = ['NAME', 'ID', 'CREATED', 'EXPIRES']
const ID = `appsecret_${'x'.repeat(24)}`
const CREATED = { full: '2026-11-24 12:00:00Z (now)', short: '2026-11-24' }
const EXPIRES = { full: '2027-02-22 12:01:30Z (in 90 days)', short: '2027-02-22' }
const ROWS: Cell[][] = [
  ['stripe.api-key', ID, CREATED, EXPIRES],
  ['a', ID, CREATED, 'never'],
]

const shown = (columns: number, rows: Cell[][] = ROWS): string[] =>
  tableOf(HEADINGS, rows, { columns, styled: (heading) => heading })
    .trimEnd()
    .split('\n')

describe('a table', () => {
  test('is as wide as it is where nothing says how wide it may be', () => {
    expect(shown(0)).toEqual([
      `NAME            ID                                  CREATED                     EXPIRES`,
      `stripe.api-key  ${ID}  2026-11-24 12:00:00Z (now)  2027-02-22 12:01:30Z (in 90 days)`,
      `a               ${ID}  2026-11-24 12:00:00Z (now)  never`,
    ])
    expect(shown(200)).toEqual(shown(0))
  })

  test('has short times in 80 columns', () => {
    expect(shown(80)).toEqual([
      `NAME            ID                                  CREATED     EXPIRES`,
      `stripe.api-key  ${ID}  2026-11-24  2027-02-22`,
      `a               ${ID}  2026-11-24  never`,
    ])
  })

  test('has one cell below another in 40 columns, and no heading', () => {
    expect(shown(40)).toEqual([
      'stripe.api-key',
      `  id ${ID}`,
      '  created 2026-11-24 12:00:00Z (now)',
      '  expires 2027-02-22',
      'a',
      `  id ${ID}`,
      '  created 2026-11-24 12:00:00Z (now)',
      '  expires never',
    ])
  })

  test('begins a line with what is as wide as the terminal', () => {
    expect(shown(34)).toContain(ID)
    expect(shown(1)).toContain(ID)
  })

  test('gives a name that is longer than its column a line of its own', () => {
    const long = 'n'.repeat(50)
    expect(
      shown(80, [
        ['a', ID, CREATED, 'never'],
        [long, ID, CREATED, 'never'],
      ]),
    ).toEqual([
      `NAME                     ID                                  CREATED     EXPIRES`,
      `a                        ${ID}  2026-11-24  never`,
      long,
      `                         ${ID}  2026-11-24  never`,
    ])
  })

  test('is aligned by what is seen: East Asian, combining and composed letters, emoji, control characters', () => {
    const names = ['日本語', 'e\u0301', '\u1112\u1161\u11ab', '👍🏽', 'กำ', '\u001b[31m', '\u202e', 'ﬀ', 'plain']
    const lines = shown(
      0,
      names.map((name) => [name, ID]),
    )
    for (const line of lines.slice(1)) {
      const at = line.indexOf(ID)
      expect(stringWidth(line.slice(0, at).normalize('NFC'))).toBe(10)
    }
    expect(lines.join('')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  })

  test('takes its columns from the first rows, and breaks no id of the others', () => {
    const layout = new TableLayout(HEADINGS, [['a', ID, CREATED, 'never']], { columns: 80, styled: (each) => each })
    expect(layout.row(['b'.repeat(30), ID, CREATED, EXPIRES])).toBe(
      `${'b'.repeat(30)}\n      ${ID}  2026-11-24                  2027-02-22\n`,
    )
  })
})

test('no line is wider than the terminal, unless one text is', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 5 }), fc.integer({ min: 34, max: 200 }), (names, columns) => {
      const rows: Cell[][] = names.map((each, index) => [each, ID, CREATED, index % 2 ? EXPIRES : 'never'])
      const layout = new TableLayout(HEADINGS, rows.slice(0, 2), { columns, styled: (each) => each })
      const text = layout.head() + rows.map((row) => layout.row(row)).join('')
      for (const line of text.split('\n')) {
        const isName = !line.includes(ID) && !line.startsWith('  ')
        if (!isName) expect(stringWidth(line.normalize('NFC'))).toBeLessThanOrEqual(columns)
      }
      expect(text.split(ID)).toHaveLength(names.length + 1)
    }),
  )
})
