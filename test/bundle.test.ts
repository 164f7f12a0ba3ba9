import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

// What an app gets is the bundle, not the sources: what it loads is checked there.

const root = fileURLToPath(new URL('..', import.meta.url))
const tsup = join(root, 'node_modules/tsup/dist/cli-default.js')

/** What the core must never reach, with or without `node:`. */
const FORBIDDEN = ['http', 'https', 'http2', 'net', 'readline', 'child_process', 'electron', 'stripe', 'commander']

const BUILT_IN = ['node:crypto', 'node:fs', 'node:fs/promises', 'node:path']

/** Of the sources as they are, in a directory of its own: a build that something else is using is left alone. */
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'secret-store-bundle-'))
  await promisify(execFile)(process.execPath, [tsup, '--out-dir', directory, '--no-dts'], { cwd: root })
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** The names in `import`, `export … from`, `import()` and `require()`. */
function loaded(code: string): string[] {
  const names = code.matchAll(/(?:\bfrom|\bimport|\bimport\s*\(|\brequire\s*\()\s*["'`]([^"'`\n]+)["'`]/g)
  return [...new Set([...names].map((match) => match[1] ?? ''))].sort()
}

/** The names that a file loads, and those that the files it shares code with load. */
async function reached(name: string): Promise<{ readonly names: string[]; readonly code: string }> {
  const code = await readFile(join(directory, name), 'utf8')
  const names = new Set<string>()
  let all = code
  for (const loadedName of loaded(code)) {
    if (!loadedName.startsWith('.')) {
      names.add(loadedName)
      continue
    }
    const shared = await reached(loadedName)
    for (const below of shared.names) names.add(below)
    all += shared.code
  }
  return { names: [...names].sort(), code: all }
}

describe.each(['index.js', 'index.cjs'])('%s', (name) => {
  test('loads nothing that is forbidden, nor do the files it shares code with', async () => {
    const { names, code } = await reached(name)
    expect(names).toContain('level')
    for (const forbidden of FORBIDDEN) {
      expect(names).not.toContain(forbidden)
      expect(names).not.toContain(`node:${forbidden}`)
    }
    // Nor a name made up at run time.
    expect(code).not.toMatch(/\bimport\s*\(\s*[^"'`\s]/)
  })
})

test('the ES module loads level, @noble/*, @scure/base and these parts of Node', async () => {
  const { names } = await reached('index.js')
  expect(names.filter((name) => !name.startsWith('@noble/'))).toEqual(['@scure/base', 'level', ...BUILT_IN])
})

test('the CommonJS module carries @noble/* and @scure/base, which `require` cannot load everywhere', async () => {
  const { names } = await reached('index.cjs')
  expect(names).toEqual(['level', ...BUILT_IN])
})

test.each(['stripe.js', 'stripe.cjs'])(
  '%s carries its HTTP library, which needs no more than Node has',
  async (name) => {
    const { names } = await reached(name)
    const own = names.filter((loadedName) => !loadedName.startsWith('@noble/'))
    expect(own).toEqual(['level', ...BUILT_IN, 'node:http', 'node:http2', 'node:stream'].sort())
  },
)

test('THIRD-PARTY.md has the license of everything that is built in', async () => {
  const carried = new Set<string>()
  for (const name of await readdir(directory)) {
    const code = await readFile(join(directory, name), 'utf8')
    // The bundler says above each module which file it was.
    for (const [, module] of code.matchAll(/^\/\/ node_modules\/((?:@[^/\n]+\/)?[^/\n]+)\//gm))
      carried.add(module ?? '')
  }
  expect(carried).toContain('@hono/node-server')
  const notices = await readFile(join(root, 'THIRD-PARTY.md'), 'utf8')
  for (const module of carried) {
    const { version } = JSON.parse(await readFile(join(root, 'node_modules', module, 'package.json'), 'utf8'))
    const license = await readFile(join(root, 'node_modules', module, 'LICENSE'), 'utf8')
    expect(notices, module).toContain(`## ${module}\n\nVersion ${version}, `)
    expect(notices, module).toContain(license.trim())
  }
})

test('nothing else is built', async () => {
  const built = (await readdir(directory)).map((name) => name.replace(/^chunk-\w+/, 'chunk')).sort()
  expect(built).toEqual(['chunk.cjs', 'chunk.js', 'index.cjs', 'index.js', 'stripe.cjs', 'stripe.js'])
})
