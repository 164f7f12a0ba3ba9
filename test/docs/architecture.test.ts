import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { fromRoot } from '../support/paths'

/** Name and pattern of each layer, lowest first, as the linter's configuration has them. */
function linterLayers(): readonly (readonly [name: string, pattern: RegExp])[] {
  const { forbidden } = createRequire(import.meta.url)(fromRoot('.dependency-cruiser.cjs'))
  const upward = forbidden.filter(({ name }: { name: string }) => name.endsWith('-imports-no-layer-above-it'))
  const names: string[] = upward.map(({ name }: { name: string }) => name.replace('-imports-no-layer-above-it', ''))
  const patterns: string[] = [
    ...upward.map(({ from }: { from: { path: string } }) => from.path),
    upward.at(-1).to.path[0],
  ]
  return patterns.map((pattern, index) => [names[index] ?? 'adapters', new RegExp(pattern)] as const)
}

/** `base/`, `errors.ts`, …: what is directly in src. */
function entriesOfSource(): string[] {
  return readdirSync(fromRoot('src'), { withFileTypes: true }).map(
    (entry) => entry.name + (entry.isDirectory() ? '/' : ''),
  )
}

test("the layers of docs/architecture.md are the linter's, each with its folders and files", () => {
  const page = readFileSync(fromRoot('docs/architecture.md'), 'utf8')
  const section = page.slice(page.indexOf('## Layers'), page.indexOf('## Where to put what'))
  const written = [...section.matchAll(/^\| `(\w+)` *\| (.*?) +\|/gm)].map(([, name = '', files = '']) => [
    name,
    [...files.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file).sort(),
  ])
  const entries = entriesOfSource()
  const expected = linterLayers().map(([name, pattern]) => [
    name,
    entries.filter((entry) => pattern.test(entry.endsWith('/') ? `src/${entry}some.ts` : `src/${entry}`)).sort(),
  ])
  expect(written).toEqual(expected)
  expect(written.flatMap(([, files]) => files).sort()).toEqual(entries.sort())
})
