import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { createPackageWithOptions } from '@electron/asar'
import { _electron, type ElectronApplication, type Page } from 'playwright-core'
import { afterAll, beforeAll, onTestFinished, type TestContext } from 'vitest'
import { NO_SESSION } from '../../support/keyring-session'
import { fromRoot } from '../../support/paths'
import { temporaryDirectory } from '../../support/stores'

/** A real Electron, and the package in it as apps have it. */

const root = fromRoot()
const require = createRequire(import.meta.url)

/** `ELECTRON_BIN`, else that of the package `electron`, if it is installed. */
export const electronPath: string | undefined = findElectron()

function findElectron(): string | undefined {
  const given = process.env['ELECTRON_BIN']
  if (given) return given
  try {
    const path: unknown = require('electron')
    return typeof path === 'string' && existsSync(path) ? path : undefined
  } catch {
    return undefined
  }
}

/** Why it cannot be run here. */
async function whyNot(): Promise<string | undefined> {
  if (electronPath === undefined) return 'there is no Electron: set ELECTRON_BIN, or install the package electron'
  if (process.platform !== 'linux' || process.env['DISPLAY']) return undefined
  return (await has('Xvfb')) ? undefined : 'there is no display, and no Xvfb to make one'
}

async function has(program: string): Promise<boolean> {
  return promisify(execFile)('which', [program]).then(
    () => true,
    () => false,
  )
}

let reason: string | undefined
let display: string | undefined
let server: ChildProcess | undefined
let packages: string | undefined

/** To be called once in a file: builds the package, and makes a display if there is none. */
export function useElectron(): void {
  beforeAll(async () => {
    reason = await whyNot()
    if (reason !== undefined) return console.warn(`skipped: ${reason}`)
    packages = await buildPackage()
    display = process.env['DISPLAY'] ?? (process.platform === 'linux' ? await startDisplay() : undefined)
  })
  afterAll(async () => {
    server?.kill()
    if (packages !== undefined) await rm(packages, { recursive: true, force: true })
  })
}

/** Leaves the test out, and says why, where no Electron can be run; with REQUIRE_ELECTRON that is a failure. */
export function needElectron(context: TestContext): void {
  if (reason === undefined) return
  if (process.env['REQUIRE_ELECTRON']) throw new Error(reason)
  context.skip(reason)
}

/** The same of a keyring; with REQUIRE_KEYRING there is one. */
export function needKeyring(context: TestContext): void {
  if (NO_SESSION !== undefined) context.skip(NO_SESSION)
}

/** A `node_modules` with the package, built from the sources as they are, and what it depends on. */
async function buildPackage(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'secret-store-electron-'))
  const place = join(directory, 'node_modules/app-secret-store')
  const tsup = join(root, 'node_modules/tsup/dist/cli-default.js')
  await promisify(execFile)(process.execPath, [tsup, '--out-dir', join(place, 'dist'), '--no-dts'], { cwd: root })
  await cp(join(root, 'package.json'), join(place, 'package.json'))
  for (const name of ['level', '@noble', '@scure', '@napi-rs', 'electron-store']) {
    await symlink(join(root, 'node_modules', name), join(directory, 'node_modules', name))
  }
  return directory
}

async function startDisplay(): Promise<string> {
  const started = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  })
  server = started
  const numbers = started.stdio[3] as NodeJS.ReadableStream
  return new Promise((resolve, reject) => {
    started.once('exit', (code) => reject(new Error(`Xvfb: expected it to start, got exit code ${code}`)))
    numbers.once('data', (bytes: Buffer) => resolve(`:${bytes.toString().trim()}`))
  })
}

/** A new app of these files, which finds the package as `app-secret-store`. It is gone when the test ends. */
export async function makeApp(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(packages as string, 'app-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const manifest = { 'package.json': JSON.stringify({ name: 'test-app', version: '1.0.0', main: 'main.cjs' }) }
  for (const [name, text] of Object.entries({ ...manifest, ...files })) {
    const path = join(directory, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
  return directory
}

/** Puts the package and what it needs into an app itself, as a packager does. */
async function installInto(app: string): Promise<void> {
  const { stdout } = await promisify(execFile)('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: root })
  const needed = stdout.split('\n').filter((path) => path.includes('node_modules'))
  for (const path of [...needed, join(packages as string, 'node_modules/app-secret-store')]) {
    await cp(path, join(app, path.slice(path.indexOf('node_modules'))), { recursive: true })
  }
}

/** What a packager makes: Electron with the app in an archive, binaries beside it. Returns the program. */
export async function packageApp(app: string): Promise<string> {
  const electron = electronPath as string
  const directory = await temporaryDirectory(dirname(app))
  await installInto(app)
  const resources = join(directory, 'resources')
  await mkdir(resources)
  for (const name of await readdir(dirname(electron))) {
    if (name === 'resources') continue
    const [from, to] = [join(dirname(electron), name), join(directory, name)]
    // Electron looks for its resources beside the program's own file.
    if (name === basename(electron)) await link(from, to).catch(() => cp(from, to))
    else await symlink(from, to)
  }
  await createPackageWithOptions(app, join(resources, 'app.asar'), { unpack: '*.node' })
  return join(directory, basename(electron))
}

/** A copy of an app that is there, such as an example; packages it asks for are found. */
export async function copyApp(from: string): Promise<string> {
  const directory = await mkdtemp(join(packages as string, 'app-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  await cp(from, directory, { recursive: true, filter: (path) => !path.includes('node_modules') })
  return directory
}

export interface LaunchOptions {
  /** Before the app's directory: switches of Chromium. */
  readonly switches?: readonly string[]
  /** Beside those of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** Where the app keeps its data; another one is another installation. @defaultValue a new one */
  readonly userData?: string
  /** What `packageApp` made, in place of Electron and an app's directory. */
  readonly program?: string
}

/** Starts an app with Playwright; it is closed when the test ends. */
export async function launch(app: string | undefined, options: LaunchOptions = {}): Promise<ElectronApplication> {
  const userData = options.userData ?? (await mkdtemp(join(tmpdir(), 'secret-store-user-data-')))
  const running = await _electron.launch({
    executablePath: options.program ?? (electronPath as string),
    args: [...switchesOf(userData, options), ...(app === undefined ? [] : [app])],
    env: environment(options),
  })
  onTestFinished(async () => {
    await running.close().catch(() => {})
    if (options.userData === undefined) await rm(userData, { recursive: true, force: true })
  })
  return running
}

export interface Ended {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs an app that ends by itself. */
export function run(app: string, options: LaunchOptions & { readonly userData: string }): Promise<Ended> {
  return runProgram(electronPath as string, [app], options)
}

/** The same of an app that was packaged. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: LaunchOptions & { readonly userData: string },
): Promise<Ended> {
  const child = spawn(program, [...switchesOf(options.userData, options), ...args], {
    env: environment(options),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (bytes) => {
    stdout += bytes
  })
  child.stderr.on('data', (bytes) => {
    stderr += bytes
  })
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { exitCode, stdout, stderr }
}

/** An installation of an app; it is gone when the test ends. */
export async function userDataFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'secret-store-user-data-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** What a program of the main process says, by `say`; `place` is a path in `userData`. An error that it throws is the last thing. */
export async function said(
  userData: string,
  program: string,
  options: Omit<LaunchOptions, 'userData'> & {
    readonly name?: string
    readonly files?: Readonly<Record<string, string>>
  } = {},
): Promise<unknown[]> {
  const { name = 'test-app', files, ...launching } = options
  const app = await makeApp({
    ...files,
    'package.json': JSON.stringify({ name, main: 'main.cjs' }),
    'main.cjs': `
      const electron = require('electron')
      const { app } = electron
      const { writeFileSync } = require('node:fs')
      const { join } = require('node:path')
      const lines = []
      const say = (value) => lines.push(value)
      const place = (name) => join(app.getPath('userData'), name)
      const end = (code) => { writeFileSync(place('said.json'), JSON.stringify(lines)); app.exit(code) }
      app.whenReady().then(async () => { ${program} }).then(() => end(0), (error) => { say(String(error.stack)); end(1) })
    `,
  })
  const { exitCode, stderr } = await run(app, { ...launching, userData })
  const lines: unknown[] = JSON.parse(await readFile(join(userData, 'said.json'), 'utf8'))
  if (exitCode !== 0) throw new Error(`main process: ${JSON.stringify(lines)}\n${stderr}`)
  return lines
}

function switchesOf(userData: string, { switches = [] }: LaunchOptions): string[] {
  // Electron refuses to run as root in its sandbox of processes; renderers are sandboxed in their own way all the same.
  return [...switches, '--no-sandbox', '--disable-gpu', `--user-data-dir=${userData}`]
}

function environment({ env }: LaunchOptions): Record<string, string> {
  const inherited = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return { ...Object.fromEntries(inherited), ...(display !== undefined && { DISPLAY: display }), ...env }
}

export type { ElectronApplication, Page }
