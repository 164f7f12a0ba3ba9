import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { newLocation, openStore, temporaryDirectory } from '../../support/stores'
import { buildPrograms } from './build'
import { installPackage } from './harness'
import { shareAndTakeOver } from './inside/share-and-take-over'
import { Sharer } from './inside/started'

/** Processes of different runtimes on one store, with the installed tarball: each pair of those that are there. */

interface Runtime {
  readonly name: string
  readonly program: string | undefined
  /** What it says that it is. */
  readonly says: RegExp
  /** Before the arguments of the program. */
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const SHARER = 'sharer.mjs'
/** An app whose main process is that program. */
const APP = 'app'
const { ELECTRON_BIN } = process.env

const RUNTIMES: readonly Runtime[] = [
  { name: 'Node', program: process.execPath, says: /^node \d/, args: [SHARER] },
  { name: 'another Node', program: process.env['OTHER_NODE_BIN'], says: /^node \d/, args: [SHARER] },
  { name: 'Bun', program: process.env['BUN_BIN'], says: /^bun \d/, args: [SHARER] },
  {
    name: 'Deno',
    program: process.env['DENO_BIN'],
    says: /^deno \d/,
    args: ['run', '--allow-all', '--no-check', '--node-modules-dir=manual', SHARER],
  },
  {
    name: 'Electron as Node',
    program: ELECTRON_BIN,
    says: /^electron [\d.]+$/,
    args: [SHARER],
    env: { ELECTRON_RUN_AS_NODE: '1' },
  },
  {
    name: 'the main process of Electron',
    program: ELECTRON_BIN,
    says: /^electron [\d.]+ browser$/,
    args: ['--no-sandbox', '--ozone-platform=headless', '--disable-gpu', APP],
  },
]
const VARIABLES = 'OTHER_NODE_BIN, BUN_BIN, DENO_BIN, ELECTRON_BIN'

const missing = RUNTIMES.filter(({ program }) => program === undefined).map(({ name }) => name)
if (missing.length > 0) console.warn(`skipped: sharing with ${missing.join(', ')}: not all of ${VARIABLES} are set`)
const there = RUNTIMES.filter(({ program }) => program !== undefined)
const pairs = there.flatMap((first) => there.map((second) => [first.name, second.name, first, second] as const))

let directory = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'secret-store-sharing-'))
  await installPackage(directory)
  await buildPrograms(directory)
  const app = join(directory, APP)
  await mkdir(app)
  await writeFile(join(app, 'package.json'), JSON.stringify({ name: 'sharer', version: '1.0.0', main: 'main.cjs' }))
  await writeFile(join(app, 'main.cjs'), `import('../${SHARER}')\n`)
})

afterAll(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }))

describe.skipIf(process.platform === 'win32')('a store is shared', () => {
  test.each(pairs)('by %s, which is killed, and %s, which takes over', async (_, __, first, second) => {
    const location = await newLocation()
    const sockets = await temporaryDirectory('/tmp')
    await shareAndTakeOver(
      () => started(first, location, `${location}.1`, sockets),
      () => started(second, location, `${location}.2`, sockets),
    )
    expect((await readdir(location)).sort()).toEqual(['data', 'keyring.json'])
    expect(await readdir(join(sockets, 'secret-store'))).toEqual([])
    const store = await openStore(location)
    expect(await store.verify()).toMatchObject({ ok: true, records: 4 })
  })
})

async function started({ program, args, env, says }: Runtime, location: string, files: string, sockets: string) {
  const start = (own: readonly string[]): ChildProcess =>
    spawn(program as string, [...args, ...own], {
      cwd: directory,
      env: { ...process.env, XDG_RUNTIME_DIR: sockets, ...env },
      stdio: 'ignore',
    })
  const sharer = await Sharer.start(start, location, files)
  onTestFinished(() => sharer.kill())
  await sharer.opened()
  expect(await sharer.ask('runtime')).toMatch(says)
  return sharer
}
