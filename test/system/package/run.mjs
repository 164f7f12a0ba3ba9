/**
 * Installs the packed library into an empty folder, without install scripts, and uses it there as its users do: the
 * programs of README.md and of docs/, as ES modules and through `require`; the example; projects that test with
 * jest and vitest; and TypeScript. `node test/system/package/run.mjs`.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { alike, consoleBlocks, runConsole } from './console-blocks.mjs'
import { expectedOutput, readmeBlocks, toCommonJs } from './readme-blocks.mjs'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'secret-store-package-'))
const npm = (args, cwd) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

/** Folders that are copied, installed and tested, and what they need beside the library. */
const STRIPE = `stripe@${devDependencies.stripe}`
const TYPES = [`typescript@${devDependencies.typescript}`, `@types/node@${devDependencies['@types/node']}`]
const PROJECTS = [
  { from: 'examples/stripe-app', needs: [STRIPE] },
  { from: 'test/system/package/projects/jest', needs: [STRIPE, 'jest@30'] },
  { from: 'test/system/package/projects/vitest', needs: [STRIPE, `vitest@${devDependencies.vitest}`] },
  { from: 'test/system/package/projects/types', needs: TYPES },
  // The oldest Electron that is supported, and one whose keychain is asynchronous. Of both the types alone: no binary is fetched.
  { from: 'test/system/package/projects/electron-types', needs: [...TYPES, 'electron@33.2.1'] },
  { from: 'test/system/package/projects/electron-types', needs: [...TYPES, 'electron@45.5.0'] },
]

let failed = 0
try {
  // `prepack` builds, and what it prints comes first: the name of the tarball is the last line.
  const tarball = npm(['pack', '--silent', '--pack-destination', folder], root).trim().split('\n').at(-1)
  const documents = [
    'README.md',
    'docs/secrets.md',
    'docs/keys.md',
    'docs/key-provider.md',
    'docs/care.md',
    'docs/stripe.md',
    'docs/cache.md',
    'docs/deploy.md',
    'docs/tokens.md',
    'docs/processes.md',
  ]
  for (const document of documents) runPrograms(document, join(folder, tarball))
  runSessions(join(folder, tarball))
  for (const project of PROJECTS) testProject(project, join(folder, tarball))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failed === 0 ? 0 : 1

function runPrograms(document, tarball) {
  const place = join(folder, document.replaceAll('/', '-'))
  mkdirSync(place)
  install(place, [STRIPE, tarball])
  for (const { line, code } of readmeBlocks(readFileSync(join(root, document), 'utf8'))) {
    for (const [extension, program] of [
      ['mjs', code],
      ['cjs', toCommonJs(code)],
    ]) {
      const name = `line-${line}.${extension}`
      const cwd = join(place, `${name}-cwd`)
      mkdirSync(cwd)
      writeFileSync(join(place, name), program)
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(place, name)], { cwd, encoding: 'utf8' })
      const expected = expectedOutput(code).join('\n')
      const passed = status === 0 && stdout.trimEnd() === expected && stderr === ''
      report(passed, `${document} line ${line}, ${extension}`, `expected:\n${expected}\ngot:\n${stdout}${stderr}`)
    }
  }
}

/** The sessions of README.md and docs/cli.md, with the program installed globally in an empty place. */
function runSessions(tarball) {
  const prefix = join(folder, 'global')
  npm(['install', '--global', '--prefix', prefix, '--ignore-scripts', '--no-audit', '--no-fund', tarball], folder)
  const env = { PATH: `${join(prefix, 'bin')}:${process.env.PATH}` }
  for (const document of ['README.md', 'docs/cli.md']) {
    for (const { line, text } of consoleBlocks(readFileSync(join(root, document), 'utf8'))) {
      const got = runConsole(text, '', env)
      report(got === alike(text), `${document} line ${line}, the session`, `expected:\n${alike(text)}\ngot:\n${got}`)
    }
  }
}

function testProject({ from, needs }, tarball) {
  const place = join(folder, from.replaceAll('/', '-'))
  cpSync(join(root, from), place, { recursive: true })
  install(place, [...needs, tarball])
  const { status, stdout, stderr } = spawnSync('npm', ['test'], { cwd: place, encoding: 'utf8' })
  report(status === 0, `${from}, from the tarball, with ${needs.at(-1)}`, stdout + stderr)
}

/** Without install scripts: nothing is compiled. */
function install(place, packages) {
  npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], place)
}

function report(passed, what, detail) {
  if (!passed) failed++
  process.stdout.write(`${passed ? 'ok    ' : 'FAILED'} ${what}\n`)
  if (!passed) process.stdout.write(`${detail}\n`)
}
