import { readFile, stat } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { fromRoot } from '../support/paths'

const text = await readFile(fromRoot('CONTRIBUTING.md'), 'utf8')
const { version, scripts } = JSON.parse(await readFile(fromRoot('package.json'), 'utf8'))

test('every path that CONTRIBUTING.md names is there', async () => {
  const links = [...text.matchAll(/\]\(([^):#]+)\)/g)].map(([, path = '']) => path)
  const named = [
    ...text.matchAll(/(?:\.?\b(?:src|test|docs|scripts|bench|\.ci)\/[\w./-]*\w|\.(?:nvmrc|dependency-cruiser\.cjs))/g),
  ]
  const paths = new Set([...links, ...named.map(([path]) => path)])
  expect(paths.size).toBeGreaterThan(30)
  for (const path of paths) await expect(stat(fromRoot(path)), path).resolves.toBeDefined()
})

test('every npm script that CONTRIBUTING.md names is one', () => {
  const named = [...text.matchAll(/npm (?:run ([\w:]+)|(test)\b)/g)].map(([, run, plain]) => run ?? plain)
  expect(named).toContain('test:campaigns')
  for (const script of named) expect(Object.keys(scripts)).toContain(script)
})

test('the version of the lock file and of the tag in CONTRIBUTING.md is that of the package', async () => {
  const lock = JSON.parse(await readFile(fromRoot('package-lock.json'), 'utf8'))
  expect([lock.version, lock.packages[''].version]).toEqual([version, version])
  expect(text).toContain(`git tag -s v${version}`)
})
