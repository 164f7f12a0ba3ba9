import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fromRoot } from '../../support/paths'
import { expectDone, INSTALL, type Ran, run, runNode, useWorkplace } from './workplace'

// The packed library, installed by each package manager, does what checks.mjs asks of it.

const place = useWorkplace(async ({ folder }) => {
  // Each has a cache of its own: only the registry has all they need.
  await expectDone(run(folder, ['npm', 'view', 'level', 'version', '--prefer-online']), 'npm view')
})

const DONE = { status: 0, output: expect.stringMatching(/^\d\d checks\n$/) }

/** A project that depends on the packed library, and into which nothing is installed yet. */
async function newProject(name: string, files: Record<string, string> = {}): Promise<string> {
  const project = join(place().folder, name)
  await mkdir(project)
  const manifest = { name, private: true, dependencies: { 'app-secret-store': `file:${place().tarball}` } }
  const all = { 'package.json': JSON.stringify(manifest), ...files }
  for (const [file, text] of Object.entries(all)) await writeFile(join(project, file), text)
  for (const file of ['checks.mjs', 'program.mjs', 'run-checks.mjs']) {
    await cp(fromRoot(`test/system/tools/projects/${file}`), join(project, file))
  }
  return project
}

/** Where what they download stays, beside the tools. */
function cache(name: string): string {
  return fromRoot(`output/tools/${name}`)
}

function expectInstalled({ status, output }: Ran): void {
  expect(status, output).toBe(0)
}

test.each([[['--ignore-scripts']], [[]]])('npm install %s', async (flags) => {
  const project = await newProject(`npm${flags.length}`)
  expectInstalled(await run(project, ['npm', 'install', ...flags, ...INSTALL]))
  expect(await runNode(project, ['program.mjs'])).toEqual(DONE)
})

test('pnpm', async () => {
  const project = await newProject('pnpm')
  const pnpm = join(place().tools, 'pnpm/bin/pnpm.cjs')
  const args = ['install', '--prefer-offline', `--store-dir=${cache('pnpm')}`]
  expectInstalled(await runNode(project, [pnpm, ...args]))
  // Packages that the app does not name are not beside the library.
  expect(await readdir(join(project, 'node_modules'))).not.toContain('level')
  expect(await runNode(project, ['program.mjs'])).toEqual(DONE)
})

test("Yarn's Plug'n'Play: its file handles have no `sync`", async () => {
  const registry = (await run(place().folder, ['npm', 'config', 'get', 'registry'])).output.trim()
  const settings = [
    'nodeLinker: pnp',
    'enableTelemetry: false',
    'enableScripts: false',
    `npmRegistryServer: ${registry}`,
  ]
  const project = await newProject('yarn', { '.yarnrc.yml': `${settings.join('\n')}\n`, 'yarn.lock': '' })
  const yarn = join(place().tools, '@yarnpkg/cli-dist/bin/yarn.js')
  const env = { YARN_GLOBAL_FOLDER: cache('yarn'), YARN_ENABLE_IMMUTABLE_INSTALLS: 'false' }
  expectInstalled(await runNode(project, [yarn, 'install'], env))
  expect(await readdir(project)).not.toContain('node_modules')
  expect(await runNode(project, [yarn, 'node', 'program.mjs'], env)).toEqual(DONE)

  // The program of the package, too, writes files that are on disk when it ends.
  const program = async (...args: string[]): Promise<void> =>
    expectInstalled(
      await runNode(project, [yarn, 'secret-store', ...args], { ...env, SECRET_STORE: join(project, 's') }),
    )
  await program('init', '--generate-key-file', 'key')
  await writeFile(join(project, 'in.json'), '{"token": "example"}')
  await program('import', 'in.json', '--key-file', 'key')
  await program('export', '--output', 'out.json', '--key-file', 'key')
  expect(await readFile(join(project, 'out.json'), 'utf8')).toContain('example')
})
