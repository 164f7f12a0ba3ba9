import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleSize } from '../../../scripts/bundle-size'
import { carriedPackages, thirdPartyNotices } from '../../../scripts/third-party.mjs'
import { fromRoot } from '../../support/paths'

// What an app gets is the bundle, not the sources: what it loads is checked there.

const root = fromRoot()
const tsup = join(root, 'node_modules/tsup/dist/cli-default.js')

/** What the core must never reach, with or without `node:`. */
const FORBIDDEN = [
  'http',
  'https',
  'http2',
  'net',
  'readline',
  'child_process',
  'electron',
  'stripe',
  'commander',
  'dotenv',
  'app-secret-store',
]

const BUILT_IN = [
  'node:buffer',
  'node:crypto',
  'node:fs',
  'node:fs/promises',
  'node:module',
  'node:net',
  'node:os',
  'node:path',
  'node:url',
  'node:util',
]

/** Of those, what a store takes that is shared, and no other. */
const OF_SHARING = ['node:net', 'node:os']

/** What is loaded when it is first called for. */
const ON_DEMAND_FILES = ['care', 'check-files', 'share', 'when-free']

/**
 * A little more than there is: it is not to grow unnoticed. Some 900 of these are what the bundler needs to share errors,
 * bytes and files with the check of LevelDB's files, which is loaded when a directory is opened.
 */
const AT_START_BYTES = 38_700

/** Of the sources as they are, in a directory of its own: a build that something else is using is left alone. */
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'secret-store-bundle-'))
  await promisify(execFile)(process.execPath, [tsup, '--out-dir', directory, '--no-dts', '--no-minify'], { cwd: root })
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** The names in `import`, `export … from`, `import()` and `require()`. */
function loaded(code: string): string[] {
  const names = code.matchAll(/(?:\bfrom|\bimport|\bimport\s*\(|\brequire\s*\()\s*["'`]([^"'`\n]+)["'`]/g)
  return [...new Set([...names].map((match) => match[1] ?? ''))].sort()
}

/** Without comments, in which there are examples. */
function withoutText(code: string): string {
  return code.replaceAll(/^\s*(?:\/\/|\*|\/\*).*$/gm, '')
}

/** How what is loaded on demand is asked for, in either format. */
const ON_DEMAND = /\bimport\s*\(\s*["'][^"']+["']\s*\)|=> require\(["']\.[^"']+["']\)/g

interface Reached {
  /** The built files themselves, the first one included. */
  readonly files: string[]
  /** The names of everything else that they load. */
  readonly names: string[]
  readonly code: string
}

/** What a file loads, and what the files load that it shares code with: at start, or with all that it loads later, too. */
async function reached(entry: string, when: 'at start' | 'ever' = 'ever'): Promise<Reached> {
  const files = new Set<string>()
  const names = new Set<string>()
  let all = ''
  const visit = async (file: string): Promise<void> => {
    if (files.has(file)) return
    files.add(file)
    const code = withoutText(await readFile(join(directory, file), 'utf8'))
    all += code
    for (const name of loaded(when === 'ever' ? code : code.replaceAll(ON_DEMAND, ''))) {
      if (name.startsWith('./')) await visit(name.slice(2))
      else names.add(name)
    }
  }
  await visit(entry)
  return { files: [...files].sort(), names: [...names].sort(), code: all }
}

/** Each once: into how many files the bundler divides what entries share is its own affair. */
function withoutHashes(files: readonly string[]): string[] {
  const hash = new RegExp(`^(chunk|start|${ON_DEMAND_FILES.join('|')})-\\w+(?=\\.)`)
  return [...new Set(files.map((file) => file.replace(hash, '$1')))].sort()
}

describe.each(['index.js', 'index.cjs'])('%s', (name) => {
  test('loads nothing that is forbidden, nor do the files it shares code with', async () => {
    const { names, code } = await reached(name)
    expect(names).toContain('level')
    for (const forbidden of FORBIDDEN) {
      expect(names).not.toContain(forbidden)
      if (!OF_SHARING.includes(`node:${forbidden}`)) expect(names).not.toContain(`node:${forbidden}`)
    }
    const atStart = await reached(name, 'at start')
    for (const part of OF_SHARING) expect(atStart.names).not.toContain(part)
    // Nor a name made up at run time.
    expect(code).not.toMatch(/\bimport\s*\(\s*[^"'`\s]/)
  })
})

describe.each(['js', 'cjs'])('index.%s', (extension) => {
  const atOnce = [`chunk.${extension}`, `index.${extension}`]

  test('loads at start what a store needs to be opened and used, and the rest when it is first called', async () => {
    const atStart = await reached(`index.${extension}`, 'at start')
    expect(withoutHashes(atStart.files)).toEqual(atOnce)
    const ever = [...ON_DEMAND_FILES.map((name) => `${name}.${extension}`), ...atOnce].sort()
    expect(withoutHashes((await reached(`index.${extension}`)).files)).toEqual(ever)
    // Some message of each that is loaded later.
    for (const message of [
      'rotation: expected all records under key',
      'slot: expected another one to remain',
      'backup: expected one of secret-store',
      'expected a whole store, got one in which',
      'data: expected a head or a record of this store',
      'head: expected the one of the last write',
      'expected a file that LevelDB can read',
      'sharing: expected to listen for other processes',
    ]) {
      expect(atStart.code).not.toContain(message)
      expect((await reached(`index.${extension}`)).code).toContain(message)
    }
  })
})

test('what is loaded at start is small', async () => {
  const { atStart, total } = await bundleSize(join(directory, 'index.js'))
  expect(atStart).toBeLessThanOrEqual(AT_START_BYTES)
  expect(total - atStart).toBeGreaterThan(AT_START_BYTES / 4)
})

test('in CommonJS, what is loaded on demand is required: jest has no `import()` there', async () => {
  for (const name of ['index.cjs', 'stripe.cjs']) {
    const { code, names } = await reached(name)
    expect(names).not.toEqual([])
    expect(code).not.toMatch(/\bimport\s*\(/)
  }
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
    const packages = name.endsWith('.cjs') ? ['level'] : ['@scure/base', 'level']
    expect(own).toEqual([...packages, ...BUILT_IN, 'node:http', 'node:http2', 'node:stream'].sort())
  },
)

/** Messages may speak of a process. */
const PARTS_OF_NODE = /\b(Buffer|__dirname)\b|\bprocess\s*[.[?]|typeof process/

test('the ready preload script is one file that requires `electron` and nothing else: it is to run in a sandbox', async () => {
  const { files, names, code } = await reached('electron-preload.cjs')
  expect([files, names]).toEqual([['electron-preload.cjs'], ['electron']])
  expect(code).not.toMatch(PARTS_OF_NODE)
})

test.each(['electron-expose.js', 'electron-expose.cjs'])(
  '%s is one file that loads nothing, and knows nothing of Node: it is to be bundled into such a script',
  async (name) => {
    const { files, names, code } = await reached(name)
    expect([files, names]).toEqual([[name], []])
    expect(code).not.toMatch(PARTS_OF_NODE)
    expect(code).not.toMatch(/\brequire\b/)
  },
)

test.each(['electron.js', 'electron.cjs'])('%s takes Electron and imports none', async (name) => {
  const { names } = await reached(name)
  expect(names.filter((loadedName) => !/^@(noble|scure)\//.test(loadedName))).toEqual(['level', ...BUILT_IN])
})

test.each(['migrate.js', 'migrate.cjs'])(
  '%s loads these parts of Node: no keytar, no Electron, no engine',
  async (name) => {
    const { names, code } = await reached(name)
    const packages = name.endsWith('.cjs') ? [] : ['@scure/base']
    expect(names).toEqual([...packages, 'node:buffer', 'node:fs', 'node:fs/promises', 'node:path', 'node:util'])
    expect(code).not.toMatch(/\bimport\s*\(/)
  },
)

test.each(['keytar', 'keyv', 'unstorage'])(
  '%s loads nothing but what encodes bytes: not what it stands in for',
  async (name) => {
    const isOther = (loadedName: string): boolean => loadedName !== 'node:buffer'
    expect((await reached(`${name}.js`)).names.filter(isOther)).toEqual(['@scure/base'])
    const { names, code } = await reached(`${name}.cjs`)
    expect(names.filter(isOther)).toEqual([])
    expect(code).not.toMatch(/\bimport\s*\(/)
  },
)

test('THIRD-PARTY.md has the license of everything that is built in', async () => {
  const carried = carriedPackages(directory)
  for (const module of ['@hono/node-server', 'commander', 'fast-string-width', 'cli-progress'])
    expect([...carried.keys()]).toContain(module)
  // `node scripts/third-party.mjs` makes it anew.
  expect(await readFile(join(root, 'THIRD-PARTY.md'), 'utf8')).toBe(thirdPartyNotices(carried))
})

test('the command line loads the library by its name, and no more than Node has', async () => {
  const names = new Set<string>()
  for (const name of await readdir(directory)) {
    const code = await readFile(join(directory, name), 'utf8')
    if (code.startsWith('#!')) for (const loadedName of loaded(withoutText(code))) names.add(loadedName)
  }
  // The rest are words of messages.
  const outside = [...names].filter((name) => /^[@\w][\w./@:-]*$/.test(name) && !isBuiltin(name))
  expect(outside.sort()).toEqual([
    'app-secret-store',
    'app-secret-store/keyring',
    'app-secret-store/migrate',
    'app-secret-store/stripe',
  ])
})

test('the help of the command line loads nothing that takes long', async () => {
  const hook = join(directory, 'hook.cjs')
  const told = 'JSON.stringify([process.moduleLoadList, Object.keys(require.cache)])'
  await writeFile(hook, `process.on('exit', () => require('node:fs').writeSync(2, ${told}))`)
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    '--require',
    hook,
    join(directory, 'cli.cjs'),
    '--help',
  ])
  await rm(hook)
  expect(stdout).toContain('secret-store')
  const [parts, files] = JSON.parse(stderr) as [string[], string[]]
  expect(parts).toContain('NativeModule path')
  for (const part of ['crypto', 'child_process', 'readline', 'tls', 'internal/process/esm_loader']) {
    expect(parts).not.toContain(`NativeModule ${part}`)
  }
  const names = withoutHashes(files.map((file) => basename(file)))
  expect(names).toEqual(['chunk.cjs', 'cli.cjs', 'hook.cjs', 'start.cjs'])
})

test('nothing else is built', async () => {
  const built: string[] = []
  for (const name of await readdir(directory)) {
    // What the command line has beside it begins like a program, too.
    const isProgram = (await readFile(join(directory, name), 'utf8')).startsWith('#!')
    if (!isProgram || name === 'cli.cjs') built.push(name)
  }
  const shared = [...ON_DEMAND_FILES, 'chunk']
  const entries = ['cache', 'electron', 'index', 'keyring', 'keytar', 'keyv', 'migrate', 'stripe', 'unstorage']
  const files = [...entries, ...shared].flatMap((name) => [`${name}.cjs`, `${name}.js`])
  const alone = ['cli.cjs', 'electron-expose.cjs', 'electron-expose.js', 'electron-preload.cjs']
  expect(withoutHashes(built)).toEqual([...files, ...alone].sort())
})
