import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'dotenv'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../../src/cli/failure'
import { encodeDotenv } from '../../../src/migrate/dotenv'
import { encodeEntries } from '../../support/encoded-entries'
import { temporaryDirectory } from '../../support/stores'

// A dotenv file is read by dotenv, and sourced by shells: both must read the same, and run nothing.

const entry = (name: string, payload: string) => ({ name, payload, expires_at: null })

/** What a shell has in these variables when it has sourced the text. */
function sourced(file: string, names: readonly string[]): string[] {
  const program = `. "$1"; ${names.map((name) => `printf '%s\\0' "$${name}"`).join('; ')}`
  const { stdout, stderr, status } = spawnSync('sh', ['-c', program, 'sh', file], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout.split('\0').slice(0, -1)
}

/** What shells and dotenv make something else of. */
const PIECES = [
  ...["'", '"', '`', '\\', '$', '$(', ')', '${', '}', '!', '#', ' #', '&', ';', '|', '<', '>', '*', '?', '~', '=', '-'],
  ...[
    '\n',
    '\r',
    '\t',
    ' ',
    '\0',
    '\\n',
    '\\r',
    "\\'",
    '\\"',
    '$$',
    '$HOME',
    '`id`',
    '$(id)',
    '!!',
    '\u0081',
    '\u009b',
  ],
  ...['a', 'Z', '0', 'export ', 'A=1', 'é', '🔑', '\u2028', '\u00a0', '\ufeff', '\u202e', 'aaaa', '{a,b}', '[a]', '\b'],
]
const random = (): string => Array.from({ length: randomInt(1, 9) }, () => PIECES[randomInt(PIECES.length)]).join('')

describe.skipIf(process.platform === 'win32')('an export in dotenv', () => {
  test('runs nothing in the shell that sources it', async () => {
    const directory = await temporaryDirectory()
    const touch = `touch ${directory}/was-run`
    const payloads = [
      `$(${touch})`,
      `\`${touch}\``,
      `'$(${touch})'`,
      `"$(${touch})"`,
      `it's $(${touch})`,
      `a\n${touch}\n`,
    ]
    for (const payload of payloads) {
      const text = await encodeEntries([entry('A', payload)], 'dotenv').catch((error) => {
        expect(error).toBeInstanceOf(Failure)
        return ''
      })
      await writeFile(join(directory, 'file'), text)
      const [read] = sourced(join(directory, 'file'), ['A'])
      if (text !== '') expect(read).toBe(payload)
      expect(await readdir(directory), payload).toEqual(['file'])
    }
  })

  test('is read by dotenv and by sh as what it was, or is refused (6,000 random payloads)', async () => {
    const directory = await temporaryDirectory()
    const written = new Map<string, string>()
    let text = ''
    for (let n = 0; n < 6000; n++) {
      const payload = random()
      try {
        text += encodeDotenv([{ name: `V${n}`, payload }])
        written.set(`V${n}`, payload)
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError)
      }
    }
    expect(written.size).toBeGreaterThan(2000)
    await writeFile(join(directory, 'file'), text)
    expect(parse(text)).toEqual(Object.fromEntries(written))
    expect(sourced(join(directory, 'file'), [...written.keys()])).toEqual([...written.values()])
  })

  test('takes what people have: keys of several lines, JSON, addresses, words with an apostrophe', () => {
    const payloads = [
      '-----BEGIN KEY-----\nabc/+=\n-----END KEY-----\n',
      '{"a": "$b"}',
      'postgres://u:p@h/db?x=1#y',
      "it's",
    ]
    for (const payload of payloads) expect(parse(encodeDotenv([{ name: 'A', payload }]))).toEqual({ A: payload })
  })

  test.each(['a.b', 'a-b', '1a', '__proto__'])(
    'refuses the name %s, which a shell would run or dotenv lose',
    (name) => {
      expect(() => encodeDotenv([{ name, payload: 'x' }])).toThrow(TypeError)
    },
  )

  test.each(['PATH', 'PROMPT_COMMAND', 'PS4', 'BASH_ENV', 'ld_preload'])(
    'refuses the name %s, which runs code',
    async (name) => {
      await expect(encodeEntries([entry(name, 'x')], 'dotenv')).rejects.toThrow(`'${name}'`)
      expect(await encodeEntries([entry(name, 'x')], 'json')).toContain(name)
    },
  )
})
