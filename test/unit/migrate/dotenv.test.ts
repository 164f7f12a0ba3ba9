import { randomInt } from 'node:crypto'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'dotenv'
import { describe, expect, test } from 'vitest'
import { account, SecretStore } from '../../../src/index'
import { decodeDotenv, dotenv, encodeDotenv, importFrom } from '../../../src/migrate'
import { atLength } from '../../support/lengths'
import { codeOf, temporaryDirectory } from '../../support/stores'

// That dotenv passes over no line of an accepted text is in test/unit/cli/entries.test.ts, too.

/** What matters to the form, and what is awkward in it. */
const PIECES = [
  ...['a', 'Z', '0', '_', '-', '.', ' ', '  ', '\t', '\n', '\n', '\r', '\r\n', '\u2028', '\u2029', '\u0085', '\u00a0'],
  ...[
    '"',
    "'",
    '`',
    '\\',
    '\\n',
    '\\r',
    "\\'",
    '\\"',
    '$',
    '#',
    ' # ',
    '=',
    ':',
    ': ',
    ';',
    '\u0000',
    'é',
    '😀',
    '\ufeff',
  ],
  ...['A=1', '\nB=2\n', '\nC=', '\nD: ', 'export ', 'export X=1', '__proto__', '__proto__=', '\n__proto__.x=1\n'],
]

function randomText(): string {
  const text = Array.from({ length: randomInt(1, 15) }, () => PIECES[randomInt(PIECES.length)]).join('')
  return randomInt(3) === 0 ? text : `K=${text}`
}

describe('dotenv text', () => {
  test('is read as dotenv itself reads it, or refused (random ones)', () => {
    let accepted = 0
    for (let n = 0; n < atLength(10_000, 100_000); n++) {
      const text = randomText()
      let entries: [string, string][]
      try {
        entries = decodeDotenv(text).map(({ name, payload }) => [name, payload])
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError)
        continue
      }
      accepted++
      expect(Object.fromEntries(entries), JSON.stringify(text)).toEqual(parse(text))
    }
    expect(accepted).toBeGreaterThan(atLength(2000, 20_000))
  })

  test('loses no line: one that is no assignment is found wherever it stands (5,000 random ones)', () => {
    const blocks = [
      'A=1',
      "B='x # y' # z",
      'C="a\n\nB = c\nnonsense"',
      '',
      '# comment "',
      ' export D = `\n`',
      'E: 5',
      'F="',
      "G='\\'",
    ]
    const strays = ['nonsense', 'MY KEY=x', '"', '=x', 'export;', '__proto__: x']
    for (let n = 0; n < 5_000; n++) {
      // The last two begin what the next quote would end, so that they stand last.
      const chosen = Array.from({ length: randomInt(8) }, () => blocks[randomInt(7)] as string)
      const at = randomInt(chosen.length + 1)
      const text = [
        ...chosen.slice(0, at),
        strays[randomInt(strays.length)],
        ...chosen.slice(at),
        blocks[6 + randomInt(3)],
      ]
      const line = chosen.slice(0, at).join('\n').split('\n').length + (at === 0 ? 0 : 1)
      const end = randomInt(2) === 0 ? '\n' : '\r\n'
      expect(() => decodeDotenv(text.join('\n').replaceAll('\n', end)), text.join('\n')).toThrow(
        new RegExp(` in line ${line}$`),
      )
    }
  })

  test.each([
    ['a line of another form', 'A=1\nnonsense\n', 2],
    ['a name with a space', 'A=1\n\n# x\nMY KEY=x', 4],
    ['what stands behind a quote', 'A="x" y\nB=2\n"\n', 3],
    ['a quote that is never closed', 'A="one\ntwo', 2],
    ['what no object can hold', '__proto__=x', 1],
    ['what stands behind a separator of lines', 'A="1"\u2028two', 1],
  ])('with %s is refused, and nothing of it repeated', (_, text, line) => {
    const message = `dotenv: expected NAME=payload, a comment or an empty line, got something else in line ${line}`
    expect(() => decodeDotenv(text)).toThrow(new TypeError(message))
  })

  test('with a name twice has the last, as dotenv has it', () => {
    expect(decodeDotenv('A=1\nB=2\nA=3')).toEqual([
      { name: 'A', payload: '3' },
      { name: 'B', payload: '2' },
    ])
  })

  test('is written so that it reads back, or not at all', () => {
    expect(encodeDotenv([{ name: 'A', payload: "it's\n" }])).toBe('A="it\'s\n"\n')
    const refused = (name: string, payload: string | Uint8Array): void =>
      expect(() => encodeDotenv([{ name, payload }])).toThrow(
        new TypeError(`dotenv: expected what it can say, got another name or payload for '${name}'`),
      )
    refused('a b', 'x')
    refused('', 'x')
    refused('__proto__', 'x')
    refused('A', Uint8Array.of(1))
    refused('A', 'ends in a backslash\\')
    refused('A', '\'"`')
    refused('A', "it's $HOME")
    refused('A', 'a\rb')
    refused('a.b', 'x')
  })

  test.each([
    ['quotes that are never closed', (n: number) => `A${n}="x\n`],
    ['quotes of one sort, escaped', (n: number) => `A${n}='\\'\\'\\'\n`],
    ['long names of nothing', () => 'export '],
    ['blank lines', () => '\n \n\t\n'],
    ['escaped quotes of one payload', (n: number) => (n === 0 ? "A='" : "\\'  ")],
    ['line ends before a payload', (n: number) => (n === 0 ? 'A=' : '\n')],
    ['lines that begin with quotes', (n: number) => (n === 0 ? 'A=' : "'\u2028'")],
  ])('of many %s is no work of its square', (_, line) => {
    const text = (count: number): string => Array.from({ length: count }, (_, n) => line(n)).join('')
    // A square of it would be hours.
    try {
      decodeDotenv(text(300_000))
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError)
    }
  })
})

describe('an import of dotenv', () => {
  test('takes a file, and leaves it as it is', async () => {
    const path = join(await temporaryDirectory(), '.env')
    await writeFile(path, '\ufeff# keys\nexport API_KEY="one"\nEMPTY=\nPEM="a\nb"\n')
    const before = [await readFile(path), (await stat(path)).mtimeMs]
    const store = SecretStore.memory()
    const { entries } = await importFrom(dotenv({ path }), store)
    expect(entries).toEqual([
      { from: 'API_KEY', name: 'API_KEY', scope: account, outcome: 'created' },
      {
        from: 'EMPTY',
        name: 'EMPTY',
        scope: account,
        outcome: 'failed',
        reason: 'payload: expected at least one byte, got none',
      },
      { from: 'PEM', name: 'PEM', scope: account, outcome: 'created' },
    ])
    expect(await store.get({ scope: account, name: 'PEM' })).toBe('a\nb')
    expect([await readFile(path), (await stat(path)).mtimeMs]).toEqual(before)
  })

  test('takes text; one with a line that would be passed over is refused as a whole', async () => {
    const store = SecretStore.memory()
    expect((await importFrom(dotenv({ text: 'A=1' }), store)).created).toBe(1)
    await expect(importFrom(dotenv({ text: 'B=1\nC D=2' }), store)).rejects.toThrow('in line 2')
    expect(await store.get({ scope: account, name: 'B' })).toBeUndefined()
  })

  test('says what is wrong with a file', async () => {
    const store = SecretStore.memory()
    const directory = await temporaryDirectory()
    const absent = importFrom(dotenv({ path: join(directory, 'absent') }), store)
    await expect(absent).rejects.toThrow('dotenv: expected to read it, got a refusal by the system')
    await expect(absent).rejects.toMatchObject({ code: 'ERR_IO', cause: { code: 'ENOENT' } })
    await mkdir(join(directory, 'folder'))
    await expect(importFrom(dotenv({ path: join(directory, 'folder') }), store)).rejects.toThrow(
      new TypeError('dotenv: expected the path of a file, got a directory or something else'),
    )
    await writeFile(join(directory, 'latin1'), Buffer.from('A=\xe9', 'latin1'))
    await expect(importFrom(dotenv({ path: join(directory, 'latin1') }), store)).rejects.toThrow(
      new TypeError('dotenv: expected UTF-8, got something else'),
    )
    expect(await codeOf(() => store.find({ scope: account, name: 'A' }))).toBe('no error')
  })

  test.each<[unknown, string]>([
    [{}, "dotenv: expected either 'path' or 'text', got both or neither"],
    [{ path: 'a', text: 'b' }, "dotenv: expected either 'path' or 'text', got both or neither"],
    [{ text: 5 }, 'text: expected a string, got something else'],
    [{ path: 5 }, 'path: expected a path, got something else'],
    [{ path: '' }, 'path: expected a path, got something else'],
    [{ path: 'a\0b' }, 'path: expected a path, got something else'],
    [{ file: 'a' }, "dotenv: expected only path, text, got 'file'"],
  ])('refuses options such as %j', (options, message) => {
    expect(() => dotenv(options as never)).toThrow(new TypeError(message))
  })
})
