import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonText } from '../../../src/cli/json'
import { fromRoot } from '../../support/paths'

/** What a terminal obeys, or what turns text around or hides in it, and what ends a line. */
const RAW = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

test('JSON has no raw control character and no change of direction', () => {
  const name = 'a\u009b31m\u0085\u007f\u001b[2J\u202eb\u2066\u200f\u061c\u2028\u2029\ufeff\u{e0041}\\\u009d'
  const text = jsonText({ name, [name]: [name] })
  expect(text).not.toMatch(RAW)
  expect(JSON.parse(text)).toEqual({ name, [name]: [name] })
  expect(jsonText('\u009b\u{e0041}')).toBe('"\\u009b\\udb40\\udc41"')
})

test('JSON reads as what it was, in lines and in one', () => {
  const anything = fc.jsonValue({ stringUnit: 'binary' })
  fc.assert(
    fc.property(anything, (value) => {
      expect(JSON.parse(jsonText(value))).toEqual(JSON.parse(JSON.stringify(value)))
      expect(jsonText(value)).not.toMatch(RAW)
      expect(JSON.parse(jsonText(value, 2))).toEqual(JSON.parse(JSON.stringify(value)))
      expect(jsonText(value, 2).replaceAll('\n', '')).not.toMatch(RAW)
    }),
  )
})

test('no command writes JSON in another way', async () => {
  const files = (await readdir(fromRoot('src/cli'), { recursive: true })).filter((name) => name.endsWith('.ts'))
  const writing: string[] = []
  for (const name of files) {
    const code = await readFile(join(fromRoot('src/cli'), name), 'utf8')
    if (code.includes('JSON.stringify')) writing.push(name)
  }
  expect(writing).toEqual(['json.ts'])
})
