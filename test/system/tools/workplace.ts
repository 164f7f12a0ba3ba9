import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { fromRoot } from '../../support/paths'
import { programsDirectory } from '../../support/programs'

/**
 * Projects of other people: folders outside of this checkout, in which the packed library is installed and used with
 * their tools. The tools are in a package of their own (package.json here), installed once into output/.
 */

export const INSTALL: readonly string[] = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']

export interface Workplace {
  /** The `node_modules` of the tools. */
  readonly tools: string
  /** The packed library. */
  readonly tarball: string
  /** Of this file's projects. A folder above them has the tools in its `node_modules`. */
  readonly folder: string
}

export interface Ran {
  readonly status: number
  /** What it wrote to stdout and stderr. */
  readonly output: string
}

/** What this run's own tools have put into the environment: none of it is the projects'. */
const OWN = /^(VITEST|NODE_OPTIONS$|NODE_PATH$|NODE_ENV$|npm_(?!config_)|INIT_CWD$|FORCE_COLOR$|CI$|SECRET_STORE)/
const ENVIRONMENT = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OWN.test(name)))

/** Runs a command in a folder. It may fail: the caller looks at the status. */
export async function run(
  cwd: string,
  [command, ...args]: readonly [string, ...string[]],
  env: Record<string, string> = {},
): Promise<Ran> {
  const options = { cwd, env: { ...ENVIRONMENT, ...env }, maxBuffer: 2 ** 26 }
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, options)
    return { status: 0, output: stdout + stderr }
  } catch (error) {
    const {
      code,
      stdout = '',
      stderr = '',
      message,
    } = error as Error & { code?: unknown; stdout?: string; stderr?: string }
    return { status: typeof code === 'number' ? code : -1, output: stdout + stderr || message }
  }
}

/** The same, of a program for this Node. */
export function runNode(cwd: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return run(cwd, [process.execPath, ...args], env)
}

export async function expectDone(ran: Promise<Ran>, what: string): Promise<string> {
  const { status, output } = await ran
  if (status !== 0) throw new Error(`${what}: expected it to end with 0, got ${status}\n${output}`)
  return output
}

/** Files of projects/ in a new project with the packed library, installed by npm without install scripts. */
export async function npmProject({ folder, tarball }: Workplace, name: string): Promise<string> {
  const project = join(folder, name)
  await cp(fromRoot('test/system/tools/projects'), project, { recursive: true })
  await writeFile(join(project, 'package.json'), JSON.stringify({ name, private: true }))
  await expectDone(run(project, ['npm', 'install', '--ignore-scripts', ...INSTALL, tarball]), 'npm install')
  return project
}

/**
 * The workplace of a file of tests. Where the registry cannot be reached, its tests are skipped with the reason, unless
 * REQUIRE_TOOLS says that it can be.
 *
 * @param setUp - What the file installs besides.
 */
export function useWorkplace(setUp: (place: Workplace) => Promise<unknown>): () => Workplace {
  let place: Workplace | undefined
  let reason: string | undefined
  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'secret-store-tools-'))
    try {
      const tools = await toolsInstalled()
      await symlink(tools, join(folder, 'node_modules'))
      const ready = { tools, tarball: await packed(), folder }
      await setUp(ready)
      place = ready
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      const { message } = error as Error
      const isUnreachable = /ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|ENOTCACHED|network/.test(message)
      if (!isUnreachable || process.env['REQUIRE_TOOLS']) throw error
      reason = `the npm registry cannot be reached: ${message.split('\n').slice(0, 2).join(' ')}`
      console.warn(`skipped: what the packed library does with other tools: ${reason}`)
    }
  })
  afterAll(async () => {
    if (place !== undefined) await rm(place.folder, { recursive: true, force: true })
  })
  beforeEach((context) => {
    if (reason !== undefined) context.skip(reason)
  })
  return () => place as Workplace
}

/** The `node_modules` of the tools, in a folder named by what is to be in it. */
async function toolsInstalled(): Promise<string> {
  const lock = await readFile(fromRoot('test/system/tools/package-lock.json'))
  const place = fromRoot(`output/tools/${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`)
  const tools = join(place, 'node_modules')
  if (existsSync(tools)) return tools
  return once('tools', async () => {
    if (existsSync(tools)) return tools
    await mkdir(dirname(place), { recursive: true })
    const unfinished = await mkdtemp(`${place}-`)
    for (const name of ['package.json', 'package-lock.json']) {
      await cp(fromRoot(`test/system/tools/${name}`), join(unfinished, name))
    }
    try {
      // Not `npm ci`, which fails over an optional package of another system that npm leaves out of its lock.
      await expectDone(run(unfinished, ['npm', 'install', '--ignore-scripts', ...INSTALL]), 'npm install')
      await rename(unfinished, place)
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true })
      throw error
    }
    return tools
  })
}

/** The library as it would be published, built and packed once for a run. */
function packed(): Promise<string> {
  return once('package', async (folder) => {
    const tsup = fromRoot('node_modules/tsup/dist/cli-default.js')
    const build = runNode(fromRoot(), [tsup, '--out-dir', join(folder, 'dist'), '--silent'])
    await expectDone(build, 'tsup')
    const { files } = JSON.parse(await readFile(fromRoot('package.json'), 'utf8')) as { files: string[] }
    for (const name of ['package.json', ...files]) {
      if (name !== 'dist') await cp(fromRoot(name), join(folder, name), { recursive: true })
    }
    const output = await expectDone(run(folder, ['npm', 'pack', '--silent', '--ignore-scripts']), 'npm pack')
    return join(folder, output.trim())
  })
}

const PAUSE_MS = 200

/** Work whose outcome the test files of a run share, whichever process comes first. */
async function once(name: string, work: (folder: string) => Promise<string>): Promise<string> {
  const folder = join(programsDirectory(), `shared-${name}`)
  const outcome = join(folder, 'outcome.json')
  try {
    await mkdir(folder)
  } catch {
    while (!existsSync(outcome)) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    const { value, error } = JSON.parse(await readFile(outcome, 'utf8')) as { value?: string; error?: string }
    if (value === undefined) throw new Error(error)
    return value
  }
  const end = await work(folder).then(
    (value) => ({ value }),
    (error: Error) => ({ error: error.message }),
  )
  await writeFile(`${outcome}.new`, JSON.stringify(end))
  await rename(`${outcome}.new`, outcome)
  if ('error' in end) throw new Error(end.error)
  return end.value
}
