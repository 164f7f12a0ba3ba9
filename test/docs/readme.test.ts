import { readFile, stat } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { OPEN_NAMES } from '../../src/input/options'
import { SecretStore } from '../../src/store'
import { SecretView } from '../../src/view'
import { fromRoot } from '../support/paths'
import { runShown } from '../support/shown-programs'
import { temporaryDirectory } from '../support/stores'
import { expectedOutput, readmeBlocks } from '../system/package/readme-blocks.mjs'

const readme = await readFile(fromRoot('README.md'), 'utf8')
const { scripts, version }: { scripts: Record<string, string>; version: string } = JSON.parse(
  await readFile(fromRoot('package.json'), 'utf8'),
)

describe.each([
  ['README.md', readme],
  ['docs/secrets.md', await readFile(fromRoot('docs/secrets.md'), 'utf8')],
  ['docs/keys.md', await readFile(fromRoot('docs/keys.md'), 'utf8')],
  ['docs/care.md', await readFile(fromRoot('docs/care.md'), 'utf8')],
  ['docs/stripe.md', await readFile(fromRoot('docs/stripe.md'), 'utf8')],
  ['docs/cache.md', await readFile(fromRoot('docs/cache.md'), 'utf8')],
  ['docs/deploy.md', await readFile(fromRoot('docs/deploy.md'), 'utf8')],
  ['docs/tokens.md', await readFile(fromRoot('docs/tokens.md'), 'utf8')],
  ['docs/processes.md', await readFile(fromRoot('docs/processes.md'), 'utf8')],
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

  test('installs the tarball of this version', () => {
    expect(readme).toContain(`app-secret-store-${version}.tgz`)
    expect(readme.match(/app-secret-store-[\d.]+\.tgz/g)).toEqual(Array(2).fill(`app-secret-store-${version}.tgz`))
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

  const codes = async () =>
    [...(await readFile(fromRoot('src/errors.ts'), 'utf8')).matchAll(/^ {2}\| '(ERR_\w+)'$/gm)].map(([, code]) => code)

  test('docs/errors.md lists exactly the codes there are', async () => {
    const inText = [...(await readFile(fromRoot('docs/errors.md'), 'utf8')).matchAll(/^#+ `(ERR_\w+)`/gm)]
    expect(inText.map(([, code]) => code)).toEqual(await codes())
  })

  test('README.md lists six of them', async () => {
    const inText = [...readme.matchAll(/^\| `(ERR_\w+)`/gm)].map(([, code]) => code)
    expect(inText).toHaveLength(6)
    expect(await codes()).toEqual(expect.arrayContaining(inText))
  })

  test('its tables name every method of a store, and every option of open', () => {
    const named = new Set([...tableCells().matchAll(/(?:SecretStore\.)?(\w+)\(/g)].map(([, name]) => name))
    const methods = [SecretStore, SecretView].flatMap(({ prototype }) => Object.getOwnPropertyNames(prototype))
    const statics = Object.getOwnPropertyNames(SecretStore).filter(
      (name) => typeof Object(SecretStore)[name] === 'function',
    )
    const missing = [...methods, ...statics].filter((name) => name !== 'constructor' && !named.has(name))
    expect(missing).toEqual([])
    expect([...tableCells().matchAll(/^`(\w+)`$/gm)].map(([, name]) => name).sort()).toEqual([...OPEN_NAMES].sort())
  })

  test('its program for Electron is a part of the one in docs/electron.md, which runs', async () => {
    const [, code = ''] = /^```javascript\n([\s\S]*?)^```$/m.exec(readme) ?? []
    const [, whole = ''] =
      /^```javascript\n([\s\S]*?)^```$/m.exec(await readFile(fromRoot('docs/electron.md'), 'utf8')) ?? []
    const lines = (text: string) =>
      text
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean)
    expect(lines(code).length).toBeGreaterThan(2)
    expect(lines(whole)).toEqual(expect.arrayContaining(lines(code)))
  })
})

/** The first cells of the rows of the two tables of the API, one a line. */
function tableCells(): string {
  const section = readme.slice(readme.indexOf('## The API at a glance'), readme.indexOf('## Which key?'))
  return [...section.matchAll(/^\| (.*?) +\|/gm)].map(([, cell]) => cell).join('\n')
}

test('the core in an hour is 17 files, and as many lines as README says', async () => {
  const section = readme.slice(readme.indexOf('## Reading the source'), readme.indexOf('## Benchmark'))
  const files = [...section.matchAll(/\[\w+\.ts\]\((src\/[^)]+)\)/g)].map(([, path]) => path as string)
  expect(files).toHaveLength(17)
  const texts = await Promise.all(files.map((path) => readFile(fromRoot(path), 'utf8')))
  const lines = texts.reduce((sum, text) => sum + text.split('\n').length - 1, 0)
  const said = Number(/17 files, ([\d,]+) lines/.exec(section)?.[1]?.replaceAll(',', ''))
  expect(Math.abs(lines - said)).toBeLessThanOrEqual(20)
  expect(lines).toBeLessThanOrEqual(2200)
})
