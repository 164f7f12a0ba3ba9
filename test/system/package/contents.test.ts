import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fromRoot } from '../../support/paths'

// What npm would publish, of the sources as they are: built in a directory of its own, and packed there.

const run = promisify(execFile)
const manifest = JSON.parse(await readFile(fromRoot('package.json'), 'utf8'))

let directory: string
let packed: readonly string[]

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'secret-store-contents-'))
  const tsup = fromRoot('node_modules/tsup/dist/cli-default.js')
  await run(process.execPath, [tsup, '--out-dir', join(directory, 'dist')], { cwd: fromRoot() })
  for (const path of await readdir(fromRoot())) {
    if (!['.git', 'node_modules', 'dist', 'coverage', 'output'].includes(path)) {
      await cp(fromRoot(path), join(directory, path), { recursive: true })
    }
  }
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: directory })
  const [tarball] = JSON.parse(stdout) as [{ files: readonly { path: string }[] }]
  packed = tarball.files.map(({ path }) => path)
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** The paths in `exports`, `bin`, `main`, `module`, `types` and `typesVersions`. */
function namedFiles(value: unknown): string[] {
  if (typeof value === 'string') return /^(\.\/)?dist\//.test(value) ? [value.replace(/^\.\//, '')] : []
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(namedFiles) : []
}

test('the package has every file that package.json names', () => {
  const named = namedFiles(manifest)
  expect(named.length).toBeGreaterThan(20)
  for (const path of named) expect(packed).toContain(path)
})

test('the package has the built files, the documents and the licenses, and nothing else', () => {
  const texts = packed.filter((path) => !/^(dist|docs)\//.test(path))
  expect([...texts].sort()).toEqual(
    [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'THIRD-PARTY.md',
      'man/secret-store.1',
      'package.json',
    ].sort(),
  )
  expect(packed.filter((path) => path.startsWith('docs/') && !/\.(md|png|svg)$/.test(path))).toEqual([])
  expect(packed.filter((path) => path.startsWith('dist/') && !/\.(js|cjs|d\.ts|d\.cts)$/.test(path))).toEqual([])
})

test('no built file has a source map, or a path of the machine that built it', async () => {
  const built = packed.filter((path) => path.startsWith('dist/'))
  expect(built.length).toBeGreaterThan(30)
  for (const path of built) {
    const code = await readFile(join(directory, path), 'utf8')
    expect(code.includes('sourceMappingURL='), path).toBe(false)
    for (const place of [fromRoot(), directory]) expect(code.includes(place), path).toBe(false)
  }
})

test('package.json says what a publication needs', () => {
  expect(manifest).toMatchObject({
    name: 'app-secret-store',
    license: 'MIT',
    bin: { 'secret-store': 'dist/cli.cjs' },
    man: ['./man/secret-store.1'],
    publishConfig: { access: 'public', provenance: true },
  })
  expect(manifest.version).toMatch(/^\d+\.\d+\.\d+$/)
  expect(manifest.description.length).toBeGreaterThan(20)
  expect(manifest.private).toBeUndefined()
})

test.each([
  'package-lock.json',
  'bench/package-lock.json',
  'test/system/dropins/package-lock.json',
  'test/system/tools/package-lock.json',
])('%s names no registry, and has each package’s hash', async (path) => {
  const { packages } = JSON.parse(await readFile(fromRoot(path), 'utf8')) as {
    packages: Record<string, { resolved?: string; integrity?: string }>
  }
  const installed = Object.entries(packages).filter(([place]) => place !== '')
  expect(installed.length).toBeGreaterThan(10)
  expect(installed.filter(([, { resolved }]) => resolved !== undefined)).toEqual([])
  expect(installed.filter(([, { integrity }]) => integrity === undefined).map(([place]) => place)).toEqual([])
})
