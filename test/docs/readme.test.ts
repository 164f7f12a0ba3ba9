import { readFile, stat } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { fromRoot } from '../support/paths'
import { runShown } from '../support/shown-programs'
import { temporaryDirectory } from '../support/stores'
import { expectedOutput, readmeBlocks } from '../system/package/readme-blocks.mjs'

const readme = await readFile(fromRoot('README.md'), 'utf8')
const scripts: Record<string, string> = JSON.parse(await readFile(fromRoot('package.json'), 'utf8')).scripts

describe.each([
  ['README.md', readme],
  ['docs/stripe.md', await readFile(fromRoot('docs/stripe.md'), 'utf8')],
  ['docs/cache.md', await readFile(fromRoot('docs/cache.md'), 'utf8')],
])('the programs of %s', (_, text) => {
  const blocks = readmeBlocks(text)

  test('are some', () => {
    expect(blocks.length).toBeGreaterThan(0)
  })

  test.each(blocks)('the one at line $line runs and prints what it says', async ({ code }) => {
    const lines = await runShown(code, await temporaryDirectory())
    expect(lines.filter(Boolean)).toEqual(expectedOutput(code))
  })
})

describe('README.md', () => {
  test('names npm scripts that exist', () => {
    const named = [...readme.matchAll(/npm (?:run (?:-s )?)?(\S+?)(?=[\s`,.:;)]|$)/gm)].map((match) => match[1] ?? '')
    const builtIn = new Set(['install', 'pack', 'ci'])
    const missing = named.filter((name) => !builtIn.has(name) && !(name in scripts))
    expect(named).toContain('demo')
    expect(missing).toEqual([])
  })

  test('links to files that exist', async () => {
    const links = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map((match) => match[1] ?? '')
    for (const link of links) await expect(stat(fromRoot(link)), link).resolves.toBeDefined()
  })

  test('docs/security.md names tests that exist', async () => {
    const security = await readFile(fromRoot('docs/security.md'), 'utf8')
    const named = new Set([...security.matchAll(/`(test\/[^`]+\.test\.ts)`/g)].map((match) => match[1] ?? ''))
    expect(named.size).toBeGreaterThan(5)
    for (const path of named) await expect(readFile(fromRoot(path)), path).resolves.toBeDefined()
  })

  test.each(['README.md', 'docs/errors.md'])('%s lists exactly the codes there are', async (path) => {
    const inTypes = [...(await readFile(fromRoot('src/errors.ts'), 'utf8')).matchAll(/^ {2}\| '(ERR_\w+)'$/gm)]
    const inText = [...(await readFile(fromRoot(path), 'utf8')).matchAll(/^(?:\| |#+ )`(ERR_\w+)`/gm)]
    expect(inText.map((match) => match[1])).toEqual(inTypes.map((match) => match[1]))
  })
})
